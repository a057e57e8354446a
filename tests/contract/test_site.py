"""The documentation works where it is opened as files: no server, no network."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser import content_of

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(directory)],
        cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    return directory


@pytest.mark.parametrize("page", ["index.html", "how-to/quality.html"])
def test_a_word_is_found(site: Path, page: str, tmp_path: Path) -> None:
    """The part of the address behind `?q=` is what a reader types into the field."""
    shown = content_of(f"{(site / page).as_uri()}?q=whisking", tmp_path)
    links = re.findall(r'href="([^"]+)" class="md-search-result__link"', shown)
    files = {Path(unquote(urlsplit(link).path)) for link in links}
    assert site / "tutorial/notebook.html" in files, links
    for file in files:
        assert "whisking" in file.read_text("utf-8").lower(), file


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = re.findall(
            r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)",
            page.read_text("utf-8"),
        )
        assert loaded == [], page

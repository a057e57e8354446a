"""Decisions that are made in the page stand in the project's curation, and nothing else changes."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.curation import read_curation, replay
from tests.gui.test_access import ask

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a short video."""
    from tests.gui.look_scene import make_project

    return make_project(tmp_path_factory.mktemp("curated"))


@pytest.fixture
def project(made: Path) -> Iterator[Path]:
    """The project, without decisions."""
    yield made
    for path in made.glob("curation.json*"):
        path.unlink()


def products(project: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (project / "analysis_files").glob("*.h5")
    }


def test_what_is_decided_in_the_page_is_kept(
    project: Path, serve: Callable[..., Any], tab: Any
) -> None:
    before = products(project)
    with serve(project) as server:
        page = tab.open(server.address)
        page.locator("button.part").first.wait_for()
        page.get_by_role("button", name="keep", exact=True).click()
        page.get_by_label("name", exact=True).fill("whisking")
        page.keyboard.press("Tab")
        page.get_by_label("note", exact=True).fill("like last week")
        page.keyboard.press("Tab")
        page.locator("button.part").nth(1).click()
        page.get_by_role("heading", name="Component 1: what is it?").wait_for()
        page.get_by_label("part of").select_option("0")
        page.locator("button.part").nth(1).filter(has_text="part of 0").wait_for()
        page.get_by_role("button", name=re.compile(r"^Leave out [\d.]+ to")).click()
        page.get_by_text("left out:").wait_for()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("left out:").wait_for(state="detached")
        page.locator("button.part").first.filter(has_text="whisking").wait_for()
    curation = read_curation(project)
    state = replay(curation.entries)
    by_index = {item.component_index: one for item, one in state.components.items()}
    assert (by_index[0].verdict, by_index[0].name, by_index[0].note) == (
        "keep", "whisking", "like last week",
    )  # fmt: skip
    assert by_index[1].merged_into == 0
    assert not state.spans
    assert [entry.revision for entry in curation.entries] == [1, 2, 3, 4, 5, 6]
    assert products(project) == before


def test_stale_and_foreign_decisions_are_refused(project: Path, serve: Callable[..., Any]) -> None:
    change = {
        "change": {"kind": "component", "model_key": "0", "component_index": 0, "verdict": "noise"}
    }
    with serve(project) as server:
        number = json.loads(ask(server, "/api/opened")[2])["projects"][0]["id"]
        path = f"/api/projects/{number}/curation"
        assert ask(server, path, method="POST", body=change)[0] == 428
        assert ask(server, path, method="POST", body=change, if_match='"0"')[0] == 200
        status, _, content = ask(server, path, method="POST", body=change, if_match='"0"')
        assert (status, b"somebody else" in content) == (412, True)
        wrong = {"change": {**change["change"], "component_index": 99}}
        assert ask(server, path, method="POST", body=wrong, if_match='"1"')[0] == 422
        assert read_curation(project).revision == 1
    with serve(project, "--read-only") as server:
        assert ask(server, path, method="POST", body=change, if_match='"1"')[0] == 403

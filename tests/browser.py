"""A page as a browser shows it, without a window and without a network."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.debian import install

NAMES = ("chromium", "chromium-browser", "google-chrome")


@cache
def browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def can_have_browser() -> bool:
    """Whether one is there, or could be installed."""
    if browser() is None and install("chromium"):
        browser.cache_clear()
    return browser() is not None


def content_of(url: str, profile: Path) -> str:
    """Return the document at `url` once its scripts have run; no name of a host leads anywhere."""
    program = browser()
    assert program is not None, "deselected without a browser"
    options = [
        "--headless", "--disable-gpu", f"--user-data-dir={profile}", "--virtual-time-budget=20000",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
    ]  # fmt: skip
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # which root cannot have
    done = subprocess.run(
        [program, *options, url], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout

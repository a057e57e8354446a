"""A server as `facerhythm gui` starts it, and a real browser that sees nothing but it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser as find_browser
from tests.browser import can_have_browser
from tests.conftest import leave_out
from tests.gui.numbered_video import write_numbered_video
from tests.gui.server import Server, serving

REQUIRE = "FACERHYTHM_REQUIRE_BROWSER"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a browser where none can be had, and say so."""
    wanted = [item for item in items if item.get_closest_marker("browser")]
    if wanted and not can_have_browser() and os.environ.get(REQUIRE) != "1":
        why = f"{len(wanted)} browser tests did not run: they need chromium, and as root on Debian install it"
        leave_out(config, items, wanted, why)


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Start `facerhythm gui PATH OPTION...`; with the block, pages that ask it end, and then it."""

    @contextmanager
    def started(path: Path, *options: str) -> Iterator[Server]:
        with serving(path, *options) as server:
            yield server
            if "tab" in request.fixturenames:
                request.getfixturevalue("tab").page.context.close()

    return started


@dataclass
class Tab:
    """A page, with what went wrong in it."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def open(self, address: str) -> Any:
        """Go to an address; returns the page."""
        self.page.goto(address)
        return self.page


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = find_browser()
    assert program is not None, "deselected without a browser"
    options = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=options)
        yield started
        started.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Tab]:
    """A new window; the test fails on any error in the console, any failed or foreign request."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    found = Tab(context.new_page())
    wrong = found.wrong
    found.page.on(
        "console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None
    )
    found.page.on("pageerror", lambda error: wrong.append(str(error)))
    found.page.on("request", lambda request: _note_foreign(request.url, wrong))
    found.page.set_default_timeout(30_000)
    yield found
    context.close()  # nothing, where it is closed already
    assert not wrong


def _note_foreign(url: str, wrong: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        wrong.append(f"request to {url}")


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Video of 300 frames whose number is drawn into the picture."""
    path = tmp_path_factory.mktemp("numbered") / "numbered.mp4"
    write_numbered_video(path, 300)
    return path


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """A short video of a face, alone in its directory."""
    from element_facerhythm.demo.synthetic import make_scene_video

    path = tmp_path / "face.mp4"
    make_scene_video(path, n_frames=120, width_px=160, height_px=120, with_paw=False, seed=3)
    return path

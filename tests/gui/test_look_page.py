"""The page for looking at results in a real browser, without a network."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import summarise_project
from tests.gui.look_scene import FIRST, N_FRAMES, make_project
from tests.gui.server import Server, serving
from tests.gui.visit import READ_CODE, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("look"))


@pytest.fixture(scope="module")
def server(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_dir, home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def visit(chromium: Any, server: Server) -> Iterator[Any]:
    visits = []

    def go(address: str = "", **options: Any) -> Visit:
        visits.append(Visit(chromium, server, address or server.address, **options))
        return visits[-1]

    yield go
    for one in visits:
        one.context.close()


def test_it_opens_without_errors_and_asks_nobody_else(
    visit: Any, server: Server, project_dir: Path
) -> None:
    seen = visit()
    assert "/look?project=" in seen.page.url and "token" not in seen.page.url
    (model,) = summarise_project(project_dir).models
    cards = seen.page.locator("button.part")
    assert cards.count() == len(model.components)
    seen.wait("look.page.summary")
    for index, component in enumerate(model.components):
        text = cards.nth(index).inner_text()
        assert f"r² {component.squared_correlation:.2f}" in text
        assert f"{100 * component.explained_variance:.1f} %" in text
    seen.wait("look.page.steps && Object.values(look.page.steps).every(s => s.state === 'done')")
    assert seen.faults == []
    assert seen.hosts == {server.origin.split("/")[2]}


def test_the_number_that_is_shown_is_that_of_the_frame_that_is_shown(visit: Any) -> None:
    seen = visit()
    rng = random.Random(0)
    for frame in [0, N_FRAMES - FIRST - 1, *(rng.randrange(N_FRAMES - FIRST) for _ in range(60))]:
        assert seen.seek(frame) == [frame + FIRST, frame]
    for key, by in (("ArrowRight", 1), ("Shift+ArrowLeft", -10), ("Control+ArrowRight", 100)):
        seen.seek(150)
        seen.page.keyboard.press(key)
        seen.wait("n => look.page.sequence.number === n", arg=150 + by)
        assert seen.page.evaluate(READ_CODE) == [150 + by + FIRST, 150 + by]


def test_playing_shows_frames_with_their_own_numbers(visit: Any) -> None:
    seen = visit()
    seen.seek(10)
    seen.page.evaluate("""() => {
      window.codes = [];
      const read = """ + READ_CODE + """;
      look.page.sequence.listen(() => window.codes.push(read()));
    }""")  # fmt: skip
    seen.page.keyboard.press("Space")
    seen.wait("window.codes.length > 20")
    seen.page.keyboard.press("Space")
    codes = seen.page.evaluate("window.codes")
    assert [code - FIRST for code, _ in codes] == [number for _, number in codes]
    assert [number for _, number in codes] == sorted(number for _, number in codes)


def test_a_click_on_a_point_shows_its_trace_and_its_spectrogram(
    visit: Any, project_dir: Path
) -> None:
    seen, project = visit(), Project.open(project_dir)
    seen.page.evaluate("look.act.set({ magnify: 0 })")
    moved = np.asarray(project.tracking(0).points) - project.point_positions
    first = int(np.searchsorted(project.clock(0).times_s, 1 + 1e-6)) - 1
    for point in (3, 17):
        place = seen.page.evaluate(
            "p => look.stage.at(look.stage.positions[2 * p], look.stage.positions[2 * p + 1])",
            point,
        )
        seen.page.locator("#stage").click(position={"x": place[0], "y": place[1]})
        seen.wait("p => look.page.shownTraces?.points[0] === p", arg=point)
        assert seen.page.locator("#of").input_value() == f"point:{point}"
        seen.page.evaluate("look.act.zoom([1, 3])")
        seen.wait(
            "first => look.page.shownTraces?.size === 1 && look.page.shownTraces.first === first",
            first,
        )
        shown = seen.page.evaluate("Array.from(look.page.shownTraces.arrays.low)")
        n = len(shown) // 2
        np.testing.assert_array_equal(
            np.reshape(shown, (2, n)).T.astype(np.float32), moved[first : first + n, point]
        )
        seen.page.evaluate("look.act.fitTime()")
        assert f"Point {point}" in seen.page.locator("#below").inner_text()


def test_without_a_component_the_page_says_how_to_choose_one(visit: Any) -> None:
    seen = visit()
    seen.page.keyboard.press("1")  # the first one is chosen already: once more for none
    seen.page.get_by_role("heading", name="No component is chosen").wait_for()
    seen.page.keyboard.press("1")
    seen.page.get_by_role("heading", name="Component 0: what is it?").wait_for()


def test_an_episode_that_plays_is_in_view(visit: Any) -> None:
    seen = visit()
    seen.page.set_viewport_size({"width": 1366, "height": 768})
    episode = seen.page.get_by_role("button", name=re.compile("^Play the episode")).first
    episode.scroll_into_view_if_needed()
    episode.click()
    seen.page.get_by_role("button", name="end loop").wait_for()
    seen.wait("document.getElementById('stage').getBoundingClientRect().top > -1")


def test_its_address_restores_the_view(visit: Any) -> None:
    seen = visit()
    seen.seek(123)
    seen.page.keyboard.press("2")
    seen.page.evaluate("look.act.pickPoint(5, false); look.act.pickPoint(8, true)")
    seen.page.evaluate(
        "look.act.toggleLayer('heat'); look.act.zoom([1.5, 4.25]); look.act.set({ magnify: 12 })"
    )
    seen.wait("location.search.includes('m=12') && location.search.includes('from=')")
    (cookie,) = seen.context.cookies()
    again = visit(
        seen.page.url, extra_http_headers={"cookie": f"{cookie['name']}={cookie['value']}"}
    )
    shown = "({ ...look.page.state, time: 0, frame: look.page.sequence.number, span: look.page.shownSpan })"
    states = [one.page.evaluate(shown) for one in (seen, again)]
    assert states[0] == states[1]
    assert (
        states[1]["component"] == 1 and states[1]["points"] == [5, 8] and states[1]["frame"] == 123
    )


def test_a_click_into_the_spectrogram_goes_there(visit: Any) -> None:
    seen = visit()
    panel = seen.page.locator(".panel .u-over").nth(1)
    box = panel.bounding_box()
    panel.click(position={"x": box["width"] / 2, "y": 20})
    seen.wait("look.page.sequence.number > 150")
    assert abs(seen.page.evaluate("look.page.sequence.number") - (N_FRAMES - FIRST) / 2) <= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(visit: Any, scheme: str) -> None:
    seen = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 390


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(visit: Any, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen = visit(viewport={"width": width, "height": 844}, color_scheme=scheme)
    seen.page.evaluate("look.act.pickPoint(5, false)")
    seen.wait("!!look.page.summary && !!look.page.shownTraces && !!look.page.pointFacts")
    grave = [
        (one["id"], one["help"], [node["html"][:160] for node in one["nodes"]])
        for one in Axe().run(seen.page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_the_dialogs_open_by_keyboard(visit: Any) -> None:
    seen = visit()
    seen.page.keyboard.press("?")
    assert "play, pause" in seen.page.locator("#help").inner_text()
    seen.page.keyboard.press("Escape")
    seen.page.get_by_role("button", name="Show me the query").press("Enter")
    seen.page.wait_for_selector("#query[open]")
    assert "load_project(" in seen.page.locator("#query").inner_text()

"""Regions drawn with the mouse and with keys, saved, tried and run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CORNERS = [(20.0, 20.0), (140.0, 24.0), (130.0, 100.0), (30.0, 96.0)]
SCREEN_PX = 0.6  # half a pixel of the screen, in pixels of a frame that is shown larger


def opened(server: Any, tab: Any) -> Any:
    page = tab.open(server.address)
    page.locator("#hint").filter(has_text="click the vertices").wait_for()
    return page


def on_screen(page: Any, place: tuple[float, float]) -> tuple[float, float]:
    """Where a pixel of the frame (160 x 120) is in the window: the frame is fitted to the canvas."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / 160, box["height"] / 120)
    left = box["x"] + (box["width"] - 160 * scale) / 2
    top = box["y"] + (box["height"] - 120 * scale) / 2
    return left + (place[0] + 0.5) * scale, top + (place[1] + 0.5) * scale


def drag(page: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(page, begin))
    page.mouse.down()
    page.mouse.move(*on_screen(page, ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)))
    page.mouse.move(*on_screen(page, end))
    page.mouse.up()


def draw_polygon(page: Any, corners: list[tuple[float, float]]) -> None:
    page.get_by_role("button", name="Polygon").click()
    for corner in corners:
        page.mouse.click(*on_screen(page, corner))
    page.keyboard.press("Enter")


def save(page: Any) -> None:
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Saved", exact=True).wait_for()


def test_what_the_mouse_draws_is_in_the_file(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    rois_path = face.with_name("face.rois.json")
    with serve(face) as server:
        page = opened(server, tab)
        draw_polygon(page, CORNERS)
        drag(page, CORNERS[2], (120.0, 90.0))  # a vertex of the region that is selected
        page.get_by_role("textbox", name="Name of region 1").fill("whisker pad")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Rectangle").click()
        drag(page, (40.0, 40.0), (60.0, 55.0))
        page.get_by_role("combobox", name="Kind of region 2").select_option("mask")
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Redo").click()
        page.get_by_role("button", name="Redo").click()
        save(page)
        rois = read_rois(rois_path)
        drawn = np.array([CORNERS[0], CORNERS[1], (120.0, 90.0), CORNERS[3]])
        assert np.abs(rois.seed_polygons[0] - drawn).max() < SCREEN_PX
        box = rois.mask_polygons[0]
        assert (
            np.abs([box.min(axis=0), box.max(axis=0)] - np.array([[40, 40], [60, 55]])).max()
            < SCREEN_PX
        )
        assert [label.name for label in rois.seed_labels] == ["whisker pad"]
        checked = page.evaluate(
            """async ([rois]) => {
              const id = (await (await fetch("api/opened")).json()).videos[0].id;
              const options = { method: "POST", body: JSON.stringify({ rois, spacing_px: null }) };
              return (await fetch(`api/videos/${id}/rois/check`, options)).json();
            }""",
            [json.loads(rois_path.read_text())],
        )
        page.locator("#n-points").filter(has_text=re.compile(f"^{checked['n_points']}$")).wait_for()
        page.reload()
        page.get_by_role("textbox", name="Name of region 1").wait_for()
        assert page.get_by_role("textbox", name="Name of region 1").input_value() == "whisker pad"


def test_keys_alone_draw_a_region(serve: Callable[..., Any], tab: Any, face: Path) -> None:
    """From the address bar: Tab to the picture, then arrows, Space and Enter."""
    with serve(face) as server:
        page = opened(server, tab)
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "canvas":
                break
        assert page.evaluate("document.activeElement.id") == "canvas"
        page.keyboard.press("p")
        page.keyboard.press("Space")  # the pen begins in the middle: (80, 60)
        for arrows in (
            ["Shift+ArrowRight"] * 3,
            ["Shift+ArrowDown"] * 2 + ["ArrowDown"],
            ["Shift+ArrowLeft"] * 4,
        ):
            for key in arrows:
                page.keyboard.press(key)
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.keyboard.press("n")
        page.keyboard.press("ArrowUp")
        save(page)
        polygon = read_rois(face.with_name("face.rois.json")).seed_polygons[0].tolist()
        assert polygon == [[80, 59], [110, 60], [110, 81], [70, 81]]
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+?")
        page.get_by_role("heading", name="Keys").wait_for()


def test_what_is_typed_outlasts_a_page_that_is_drawn_again(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    with serve(face) as server:
        page = opened(server, tab)
        draw_polygon(page, CORNERS)
        page.get_by_role("button", name="Play").click()
        page.get_by_role("textbox", name="Name of region 1").click()
        page.keyboard.type("whisker pad", delay=60)
        page.keyboard.press("Tab")
        save(page)
        assert read_rois(face.with_name("face.rois.json")).seed_labels[0].name == "whisker pad"


def test_brush_and_cut_make_polygons_of_what_was_painted(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    from element_facerhythm.core.rois import polygon_mask

    with serve(face) as server:
        page = opened(server, tab)
        page.get_by_role("button", name="Brush").click()
        drag(page, (40.0, 60.0), (110.0, 60.0))
        page.get_by_role("button", name="Rectangle").click()
        drag(page, (70.0, 20.0), (80.0, 110.0))
        page.get_by_role("button", name="Cut out").click()
        save(page)
    size = {"height_px": 120, "width_px": 160}
    polygons = read_rois(face.with_name("face.rois.json")).seed_polygons
    painted = sum(polygon_mask(polygon, **size) for polygon in polygons)
    y, x = np.mgrid[:120, :160]
    expected = np.hypot(x - np.clip(x, 40, 110), y - 60) <= 12
    expected &= (x < 70) | (x > 80)
    assert len(polygons) == 2
    assert np.count_nonzero(painted.astype(bool) ^ expected) < 0.1 * np.count_nonzero(expected)
    assert max(map(len, polygons)) <= 40


def test_a_second_tab_is_told_and_loses_nothing(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    with serve(face) as server:
        page = opened(server, tab)
        other = page.context.new_page()
        other.goto(f"{server.origin}/draw")
        other.wait_for_selector("#n-points")
        draw_polygon(page, CORNERS)
        save(page)
        saved = face.with_name("face.rois.json").read_text()
        draw_polygon(other, [(50.0, 50.0), (90.0, 50.0), (70.0, 90.0)])
        other.keyboard.press("Control+s")
        other.get_by_role("alert").filter(has_text="changed elsewhere").wait_for()
        assert face.with_name("face.rois.json").read_text() == saved
        assert other.locator(".regions li").count() == 1


@pytest.mark.slow
def test_from_a_video_to_results_in_the_page(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    """Proposed, accepted, tried on a span, run: the results are those of the command line."""
    with serve(face) as server:
        page = opened(server, tab)
        page.get_by_role("button", name="Propose").click()
        page.get_by_role("button", name="Accept").first.wait_for()
        assert page.inner_text("#n-points") == "0"  # nothing is taken that was not accepted
        page.get_by_text("do not count before you accept them").wait_for()
        # its vertices can be dragged
        page.get_by_role("button", name="Edit", pressed=True).wait_for()
        page.get_by_role("button", name="Accept").first.click()
        page.locator("#hint").filter(has_text="proposed").wait_for(state="detached")
        page.locator("#n-points").filter(has_text=re.compile("^[1-9]")).wait_for()
        page.get_by_role("button", name="Try from this frame").click()
        page.locator(".tries tbody tr").wait_for(timeout=120_000)
        tried = page.locator(".tries tbody tr td").all_inner_texts()
        assert tried[1] == page.inner_text("#n-points")
        page.get_by_role("button", name="Save and run").click()
        page.get_by_role("link", name="Look at the results").wait_for(timeout=120_000)
        # the run alone is a project: a try ends with the server
        results = page.get_by_role("link", name="Look at the results").get_attribute("href")
        page.locator(f'nav a[href="{results}"]').wait_for()
        project = Project.open(face.with_name("face-facerhythm"))
        assert str(len(project.point_positions)) == page.inner_text("#n-points")
        assert project.models
        command = page.inner_text("pre.command")
        files = f"{face} --rois {face.with_name('face.rois.json')} -o {face.with_name('face-facerhythm')}"
        assert command == f"facerhythm run {files}"


@pytest.mark.parametrize("width", [1280, 390])
def test_page_is_usable_at_a_width(
    width: int, serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    """Nothing lies beside the window, and every control can be reached and has a name."""
    with serve(face) as server:
        tab.page.set_viewport_size({"width": width, "height": 844})
        page = opened(server, tab)
        draw_polygon(page, CORNERS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, textarea, a")].filter((one) =>
              !(one.ariaLabel || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"""
        )
        assert nameless == []

"""What the mouse draws is a row of the database, for the recording that is named, and only once."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.gui import conftest as gui
from tests.gui.test_draw_page import CORNERS, SCREEN_PX, draw_polygon, opened

chromium, serve_pages, tab = gui.chromium, gui.serve, gui.tab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Key = dict[str, Any]
OTHER = [(50.0, 50.0), (90.0, 50.0), (70.0, 90.0)]


@pytest.fixture
def recording(fbe: ModuleType, register: Callable[..., Key], videos: list[Path]) -> Iterator[Key]:
    """A recording with regions 0, of one video, and another one of the same subject."""
    keys = [register(session, videos[:1]) for session in (411, 412)]
    yield {name: keys[0][name] for name in fbe.VideoRecording.primary_key}
    for key in keys:
        own = {name: key[name] for name in fbe.VideoRecording.primary_key}
        (fbe.VideoRecording & own).delete(prompt=False)


def enter(page: Any) -> None:
    page.get_by_role("button", name="Enter into the database").click()


def polygons(fbe: ModuleType, key: Key, roi_id: int) -> list[np.ndarray]:
    rows = fbe.FaceRhythmROI.Polygon & key & {"roi_id": roi_id}
    return [np.array(row["vertices"]) for row in rows.to_dicts(order_by="polygon_index")]


def test_a_drawn_polygon_is_in_the_database(
    recording: Key, fbe: ModuleType, serve_pages: Any, tab: Any, facerhythm: Callable[..., Any],
    videos: list[Path],
) -> None:  # fmt: skip
    options = ("--key=subject=mouse1", "--session=411")
    try:
        with serve_pages("--recording=0", *options) as server:
            page = opened(server, tab)
            draw_polygon(page, CORNERS)
            page.get_by_label("description").fill("by the mouse's own hand")
            enter(page)
            page.get_by_role("status").filter(has_text="roi_id 1").wait_for()
            (drawn,) = polygons(fbe, recording, 1)
            assert np.abs(drawn - CORNERS).max() < SCREEN_PX
            row = (fbe.FaceRhythmROI & recording & {"roi_id": 1}).fetch1()
            assert row["roi_description"] == "by the mouse's own hand"
            page.locator(".entries").filter(has_text="roi_id 1: by the mouse's own hand").wait_for()

            # the line that is shown does the same: of the same regions, saved, nothing new comes of it
            page.keyboard.press("Control+s")
            page.get_by_role("button", name="Saved", exact=True).wait_for()
            command = page.locator("[aria-labelledby=stored-title] pre").inner_text()
            words = shlex.split(command)
            assert words[:3] == ["facerhythm", "rois", "enter"]
            outcome = facerhythm(*words[1:])
            assert outcome.code == 0 and "nothing was entered" in outcome.out, outcome.err

            # a second tab, opened before: it is told, and can enter once it has seen
            other = page.context.new_page()
            other.goto(f"{server.origin}/draw")
            other.locator(".entries").filter(has_text="roi_id 1").wait_for()
            draw_polygon(page, OTHER)
            enter(page)
            page.get_by_role("status").filter(has_text="roi_id 2").wait_for()
            draw_polygon(other, [(25.0, 25.0), (60.0, 25.0), (40.0, 60.0)])
            enter(other)
            other.get_by_role("alert").filter(has_text="entered elsewhere").wait_for()
            assert len(fbe.FaceRhythmROI & recording) == 3
            other.locator(".entries").filter(has_text="roi_id 2").wait_for()
            enter(other)
            other.get_by_role("status").filter(has_text="roi_id 3").wait_for()
            tab.wrong[:] = [one for one in tab.wrong if "412" not in one]
            other.close()
    finally:
        videos[0].with_name("part0.rois.json").unlink(missing_ok=True)


def test_regions_of_the_same_subject_are_copied(
    recording: Key, fbe: ModuleType, serve_pages: Any, tab: Any
) -> None:
    with serve_pages("--key=subject=mouse1", "--session=411") as server:
        page = opened(server, tab)
        page.get_by_role("button", name="Copy from recording...").click()
        sources = page.get_by_role("combobox", name="Recording to copy from")
        sources.wait_for()
        names = sources.locator("option").all_inner_texts()
        assert any("session_id=412" in name for name in names)
        sources.select_option(label=next(name for name in names if "session_id=412" in name))
        page.get_by_role("button", name="Copy", exact=True).click()
        page.get_by_role("button", name="Accept", exact=True).click(timeout=60_000)
        page.locator("#n-points").filter(has_text=re.compile("^[1-9]")).wait_for()
        enter(page)
        page.get_by_role("status").filter(has_text="roi_id").wait_for()
    (first,) = polygons(fbe, {**recording, "session_id": 412}, 0)
    roi_id = max((fbe.FaceRhythmROI & recording).to_arrays("roi_id"))
    (copied,) = polygons(fbe, recording, int(roi_id))
    assert np.abs(first - copied).max() < 0.5  # the same video: the camera did not move


def test_who_may_only_look_cannot_enter(
    recording: Key, fbe: ModuleType, serve_pages: Any, tab: Any
) -> None:
    with serve_pages("--key=subject=mouse1", "--session=411", "--read-only") as server:
        page = tab.open(server.address)
        button = page.get_by_role("button", name="Enter into the database")
        button.wait_for()
        assert button.is_disabled()
        status = page.evaluate(
            """async () => {
              const id = (await (await fetch("api/opened")).json()).videos[0].id;
              return (await fetch(`api/videos/${id}/recordings`, { method: "POST", body: "{}" })).status;
            }"""
        )
        assert status == 403
        tab.wrong.clear()
    assert len(fbe.FaceRhythmROI & recording) == 1


def test_a_key_that_does_not_fit_is_refused(
    recording: Key, facerhythm: Callable[..., Any], root_dir: Path, tmp_path: Path
) -> None:
    outcome = facerhythm("gui", "--key", "subject=nobody", "--no-browser")
    assert outcome.code == 2 and "no recording of that key" in outcome.err
    from element_facerhythm.demo.synthetic import make_scene_video

    stranger = tmp_path / "elsewhere.mp4"
    make_scene_video(stranger, n_frames=30, width_px=160, height_px=120)
    outcome = facerhythm(
        "gui", stranger, "--session", 411, "--key", "subject=mouse1", "--no-browser"
    )
    assert outcome.code == 2 and "is no file of the recordings that are named" in outcome.err

"""Regions copied from another recording in the page, and frequencies that are dragged."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from element_facerhythm.demo.synthetic import Renderer, plan_scene
from element_facerhythm.demo.synthetic.render import write_gray_video
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois, write_rois
from element_facerhythm.pipeline.roi_copy import cut_to_frame
from tests.gui.test_draw_page import CORNERS, draw_polygon, opened, save

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MATRIX = cv2.getRotationMatrix2D((160, 120), 5.0, 1.0) + np.array([[0, 0, 14], [0, 0, -9]])


def film(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    frames = map(change, Renderer(plan_scene(n_frames=40)).frames())
    write_gray_video(path, frames, frame_rate_hz=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with regions, the same through a moved camera, and another view, beside each other."""
    folder = tmp_path_factory.mktemp("recordings")
    noise = np.random.default_rng(0).normal(0, 300, (240, 320))
    other = np.clip(cv2.GaussianBlur(noise, (0, 0), 3) + 110, 0, 255).astype(np.uint8)
    film(folder / "first.mp4", lambda frame: frame)
    film(folder / "moved.mp4", lambda f: cv2.warpAffine(f, MATRIX, (320, 240), borderMode=1))
    film(folder / "other.mp4", lambda _: other)
    write_rois(plan_scene(n_frames=40).rois, folder / "first.rois.json")
    return folder


def opened_on(name: str, server: Any, tab: Any) -> Any:
    page = tab.open(server.address)
    page.locator("#hint").filter(has_text=re.compile(".")).wait_for()
    page.get_by_role("combobox", name="Video").select_option(label=name)
    page.locator("h1").filter(has_text=name).wait_for()
    page.locator("#hint").filter(has_text="click the vertices").wait_for()
    return page


def copied(page: Any) -> None:
    page.get_by_role("button", name="Copy from recording...").click()
    page.get_by_role("combobox", name="Recording to copy from").select_option(
        label="first.rois.json"
    )
    page.get_by_role("button", name="Copy", exact=True).click()
    page.locator("#residual").wait_for()


def picture(page: Any) -> Any:
    """Gray levels that the canvas shows."""
    shot = page.locator("#canvas").screenshot()
    return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)


def test_regions_follow_the_camera_into_the_file(
    serve: Callable[..., Any], tab: Any, folder: Path
) -> None:
    with serve(folder) as server:
        page = opened_on("moved.mp4", server, tab)
        copied(page)
        assert float(page.inner_text("#residual").removesuffix(" px")) < 0.5
        assert page.inner_text("#n-points") == "0"  # nothing is taken that was not accepted

        # in turn, both recordings show the face at one place: they differ less than two places of it
        page.emulate_media(reduced_motion="reduce")
        own = picture(page)
        page.keyboard.press("B")
        page.locator("#blink").filter(has_text="the other one").wait_for()
        page.wait_for_timeout(100)
        other = picture(page)
        assert 0 < np.abs(own - other).mean() < 0.5 * np.abs(own - np.roll(own, 20, 1)).mean()
        page.emulate_media(reduced_motion="no-preference")
        page.keyboard.press("b")
        for says in ("this recording", "the other one", "this recording"):
            page.locator("#blink").filter(has_text=says).wait_for()
        assert page.get_by_role("button", name="Blink").get_attribute("aria-pressed") == "true"
        page.keyboard.press("b")

        page.get_by_role("button", name="Accept", exact=True).click()
        page.locator("#n-points").filter(has_text=re.compile("^[1-9]")).wait_for()
        save(page)
    before, after = read_rois(folder / "first.rois.json"), read_rois(folder / "moved.rois.json")
    (folder / "moved.rois.json").unlink()
    for drawn, found in zip(before.seed_polygons, after.seed_polygons, strict=True):
        truth = drawn @ MATRIX[:, :2].T + MATRIX[:, 2]
        assert np.abs(found - cut_to_frame(truth, height_px=240, width_px=320)).max() < 0.5


def test_copies_are_adjusted_and_another_view_is_refused(
    serve: Callable[..., Any], tab: Any, folder: Path
) -> None:
    with serve(folder) as server:
        page = opened_on("moved.mp4", server, tab)
        copied(page)
        page.get_by_role("button", name="Adjust").click()
        assert page.inner_text("#n-points") == "0"
        page.get_by_role("button", name="Accept").first.click()
        page.locator("#n-points").filter(has_text=re.compile("^[1-9]")).wait_for()
        page.get_by_role("button", name="Undo").click()

        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("combobox", name="Video").select_option(label="other.mp4")
        page.locator("h1").filter(has_text="other.mp4").wait_for()
        page.locator("#hint").filter(has_text="click the vertices").wait_for()
        copied(page)
        page.get_by_text("The pictures cannot be aligned").wait_for()
        assert page.get_by_role("button", name="Accept").count() == 0
        assert page.get_by_role("button", name="Adjust").count() == 0
        page.get_by_role("button", name="Leave").click()
        assert page.locator(".regions li").count() == 0


def slider(page: Any, end: str) -> Any:
    return page.locator(f"[data-end={end}]")


def value(page: Any, end: str) -> float:
    """What a handle says, once what was done to it is drawn."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    return float(slider(page, end).get_attribute("aria-valuenow"))


def drag_to(page: Any, end: str, hz: float) -> None:
    """Drag a handle to where a frequency is, by the places of the axis's numbers."""
    handle = slider(page, end)
    handle.scroll_into_view_if_needed()
    box, own = page.locator(".strip svg").bounding_box(), handle.locator("line").bounding_box()
    places = page.evaluate(
        """() => [...document.querySelectorAll(".strip svg > text:not(.says)")]
          .filter((one) => +one.textContent).map((one) => [+one.textContent, +one.getAttribute("x")])"""
    )
    (low, at_low), (high, at_high) = places[0], places[-1]
    along = np.log(hz / low) / np.log(high / low)
    x = box["x"] + (at_low + along * (at_high - at_low)) * box["width"] / 340
    y = own["y"] + own["height"] / 2
    page.mouse.move(own["x"] + own["width"] / 2, y)
    page.mouse.down()
    page.mouse.move((own["x"] + x) / 2, y)
    page.mouse.move(x, y)
    page.mouse.up()


@pytest.mark.slow
def test_dragged_frequencies_are_those_of_the_run(
    serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    with serve(face) as server:
        page = opened(server, tab)
        draw_polygon(page, CORNERS)
        slider(page, "low").wait_for()
        assert (value(page, "low"), value(page, "high")) == (4, 24)  # fitted to 120 frames at 60 Hz
        assert "--set" not in page.locator("pre.command").last.inner_text()
        drag_to(page, "high", 15)
        assert value(page, "high") == pytest.approx(15, rel=0.03)
        drag_to(page, "low", 6)
        assert value(page, "low") == pytest.approx(6, rel=0.03)
        drag_to(page, "high", 200)
        assert value(page, "high") == 30  # half of the rate: Nyquist
        drag_to(page, "low", 0.2)
        assert value(page, "low") == pytest.approx(2 * 60 / 119, rel=0.01)  # two periods of it fit
        slider(page, "high").focus()
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        assert value(page, "high") == pytest.approx(30 / 1.02**40, rel=0.06)  # each step is rounded
        page.keyboard.press("End")
        assert value(page, "high") == 30
        drag_to(page, "high", 20)
        drag_to(page, "low", 5)
        low, high = value(page, "low"), value(page, "high")
        name = "VQT_Analyzer.params_VQT"
        command = page.locator("pre.command").last.inner_text()
        assert f"--set {name}.F_min={low:g}" in command
        assert f"--set {name}.F_max={high:g}" in command
        page.get_by_role("button", name="Try from this frame").click()
        page.locator(".tries tbody tr").wait_for(timeout=120_000)
        page.locator(".strip .spectrum").wait_for()
        page.get_by_role("button", name="Save and run").click()
        page.get_by_role("link", name="Look at the results").wait_for(timeout=120_000)
        frequencies = Project.open(face.with_name("face-facerhythm")).frequencies_hz
        assert frequencies[[0, -1]] == pytest.approx([low, high], rel=1e-5)
        page.locator("#frequencies").get_by_role("button", name="fit").click()
        page.locator("[data-end=low][aria-valuenow='4']").wait_for()
        assert (value(page, "low"), value(page, "high")) == (4, 24)
        assert page.locator("#settings").input_value() == ""


def test_the_lowest_frequency_that_the_strip_allows_is_one_that_runs(
    facerhythm: Callable[..., Any], face: Path, tmp_path: Path
) -> None:
    """Its limit is the command line's: the filter fits just there, and does not a little below."""
    from element_facerhythm.gui.tries import frequencies_of
    from element_facerhythm.video import probe_video

    found = frequencies_of(probe_video(face))
    n_odd = found["n_samples"] - 1 + found["n_samples"] % 2
    q = found["least_periods"]
    lowest = np.ceil(1000 * q * found["rate_hz"] / n_odd) / 1000
    rois = tmp_path / "rois.json"
    rois.write_text('{"points": [[[20, 20], [140, 24], [130, 100], [30, 96]]]}')
    for hz, code in ((lowest, 0), (0.97 * lowest, 2)):
        outcome = facerhythm(
            "run", face, "--rois", rois, "-o", tmp_path / f"at-{hz}", "--no-figures",
            "--set", f"VQT_Analyzer.params_VQT.F_min={hz}", "--set", f"Q_lowF={q}",
        )  # fmt: skip
        assert outcome.code == code, outcome.err

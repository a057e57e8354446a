"""What the server answers about components, areas and events, compared with products and figures."""

import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.figures import draw_figure
from element_facerhythm.figures.component_panels import component_panels
from element_facerhythm.figures.cycles import component_cycle
from element_facerhythm.figures.formats import figure_bytes
from element_facerhythm.gui.asked_work import AskedWork
from element_facerhythm.io.events import read_events
from element_facerhythm.io.project import Project
from tests.gui.look_scene import FIRST, RATE_HZ, make_project
from tests.gui.server import Server, serving

EVENTS = "time_s;label;duration_s\n1.25;lick;\n0.5;lick;\n2;air puff;0.5\n99;lick;\n"
AREA, INSIDE = "area:45,40,90,40,90,82,45,82", ((45, 90), (40, 82))


@pytest.fixture(scope="module")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("look"))


@pytest.fixture(scope="module")
def server(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    events = home / "events.csv"
    events.write_text(EVENTS)
    with serving(project_dir, "--events", str(events), home=home) as running:
        yield running


@pytest.fixture(scope="module")
def base(server: Server) -> str:
    (project,) = server.json("api/opened")["projects"]
    return f"api/projects/{project['id']}"


@pytest.fixture(scope="module")
def project(project_dir: Path) -> Project:
    return Project.open(project_dir)


@pytest.fixture(scope="module")
def inside(project: Project) -> np.ndarray:
    """(P,) which points lie in `AREA`."""
    member = np.ones(len(project.point_positions), bool)
    for values, (low, high) in zip(project.point_positions.T, INSIDE, strict=True):
        member &= (values >= low) & (values <= high)
    assert 1 < member.sum() < len(member)
    return member


def test_loadings_are_scaled_as_in_figures(server: Server, base: str, project: Project) -> None:
    head, arrays = server.arrays(f"{base}/models/0")
    _, courses = server.arrays(f"{base}/models/0/videos/0/courses?width=4000")
    for index, panel in enumerate(component_panels(project)):
        maps, spectrum, course = (
            arrays["maps"][:, index], arrays["spectra"][index], courses["low"][index]
        )  # fmt: skip
        scales = head["scales"][index]
        np.testing.assert_allclose(np.abs(maps) * scales[0], panel.direction_shares, rtol=1e-5)
        np.testing.assert_allclose(spectrum * scales[1], panel.frequency_shares, rtol=1e-5)
        np.testing.assert_allclose(course * scales[2], panel.time_shares[0][1], rtol=1e-5)
        # the one formula: each part, so scaled, is as long as the component
        for part, scale in zip((maps, spectrum, course), scales, strict=True):
            assert np.linalg.norm(part) * scale == pytest.approx(panel.norm, rel=1e-5)
        largest = [np.linalg.norm(maps, axis=0).max(), np.abs(spectrum).max(), np.abs(course).max()]
        assert head["largest"][index] == pytest.approx(largest, rel=1e-6)


def test_a_mean_cycle_is_that_of_the_figure(server: Server, base: str, project: Project) -> None:
    head, arrays = server.arrays(f"{base}/models/0/components/0/cycle")
    cycle = component_cycle(project, component_panels(project)[0])
    assert arrays["path"].shape == (32, len(project.point_positions), 2) and head["n_phases"] == 32
    np.testing.assert_array_equal(arrays["path"], cycle.path(32).astype(np.float16))
    assert head["frequency_hz"] == cycle.frequency_hz
    assert server.json(f"{base}/models/0/components/7/cycle", 422)["error"].startswith(
        "component 7"
    )


def test_an_area_is_the_mean_of_the_points_in_it(
    server: Server, base: str, project: Project, inside: np.ndarray
) -> None:
    magnitude = np.abs(np.asarray(project.spectrogram(0))).mean(axis=0)[inside].mean(axis=0)
    head, tile = server.arrays(f"{base}/videos/0/spectrogram?of={AREA}&width=4000")
    shown = tile["levels"] * (head["top"] / 255)
    np.testing.assert_allclose(
        shown, np.minimum(magnitude, head["top"]), atol=0.51 * head["top"] / 255
    )
    moved = np.asarray(project.tracking(0).points) - project.point_positions
    mean = moved[:, inside].mean(axis=1, dtype=np.float64).astype(np.float32)
    for query, size in (("width=4000", 1), ("width=50", 8), ("first=30&stop=90&size=16", 16)):
        head, found = server.arrays(f"{base}/videos/0/mean-trace?of={AREA}&{query}")
        assert (head["n_points"], head["size"]) == (inside.sum(), size) and head[
            "first"
        ] % size == 0
        for column in range(found["low"].shape[2]):
            run = mean[head["first"] + column * size :][:size]
            np.testing.assert_allclose(found["low"][0, :, column], run.min(axis=0), atol=1e-6)
            np.testing.assert_allclose(found["high"][0, :, column], run.max(axis=0), atol=1e-6)
    region, _ = server.arrays(f"{base}/videos/0/mean-trace?of=region:0&width=9")
    assert region["n_points"] == len(project.point_positions)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ("area:1,2,3,4", "vertices"),
        ("area:1,2,3,4,5,nan", "finite"),
        ("area:" + ",".join("1" for _ in range(200)), "64"),
        ("area:1,2,3,4,2,3", "no point"),
        ("area:x", "expected"),
    ],
)
def test_areas_that_are_none_are_refused(server: Server, base: str, of: str, says: str) -> None:
    for name in ("spectrogram", "mean-trace"):
        assert says in server.json(f"{base}/videos/0/{name}?of={of}", 422)["error"]


def test_clips_are_one_movie_of_the_strongest_episodes(
    server: Server, base: str, tmp_path: Path
) -> None:
    address = f"{base}/models/0/components/0"
    facts = server.json(f"{address}/clips")
    episodes = facts["episodes"]
    assert 1 < len(episodes) <= 12
    assert episodes == server.arrays(f"{base}/models/0")[0]["components"][0]["episodes"]
    spans = sorted((one["first"], one["stop"]) for one in episodes)
    assert all(stop <= first for (_, stop), (first, _) in pairwise(spans))
    status, content = server.get(f"{address}/clips.mp4")
    assert status == 200
    (tmp_path / "clips.mp4").write_bytes(content)
    with av.open(str(tmp_path / "clips.mp4")) as movie:
        frames = [frame.to_ndarray(format="gray") for frame in movie.decode(video=0)]
    width, height = facts["tile_px"]
    assert len(frames) == max(stop - first for first, stop in spans)
    assert frames[0].shape[1] >= facts["columns"] * width
    left = (width + facts["gap_px"]) * 1
    first, second = frames[0][:height, :width], frames[0][:height, left : left + width]
    assert np.abs(first.astype(int) - second).mean() > 1  # other moments, not one twice


def test_work_goes_on_only_while_it_is_asked_for() -> None:
    asked = AskedWork(patience_s=0.2)
    ended, shares = [], []

    def endless(note: Callable[[float], None]) -> None:
        try:
            while True:
                note(0.5)
                shares.append(time.monotonic())
                time.sleep(0.01)
        finally:
            ended.append(time.monotonic())

    for _ in range(10):  # as long as it is asked for
        step = asked.step("endless", endless)
        time.sleep(0.1)
    assert step.state == "running" and not ended
    last = time.monotonic()
    while not ended and time.monotonic() < last + 10:
        time.sleep(0.02)
    assert ended and ended[0] - last < 5
    done = asked.step("other", lambda note: 7)
    while done.state != "done":
        time.sleep(0.01)
    assert asked.step("other", lambda note: 8).finished() == 7
    failed = asked.step("bad", lambda note: 1 / 0)
    while failed.state != "failed":
        time.sleep(0.01)
    assert "ZeroDivisionError" in (asked.step("bad", lambda note: 1).error or "")
    again = asked.step("bad", lambda note: 1)  # told once, then begun anew
    while again.state != "done":
        time.sleep(0.01)
    asked.close()


def test_events_stand_at_their_times(server: Server, base: str) -> None:
    head, arrays = server.arrays(f"{base}/videos/0/events")
    np.testing.assert_array_equal(arrays["times"], [0.5, 1.25, 2.0])
    np.testing.assert_array_equal(arrays["durations"], [0, 0, 0.5])
    assert [head["names"][label] for label in arrays["labels"]] == ["lick", "lick", "air puff"]
    (note,) = head["notes"]
    assert "1 of 4 events" in note and "0.333333 to 7 s" in note


def test_frames_of_events_are_those_of_the_page(
    project_dir: Path, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "frames.csv").write_text("frame,video\n10,0\n20,mouse.mp4\n30,other.mp4\n400,0\n")
    with serving(project_dir, "--events", str(tmp_path / "frames.csv"), home=tmp_path) as server:
        (opened,) = server.json("api/opened")["projects"]
        head, arrays = server.arrays(f"api/projects/{opened['id']}/videos/0/events")
    np.testing.assert_allclose(arrays["times"], [(FIRST + n) / RATE_HZ for n in (10, 20)])
    assert head["names"] == ["event"]
    assert [re.sub(r"of frames.csv ", "", note)[:24] for note in head["notes"]] == [
        "1 events name a video th", "1 of 3 events lie outsid",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label\nlick\n", "columns are label"),
        ("time_s,frame\n1,2\n", "one of time_s and frame"),
        ("time_s,colour\n1,red\n", "colour"),
        ("time_s\n1\nsoon\n", "line 3: time_s is 'soon'"),
        ("time_s,label\n1,a\n,b\n", "line 3: time_s is empty"),
        ("frame\n1.5\n", "line 2: frame is 1.5; expected a whole number"),
        ("frame\n-1\n", "whole number from 0"),
        ("time_s,duration_s\n1,-2\n", "duration_s is -2"),
        ("time_s\ninf\n", "expected a number"),
        ("time_s\n" + "1\n" * 100_001, "at most 100000"),
    ],
)
def test_wrong_tables_of_events_are_refused_before_anything_is_served(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=re.escape(says)) as error:
        read_events(path)
    assert str(path) in str(error.value)


def test_figures_are_those_of_the_command_line(server: Server, base: str, project: Project) -> None:
    facts = server.json(base)
    assert "components" in facts["figures"]
    status, content = server.get(f"{base}/figures/components.svg")
    assert status == 200 and content == figure_bytes(draw_figure(project, "components"), "svg")
    assert "expected one of" in server.json(f"{base}/figures/nose.svg", 422)["error"]


def test_the_page_of_a_snapshot_states_the_numbers(server: Server, base: str) -> None:
    status, content = server.get(f"{base}/snapshot.html?model=0&view=t%3D1%26%3Cscript%3E")
    text = content.decode()
    assert status == 200 and text.count("<!--shown-->") == 1 and "<script>" not in text
    shown: Any = server.json(f"{base}/summary")["models"]["0"]["components"]
    for component in shown:
        assert f'value="{component["explained_variance"]!r}"' in text

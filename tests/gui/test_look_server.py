"""What the server answers about a project, compared with its products."""

import json
import runpy
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import summarise_project
from tests.gui.look_scene import FIRST, N_FRAMES, make_project
from tests.gui.server import Server, serving

MOST_GROWTH_KB = 12_000


@pytest.fixture(scope="module")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("look"))


@pytest.fixture(scope="module")
def server(project_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_dir, home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def base(server: Server) -> str:
    (project,) = server.json("api/opened")["projects"]
    return f"api/projects/{project['id']}"


@pytest.fixture(scope="module")
def displacements(project_dir: Path) -> np.ndarray:
    """(T, P, 2) straight from the product."""
    project = Project.open(project_dir)
    return np.asarray(project.tracking(0).points) - project.point_positions


def test_facts_name_the_frames_of_the_video(server: Server, base: str) -> None:
    facts = server.json(base)
    (video,) = facts["videos"]
    (part,) = video["parts"]
    assert (part["first"], part["n_frames"]) == (FIRST, N_FRAMES - FIRST) == (20, video["n_frames"])
    assert part["video"] in {one["id"] for one in server.json("api/opened")["videos"]}
    assert facts["notes"] == []


def test_numbers_are_those_of_rows_and_figures(
    server: Server, base: str, project_dir: Path
) -> None:
    shown, summary = server.json(f"{base}/summary"), summarise_project(project_dir)
    (model,) = summary.models
    for component, own in zip(shown["models"]["0"]["components"], model.components, strict=True):
        for name in ("peak_frequency_hz", "explained_variance", "squared_correlation", "stability"):
            assert component[name] == getattr(own, name)
    assert {v["name"]: v["verdict"] for v in shown["quality"]} == {
        v.name: v.verdict for v in summary.quality
    }
    assert server.json(f"{base}/points/3")["path_length_px"] == summary.points[3].path_length_px


def test_a_block_is_what_the_product_holds(
    server: Server, base: str, displacements: np.ndarray, project_dir: Path
) -> None:
    tracking = Project.open(project_dir).tracking(0)
    flagged = set()
    for block in (0, 1):
        _, arrays = server.arrays(f"{base}/videos/0/blocks/{block}")
        rows = slice(256 * block, 256 * (block + 1))
        np.testing.assert_array_equal(
            arrays["displacements"], displacements[rows].astype(np.float16)
        )
        np.testing.assert_array_equal(arrays["confidence"], tracking.confidence[rows])
        flagged |= set(
            zip(arrays["flagged_frames"] + 256 * block, arrays["flagged_points"], strict=True)
        )
    assert flagged == set(zip(tracking.violation_rows, tracking.violation_cols, strict=True))


@pytest.mark.parametrize(
    ("first", "stop", "width"), [(0, 400, 400), (37, 301, 70), (0, 400, 7), (5, 6, 1)]
)
def test_traces_are_extremes_of_the_product(
    server: Server, base: str, displacements: np.ndarray, first: int, stop: int, width: int
) -> None:
    points = [4, 0, 11]
    query = f"points={','.join(map(str, points))}&first={first}&stop={stop}&width={width}"
    head, arrays = server.arrays(f"{base}/videos/0/traces?{query}")
    size, low, high = head["size"], arrays["low"], arrays.get("high", arrays["low"])
    assert head["first"] <= first and low.shape[2] <= max(width + 1, 512)
    assert head["first"] + size * low.shape[2] >= stop
    for column in range(low.shape[2]):
        begin = head["first"] + column * size
        run = displacements[begin : begin + size, points]
        exact = run if size == 1 else run.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(low[:, :, column], exact.min(axis=0))
        np.testing.assert_array_equal(high[:, :, column], exact.max(axis=0))


@pytest.mark.parametrize("selection", ["all", "region:0", "point:7"])
def test_spectrogram_tiles_are_means_in_8_bits(
    server: Server, base: str, project_dir: Path, selection: str
) -> None:
    project = Project.open(project_dir)
    magnitude = np.abs(np.asarray(project.spectrogram(0)))
    mean = magnitude[:, 7].mean(axis=0) if selection == "point:7" else magnitude.mean(axis=(0, 1))
    head, arrays = server.arrays(f"{base}/videos/0/spectrogram?of={selection}&width=4000")
    shown = arrays["levels"] * (head["top"] / 255)
    np.testing.assert_allclose(shown, np.minimum(mean, head["top"]), atol=0.51 * head["top"] / 255)
    np.testing.assert_allclose(arrays["times"], project.window_times_s(0))
    coarse, parts = server.arrays(f"{base}/videos/0/spectrogram?of={selection}&width=9")
    assert coarse["top"] == head["top"] and parts["levels"].shape[1] <= 9


@pytest.mark.parametrize("selection", ["all", "region:0", "point:7"])
def test_the_code_that_is_shown_gives_the_numbers_that_are_shown(
    server: Server, base: str, tmp_path: Path, selection: str, displacements: np.ndarray
) -> None:
    query = f"component=1&model=0&of={selection}&points=2,9&first=30&stop=90"
    texts = server.json(f"{base}/query?{query}")
    (tmp_path / "shown.py").write_text(texts["python"])
    names = runpy.run_path(str(tmp_path / "shown.py"))
    shown = server.json(f"{base}/summary")["models"]["0"]["components"][1]
    assert names["numbers"].peak_frequency_hz == shown["peak_frequency_hz"]
    assert names["numbers"].explained_variance == shown["explained_variance"]
    _, model = server.arrays(f"{base}/models/0")
    np.testing.assert_array_equal(names["spectrum"], model["spectra"][1])
    np.testing.assert_array_equal(names["maps"].loadings["x"][1], model["maps"][0, 1])
    _, courses = server.arrays(f"{base}/models/0/videos/0/courses?width=4000")
    np.testing.assert_array_equal(names["course"].loadings, courses["low"][1])
    np.testing.assert_array_equal(names["displacements"][9], displacements[30:90, 9])
    head, tile = server.arrays(f"{base}/videos/0/spectrogram?of={selection}&width=4000")
    np.testing.assert_allclose(
        np.minimum(names["magnitude"], head["top"]),
        tile["levels"] * (head["top"] / 255),
        atol=0.51 * head["top"] / 255,
    )
    assert "component_index = 1" in texts["sql"] and "point_index IN (2, 9)" in texts["sql"]


def test_episodes_are_peaks_and_share_no_frame(server: Server, base: str) -> None:
    head, _ = server.arrays(f"{base}/models/0")
    for component in head["components"]:
        episodes = component["episodes"]
        assert episodes and episodes[0]["strength"] == 1
        strengths = [one["strength"] for one in episodes]
        assert strengths == sorted(strengths, reverse=True)
        spans = sorted((one["first"], one["stop"]) for one in episodes)
        assert all(stop <= first for (_, stop), (first, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("videos/1/flags", "video 1"),
        ("videos/0/blocks/2", "block 2"),
        ("videos/0/traces?points=9999", "point 9999"),
        ("videos/0/traces?points=x", "points"),
        ("videos/0/traces?points=1&first=9&stop=9", "frames"),
        ("videos/0/spectrogram?of=nose", "nose"),
        ("videos/0/spectrogram?from=2&to=1", "span"),
        ("videos/0/spectrogram?from=a", "seconds"),
        ("models/9", "'9'"),
        ("query?component=3", "component 3"),
    ],
)
def test_wrong_requests_are_told_what_was_expected(
    server: Server, base: str, path: str, says: str
) -> None:
    answer = server.json(f"{base}/{path}", 422)
    assert says in answer["error"]


def test_memory_does_not_grow_with_requests(server: Server, base: str) -> None:
    def ask(n: int) -> None:
        point = n % 30
        server.arrays(f"{base}/videos/0/blocks/{n % 2}")
        server.arrays(f"{base}/videos/0/traces?points={point}&first={n}&stop={n + 60}")
        server.arrays(f"{base}/videos/0/spectrogram?of=point:{point}&width={50 + point}")

    for n in range(60):
        ask(n)
    before = server.resident_kb
    for n in range(100):
        ask(n)
    assert server.resident_kb - before < MOST_GROWTH_KB


def test_a_project_without_its_video_shows_all_but_pictures(
    project_dir: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(project_dir, alone)
    info = alone / "run_info.json"
    text = info.read_text()
    assert str(project_dir.parent) in text
    info.write_text(text.replace(str(project_dir.parent), "/elsewhere"))
    with serving(alone, home=tmp_path) as running:
        (project,) = running.json("api/opened")["projects"]
        facts = running.json(f"api/projects/{project['id']}")
        assert [part["video"] for part in facts["videos"][0]["parts"]] == [None]
        assert any("is not on this machine" in note for note in facts["notes"])
        assert running.json(f"api/projects/{project['id']}/summary")["models"]
        assert running.get(f"api/projects/{project['id']}/image.png")[1].startswith(b"\x89PNG")
        assert running.get("api/health") == (
            200,
            json.dumps({"ok": True}).replace(" ", "").encode(),
        )


def test_side_files_are_made_once_and_may_be_dropped(project_dir: Path, tmp_path: Path) -> None:
    def made() -> dict[str, int]:
        with serving(project_dir, home=tmp_path) as running:
            (project,) = running.json("api/opened")["projects"]
            running.arrays(f"api/projects/{project['id']}/videos/0/traces?points=0")
            running.arrays(f"api/projects/{project['id']}/videos/0/spectrogram")
        files = (tmp_path / ".cache" / "element-facerhythm" / "look").iterdir()
        return {path.name: path.stat().st_ino for path in files}

    first = made()
    assert len(first) == 2 and made() == first
    shutil.rmtree(tmp_path / ".cache")
    assert made().keys() == first.keys()

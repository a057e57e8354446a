"""Flags are raised where something was planted, and not on a plain good recording."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
import pytest

from element_facerhythm.demo.synthetic import Renderer, Scene, plan_scene, write_gray_video
from element_facerhythm.errors import ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline import (
    STAGES,
    RunRequest,
    Verdict,
    run_project,
    summarise_project,
)
from element_facerhythm.pipeline.results.quality import assess, tracks
from element_facerhythm.video import iterate_gray_frames

Frames = Iterator[np.ndarray]
RATE_HZ = 60.0
TREE: dict[str, Any] = {
    "ROIs": {"make_rois": {"point_spacing": 8}},
    "PointTracker": {"params_outlier_handling": {"threshold_displacement": 6.0}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2, "Q_highF": 6, "F_min": 2.0, "F_max": 20, "n_freq_bins": 16,
            "downsample_factor": 5,
        },
        "normalization_factor": 0.5,
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 60}}},
}  # fmt: skip


def parameters(**changes: Any) -> Parameters:
    """The parameters with values replaced, named by their path: `VQT_Analyzer__params_VQT__F_min`."""
    tree = json.loads(json.dumps(TREE))
    for name, value in changes.items():
        *path, last = name.split("__")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return parameters_from_mapping(tree).parameters


@dataclass(frozen=True)
class Good:
    """A plain scene, its video and its project."""

    scene: Scene
    project_dir: Path

    def request(self, project_dir: Path, **changes: Any) -> RunRequest:
        given = {"videos": (self.scene.path,), "parameters": parameters(), "device": "cpu"}
        return RunRequest(rois=self.scene.rois, project_dir=project_dir, **{**given, **changes})


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    folder = tmp_path_factory.mktemp("good")
    scene = plan_scene(n_frames=360, width_px=160, height_px=120, with_paw=False)
    scene = replace(scene, path=folder / "good.mp4")
    write_gray_video(scene.path, Renderer(scene).frames(), frame_rate_hz=RATE_HZ)
    good = Good(scene, folder / "project")
    run_project(good.request(good.project_dir))
    return good


@pytest.fixture
def judged(good: Good, tmp_path: Path) -> Callable[..., dict[str, Verdict]]:
    """Judge a copy of the good project with the light of a video, and other facts in its run.json."""

    def judge(video: Path | None = None, **facts: Any) -> dict[str, Verdict]:
        directory = shutil.copytree(good.project_dir, tmp_path / "copy")
        write_light(directory / "analysis_files" / "PointTracker.h5", video)
        run_file = directory / "run.json"
        given = {"videos": [{"n_suspect_frames": 0}], **facts}
        run_file.write_text(json.dumps({**json.loads(run_file.read_text()), **given}))
        return by_name(assess(Project.open(directory), summarise_project(good.project_dir)))

    return judge


def write_light(path: Path, video: Path | None) -> None:
    """Put the light of the frames of a video into a product, as tracking does; None takes it out."""
    with h5py.File(path, "r+") as file:
        for name in {"frame_light", "held_frames"} & set(file):
            del file[name]
        if video is not None:
            file["frame_light/0"] = frame_light(video)
            file["held_frames/0"] = np.zeros(0, np.int32)


def frame_light(video: Path) -> np.ndarray:
    frames = [frame.astype(np.float32) for frame in iterate_gray_frames(video)]
    change = [np.nan, *(np.abs(after - before).mean() for before, after in pairwise(frames))]
    levels = [(frame.mean(), frame.std()) for frame in frames]
    return np.column_stack([levels, change]).astype(np.float32)


def by_name(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in verdicts}


def flagged(verdicts: dict[str, Verdict]) -> dict[str, str]:
    return {name: v.verdict for name, v in verdicts.items() if v.verdict != "ok"}


def test_a_plain_good_recording_is_all_ok(good: Good, judged: Callable[..., Any]) -> None:
    verdicts = judged(good.scene.path)
    assert flagged(verdicts) == {}
    assert len(verdicts) == 24
    assert verdicts["n_windows"].value == 60
    assert verdicts["windows_per_component"].value == 20
    assert verdicts["periods_of_lowest_frequency"].value == pytest.approx(12)


def test_what_a_project_does_not_keep_is_unknown(good: Good, judged: Callable[..., Any]) -> None:
    verdicts = judged(None, videos=[{"file_name": "good.mp4"}])
    assert flagged(verdicts) == dict.fromkeys(
        ("light_change", "dark_frames", "duplicate_frames", "frozen_picture", "mains_flicker",
         "light_flicker", "suspect_frames"),
        "unknown",
    )  # fmt: skip
    assert all(verdicts[name].value is None for name in flagged(verdicts))


def write_stamped(path: Path, frames: Iterator[np.ndarray], times_s: np.ndarray) -> None:
    """Encode frames with a time stamp of its own for each."""
    base = Fraction(1, 90000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(RATE_HZ))
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"crf": "12", "preset": "veryfast"}
        stream.codec_context.time_base = base
        for frame, time_s in zip(frames, times_s, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="gray").reformat(format="yuv420p")
            picture.pts, picture.time_base = round(time_s / float(base)), base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


EVERY = np.arange(360)
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("times_s", "expected", "says"),
    [
        ((EVERY + 300 * (EVERY >= 200)) / RATE_HZ, {"gaps"}, "5 s after frame 199 of stamped.mp4"),
        ((EVERY + (EVERY >= 50) + (EVERY >= 90)) / RATE_HZ, {"dropped_frames"}, "2 frames"),
        (
            np.where(EVERY < 240, EVERY, 2 * EVERY - 240) / RATE_HZ,
            {"rate_changes"},
            "changes within stamped.mp4",
        ),
        ((EVERY + RANDOM.normal(0, 0.3, 360).clip(-0.45, 0.45)) / RATE_HZ, {"clock_jitter"}, "0.2"),
    ],
    ids=["pause", "dropped", "rate", "jitter"],
)
def test_the_clock(
    good: Good, tmp_path: Path, times_s: np.ndarray, expected: set[str], says: str
) -> None:
    video = tmp_path / "stamped.mp4"
    write_stamped(video, Renderer(good.scene).frames(), times_s - times_s[0])
    run_project(good.request(tmp_path / "p", videos=(video,)))
    verdicts = by_name(summarise_project(tmp_path / "p").quality)
    clock = ("gaps", "dropped_frames", "rate_changes", "clock_jitter")
    assert {name for name in clock if verdicts[name].verdict != "ok"} == expected
    (name,) = expected
    assert verdicts[name].verdict == "warn"
    assert says in verdicts[name].message


def test_a_clock_that_was_not_measured_is_unknown(good: Good, tmp_path: Path) -> None:
    given = good.request(tmp_path / "p", frame_rate_hz=RATE_HZ)
    run_project(given)
    verdicts = by_name(summarise_project(tmp_path / "p").quality)
    for name in ("gaps", "dropped_frames", "rate_changes", "clock_jitter"):
        assert verdicts[name].verdict == "unknown"


def test_frames_after_lost_packets(good: Good, judged: Callable[..., Any]) -> None:
    verdicts = judged(good.scene.path, videos=[{"n_suspect_frames": 18}])
    assert flagged(verdicts) == {"suspect_frames": "warn"}
    assert verdicts["suspect_frames"].value == pytest.approx(18 / 360)


def mains(frames: Frames) -> Frames:
    for i, frame in enumerate(frames):
        yield frame * (0.8 + 0.2 * np.sin(2 * np.pi * 100 * i / RATE_HZ))


def rolling_bands(frames: Frames) -> Frames:
    """A lamp on mains of 50 Hz, and rows that are read out within 12.5 ms."""
    for i, frame in enumerate(frames):
        rows_s = np.arange(len(frame))[:, None] / len(frame) * 0.0125
        yield frame * 0.8 * (1 + 0.2 * np.sin(2 * np.pi * 100 * (i / RATE_HZ + rows_s)))


def light_off(frames: Frames) -> Frames:
    noise = np.random.default_rng(0)
    for i, frame in enumerate(frames):
        yield frame * 0.02 + noise.normal(6, 3, frame.shape) if 120 <= i < 150 else frame


def repeated(frames: Frames) -> Frames:
    kept = np.zeros(0)
    for i, frame in enumerate(frames):
        kept = frame if i % 2 == 0 else kept
        yield kept


def frozen(frames: Frames) -> Frames:
    kept = np.zeros(0)
    for i, frame in enumerate(frames):
        kept = kept if 100 <= i < 130 else frame
        yield kept


def flash(frames: Frames) -> Frames:
    for i, frame in enumerate(frames):
        yield frame * (1.5 if i == 200 else 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (mains, {"mains_flicker": "red", "light_flicker": "red", "light_change": "warn"}),
        (rolling_bands, {"mains_flicker": "red"}),
        (light_off, {"dark_frames": "red", "light_change": "warn"}),
        (repeated, {"duplicate_frames": "red"}),
        (frozen, {"frozen_picture": "warn"}),
        (flash, {"light_change": "warn"}),
    ],
)
def test_light_and_pictures(
    good: Good,
    judged: Callable[..., Any],
    tmp_path: Path,
    change: Callable[[Frames], Frames],
    expected: dict[str, str],
) -> None:
    video = tmp_path / "changed.mp4"
    frames = (f.clip(0, 255).astype(np.uint8) for f in change(Renderer(good.scene).frames()))
    write_gray_video(video, frames, frame_rate_hz=RATE_HZ)
    assert flagged(judged(video)) == expected


def test_too_little_data_for_too_many_components(good: Good, tmp_path: Path) -> None:
    video = tmp_path / "short.mp4"
    scene = replace(good.scene, n_frames=100)
    write_gray_video(video, Renderer(scene).frames(), frame_rate_hz=RATE_HZ)
    asked = parameters(TCA__fit__params_method__rank=30)
    run_project(good.request(tmp_path / "p", videos=(video,), parameters=asked))
    verdicts = by_name(summarise_project(tmp_path / "p").quality)
    assert verdicts["n_windows"].verdict == "red"
    assert verdicts["windows_per_component"].verdict == "red"
    assert verdicts["periods_of_lowest_frequency"].verdict == "warn"
    assert verdicts["rank"].verdict in {"warn", "red"}
    assert verdicts["stability"].verdict == "warn"
    # the fit itself looks like a success
    assert verdicts["r_squared"].verdict == "ok"


@pytest.mark.parametrize(("threshold_px", "expected"), [(0.6, "warn"), (0.3, "red")])
def test_points_that_stray(good: Good, tmp_path: Path, threshold_px: float, expected: str) -> None:
    """As many are not found as were planted further from home than is looked."""
    name = "PointTracker__params_outlier_handling__threshold_displacement"
    asked = parameters(**{name: threshold_px})
    run_project(good.request(tmp_path / "p", parameters=asked))
    verdicts = by_name(summarise_project(tmp_path / "p").quality)
    home = Project.open(tmp_path / "p").point_positions
    away = np.linalg.norm(good.scene.true_positions(home) - home, axis=2) > threshold_px
    assert verdicts["violations"].verdict == expected
    assert verdicts["violations"].value == pytest.approx(away.mean(), rel=0.1)
    assert "were not found" in verdicts["violations"].message
    mostly = float((away.mean(axis=0) > 0.5).mean())
    assert verdicts["points_mostly_flagged"].value == pytest.approx(mostly, rel=0.15)


def test_points_that_stray_from_the_flow(good: Good, tmp_path: Path) -> None:
    asked = parameters(
        PointTracker__method="flow",
        PointTracker__params_outlier_handling__threshold_displacement=0.6,
    )
    run_project(good.request(tmp_path / "p", parameters=asked))
    verdicts = by_name(summarise_project(tmp_path / "p").quality)
    assert verdicts["violations"].verdict == "red"
    assert "flagged and frozen" in verdicts["violations"].message
    assert verdicts["points_mostly_flagged"].verdict in {"warn", "red"}


def test_rhythms_below_the_range_come_out_at_its_edge(good: Good, tmp_path: Path) -> None:
    asked = parameters(VQT_Analyzer__params_VQT__F_min=6.0)
    run_project(good.request(tmp_path / "p", parameters=asked))
    edge = by_name(summarise_project(tmp_path / "p").quality)["components_at_edge"]
    assert edge.verdict == "warn"
    assert " at 6 Hz" in edge.message


@pytest.mark.parametrize(
    ("method", "advice"),
    [("anchored", "so cut the recording"), ("flow", 'PointTracker.method "anchored" do not')],
)
def test_a_camera_that_slides(good: Good, tmp_path: Path, method: str, advice: str) -> None:
    video = tmp_path / "sliding.mp4"
    shifts = (np.float32([[1, 0, 8 * i / 360], [0, 1, 0]]) for i in range(360))
    frames = (
        cv2.warpAffine(frame, shift, frame.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        for frame, shift in zip(Renderer(good.scene).frames(), shifts, strict=True)
    )
    write_gray_video(video, frames, frame_rate_hz=RATE_HZ)
    asked = parameters(
        PointTracker__method=method,
        PointTracker__params_optical_flow__relaxation=0.0,
        PointTracker__params_outlier_handling__threshold_displacement=30.0,
    )
    run_project(good.request(tmp_path / "p", videos=(video,), parameters=asked))
    drift = by_name(summarise_project(tmp_path / "p").quality)["drift"]
    assert drift.verdict == "red"
    assert drift.value == pytest.approx(0.9 * 8, rel=0.15)
    assert advice in drift.message


def test_texture_is_looked_for_where_points_were_matched(
    good: Good, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    measured = tracks.texture_at
    monkeypatch.setattr(tracks, "texture_at", lambda *a: sides.append(a[2]) or measured(*a))
    summarise_project(good.project_dir)
    assert set(sides) == {parameters().PointTracker.params_anchored.window_px} == {29}


def test_other_limits_judge_anew_and_compute_nothing(good: Good, tmp_path: Path) -> None:
    directory = shutil.copytree(good.project_dir, tmp_path / "p")
    asked = parameters(Quality__n_windows=[100.0, 80.0])
    record = run_project(good.request(directory, parameters=asked))
    assert [stage.name for stage in record.stages if stage.reused] == list(STAGES)
    assert by_name(summarise_project(directory).quality)["n_windows"].verdict == "red"
    index = json.loads((directory / "run.json").read_text())
    index["parameters"]["Quality"]["n_windows"] = "many"
    (directory / "run.json").write_text(json.dumps(index))
    with pytest.raises(ParameterError, match=r"run\.json does not say with what limits"):
        summarise_project(directory)


def facerhythm(*arguments: Any) -> tuple[int, str]:
    from typer.testing import CliRunner

    from element_facerhythm.cli import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout


def test_qc_and_run_tell_the_verdicts_and_write_nothing(good: Good, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in good.project_dir.rglob("*")}
    code, text = facerhythm("qc", good.project_dir, "--json")
    told = json.loads(text)
    assert (code, told["ok"], told["n_results"]) == (0, True, 1)
    assert [v["name"] for v in told["quality"]] == list(parameters().to_tree()["Quality"])
    assert {"value", "threshold", "verdict", "message", "project_dir"} <= set(told["quality"][0])
    assert {p: p.stat().st_mtime_ns for p in good.project_dir.rglob("*")} == before

    params, rois = tmp_path / "params.json", tmp_path / "rois.json"
    params.write_text(json.dumps({**TREE, "Quality": {"n_windows": [100.0, 80.0]}}))
    polygons = [[list(map(float, xy)) for xy in p] for p in good.scene.rois.seed_polygons]
    rois.write_text(json.dumps({"points": polygons}))
    project = tmp_path / "p"
    request = (good.scene.path, "--rois", rois, "--params", params, "-o", project, "--no-figures")
    code, text = facerhythm("run", *request)
    assert code == 0  # a flag is no failure
    assert "red n_windows: 60 spectrogram windows: record longer" in " ".join(text.split())
    _, text = facerhythm("run", *request, "--json")
    quality = {v["name"]: v for v in json.loads(text)["quality"]}
    assert (quality["n_windows"]["verdict"], quality["n_windows"]["threshold"]) == ("red", 80)
    code, text = facerhythm("qc", good.project_dir, project)
    assert code == 3
    assert "1 of 2 results have something red" in text


@pytest.mark.reference
def test_the_real_project_is_told_what_it_is(reference_data: Path) -> None:
    """300 frames of a real mouse, 1.2 s: too short for 4 Hz, one component at the end of the range."""
    verdicts = by_name(summarise_project(reference_data / "project").quality)
    told = {name for name, v in verdicts.items() if v.verdict in {"warn", "red"}}
    assert told == {"periods_of_lowest_frequency", "components_at_edge"}
    assert verdicts["periods_of_lowest_frequency"].value == pytest.approx(4.8)
    assert "60 Hz" in verdicts["components_at_edge"].message
    assert verdicts["stability"].verdict == verdicts["gaps"].verdict == "unknown"

"""Regions converted and copied on real videos, and excluded from a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from element_facerhythm.core.rois import place_rois, polygon_mask
from element_facerhythm.demo.synthetic import Renderer, plan_scene
from element_facerhythm.demo.synthetic.render import write_gray_video
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois, write_rois
from element_facerhythm.pipeline import RunRequest, run_project
from element_facerhythm.pipeline.background import N_SAMPLES, Stretch, background_image
from element_facerhythm.pipeline.roi_copy import cut_to_frame
from element_facerhythm.video import iterate_gray_frames

Command = Callable[..., Any]

SIZE = {"height_px": 240, "width_px": 320}


def film(path: Path, change: Callable[[np.ndarray], np.ndarray], *, seed: int = 0) -> Path:
    """Video of the scene through a camera that changes each frame; another seed has other movements."""
    scene = plan_scene(n_frames=40, seed=seed)
    write_gray_video(path, map(change, Renderer(scene).frames()), frame_rate_hz=60)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The scene, the scene through a moved camera, its regions, and another view."""
    folder = tmp_path_factory.mktemp("videos")
    matrix = cv2.getRotationMatrix2D((160, 120), 5.0, 1.0)
    matrix[:, 2] += (14, -9)
    rng = np.random.default_rng(0)
    other = cv2.GaussianBlur(rng.normal(0, 300, (240, 320)), (0, 0), 3) + 110
    rois = folder / "rois.json"
    write_rois(plan_scene(n_frames=40).rois, rois)
    return {
        "first": film(folder / "first.mp4", lambda frame: frame),
        "moved": film(folder / "moved.mp4", lambda f: cv2.warpAffine(f, matrix, (320, 240), borderMode=1)),
        "other": film(folder / "other.mp4", lambda _: np.clip(other, 0, 255).astype(np.uint8)),
        "rois": rois,
        "matrix": matrix,
    }  # fmt: skip


def copy_arguments(videos: dict[str, Any], to: str, output: Path) -> tuple[object, ...]:
    return (
        "rois", "copy", videos["rois"], "--from-video", videos["first"], "--to-video", videos[to],
        "-o", output, "--json",
    )  # fmt: skip


def test_regions_follow_the_camera(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "moved.json"
    outcome = facerhythm(*copy_arguments(videos, "moved", output))
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["residual_px"] < 0.5 and told["correlation"] > 0.8 and told["doubts"] == []
    assert cv2.imread(told["comparison"]).shape[1] > 1000
    before, after = read_rois(videos["rois"]), read_rois(output)
    for drawn, found in zip(
        (*before.seed_polygons, *before.mask_polygons),
        (*after.seed_polygons, *after.mask_polygons),
        strict=True,
    ):
        truth = drawn @ videos["matrix"][:, :2].T + videos["matrix"][:, 2]
        assert np.abs(found - cut_to_frame(truth, **SIZE)).max() < 0.5
    assert facerhythm("rois", "check", videos["moved"], output).code == 0
    assert facerhythm(*copy_arguments(videos, "moved", output)).code == 2


def test_regions_of_a_project_and_beyond_the_frame(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps({"points": [[[0, 0], [320, 0], [320, 240], [0, 240]]]}))
    outcome = facerhythm(*copy_arguments({**videos, "rois": wide}, "moved", tmp_path / "a.json"))
    assert outcome.code == 0, outcome.err
    assert any("cut" in note for note in json.loads(outcome.out)["notes"])
    assert facerhythm("rois", "check", videos["moved"], tmp_path / "a.json").code == 0


def test_what_cannot_be_aligned_is_not_written_unless_forced(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "other.json"
    outcome = facerhythm(*copy_arguments(videos, "other", output))
    assert outcome.code == 3
    told = json.loads(outcome.out)
    assert told["output"] is None and any("correlate" in doubt for doubt in told["doubts"])
    assert [path.name for path in tmp_path.iterdir()] == ["other.png"]
    words = facerhythm(*copy_arguments(videos, "other", output)[:-1])
    assert words.code == 3 and "draw the regions on this video" in words.out
    forced = facerhythm(*copy_arguments(videos, "other", output), "--force")
    # a wild map may lead out of the frame, which no force helps against
    assert (forced.code, output.exists()) in ((0, True), (2, False))


def test_regions_go_to_face_rhythm_and_back(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    drawn = tmp_path / "drawn.json"
    value = json.loads(videos["rois"].read_text())
    value |= {"exclude": [[[180, 130], [200, 130], [200, 150]]], "names": {"points": ["face"]}}
    drawn.write_text(json.dumps(value))
    h5, geojson, back = (tmp_path / name for name in ("ROIs.h5", "a.geojson", "back.json"))
    needs_video = facerhythm("rois", "convert", drawn, "-o", h5)
    assert needs_video.code == 2 and "--video" in needs_video.err and not h5.exists()
    for arguments in (
        (drawn, "-o", h5, "--video", videos["first"], "--spacing", 5),
        (h5, "-o", geojson),
    ):
        outcome = facerhythm("rois", "convert", *arguments, "--json")
        assert outcome.code == 0, outcome.err
    notes = json.loads(outcome.out)["notes"]
    assert notes == [
        "point positions were left out: points are seeded anew, on a grid in the regions"
    ]
    assert facerhythm("rois", "convert", geojson, "-o", back).code == 0
    assert json.loads(back.read_text())["points"] == value["points"]
    assert json.loads(back.read_text())["exclude"] == value["exclude"]
    assert json.loads(back.read_text())["names"]["points"] == ["face"]
    stored = read_rois(h5)
    assert np.array_equal(
        stored.point_positions, place_rois(read_rois(drawn), **SIZE, spacing_px=5).point_positions
    )
    one = facerhythm("rois", "convert", geojson, "-o", back, "--overwrite", "--name", "nose")
    assert one.code == 2 and "no region is called 'nose'; there are face" in one.err
    one = facerhythm("rois", "convert", geojson, "-o", back, "--overwrite", "--name", "face")
    assert one.code == 0 and json.loads(back.read_text())["mask"] == []


def test_a_run_keeps_away_from_what_is_excluded(recording: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    (x0, y0), (x1, y1) = (
        recording.rois.seed_polygons[0].min(axis=0),
        recording.rois.seed_polygons[0].max(axis=0),
    )
    middle = np.array([[x0, y0], [(x0 + x1) / 2, y0], [(x0 + x1) / 2, y1], [x0, y1]])
    rois = replace(recording.rois, exclude_polygons=(middle,))
    run_project(
        RunRequest(recording.videos, rois, recording.parameters, tmp_path / "project", device="cpu")
    )
    project = Project.open(tmp_path / "project")
    height, width = project.example_image().shape[:2]
    hidden = polygon_mask(middle, height_px=height, width_px=width)
    x, y = project.point_positions.astype(int).T
    assert len(x) and not hidden[y, x].any()
    assert np.array_equal(project.rois().exclude_polygons[0], middle)
    assert not project.rois().visible_mask[hidden].any()
    frames = [f for v in recording.videos for f in iterate_gray_frames(v)]
    mean = np.mean(frames, axis=0)
    background = project.background_image()
    assert background is not None and background.shape == (height, width)
    assert np.abs(background - mean).mean() < np.abs(frames[0] - mean).mean()
    again = run_project(
        RunRequest(recording.videos, rois, recording.parameters, tmp_path / "project", device="cpu")
    )
    assert all(stage.reused for stage in again.stages)


@pytest.mark.parametrize("key_interval", [1, 4, 1000])
def test_a_background_is_the_mean_of_frames_from_all_over(
    tmp_path: Path, key_interval: int
) -> None:
    import av

    path = tmp_path / "ramp.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30, options={"g": str(key_interval)})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for level in range(100):
            picture = np.full((48, 64), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    assert abs(int(background_image([Stretch(path, 0, 100)])[0, 0]) - 49.5) < 4
    assert abs(int(background_image([Stretch(path, 40, 60)])[0, 0]) - 49.5) < 2
    assert background_image([Stretch(path, 7, 8)])[0, 0] == 7
    halves = [Stretch(path, 0, 30), Stretch(path, 90, 100)] * N_SAMPLES
    assert abs(int(background_image(halves)[0, 0]) - (14.5 + 94.5) / 2) < 16


def test_regions_are_drawn_once_and_copied_to_many(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("first", "moved", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "face.mp4").symlink_to(videos[name])
    small = plan_scene(n_frames=4, width_px=160, height_px=120)
    write_gray_video(tmp_path / "small.mp4", Renderer(small).frames(), frame_rate_hz=60)
    out = tmp_path / "regions"
    words = (
        "rois", "copy", videos["rois"], "--from-video", tmp_path / "first" / "face.mp4",
        "--to-sessions", f"{tmp_path}/*/face.mp4",
    )  # fmt: skip
    outcome = facerhythm(*words, "--to-sessions", tmp_path / "small.mp4", "-o", out, "--json")
    assert outcome.code == 3, outcome.err
    told = json.loads(outcome.out)
    done = {Path(one["video"]).parent.name: one for one in told["sessions"]}
    assert told["n_refused"] == 2 and len(told["sessions"]) == 3
    assert done["moved"]["refused"] is None and done["moved"]["residual_px"] < 0.5
    assert "correlate" in done["other"]["refused"]
    assert "of one size" in done[tmp_path.name]["refused"]
    # what is written is what copying to this one alone writes
    alone = tmp_path / "alone.json"
    assert facerhythm(*copy_arguments(videos, "moved", alone)).code == 0
    assert Path(done["moved"]["output"]).read_bytes() == alone.read_bytes()
    written = sorted(path.suffix for path in out.iterdir())
    assert written == [".json", ".png", ".png"]
    again = facerhythm(*words, "-o", out)
    assert again.code == 2 and "--overwrite" in again.err
    printed = facerhythm(*words, "-o", out, "--overwrite")
    assert printed.code == 3 and "not written" in printed.out and "refused: " in printed.out


def test_targets_of_copies_that_are_none_are_refused(
    facerhythm: Command, videos: dict[str, Any], tmp_path: Path
) -> None:
    words = ("rois", "copy", videos["rois"], "--from-video", videos["first"])
    out = ("-o", tmp_path / "out")
    many = ("--to-sessions", videos["moved"])
    for arguments, said in (
        (out, "give one video"),
        ((*many, "--to-video", videos["moved"], *out), "and not both"),
        (("--to-sessions", tmp_path / "*.mp4", *out), "there is nothing of the name"),
        (("--to-sessions", tmp_path, *out), "only directories"),
        (("--to-sessions", videos["first"], *out), "no video but the one"),
        ((*many, "--comparison", tmp_path / "a.png", *out), "for one video"),
        ((*many, "-o", videos["rois"]), "expected a directory"),
        (("--to-sessions", videos["rois"], *out), "rois.json"),
    ):
        refused = facerhythm(*words, *arguments)
        assert refused.code == 2 and said in refused.err, refused.err
        assert list(tmp_path.iterdir()) == []

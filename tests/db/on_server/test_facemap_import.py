"""What facemap's own process measured comes into the tables; what is of another video does not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.facemap_process import BIN_PX, REGIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Key = dict[str, Any]
N_FRAMES = 600
SIZE = {"width_px": 160, "height_px": 120, "frame_rate_hz": 60.0}


@pytest.fixture(scope="module")
def folder(root_dir: Path) -> Path:
    """A video with facemap's _proc.npy and _proc.mat beside it."""
    from element_facerhythm.demo.synthetic import make_scene_video

    place = root_dir / "facemap"
    place.mkdir()
    make_scene_video(place / "cam.mp4", n_frames=N_FRAMES, seed=3, **SIZE)
    command = [sys.executable, "-m", "tests.facemap_process", place / "cam.mp4", place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def proc(folder: Path) -> dict[str, Any]:
    """What facemap saved, as facemap itself reads it."""
    return np.load(folder / "cam_proc.npy", allow_pickle=True).item()


@pytest.fixture(scope="module")
def imported(folder: Path, workflow: ModuleType) -> Key:
    from element_facerhythm.ingest import SessionChoice, populate
    from element_facerhythm.ingest.facemap import register_facemap

    choice = SessionChoice.numbered("mouse8", 1)
    registered = register_facemap(choice, folder / "cam_proc.npy")
    counts = populate(registered.key)
    assert (counts["FacialSignal"], counts["FacialRhythm"], counts["SignalRhythm"]) == (1, 0, 0)
    (told,) = [note for note in registered.notes if "correlates with that of the video" in note]
    assert float(told.rpartition(" ")[2]) > 0.99
    again = register_facemap(choice, folder / "cam_proc.npy")
    assert again.key == registered.key and not any(again.new_rows.values())
    return registered.key


def test_numbers_are_facemaps(imported: Key, proc: dict[str, Any], fbe: ModuleType) -> None:
    from element_facerhythm.video import iterate_gray_frames

    regions = (fbe.FacialSignal.Region & imported).to_dicts(order_by="roi_no")
    kinds = [region["signal_kind"] for region in regions]
    assert kinds == ["motion", *REGIONS]
    for row, (_, x, y) in zip(regions[1:], REGIONS.values(), strict=True):
        assert (tuple(row["xrange"]), tuple(row["yrange"])) == (x, y)
    # motion of each frame since the one before, by the pixels
    path = (fbe.VideoRecording.File & imported).fetch1("file_path")
    video = Path(fbe.get_facerhythm_root_data_dir()[0]) / path
    frames = np.array([frame.astype(float) for frame in iterate_gray_frames(video)])
    binned = frames.reshape(N_FRAMES, 120 // BIN_PX, BIN_PX, 160 // BIN_PX, BIN_PX).mean((2, 4))
    energy = np.abs(np.diff(binned, axis=0)).sum((1, 2))
    motion = np.asarray(regions[0]["motion"])
    assert np.isnan(motion[0])
    assert np.abs(motion[1:] - energy).max() < 0.02 * energy.max()
    for i in (0, 1):
        here = imported | {"roi_no": i}
        assert np.array_equal(regions[i]["motion_projections"], proc["motSVD"][i])
        component = (fbe.FacialSignal.MotionSVD & here & {"component_id": 2}).fetch1()
        assert np.array_equal(component["motmask"], proc["motMask_reshape"][i][:, :, 2])
        assert np.array_equal(component["projection"], proc["motSVD"][i][:, 2])
        length = np.linalg.norm(proc["motMask_reshape"][i][:, :, 2])
        assert component["singular_value"] == pytest.approx(length, rel=1e-5)
        movie = (fbe.FacialSignal.MovieSVD & here & {"movie_component_id": 1}).fetch1()
        assert np.array_equal(movie["movie_projection"], proc["movSVD"][i][:, 1])
    summary = (fbe.FacialSignal.Summary & imported).fetch1()
    assert (summary["sbin"], summary["signal_video_frames"]) == (BIN_PX, [N_FRAMES])
    assert np.allclose(summary["avgframe"], proc["avgframe"][0])


def test_pupil_eye_and_wheel_are_facemaps(
    imported: Key, proc: dict[str, Any], fbe: ModuleType
) -> None:
    pupil = (fbe.FacialSignal.Pupil & imported).fetch1()
    (theirs,) = proc["pupil"]
    assert np.array_equal(pupil["pupil_area"], theirs["area"], equal_nan=True)
    _, x, y = REGIONS["pupil"]
    assert np.allclose(pupil["pupil_centre"][:], theirs["com"][:, ::-1] + [x[0], y[0]])
    axes = pupil["pupil_axes"][:]
    assert np.allclose(np.pi * axes.prod(axis=1), theirs["area"])
    assert pupil["pupil_area_median_px2"] == pytest.approx(np.nanmedian(theirs["area"]))
    assert pupil["pupil_confidence"] is None
    blink = (fbe.FacialSignal.Blink & imported).fetch1()
    assert np.array_equal(blink["eye_opening"], proc["blink"][0])
    running = np.asarray((fbe.FacialSignal.Running & imported).fetch1("running"))
    assert np.isnan(running[0]).all()
    assert np.array_equal(running[1:], proc["running"][0][1:, ::-1])
    notes = (fbe.FacialSignal & imported).fetch1("signal_notes")
    for said in ("one frame early", "taken from its masks", "arbitrary", "raw fits"):
        assert sum(said in note for note in notes) >= 1, said
    roles = (fbe.FaceRhythmROI.Polygon & imported).to_dicts(order_by="polygon_index")
    assert [(row["role"], row["region_kind"]) for row in roles] == [
        ("signals", kind) for kind in ("motion", *REGIONS)
    ]


def test_the_mat_gives_the_same_rows(imported: Key, folder: Path, fbe: ModuleType) -> None:
    from element_facerhythm.facial_behavior_estimation.verification import verify_recording
    from element_facerhythm.ingest import SessionChoice, populate
    from element_facerhythm.ingest.facemap import register_facemap
    from element_facerhythm.pipeline.results.verify import Findings

    key = register_facemap(SessionChoice.numbered("mouse8", 2), folder / "cam_proc.mat").key
    populate(key)
    for part, name in (("Pupil", "pupil_area"), ("Blink", "eye_opening"), ("Running", "running")):
        ours, theirs = ((getattr(fbe.FacialSignal, part) & k).fetch1(name) for k in (key, imported))
        assert np.array_equal(ours, theirs, equal_nan=True)
    values = [
        (fbe.FacialSignal.MotionSVD & k).to_arrays("singular_value", order_by="KEY")
        for k in (key, imported)
    ]
    assert len(values[0]) > 500 and np.array_equal(*values)
    for own in (key, imported):
        findings = Findings()
        recording = {name: own[name] for name in fbe.VideoRecording.primary_key}
        verify_recording(recording, findings)
        assert findings.faults == [] and findings.n_checks > 10


class Called:
    """A pickle of it would make a folder."""

    def __reduce__(self) -> tuple:
        return (Path.mkdir, (Path("made-by-a-pickle"),))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("another video", "correlates with that of the video by"),
        ("another length", "it has 600 frames, the video 598"),
        ("another size", "its frames are 160 x 120 px, those of cam.mp4 128 x 96"),
        ("a call", "it would call pathlib"),
        ("damaged", "cannot be read as a _proc of facemap"),
        ("several cameras", "is of 2 cameras that recorded together"),
        ("no video", "is not there: give the videos with --video"),
    ],
)
def test_what_does_not_fit_exits_with_2_and_leaves_nothing(
    what: str,
    says: str,
    folder: Path,
    root_dir: Path,
    processed_dir: Path,
    proc: dict[str, Any],
    fbe: ModuleType,
    facerhythm: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video

    place = root_dir / what.replace(" ", "-")
    place.mkdir()
    monkeypatch.chdir(place)
    shutil.copy(folder / "cam_proc.npy", place)
    changes = {
        "another video": {"seed": 8},
        "another length": {"n_frames": 598},
        "another size": {"width_px": 128, "height_px": 96},
    }
    if what in changes:
        options = {"n_frames": N_FRAMES, "seed": 3, **SIZE, **changes[what]}
        make_scene_video(place / "cam.mp4", **options)
    elif what != "no video":
        shutil.copy(folder / "cam.mp4", place)
    saved = place / "cam_proc.npy"
    if what == "a call":
        np.save(saved, {**proc, "save_path": Called()})
    elif what == "damaged":
        saved.write_bytes(saved.read_bytes()[:5000])
    elif what == "several cameras":
        np.save(saved, {**proc, "filenames": [["cam.mp4", "body.mp4"]]})
    before = sorted(processed_dir.rglob("*"))
    done = facerhythm("import", "facemap", saved, "--subject", "mouse9", "--session", 1)
    assert done.code == 2, done.err
    assert says in " ".join(done.err.split()), done.err
    assert not fbe.VideoRecording & {"subject": "mouse9"}
    assert sorted(processed_dir.rglob("*")) == before
    assert not (place / "made-by-a-pickle").exists()


def test_a_video_that_was_renamed_is_taken_where_it_is_given(
    folder: Path, root_dir: Path, facerhythm: Callable[..., Any], fbe: ModuleType
) -> None:
    place = root_dir / "renamed"
    place.mkdir()
    shutil.copy(folder / "cam.mp4", place / "mouse.mp4")
    saved = shutil.copy(folder / "cam_proc.npy", place)
    command = ("import", "facemap", saved, "--subject", "mouse11", "--session", 1, "--no-populate")
    assert facerhythm(*command).code == 2
    given = (*command, "--video", place / "mouse.mp4")
    assert facerhythm(*given).code == 0
    assert (fbe.VideoRecording.File & {"subject": "mouse11"}).fetch1(
        "file_path"
    ) == "renamed/mouse.mp4"
    # then the recording's own files are of another name, and that is told
    again = facerhythm(*command)
    assert (again.code, "it is of cam.mp4" in " ".join(again.err.split())) == (2, True), again.err
    (fbe.FaceRhythmTask & {"subject": "mouse11"}).delete(prompt=False)


def test_the_command_says_what_it_did(
    folder: Path, facerhythm: Callable[..., Any], fbe: ModuleType
) -> None:
    where = ("--subject", "mouse10", "--session", 1, "--json")
    done = facerhythm("import", "facemap", folder / "cam_proc.npy", *where)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["rows"]["FacialSignal.Region"] == 5 and told["rows"]["FacialRhythm"] == 0
    assert told["new_rows"]["FaceRhythmTask"] == 1
    status = json.loads(facerhythm("status", "--json").out)["tables"]
    assert status["FacialRhythm"]["pending"] == status["FacialSignal"]["pending"] == 0

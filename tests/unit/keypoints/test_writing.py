"""Files for other tools: what was there, true facts or none, and no file replaced unasked."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pynwb
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.formats import left_out, read_predictions, write_predictions
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.writing import files_of

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FACTS = NwbFacts(
    START, "mouse7", "mouse7_1", "F", date(2026, 1, 1), device="camera: left", videos=("m/a.mp4",)
)


def some(individuals=("ind1", "ind10", "ind2"), parts=("nose", "eye:left"), rate=50.0, **more):
    rng = np.random.default_rng(5)
    shape = (8, len(individuals), len(parts))
    return Predictions(
        rng.uniform(0, 99, (*shape, 2)),
        rng.random(shape),
        tuple(parts),
        tuple(individuals),
        "SLEAP",
        rate,
        **more,
    )


@pytest.mark.parametrize(
    ("to", "ending", "software"),
    [("dlc", ".csv", "DeepLabCut"), ("dlc", ".h5", "DeepLabCut"), ("sleap", ".h5", "SLEAP"),
     ("netcdf", ".nc", "movement")],
)  # fmt: skip
def test_animals_and_frames_keep_their_order(tmp_path, to, ending, software):
    predictions = some()
    predictions.positions[:3] = np.nan  # nothing is seen at first, and at the end
    predictions.positions[-2:] = np.nan
    (path,) = write_predictions(predictions, tmp_path / f"a{ending}", to)
    found = read_predictions(path, software)
    assert (found.individuals, found.body_parts) == (
        predictions.individuals,
        predictions.body_parts,
    )
    exact = np.float32 if to == "sleap" else np.float64
    np.testing.assert_allclose(found.positions, predictions.positions.astype(exact))


def test_a_part_of_the_frames_is_written_at_its_place(tmp_path):
    part = some(frame_numbers=np.arange(3, 11))
    (path,) = write_predictions(part, tmp_path / "a.h5", "sleap")
    found = read_predictions(path, "SLEAP")
    assert np.isnan(found.positions[:3]).all()
    np.testing.assert_allclose(found.positions[3:], part.positions.astype(np.float32))


def test_no_file_of_several_is_replaced_unasked(tmp_path):
    targets = files_of(tmp_path / "a.csv", ("ind1", "ind10", "ind2"))
    targets[2].write_text("mine")
    with pytest.raises(KeypointError, match=r"a_ind2\.csv exists; give --overwrite"):
        write_predictions(some(), tmp_path / "a.csv", "lightningpose", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a_ind2.csv"]
    assert targets[2].read_text() == "mine"
    assert write_predictions(some(), tmp_path / "a.csv", "lightningpose") == targets


def test_names_of_animals_lead_no_file_elsewhere(tmp_path):
    names = ("../up", "/etc/x", "Mouse", "mouse", "..", "a\nb", "a?b", "n" * 300)
    files = files_of(tmp_path / "a.csv", names)
    assert all(path.parent == tmp_path and len(path.name) < 120 for path in files)
    assert len({path.name.casefold() for path in files}) == len(names)
    (tmp_path / "in").mkdir()
    write_predictions(some(("../up", "x")), tmp_path / "in" / "a.csv", "lightningpose")
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == ["a__up.csv", "a_x.csv"]


def test_an_nwb_file_has_the_facts_of_its_session(tmp_path):
    predictions = some(("ind1",))
    (path,) = write_predictions(predictions, tmp_path / "a.nwb", "nwb", facts=FACTS)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert file.session_start_time == START
        assert file.identifier == "mouse7_1"
        assert (file.subject.subject_id, file.subject.sex) == ("mouse7", "F")
        assert file.subject.date_of_birth == datetime(2026, 1, 1, tzinfo=UTC)
        poses = file.processing["behavior"]["PoseEstimation"]
        assert list(poses.source_video.external_file) == ["m/a.mp4"]
        assert poses.device.name == "camera_ left"
        series = poses["eye_left"]
        assert (series.starting_time, series.rate) == (0.0, 50.0)
        np.testing.assert_array_equal(series.data[:], predictions.positions[:, 0, 1])
        assert list(poses.skeleton.nodes[:]) == ["nose", "eye:left"]
    assert "'/' and ':' become '_'" in left_out(predictions, "nwb")[0]
    found = read_predictions(path, "NWB")
    assert found.individuals == ("mouse7",)


@pytest.mark.parametrize(
    ("predictions", "facts", "words"),
    [
        (some(("a",)), NwbFacts(), "give --session-start, --subject-id, or export from the database"),
        (some(("a",)), replace(FACTS, subject_id=None), "give --subject-id"),
        (some(("a",), rate=None), FACTS, "give --frame-rate"),
        (some(("a",)), replace(FACTS, session_start_time=datetime(2026, 3, 1)), "has no time zone"),
        (some(("a",), ("x:y", "x/y")), FACTS, "would share a name in an NWB file"),
    ],
)  # fmt: skip
def test_an_nwb_file_invents_nothing(tmp_path, predictions, facts, words):
    with pytest.raises(KeypointError, match=words):
        write_predictions(predictions, tmp_path / "a.nwb", "nwb", facts=facts)
    assert not list(tmp_path.iterdir())


def test_of_several_animals_none_is_called_the_sessions_subject(tmp_path):
    predictions = some(("ind1", "mouse 2"))
    files = write_predictions(predictions, tmp_path / "a.nwb", "nwb", facts=FACTS)
    assert [path.name for path in files] == ["a_ind1.nwb", "a_mouse 2.nwb"]
    for path, name in zip(files, predictions.individuals, strict=True):
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            file = io.read()
            assert (file.subject.subject_id, file.identifier) == (name, f"mouse7_1_{name}")
            assert file.subject.sex is None
            assert "one of 2 animals" in file.subject.description


def test_without_a_rate_nothing_is_called_seconds(tmp_path):
    import xarray as xr

    (path,) = write_predictions(some(rate=None), tmp_path / "a.nc", "netcdf")
    dataset = xr.load_dataset(path, engine="h5netcdf")
    assert dataset.attrs["time_unit"] == "frames"
    assert "fps" not in dataset.attrs
    np.testing.assert_array_equal(dataset.time, np.arange(8))


def test_what_a_format_does_not_keep_is_told():
    predictions = some(
        variables={"spread": np.zeros((8, 3, 2))}, absent=frozenset({("ind1", "nose")})
    )
    for to in ("dlc", "sleap", "nwb"):
        assert f"{to} keeps no variables: spread left out" in left_out(predictions, to)
    assert not any("variables" in note for note in left_out(predictions, "lightningpose"))
    assert "ind1/nose are NaN" in left_out(predictions, "netcdf")[0]
    assert "sleap keeps no frame rate (50/s)" in left_out(predictions, "sleap")


def test_movement_may_have_been_imported_before(tmp_path):
    script = (
        "import sys, movement, warnings; show = warnings.showwarning\n"
        "from pathlib import Path; import numpy as np\n"
        "from element_facerhythm.keypoints.formats import read_predictions, write_predictions\n"
        "from element_facerhythm.keypoints.predictions import Predictions\n"
        "tracks = Predictions(np.ones((4, 2, 1, 2)), np.ones((4, 2, 1)), ('nose',), ('a', 'b'), '', 30.0)\n"
        "for to, name, of in (('netcdf', 'a.nc', 'movement'), ('dlc', 'a.csv', 'DeepLabCut'),\n"
        "                     ('sleap', 'a.h5', 'SLEAP')):\n"
        "    (path,) = write_predictions(tracks, Path(sys.argv[1], name), to)\n"
        "    assert read_predictions(path, of).n_frames == 4\n"
        "assert warnings.showwarning is show\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr

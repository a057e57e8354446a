"""Files of other trackers: what goes out comes in again, and what is none of theirs is refused."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.formats import (
    SAVED,
    from_movement,
    read_predictions,
    to_movement,
    write_predictions,
)
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.keypoints.predictions import Predictions, joined
from element_facerhythm.keypoints.product import read_keypoints, write_keypoints

SOFTWARE = {
    "dlc": "DeepLabCut",
    "sleap": "SLEAP",
    "lightningpose": "LightningPose",
    "nwb": "NWB",
    "netcdf": "movement",
}
FACTS = NwbFacts(datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "individual_0")
WAYS = [(to, ending) for to, endings in SAVED.items() for ending in endings]


def some_predictions(
    n_frames: int = 12,
    n_individuals: int = 1,
    n_parts: int = 3,
    seed: int = 0,
    missing: float = 0.2,
) -> Predictions:
    rng = np.random.default_rng(seed)
    shape = (n_frames, n_individuals, n_parts)
    # SLEAP's reader keeps 32 bits: numbers that they hold
    positions = rng.uniform(0, 640, (*shape, 2)).astype(np.float32).astype(float)
    likelihood = rng.random(shape).astype(np.float32).astype(float)
    gone = rng.random(shape) < missing
    positions[gone] = np.nan
    likelihood[gone] = np.nan
    names = [f"mouse {i}" for i in range(n_individuals)] if n_individuals > 1 else ["individual_0"]
    parts = ("nose(tip)", "eye", "whisker(I)", "paw", "ear")[:n_parts]
    return Predictions(positions, likelihood, parts, tuple(names), "DeepLabCut", 50.0)


def same(found: Predictions, expected: Predictions) -> None:
    """Equal by name; NWB keeps keypoints in the order of their names."""
    found = found.reordered(expected.body_parts)
    assert found.individuals == expected.individuals
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.likelihood, expected.likelihood)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(WAYS),
    st.integers(2, 15),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 10_000),
    st.floats(0.0, 0.9),
)
def test_what_is_written_is_read_again(
    tmp_path_factory, way, n_frames, n_individuals, n_parts, seed, missing
):
    to, ending = way
    predictions = some_predictions(n_frames, n_individuals, n_parts, seed, missing)
    path = tmp_path_factory.mktemp("out") / f"tracks{ending}"
    files = write_predictions(predictions, path, to, facts=FACTS)
    read = [read_predictions(file, SOFTWARE[to], frame_rate_hz=50.0) for file in files]
    assert sorted(path.parent.iterdir()) == sorted(files)
    if len(files) == 1:
        assert files == (path,)
    for index, part in enumerate(read):
        expected = predictions
        if len(files) > 1:
            expected = Predictions(
                predictions.positions[:, [index]],
                predictions.likelihood[:, [index]],
                predictions.body_parts,
                # LightningPose's files name nobody
                (predictions.individuals[index],) if to == "nwb" else part.individuals,
            )
        same(part, expected)
        assert part.frame_rate_hz == pytest.approx(50.0)


def test_our_own_file_keeps_everything(tmp_path):
    for n_individuals in (1, 2):
        predictions = some_predictions(n_individuals=n_individuals)
        path = tmp_path / f"{n_individuals}.h5"
        write_keypoints(path, predictions)
        found = read_keypoints(path)
        same(found, predictions)
        assert found.source_software == "DeepLabCut"
        assert found.frame_rate_hz == 50.0


def test_facemaps_own_file_is_read_and_ours_is_laid_out_like_it(tmp_path):
    predictions = some_predictions(missing=0.0)
    path = tmp_path / "video_FacemapPose.h5"
    with h5py.File(path, "w") as file:
        for k, part in enumerate(predictions.body_parts):
            for column, values in {
                "x": predictions.positions[:, 0, k, 0],
                "y": predictions.positions[:, 0, k, 1],
                "likelihood": predictions.likelihood[:, 0, k],
            }.items():
                file[f"Facemap/{part}/{column}"] = values
    found = read_predictions(path, "Facemap", frame_rate_hz=50.0)
    same(found, predictions)
    ours = tmp_path / "Keypoints.h5"
    write_keypoints(ours, found)
    with h5py.File(path) as theirs, h5py.File(ours) as written:
        assert set(written["Facemap"]) == set(theirs["Facemap"])
        for part in predictions.body_parts:
            assert set(written["Facemap"][part]) == {"x", "y", "likelihood"}


def test_a_dataset_of_movement_and_back():
    predictions = some_predictions(n_individuals=2)
    same(from_movement(to_movement(predictions), "DeepLabCut"), predictions)


def test_sleap_labels_are_read(tmp_path):
    import sleap_io

    predictions = some_predictions(n_frames=5, n_individuals=2, missing=0.0)
    skeleton = sleap_io.Skeleton(list(predictions.body_parts))
    tracks = [sleap_io.Track(name) for name in predictions.individuals]
    video = sleap_io.Video("face.mp4", open_backend=False)
    frames = []
    for t in range(predictions.n_frames):
        instances = [
            sleap_io.PredictedInstance.from_numpy(
                predictions.positions[t, i],
                skeleton=skeleton,
                point_scores=predictions.likelihood[t, i],
                score=1.0,
                track=tracks[i],
            )
            for i in range(2)
        ]
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=t, instances=instances))
    labels = sleap_io.Labels(frames, videos=[video], skeletons=[skeleton], tracks=tracks)
    path = tmp_path / "face.slp"
    sleap_io.save_slp(labels, str(path))
    same(read_predictions(path, "SLEAP", frame_rate_hz=50.0), predictions)


def test_anipose_positions_in_space_are_read(tmp_path):
    rng = np.random.default_rng(1)
    columns = {}
    for part in ("nose", "paw"):
        for axis in "xyz":
            columns[f"{part}_{axis}"] = rng.random(6)
        columns |= {
            f"{part}_score": rng.random(6),
            f"{part}_error": rng.random(6),
            f"{part}_ncams": 2.0,
        }
    frame = pd.DataFrame(columns).assign(
        **{f"M_{i}{j}": 0.0 for i in range(3) for j in range(3)},
        **{f"center_{i}": 0.0 for i in range(3)},
        fnum=np.arange(6),
    )
    path = tmp_path / "space.csv"
    frame.to_csv(path, index=False)
    found = read_predictions(path, "Anipose", frame_rate_hz=50.0)
    assert found.n_dimensions == 3
    np.testing.assert_allclose(found.positions[:, 0, 1, 2], columns["paw_z"])
    with pytest.raises(KeypointError, match="write them as netcdf"):
        write_predictions(found, tmp_path / "flat.csv", "dlc")
    (back,) = write_predictions(found, tmp_path / "space.nc", "netcdf")
    np.testing.assert_array_equal(read_predictions(back, "movement").positions, found.positions)


def test_via_boxes_become_their_centres(tmp_path):
    head = ("filename", "file_size", "file_attributes", "region_count", "region_id")
    rows = [",".join([*head, "region_shape_attributes", "region_attributes"])]
    for t in range(4):
        for i in range(2):
            shape = f'{{""name"":""rect"",""x"":{10 + t},""y"":{20 + i},""width"":4,""height"":6}}'
            rows.append(f'f{t:04d}.png,1,"{{}}",2,{i},"{shape}","{{""track"":""{i}""}}"')
    path = tmp_path / "tracks.csv"
    path.write_text("\n".join(rows))
    found = read_predictions(path, "VIA-tracks", frame_rate_hz=50.0)
    assert found.body_parts == ("centroid",)
    assert len(found.individuals) == 2
    np.testing.assert_allclose(found.positions[:, 0, 0, 0], 12 + np.arange(4))
    assert np.isnan(found.likelihood).all()


@pytest.mark.parametrize(
    ("name", "software", "match"),
    [
        ("tracks.txt", "DeepLabCut", "does not end like a file of DeepLabCut"),
        (
            "tracks.h5",
            "DeepLabCut",
            "cannot be read as predictions of DeepLabCut|cannot be read as HDF5",
        ),
        ("tracks.h5", "Facemap", "cannot be read as HDF5"),
        ("tracks.csv", "LightningPose", r"tracks\.csv has no head of"),
        ("tracks.csv", "Anipose", r"tracks\.csv has the columns something else; expected"),
        ("tracks.csv", "VIA-tracks", r"tracks\.csv has the columns something else; expected"),
        ("tracks.nwb", "NWB", "predictions of NWB: .* cannot be read as HDF5"),
        ("tracks.slp", "SLEAP", "predictions of SLEAP: .* cannot be read as HDF5"),
        ("tracks.nc", "movement", "predictions of movement: .* cannot be read as HDF5"),
        ("tracks.h5", "Excel", "source software 'Excel' is not known"),
    ],
)
def test_what_is_no_file_of_the_tracker_is_refused(tmp_path, name, software, match):
    path = tmp_path / name
    path.write_text("something else\n1,2,3\n")
    with pytest.raises((KeypointError, ValueError), match=match):
        read_predictions(path, software)


def test_another_hdf5_file_holds_no_keypoints(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["Facemap/nose/x"] = np.zeros(3)
    with pytest.raises(KeypointError, match="holds no keypoints of facemap's"):
        read_predictions(path, "Facemap")


def test_files_of_a_recording_must_come_from_one_model():
    one, other = some_predictions(n_parts=3), some_predictions(n_parts=2)
    assert joined([one, one]).n_frames == 24
    with pytest.raises(KeypointError, match="file 1 of the predictions has body parts"):
        joined([one, other])


def test_importing_movement_leaves_home_and_warnings_alone(tmp_path):
    import subprocess
    import sys

    script = (
        "import warnings; show = warnings.showwarning\n"
        "from element_facerhythm.keypoints.movement_library import import_movement\n"
        "import_movement(); assert warnings.showwarning is show\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob(".movement"))

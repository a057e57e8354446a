"""Files of keypoints in space: deeperfly's layout, read by h5py alone, and what other readers make of it."""

import json

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras import (
    ReconstructionOptions,
    View,
    read_cameras,
    reconstruct,
)
from element_facerhythm.keypoints.cameras.results import write_reconstruction
from element_facerhythm.keypoints.formats import read_predictions
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import read_facts
from element_facerhythm.pipeline.exchange.metadata import metadata_of
from tests.rendered_rig import PARTS, SIZE_PX, Rig, as_predictions, moving_points

RIG = Rig()
TIMES = np.arange(30) / 50


@pytest.fixture
def made(tmp_path):
    """Reconstruction with a gap, a wrong view, and cameras that were refined."""
    (tmp_path / "calibration.toml").write_text(RIG.anipose())
    cameras = read_cameras(tmp_path / "calibration.toml")
    places = np.stack([RIG.seen(v, moving_points(TIMES)) for v in range(3)])
    places[1:, 3, 0] = np.nan
    places[2, 5, 1] += 50
    views = [
        View(RIG.names[v], as_predictions(p, frame_rate_hz=50.0)) for v, p in enumerate(places)
    ]
    return reconstruct(cameras, views, ReconstructionOptions(refine="extrinsics"))


def test_the_file_is_as_deeperfly_describes_it(made, tmp_path):
    path = tmp_path / "space.h5"
    write_reconstruction(made, path)
    n_views, n_frames, n_points = 3, 30, len(PARTS)
    with h5py.File(path) as file:
        meta = json.loads(file.attrs["meta"])
        assert meta["deeperfly_format_version"] == 2 and "created_utc" in meta
        skeleton = file["skeleton"]
        assert [name.decode() for name in skeleton["point_names"][()]] == list(PARTS)
        assert skeleton["limb_id"].shape == (n_points,) and skeleton["bones"].shape == (0, 2)
        assert skeleton["limb_names"].shape == (1,) and set(skeleton) >= {"palette"}
        points = file["pose2d/points"]
        assert points.shape == (n_views, n_frames, n_points, 2) and points.dtype == np.float64
        assert file["pose2d/conf"].shape == (n_views, n_frames, n_points)
        sizes = json.loads(file["pose2d"].attrs["image_sizes"])
        assert sizes == {name: [SIZE_PX[1], SIZE_PX[0]] for name in RIG.names[:3]}
        for stage in ("pose2d", "bundle_adjustment"):
            cameras = file[f"{stage}/cameras"]
            shapes = {name: cameras[name].shape for name in cameras}
            assert shapes.pop("names") == (3,)
            assert shapes == {"rvecs": (3, 3), "tvecs": (3, 3), "intrs": (3, 4), "dists": (3, 5)}
            np.testing.assert_allclose(cameras["rvecs"][1], RIG.rotation(1), atol=1e-6)
        space, cleaned = file["triangulation/points3d"][()], file["triangulation/points"][()]
        error = file["triangulation/reproj_error"][()]
        assert space.shape == (n_frames, n_points, 3) and error.shape == (
            n_views,
            n_frames,
            n_points,
        )
        assert np.isnan(space[3, 0]).all() and np.isnan(space).sum() == 3
        # of a view that was rejected, the cleaned point and its error are not there; the raw one is
        assert np.isnan(cleaned[2, 5, 1]).all() and np.isnan(error[2, 5, 1])
        assert np.isfinite(points[2, 5, 1]).all() and np.nanmax(error) < 0.01
        np.testing.assert_allclose(file["clock/times_s"][()], TIMES)
    found = metadata_of(path)
    assert found["@meta"]["deeperfly_format_version"] == 2
    assert found["triangulation"]["points3d"]["shape"] == [n_frames, n_points, 3]


def test_what_is_written_is_read_again_by_every_reader(made, tmp_path):
    expected = made.predictions()
    for name, software in (("a.h5", "deeperfly"), ("b.nc", "movement"), ("c.csv", "Anipose")):
        path = tmp_path / name
        write_reconstruction(made, path)
        found = read_predictions(path, software)
        assert found.body_parts == PARTS and found.n_dimensions == 3
        np.testing.assert_array_equal(found.positions, expected.positions)
        np.testing.assert_allclose(found.likelihood, expected.likelihood, atol=1e-12)
        np.testing.assert_allclose(
            found.variables["error"], expected.variables["error"], atol=1e-12
        )
        np.testing.assert_array_equal(found.variables["ncams"], expected.variables["ncams"])
    facts = read_facts(tmp_path / "a.h5")
    assert facts["options"]["refine"] == "extrinsics" and facts["frames_matched"] == [30, 30, 30]
    # refined cameras come before those that were given
    again = read_cameras(tmp_path / "a.h5")
    np.testing.assert_allclose(again[2].centre, made.refined.cameras[2].centre, atol=1e-9)


def test_deeperflys_own_results_give_what_is_most_derived(made, tmp_path):
    path = tmp_path / "results.h5"
    write_reconstruction(made, path)
    with h5py.File(path, "r+") as file:  # as deeperfly leaves it: without what is ours
        for name in ("facerhythm", "clock"):
            del file[name]
        for name in [n for n in file.attrs if n != "meta"]:
            del file.attrs[name]
        file["pictorial_structures/points3d"] = file["triangulation/points3d"][()] + 1
    found = read_predictions(path, "deeperfly", frame_rate_hz=50.0)
    np.testing.assert_array_equal(found.positions, made.predictions().positions)
    np.testing.assert_allclose(found.likelihood, made.predictions().likelihood)
    np.testing.assert_array_equal(found.variables["ncams"], made.predictions().variables["ncams"])
    with h5py.File(path, "r+") as file:
        del file["triangulation"]
    unfinished = read_predictions(path, "deeperfly")
    np.testing.assert_array_equal(unfinished.positions, made.positions + 1)
    assert unfinished.notes == ("positions are those of the stage pictorial_structures",)
    with h5py.File(path, "r+") as file:
        del file["pictorial_structures"]
    with pytest.raises(KeypointError, match="has no positions in space"):
        read_predictions(path, "deeperfly")
    for version, what in ((1, "older"), (4, "newer")):
        with h5py.File(path, "r+") as file:
            file.attrs["meta"] = json.dumps({"deeperfly_format_version": version})
        with pytest.raises(
            KeypointError, match=f"format version {version}, {what} than the version 2"
        ):
            read_predictions(path, "deeperfly")


def test_several_individuals_are_points_of_one_skeleton(tmp_path):
    (tmp_path / "calibration.toml").write_text(RIG.anipose())
    cameras = read_cameras(tmp_path / "calibration.toml")
    positions = moving_points(TIMES)
    both = np.stack([positions, positions + 9 * np.eye(3)[2]], axis=1)  # (T, I, K, 3)
    views = []
    for v in range(2):
        order = [0, 1] if v == 0 else [1, 0]
        seen = RIG.seen(v, both)[:, order]
        names = tuple(("a", "b")[i] for i in order)
        views.append(
            View(RIG.names[v], Predictions(seen, np.ones(seen.shape[:3]), PARTS, names, "x", 50.0))
        )
    made = reconstruct(cameras, views)
    np.testing.assert_allclose(made.positions, both, atol=1e-6)
    path = tmp_path / "space.h5"
    write_reconstruction(made, path)
    with h5py.File(path) as file:
        names = [name.decode() for name in file["skeleton/point_names"][()]]
        column = file["triangulation/points3d"][:, names.index("b/eye")]
        np.testing.assert_array_equal(column, made.positions[:, 1, 1])
    again = read_predictions(path, "deeperfly")
    assert again.individuals == ("a", "b")  # the file of this package says so
    with pytest.raises(KeypointError, match="Anipose's table holds one individual"):
        write_reconstruction(made, tmp_path / "space.csv")


def test_nothing_is_replaced_unasked(made, tmp_path):
    path = tmp_path / "space.h5"
    path.write_text("mine")
    with pytest.raises(KeypointError, match="exists; give --overwrite"):
        write_reconstruction(made, path)
    assert path.read_text() == "mine"
    write_reconstruction(made, path, overwrite=True)
    with pytest.raises(KeypointError, match=r"\.h5 or \.nc or \.csv"):
        write_reconstruction(made, tmp_path / "space.mat")

"""face-rhythm's own numbers, from its video: gray frames, masks, grid, mesh, points, violations."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import polygon_mask, seed_grid
from element_facerhythm.core.tracking import (
    ClaheSettings,
    Mesh,
    TrackedVideo,
    make_mesh,
    track_points,
)
from element_facerhythm.video import iterate_gray_frames, probe_video
from tests.tracking_settings import changed, settings_with

pytestmark = pytest.mark.reference

# Of the (300, 406, 396) frames as face-rhythm prepares them: decord, float mean, cut to uint8.
GRAY_SHA256 = "d631363c087d23b3d3dad2c6f6efb326d2ccbd1747021e11e7b505ef36e6a42f"


REFERENCE = settings_with(
    mesh_rigidity=0.005,
    relaxation=0.5,
    clahe=ClaheSettings(40.0, (150, 150)),
    displacement_threshold_px=18,
    n_frames_halted_before=5,
    n_frames_halted_after=5,
)


@pytest.fixture(scope="module")
def video(reference_data: Path) -> Path:
    return reference_data / "video" / "test_vid_300.mp4"


@pytest.fixture(scope="module")
def theirs(reference_data: Path) -> dict[str, np.ndarray]:
    with h5py.File(reference_data / "project" / "analysis_files" / "PointTracker.h5") as file:
        names = ("mask", "mesh_d0", "neighbors", "point_positions", "points_tracked/0")
        read = {name.split("/")[0]: file[name][()] for name in names}
        return {
            **read,
            "rows": file["violations/0/row"][()],
            "columns": file["violations/0/col"][()],
        }


def track(video: Path, theirs: dict[str, np.ndarray], mesh: Mesh, **options: Any) -> TrackedVideo:
    """Track the reference video with the parameters of the reference run."""
    settings, options = changed(REFERENCE, options)
    return track_points(
        lambda start: iterate_gray_frames(video, start=start),
        options.pop("n_frames", None) or probe_video(video).n_frames,
        theirs["point_positions"],
        settings,
        mesh=mesh,
        visible_mask=theirs["mask"],
        **options,
    )


def test_gray_frames_are_bit_identical(video):
    digest = hashlib.sha256()
    for frame in iterate_gray_frames(video):
        digest.update(np.ascontiguousarray(frame))
    assert digest.hexdigest() == GRAY_SHA256


def test_masks_and_grid_are_identical(reference_data):
    with h5py.File(reference_data / "project" / "analysis_files" / "ROIs.h5") as file:
        for index in (0, 1):
            mask = file[f"mask_images/mask_{index}"][()]
            fill = partial(polygon_mask, height_px=mask.shape[0], width_px=mask.shape[1])
            assert np.array_equal(fill(file[f"roi_points/ROI_{index}"][()]), mask)
        seeded = seed_grid(file["mask_images/mask_0"][()], spacing_px=20)
        assert np.array_equal(seeded, file["point_positions"][()])


def test_exact_mode_is_bit_identical_with_their_mesh(video, theirs):
    mesh = Mesh(theirs["neighbors"], theirs["mesh_d0"])
    ours = track(video, theirs, mesh, rewind="face-rhythm", backend="opencv")
    assert np.array_equal(ours.points, theirs["points_tracked"])
    assert np.array_equal(ours.violation_rows, theirs["rows"])
    assert np.array_equal(ours.violation_cols, theirs["columns"])


def test_from_scratch_our_mesh_is_theirs(video, theirs):
    mesh = make_mesh(theirs["point_positions"], n_neighbors=10)
    assert np.array_equal(mesh.neighbors, theirs["neighbors"])
    assert np.array_equal(mesh.rest_offsets, theirs["mesh_d0"])


def test_correct_rewind_differs_only_around_violations(video, theirs):
    ours = track(video, theirs, make_mesh(theirs["point_positions"], n_neighbors=10))
    apart = np.linalg.norm(ours.points - theirs["points_tracked"], axis=-1)
    our_flags, their_flags = np.zeros((2, *apart.shape), bool)
    our_flags[ours.violation_rows, ours.violation_cols] = True
    their_flags[theirs["rows"], theirs["columns"]] = True
    assert (our_flags & their_flags).sum() >= 0.9 * their_flags.sum()
    # With relaxation 0.5 a difference is forgotten within about ten frames.
    near = np.zeros(len(apart), bool)
    for row in np.flatnonzero((our_flags | their_flags).any(axis=1)):
        near[row : row + 12] = True
    assert not near.all()
    assert np.median(apart) < 0.001
    assert np.percentile(apart[~near], 99) < 0.1

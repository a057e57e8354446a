"""Frames in, signals out: planted movement, gaps, and agreement with facemap's own code."""

import sys
from unittest.mock import MagicMock

import numpy as np
import pytest

from benchmarks.eye import eye
from element_facerhythm.core.motion import (
    SignalRecorder,
    SignalSettings,
    excluded_pixels,
    place_signal_regions,
)
from element_facerhythm.core.motion.streamed_svd import StreamedSvd, store_width
from element_facerhythm.core.rois import RegionLabel, Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.errors import RoiError
from element_facerhythm.video import iterate_gray_frames

HEIGHT, WIDTH = 80, 110


def square(x, y, width, height):
    corners = [[x, y], [x + width - 1, y], [x + width - 1, y + height - 1], [x, y + height - 1]]
    return np.array(corners, float)


def recorded(frames, follows=None, *, signals=("motion", "svd"), bin_px=4, n=10, rois=None):
    rois = Rois() if rois is None else rois
    height_px, width_px = frames[0].shape
    regions = place_signal_regions(
        rois, signals, height_px=height_px, width_px=width_px, bin_px=bin_px
    )
    wanted = SignalSettings(
        regions, tuple(excluded_pixels(rois, region) for region in regions), signals, bin_px, n,
        height_px, width_px, len(frames),
    )  # fmt: skip
    recorder = SignalRecorder(wanted, lambda shape: np.zeros(shape, np.float32))
    for i, frame in enumerate(frames):
        recorder.push(frame, follows=follows is None or bool(follows[i]))
    recorder.finish()
    return recorder


def moving_block(n_frames):
    """A block of 8 x 8 px, 200 brighter than its surround, that goes 4 px to the right every other frame."""
    frames = np.full((n_frames, 48, 96), 20, np.uint8)
    for i, frame in enumerate(frames):
        x = 8 + 4 * (i // 2)
        frame[16:24, x : x + 8] = 220
    return frames


def test_a_block_that_moves_by_a_bin_has_the_energy_that_it_must_have():
    recorder = recorded(moving_block(20))
    motion = recorder.series[0]["motion"]
    # two bins in each of two rows change by 200
    assert np.isnan(motion[0])
    assert motion[1:].tolist() == [0.0 if i % 2 else 800.0 for i in range(1, 20)]


def test_nothing_is_compared_across_a_gap():
    frames = moving_block(20)
    follows = np.ones(20, bool)
    follows[[0, 7, 12]] = False
    recorder = recorded(frames, follows)
    assert np.flatnonzero(np.isnan(recorder.series[0]["motion"])).tolist() == [0, 7, 12]
    assert recorder.frames_of("motion_svd").tolist() == [i for i in range(20) if follows[i]]
    whole = recorded(frames)
    np.testing.assert_array_equal(
        recorder.series[0]["motion"][follows], whole.series[0]["motion"][follows]
    )


def test_regions_are_measured_where_they_lie_and_their_signals_told_apart():
    rng = np.random.default_rng(0)
    frames = []
    for i in range(30):
        frame = np.full((HEIGHT, 2 * WIDTH), 128, np.uint8)
        frame[:, :WIDTH] = eye(55 + np.sin(i / 3), 40, 10 + i / 6, 9 + i / 6, seed=i)
        frame[:, WIDTH:] = rng.integers(0, 255, (HEIGHT, WIDTH)) if i % 2 else 100
        frames.append(frame)
    rois = Rois(
        seed_polygons=(square(WIDTH, 0, WIDTH, HEIGHT),),
        seed_labels=(RegionLabel("noise", "motion"),),
        signal_polygons=(square(3, 3, 104, 74), square(3, 3, 104, 74)),
        signal_labels=(RegionLabel("eye", "pupil"), RegionLabel("lid", "blink")),
    )
    recorder = recorded(frames, signals=("motion", "pupil", "blink"), rois=rois)
    whole, noise, pupil, lid = recorder.series
    assert (noise["motion"][1:] <= whole["motion"][1:]).all()
    centre = pupil["centre"]
    assert np.abs(centre[:, 0] - 55 - np.sin(np.arange(30) / 3)).max() < 0.5
    area = np.pi * (10 + np.arange(30) / 6) * (9 + np.arange(30) / 6)
    assert np.abs(pupil["area"] / area - 1).max() < 0.08
    assert np.ptp(lid["opening"]) < 0.05 and (lid["confidence"] > 0.2).all()


def test_what_is_excluded_is_not_in_a_region():
    rois = Rois(seed_polygons=(square(0, 0, 96, 48),), exclude_polygons=(square(0, 0, 96, 24),))
    recorder = recorded(moving_block(10), rois=rois)
    assert np.nansum(recorder.series[0]["motion"]) > 0 == np.nansum(recorder.series[1]["motion"])


def test_a_region_too_small_for_its_kind_is_refused():
    rois = Rois(signal_polygons=(square(5, 5, 6, 6),), signal_labels=(RegionLabel(None, "pupil"),))
    with pytest.raises(RoiError, match="'signals_0' of kind pupil has 6 x 6 px"):
        recorded(moving_block(3), signals=("pupil",), rois=rois)


@pytest.fixture(scope="module")
def facemap_run(tmp_path_factory):
    """Video of a scene with movement, and what facemap's `process.run` makes of it with one region.

    Its window's libraries are left out. Its decomposition calls what scikit-learn 1.5 took away (`PCA._fit`),
    and is replaced by what that computed: the components of the pixels of each frame less their mean.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("pyqtgraph", "qtpy", "qtpy.QtCore", "qtpy.QtGui", "qtpy.QtWidgets"):
            if name not in sys.modules:
                patch.setitem(sys.modules, name, MagicMock())
        process = pytest.importorskip("facemap.process")
        patch.setattr(process.utils, "svdecon", of_pixels_less_their_mean)
        folder = tmp_path_factory.mktemp("facemap")
        video = folder / "mouse.mp4"
        make_scene_video(video, n_frames=601, width_px=160, height_px=120)
        region = {
            "rind": 1, "rtype": "motion SVD", "iROI": 0, "ivid": 0, "color": (0, 0, 0),
            "saturation": 0, "yrange": np.arange(20, 81), "xrange": np.arange(40, 101),
        }  # fmt: skip
        given = {
            "sbin": 4, "fullSVD": True, "save_mat": False, "rois": [region], "sy": [0], "sx": [0],
        }  # fmt: skip
        name = process.run(
            [[str(video)]], motSVD=True, movSVD=True, proc=given, savepath=str(folder)
        )
        for module in [n for n in sys.modules if n.startswith("facemap")]:
            patch.delitem(sys.modules, module)
    return np.load(name, allow_pickle=True).item(), list(iterate_gray_frames(video, rule="luma"))


def of_pixels_less_their_mean(movie, k):
    values = movie - movie.mean(axis=0)
    masks, strengths, times = np.linalg.svd(values, full_matrices=False)
    return masks[:, :k], strengths[:k], times[:k]


def as_facemap_shifts(motion):
    """facemap's first 500 frames hold the motion of the frame after, and the last of these nothing."""
    return np.concatenate([motion[1:500], [np.nan], motion[500:]])


def binned(frames):
    movie = np.stack(frames).astype(float)
    return movie.reshape(len(movie), 30, 4, 40, 4).mean(axis=(2, 4)).reshape(len(movie), -1)


def test_motion_agrees_with_facemap(facemap_run):
    theirs, frames = facemap_run
    # its bins of this region, the last of which along y it leaves out
    rows, columns = (theirs["rois"][0][name] for name in ("yrange_bin", "xrange_bin"))
    corner = 4 * columns[0], 4 * rows[0]
    rois = Rois(seed_polygons=(square(*corner, 4 * len(columns), 4 * len(rows)),))
    ours = recorded(frames, rois=rois, signals=("motion",))
    for i in range(2):
        mine = as_facemap_shifts(ours.series[i]["motion"])
        is_there = ~np.isnan(mine)
        np.testing.assert_allclose(mine[is_there], theirs["motion"][i][is_there], rtol=1e-4)


@pytest.mark.parametrize(("movie", "key"), [("motion_svd", "mot"), ("movie_svd", "mov")])
def test_components_agree_with_facemaps_of_the_same_movie(facemap_run, movie, key):
    """facemap decomposes frames less the mean over their pixels; so do we, given such frames."""
    theirs, frames = facemap_run
    pictures = binned(frames)
    pictures = np.abs(np.diff(pictures, axis=0)) if movie == "motion_svd" else pictures[1:]
    pictures -= pictures.mean(axis=0)
    pictures -= pictures.mean(axis=1, keepdims=True)
    svd = StreamedSvd(1200, 60, np.zeros((600, store_width(1200, 60)), np.float32))
    for picture in pictures.astype(np.float32):
        svd.push(picture)
    found = svd.finish(np.zeros((600, 60), np.float32))
    masks = theirs[f"{key}Mask"][0]
    masks /= np.linalg.norm(masks, axis=0)
    cosines = np.linalg.svd(found.masks[:20] @ masks[:, :20], compute_uv=False)
    assert cosines.min() >= 0.99
    strengths = np.linalg.norm(pictures @ masks[:, :20], axis=0)
    np.testing.assert_allclose(found.singular_values[:20], strengths, rtol=0.01)

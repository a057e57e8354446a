"""The benchmarks' truth is true: what was planted is what the video shows and what is compared."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from benchmarks.accuracy_measures import (
    TENSOR_AXES,
    confidence_auc,
    congruences,
    peak_bin,
    planted_components,
)
from benchmarks.dic import enlarged, sampled
from benchmarks.planted import PlantedScene, Surface, encode, movement
from benchmarks.scenes import looped
from element_facerhythm.core.tracking import make_mesh
from element_facerhythm.video import iterate_gray_frames


@pytest.fixture(scope="module")
def scene() -> PlantedScene:
    return PlantedScene((movement(10.0, 6.0),), seed=5, n_frames=12, noise_sd=0.0)


def test_the_video_shows_the_planted_motion(scene):
    """The shift that best explains each point's window, to first order, is below 0.01 px."""
    frames = [frame.astype(float) for frame in Surface(scene).frames()]
    _, placed = scene.placed_rois()
    reach = np.arange(-7, 8)
    window = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    resting = placed.point_positions[:, None].astype(float) + window

    def sampled(index, positions):
        return map_coordinates(frames[index], np.moveaxis(positions, -1, 0)[::-1], order=5)

    shown = sampled(0, resting)
    for index in (3, 7, 11):
        there = resting + scene.displacement_px(resting, index)
        assert np.abs(there - resting).max() > 1
        steps = np.eye(2) * 0.5
        slopes = [sampled(index, there + s) - sampled(index, there - s) for s in steps]
        slope = np.stack(slopes, axis=-1)
        missed = shown - sampled(index, there)
        shifts = [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(slope, missed, strict=True)]
        lengths = np.linalg.norm(shifts, axis=1)
        assert np.median(lengths) < 0.005
        assert lengths.max() < 0.02


def test_an_enlarged_picture_is_sampled_where_it_was_asked_for():
    def levels(x, y):
        return 100 + 40 * np.cos(np.pi * 9 * (x + 0.5) / 48) * np.cos(np.pi * 11 * (y + 0.5) / 40)

    y, x = np.mgrid[:40, :48].astype(float)
    picture = enlarged(levels(x, y))
    moved_x, moved_y = x + 0.37 * np.sin(y / 7), y - 0.21
    assert np.abs(sampled(picture, x, y) - levels(x, y)).max() < 0.02
    assert np.abs(sampled(picture, moved_x, moved_y) - levels(moved_x, moved_y)).max() < 0.02


def test_a_perfect_flow_that_nothing_pulls_back_gives_the_displacement(scene):
    _, placed = scene.placed_rois()
    home = placed.point_positions
    mesh = make_mesh(home, n_neighbors=8)
    ideal = scene.ideal_track(home, mesh, mesh_rigidity=0.0, relaxation=0.0)
    assert np.abs(ideal - scene.true_positions(home)).max() < 1e-3
    pulled = scene.ideal_track(home, mesh, mesh_rigidity=0.0, relaxation=0.5)
    steps = np.diff(pulled - home, axis=0, prepend=0)
    assert np.abs(pulled - home).max() < 0.8 * np.abs(ideal - home).max()
    assert np.abs(steps[1:]).max() > 0.1


def test_a_peak_between_two_bins_is_found():
    bins = np.arange(36)
    power = np.exp(-0.5 * ((bins - 17.3) / 2.0) ** 2) + 1e-9
    power[2] = 10.0  # noise far away does not count
    assert peak_bin(power, 18) == pytest.approx(17.3, abs=0.01)


def test_congruence_is_one_for_the_planted_components_in_any_order_and_scale():
    rng = np.random.default_rng(0)
    sources = [movement(hz, 1.0) for hz in (3.0, 6.0, 11.0)]
    scene = PlantedScene(tuple(sources), seed=1)
    parts = [[rng.random(n) for n in (8, 12, 20)] for _ in sources]
    alone = [np.einsum("a,b,c->abc", *part).reshape(2, 4, 12, 20) for part in parts]
    planted = planted_components(scene, alone)
    order = [2, 0, 1]
    factors = {
        name: np.stack([(k + 1) * parts[k][axis] for k in order], axis=1)
        for axis, name in enumerate(TENSOR_AXES)
    }
    assert congruences(planted, factors) == pytest.approx([1, 1, 1])
    factors["frequency"] = rng.random((12, 3))
    assert min(congruences(planted, factors)) < 0.99


def test_confidence_tells_the_worst_twentieth_by_its_order():
    rng = np.random.default_rng(0)
    error_px = rng.random((60, 20))
    is_worst = error_px > np.quantile(error_px, 0.95)
    assert confidence_auc(0.1 + 0.2 * ~is_worst, error_px) == 1
    assert confidence_auc(is_worst * 1.0, error_px) == 0
    assert confidence_auc(np.ones(error_px.shape), error_px) == pytest.approx(0.5)
    chance = confidence_auc(rng.random(error_px.shape), error_px)
    assert chance == pytest.approx(0.5, abs=0.15)


def test_a_loop_repeats_every_frame(tmp_path: Path):
    rng = np.random.default_rng(0)
    pictures = np.repeat(np.repeat(rng.integers(0, 255, (30, 8, 8), np.uint8), 8, 1), 8, 2)
    video = tmp_path / "clip.mkv"
    encode(video, iter(pictures), 100.0, "h264-18")
    once = np.stack(list(iterate_gray_frames(video)))
    repeated = np.stack(list(iterate_gray_frames(looped(video, 75))))
    assert len(once) == 30
    assert np.array_equal(repeated, np.concatenate([once] * 3))

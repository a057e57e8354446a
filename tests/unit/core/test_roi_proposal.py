"""Proposed regions hold what moves, ignore light and a passing paw, and refuse a still video."""

import numpy as np
import pytest

from element_facerhythm.core.outline import is_simple
from element_facerhythm.core.roi_proposal import propose_rois
from element_facerhythm.core.rois import place_rois, polygon_mask
from element_facerhythm.demo.synthetic import Renderer, plan_scene
from element_facerhythm.errors import RoiError
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video

SIZE = {"height_px": 240, "width_px": 320}


@pytest.fixture(scope="module")
def scene():
    return plan_scene(n_frames=300, flicker_fraction=0.05)


@pytest.fixture(scope="module")
def frames(scene):
    return np.stack(list(Renderer(scene).frames()))


@pytest.fixture(scope="module")
def speed(scene):
    """(H, W) true mean speed in pixels per frame, where there is a face to see it on."""
    y, x = np.mgrid[0:240, 0:320]
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    steps = np.zeros(len(points))
    previous = scene.true_positions(points, [0])[0]
    for index in range(1, scene.n_frames):
        current = scene.true_positions(points, [index])[0]
        steps += np.linalg.norm(current - previous, axis=-1)
        previous = current
    bright = Renderer(scene).frame(0) > 60
    return (steps / (scene.n_frames - 1)).reshape(240, 320) * bright


def seed_mask(rois):
    return place_rois(rois, **SIZE, spacing_px=8).seed_mask


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_proposal_covers_what_moves(frames, speed):
    rois, report = propose_rois(iter(frames))
    mask, moving = seed_mask(rois), speed > 0.08
    assert (mask & moving).sum() / (mask | moving).sum() > 0.6
    assert report.energy_fraction > 0.85
    assert (speed**2)[mask].sum() / (speed**2).sum() > 0.9
    assert report.n_pairs == 299
    assert report.flicker_fraction == pytest.approx(0.05 / np.sqrt(2), rel=0.15)


def test_paw_that_passes_once_does_not_decide(frames, scene):
    rois, _ = propose_rois(frames)
    without_paw = plan_scene(n_frames=300, flicker_fraction=0.05, with_paw=False)
    others, _ = propose_rois(Renderer(without_paw).frames())
    assert scene.paw.hides(np.array([[226.0, 225.0]]), scene.paw.span_s[0] + 0.3)[0]
    assert overlap(seed_mask(rois), seed_mask(others)) > 0.9


def test_regions_are_those_that_a_person_would_draw_and_correct(frames, scene):
    """Against the region that the scene was made with: its face, of which the cheek hardly moves."""
    rois, report = propose_rois(frames)
    drawn = place_rois(scene.rois, **SIZE, spacing_px=8).seed_mask
    assert overlap(seed_mask(rois), drawn) > 0.58
    for polygon in (*rois.seed_polygons, *rois.mask_polygons):
        assert len(polygon) <= 12 and is_simple(polygon)
        assert (polygon >= 0).all() and (polygon <= (319, 239)).all()
    assert np.array_equal(report.first_frame, frames[0])
    assert np.abs(report.background_image - frames.mean(axis=0)).mean() < 2


@pytest.mark.reference
def test_of_a_real_video_one_region_is_that_which_an_expert_drew(reference_data):
    """A mouse from the side and in a mirror; the expert took the mirror alone, and drew a rectangle."""
    drawn = read_rois(reference_data / "inputs" / "ROIs.h5").seed_mask
    (video,) = (reference_data / "video").glob("*.mp4")
    rois, _ = propose_rois_for_video(video, 300)
    height, width = drawn.shape
    regions = [polygon_mask(p, height_px=height, width_px=width) for p in rois.seed_polygons]
    assert max(overlap(region, drawn) for region in regions) > 0.55
    assert sum(map(len, rois.seed_polygons)) <= 12 * len(regions)
    assert np.any(regions, axis=0).mean() < 0.7
    assert (np.sum(regions, axis=0) > 1).mean() < 0.01  # each stands for itself


def test_mask_leaves_room_around_every_seed_point(frames):
    rois, _ = propose_rois(frames)
    placed = place_rois(rois, **SIZE, spacing_px=6)
    x, y = placed.point_positions.astype(int).T
    for dx, dy in ((10, 0), (-10, 0), (0, 10), (0, -10)):
        assert placed.visible_mask[np.clip(y + dy, 0, 239), np.clip(x + dx, 0, 319)].all()


def test_pairs_from_all_over_a_video_do_as_well(frames):
    pairs = [(frames[i], frames[i + 1]) for i in range(0, 298, 6)]
    from_pairs, report = propose_rois(pairs)
    from_all, _ = propose_rois(frames)
    one, other = seed_mask(from_pairs), seed_mask(from_all)
    assert (one & other).sum() / (one | other).sum() > 0.6
    assert report.n_pairs == len(pairs)


def test_flicker_and_noise_alone_are_not_motion():
    rng = np.random.default_rng(1)
    still = Renderer(plan_scene(n_frames=2, noise_sd=0)).frame(0).astype(float)
    light = 1 + 0.2 * np.sin(np.arange(60))
    noisy = still * light[:, None, None] + rng.normal(0, 2, (60, *still.shape))
    with pytest.raises(RoiError, match="nothing moves"):
        propose_rois(np.clip(noisy, 0, 255).astype(np.uint8))


def test_region_at_the_border_stays_inside_the_frame():
    rng = np.random.default_rng(2)
    texture = rng.integers(40, 220, (130, 400)).astype(np.uint8)
    frames = np.full((40, 120, 160), 80, np.uint8)
    for index in range(40):
        shift = round(6 * np.sin(index))
        frames[index, 60:, 100:] = texture[:60, 100 + shift : 160 + shift]
    rois, _ = propose_rois(frames)
    placed = place_rois(rois, height_px=120, width_px=160, spacing_px=5)
    assert placed.seed_mask[90, 130]
    assert not placed.seed_mask[30, 40]


@pytest.mark.parametrize("n_frames", [0, 1])
def test_too_few_frames_are_refused(n_frames):
    with pytest.raises(RoiError, match="fewer than 2 frames"):
        propose_rois(np.zeros((n_frames, 64, 64), np.uint8))


def test_frames_of_two_sizes_are_refused():
    frames = [np.zeros((64, 64), np.uint8)] * 5 + [np.zeros((64, 80), np.uint8)]
    with pytest.raises(RoiError, match=r"\(64, 80\)"):
        propose_rois(frames)

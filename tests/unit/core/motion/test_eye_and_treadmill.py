"""How far an eye is open, and how far a texture moves."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from benchmarks.eye import eye, eye_region
from element_facerhythm.core.motion.eye_opening import N_BINS, EyeOpening
from element_facerhythm.core.motion.treadmill import TreadmillFlow


def openings(pictures):
    opening = EyeOpening(eye_region(), np.zeros((len(pictures), N_BINS), np.float32))
    for picture in pictures:
        opening.push(picture)
    return opening.finish()


def test_blinks_are_seen_and_the_opening_follows_the_lid():
    lids = np.ones(60)
    lids[20:26] = [0.6, 0.2, 0, 0, 0.3, 0.7]
    opening, confidence = openings([eye(opened=lid, seed=i) for i, lid in enumerate(lids)])
    assert np.corrcoef(opening, lids)[0, 1] > 0.98
    assert opening[22:24].max() < 0.05 and (confidence > 0.3).all()


def test_frames_without_light_tell_nothing():
    pictures = [eye(seed=i) for i in range(10)]
    pictures[4] = np.zeros_like(pictures[4])
    opening, confidence = openings(pictures)
    assert np.isnan(opening).tolist() == [i == 4 for i in range(10)]
    assert confidence[4] == 0


def test_a_region_without_an_eye_tells_nothing():
    flat = [np.random.default_rng(i).normal(120, 2, (80, 110)).astype(np.uint8) for i in range(5)]
    opening, confidence = openings(flat)
    assert np.isnan(opening).all() and not confidence.any()


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (-5, 2), (0.5, -1.25), (11.0, 4.5)])
def test_a_texture_that_moves_is_followed_to_a_fraction_of_a_pixel(dx, dy):
    rng = np.random.default_rng(1)
    texture = gaussian_filter(rng.normal(0, 1, (140, 220)), 1.5) * 90 + 128
    flow = TreadmillFlow(np.ones((60, 100), bool))
    moved = [shift(texture, (i * dy, i * dx), order=3)[40:100, 60:160] for i in range(3)]
    found = [flow.push(np.clip(picture, 0, 255).astype(np.uint8)) for picture in moved]
    assert np.isnan(found[0][:2]).all() and found[0][2] == 0
    for x, y, peak in found[1:]:
        assert (x, y) == pytest.approx((dx, dy), abs=0.15)
        assert peak > 0.3


def test_nothing_is_made_up_without_texture_or_without_a_frame_before():
    flow = TreadmillFlow(np.ones((32, 32), bool))
    textured = np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8)
    flow.push(textured)
    assert flow.push(textured)[:2] == pytest.approx((0, 0), abs=1e-3)
    flow.forget()
    assert np.isnan(flow.push(textured)[0])
    assert np.isnan(flow.push(np.full((32, 32), 90, np.uint8))[0])
    other = np.random.default_rng(5).integers(0, 255, (32, 32)).astype(np.uint8)
    assert np.isnan(flow.push(other)[0])

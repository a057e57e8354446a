"""A pupil that was drawn is found, and none where none was."""

import numpy as np
import pytest

from benchmarks.eye import eye, eye_region
from element_facerhythm.core.motion.pupil import PupilFinder

NOTHING_HIDDEN = np.zeros((80, 110), bool)


def find(picture, hidden=NOTHING_HIDDEN):
    return PupilFinder(eye_region(), hidden).find(picture)


@pytest.mark.parametrize("radius", [5.0, 9.0, 14.0, 22.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_place_size_and_shape_are_those_that_were_drawn(radius, seed):
    rng = np.random.default_rng(seed)
    x, y = 55 + rng.uniform(-6, 6), 40 + rng.uniform(-3, 3)
    angle = rng.uniform(-1.2, 1.2)
    found = find(eye(x, y, radius * 1.1, radius / 1.1, angle, seed=seed))
    assert np.hypot(found.x_px - x, found.y_px - y) < 0.4
    assert found.area_px2 == pytest.approx(np.pi * radius**2, rel=0.06, abs=6)
    assert found.long_px / found.short_px == pytest.approx(1.21, abs=0.12)
    if radius > 6:
        turned = (found.angle_rad - angle + np.pi / 2) % np.pi - np.pi / 2
        assert abs(turned) < 0.25
    assert found.confidence > 0.5


def test_a_reflection_on_the_edge_moves_nothing():
    alone = find(eye(reflection=None))
    for reflection in [(55.0, 40.0), (66.0, 33.0), (43.0, 44.0)]:
        found = find(eye(reflection=reflection))
        assert np.hypot(found.x_px - alone.x_px, found.y_px - alone.y_px) < 0.5
        assert found.area_px2 == pytest.approx(alone.area_px2, rel=0.05)
        assert found.confidence < alone.confidence or reflection == (55.0, 40.0)


def test_a_dim_reflection_can_be_drawn():
    rows, columns = np.mgrid[:80, :110]
    hidden = np.hypot(columns - 64, rows - 34) < 7
    picture = eye(reflection=None)
    picture[hidden] = 110
    drawn, plain = find(picture, hidden), find(eye(reflection=None))
    assert np.hypot(drawn.x_px - plain.x_px, drawn.y_px - plain.y_px) < 0.6
    assert drawn.area_px2 == pytest.approx(plain.area_px2, rel=0.06)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((80, 110), np.uint8),
        np.full((80, 110), 255, np.uint8),
        np.random.default_rng(3).normal(120, 8, (80, 110)).clip(0, 255).astype(np.uint8),
        np.tile(np.linspace(60, 180, 110).astype(np.uint8), (80, 1)),
        eye(opened=0.0, reflection=None),
    ],
    ids=["dark", "white", "noise", "slope", "closed"],
)
def test_where_there_is_none_nothing_is_made_up(picture):
    assert find(picture) is None


def test_half_covered_by_the_lid_it_is_told_with_less_confidence():
    whole, half = find(eye(y=40)), find(eye(y=40, opened=0.15))
    assert half is None or half.confidence < 0.8 * whole.confidence

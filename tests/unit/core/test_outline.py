"""Outlines have few vertices, never cross themselves, stay in the frame and cover their region."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon as Shape

from element_facerhythm.core.outline import is_simple, outline_region
from element_facerhythm.core.rois import polygon_mask
from element_facerhythm.errors import RoiError

HEIGHT, WIDTH = 60, 80


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@st.composite
def regions(draw):
    """One connected region of bumps and bites, that may reach the border."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    wave = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)), (0, 0), draw(st.floats(2, 12)))
    mask = (wave > np.quantile(wave, draw(st.floats(0.2, 0.9)))).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask)
    return labels == 1 + np.argmax(facts[1:, cv2.CC_STAT_AREA])


@settings(max_examples=40, deadline=None)
@given(regions(), st.integers(3, 20))
def test_outlines_are_simple_and_short(region, max_vertices):
    try:
        polygon = outline_region(region, max_vertices=max_vertices)
    except RoiError:
        assert min(np.ptp(axis) for axis in np.nonzero(region)) == 0
        return
    assert 3 <= len(polygon) <= max_vertices
    assert Shape(polygon).is_valid and is_simple(polygon)
    assert (polygon >= 0).all() and (polygon <= (WIDTH - 1, HEIGHT - 1)).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=9, unique=True)
)
def test_crossing_outlines_are_told_from_simple_ones(vertices):
    polygon = np.array(vertices, float)
    assert is_simple(polygon) == (Shape(vertices).is_valid and Shape(vertices).area > 0)


def test_a_face_takes_twelve_vertices_and_a_square_four():
    y, x = np.mgrid[:200, :300]
    face = ((x - 140) / 100) ** 2 + ((y - 100) / 70) ** 2 < 1 + 0.3 * np.sin(
        3 * np.arctan2(y - 100, x - 140)
    )
    polygon = outline_region(face)
    assert len(polygon) <= 12
    assert overlap(polygon_mask(polygon, height_px=200, width_px=300), face) > 0.94
    square = np.zeros((200, 300), bool)
    square[20:90, 30:99] = True
    corners = outline_region(square)
    assert {tuple(corner) for corner in corners} == {(30, 20), (98, 20), (98, 89), (30, 89)}


def test_of_parts_the_largest_is_outlined_and_a_line_has_no_outline():
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[5:10, 5:10] = region[20:50, 20:60] = True
    assert (outline_region(region) >= 20).all()
    line = np.zeros((HEIGHT, WIDTH), bool)
    line[5, 5:40] = True
    for empty in (line, np.zeros((HEIGHT, WIDTH), bool)):
        with pytest.raises(RoiError, match="without area"):
            outline_region(empty)

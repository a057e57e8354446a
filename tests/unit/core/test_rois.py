"""Polygons, grids and frames: what fits, what is cut, and what is refused."""

import numpy as np
import pytest

from element_facerhythm.core.rois import Rois, place_rois, polygon_mask, seed_grid, seed_region
from element_facerhythm.errors import ParameterError, RoiError

FRAME = {"height_px": 30, "width_px": 40}
SQUARE = np.array([[10, 5], [20, 5], [20, 15], [10, 15]], float)
FURTHER = SQUARE + np.array([10, 10])
EVERYTHING = np.array([[0, 0], [40, 0], [40, 30], [0, 30]], float)


def test_edges_and_corners_belong_to_a_polygon():
    mask = polygon_mask(SQUARE, **FRAME)
    expected = np.zeros((30, 40), bool)
    expected[5:16, 10:21] = True
    assert np.array_equal(mask, expected)


def test_slanted_edges_follow_pixel_centres():
    mask = polygon_mask([[0.5, 0], [4.5, 0], [0.5, 4]], height_px=5, width_px=6)
    assert mask.astype(int).tolist() == [
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_polygon_on_the_border_is_cut_to_the_frame():
    assert polygon_mask(EVERYTHING, **FRAME).all()
    assert not polygon_mask(EVERYTHING + 100, **FRAME).any()


def test_the_even_odd_rule_holds_where_a_polygon_crosses_itself():
    bow_tie = [[0, 0], [20, 20], [20, 0], [0, 20]]
    mask = polygon_mask(bow_tie, height_px=21, width_px=21)
    assert mask[10, 2] and mask[10, 18]
    assert not mask[2, 10] and not mask[18, 10]


def test_grid_runs_down_each_column_and_ends_before_the_far_edge():
    points = seed_grid(polygon_mask(SQUARE, **FRAME), spacing_px=5)
    assert points.dtype == np.float32
    assert points.tolist() == [[10, 5], [10, 10], [15, 5], [15, 10]]


def test_grid_keeps_to_the_mask():
    mask = np.zeros((30, 40), bool)
    mask[0:10, 0:10] = mask[20:30, 30:40] = True
    x, y = seed_grid(mask, spacing_px=3).astype(int).T
    assert mask[y, x].all()
    assert x.max() > 29


@pytest.mark.parametrize("spacing", [0, -3, 2.5, True])
def test_impossible_spacing_is_refused(spacing):
    with pytest.raises(ParameterError, match="point spacing"):
        seed_grid(np.ones((5, 5), bool), spacing_px=spacing)


def test_polygons_unite_and_the_mask_hides_the_rest():
    rois = Rois(seed_polygons=(SQUARE, FURTHER), mask_polygons=(SQUARE,))
    placed = place_rois(rois, **FRAME, spacing_px=4)
    first = polygon_mask(SQUARE, **FRAME)
    assert np.array_equal(placed.seed_mask, first | polygon_mask(FURTHER, **FRAME))
    assert np.array_equal(placed.visible_mask, first)
    assert len(placed.point_positions) == len(seed_grid(placed.seed_mask, spacing_px=4))


def test_no_mask_shows_the_whole_frame():
    assert place_rois(Rois((SQUARE,)), **FRAME, spacing_px=4).visible_mask.all()


def test_given_points_and_masks_are_taken_as_they_are():
    points = np.array([[3.5, 7.25], [39, 29]], np.float32)
    mask = np.ones((30, 40), bool)
    mask[0] = False
    placed = place_rois(Rois(point_positions=points, visible_mask=mask), **FRAME, spacing_px=4)
    assert np.array_equal(placed.point_positions, points)
    assert np.array_equal(placed.visible_mask, mask)
    assert placed.seed_mask.sum() == 2


@pytest.mark.parametrize(
    ("rois", "match"),
    [
        (
            Rois((SQUARE + np.array([25, 0]),)),
            r"points\[0\] .*: vertex 1 at \(x=45, y=5\) lies outside",
        ),
        (
            Rois((SQUARE,), (SQUARE - np.array([0, 6]),)),
            r"mask\[0\] .*: vertex 0 at \(x=10, y=-1\)",
        ),
        (Rois((SQUARE, np.zeros((2, 2)))), r"points\[1\] has shape \(2, 2\)"),
        (Rois((np.array([[1, 1], [5, np.nan], [9, 9]]),)), "not a finite number"),
        (Rois(), "hold no polygon"),
        (Rois((np.array([[3, 3], [3.2, 3], [3, 3.2]]),)), "No point fits"),
        (Rois((SQUARE,), (np.array([[30, 20], [38, 20], [38, 28]]),)), "hides all 9 points"),
        (Rois((SQUARE,), visible_mask=np.ones((40, 30), bool)), "30 x 40 px .* the video 40 x 30"),
        (Rois(point_positions=np.array([[41, 3]], np.float32)), "point 0 at"),
        (Rois(point_positions=np.zeros((0, 2), np.float32)), "holds? no point"),
    ],
)
def test_regions_that_do_not_fit_are_refused(rois, match):
    with pytest.raises(RoiError, match=match):
        place_rois(rois, **FRAME, spacing_px=4)


def test_what_is_no_list_of_pairs_is_refused():
    with pytest.raises(RoiError, match="not a list of"):
        polygon_mask([[1, 2], ["a", "b"], [3, 4]], **FRAME)


def test_far_and_many_vertices_are_refused():
    far = [[0, 0], [1e308, 0], [0, 1e308]]
    with pytest.raises(RoiError, match=r"further than 1e\+07 px away"):
        polygon_mask(far, height_px=10, width_px=10)
    many = Rois(seed_polygons=(np.zeros((10_001, 2)),))
    with pytest.raises(RoiError, match="have 10001 vertices; at most 10000"):
        place_rois(many, height_px=10, width_px=10, spacing_px=1)


def test_every_edge_counts_in_every_row_that_it_crosses():
    """Against the rule applied pixel by pixel: inside by the even-odd rule, or on an edge."""
    rng = np.random.default_rng(3)
    for n_vertices in (3, 7, 40):
        polygon = rng.integers(-8, 60, (n_vertices, 2)) / 2
        mask = polygon_mask(polygon, height_px=24, width_px=28)
        edges = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
        for y in range(24):
            for x in range(28):
                crossings, on_edge = 0, False
                for (ax, ay), (bx, by) in edges:
                    cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                    between = min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by)
                    on_edge |= cross == 0 and between
                    if (ay > y) != (by > y):
                        crossings += ax + (y - ay) * (bx - ax) / (by - ay) > x
                assert mask[y, x] == (on_edge or crossings % 2 == 1), (n_vertices, x, y)


def test_what_is_excluded_is_neither_seeded_nor_seen():
    inner = np.array([[12, 7], [16, 7], [16, 12], [12, 12]], float)
    drawn = Rois(
        (SQUARE, FURTHER),
        exclude_polygons=(inner, EVERYTHING[[0, 1, 1]] * [1, 0] + [[0, 0], [0, 0], [0, 3]]),
    )
    placed = place_rois(drawn, **FRAME, spacing_px=2)
    hidden = polygon_mask(inner, **FRAME) | polygon_mask(drawn.exclude_polygons[1], **FRAME)
    whole = place_rois(Rois((SQUARE, FURTHER)), **FRAME, spacing_px=2)
    assert np.array_equal(placed.visible_mask, ~hidden)
    assert np.array_equal(placed.seed_mask, whole.seed_mask & ~hidden)
    assert np.array_equal(seed_region(drawn, **FRAME), placed.seed_mask)
    x, y = placed.point_positions.astype(int).T
    assert len(x) > 10 and not hidden[y, x].any()
    with pytest.raises(RoiError, match="No point fits"):
        place_rois(Rois((SQUARE,), exclude_polygons=(EVERYTHING,)), **FRAME, spacing_px=2)
    with pytest.raises(RoiError, match=r"exclude\[0\] .*: vertex 0 at"):
        place_rois(Rois((SQUARE,), exclude_polygons=(SQUARE + 35,)), **FRAME, spacing_px=2)

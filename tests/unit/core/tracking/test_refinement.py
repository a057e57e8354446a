"""Matches on frames as they are: as good as a search and cheaper, and never worse where it is needed."""

from contextlib import closing
from itertools import pairwise

import cv2
import numpy as np
import pytest

from element_facerhythm.core.tracking import (
    RefineWithin,
    compiled_flow,
    flow_settings,
    make_flow,
    make_mesh,
)
from element_facerhythm.core.tracking.carrying import carry
from element_facerhythm.core.tracking.refinement import Look, VisiblePart

SETTINGS = flow_settings([15, 15], 2, [3, 10, 0.03])
VISIBLE = np.ones((96, 128), bool)


class Preparation:
    """Leaves frames as they are and counts them."""

    def __init__(self):
        self.n_prepared = 0

    def __call__(self, frame):
        self.n_prepared += 1
        return frame


def refining(points, prepare=None, visible=VISIBLE, **how):
    neighbors = make_mesh(points, n_neighbors=8).neighbors
    return closing(
        make_flow(
            SETTINGS,
            prepare=prepare or Preparation(),
            refine_within=RefineWithin(visible, neighbors),
            **how,
        )
    )


def follow(flow, before, after, points):
    return flow(flow.describe(before), flow.describe(after), points)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2), (1.75, -2.5), (-3.6, 2.9)])
def test_small_motion_is_found_without_a_search(shifted_texture, grid, shift):
    frames = shifted_texture(np.array([[0.0, 0.0], shift]))
    prepare = Preparation()
    with refining(grid, prepare) as flow:
        flow._searches = 0.0  # nothing had to be searched for lately: no pyramid is made in advance
        moved, found = follow(flow, *frames, grid)
    error = np.linalg.norm(moved - grid - shift, axis=1)
    assert found.all()
    assert np.median(error) < 0.02
    assert error.max() < 0.05
    assert prepare.n_prepared == 0


@pytest.mark.parametrize("shift", [(-6.1, 4.4), (5.5, 0.0)])
def test_large_motion_is_searched_for(shifted_texture, grid, shift):
    frames = shifted_texture(np.array([[0.0, 0.0], shift]))
    prepare = Preparation()
    with refining(grid, prepare) as flow:
        flow._searches = 0.0
        moved, found = follow(flow, *frames, grid)
    error = np.linalg.norm(moved - grid - shift, axis=1)
    assert found.all()
    assert error.max() < 0.05
    assert prepare.n_prepared == 2


def test_a_clear_match_is_what_a_search_would_have_found(shifted_texture, grid, monkeypatch):
    shifts = np.cumsum(np.random.default_rng(4).normal(0, 1.0, (6, 2)), axis=0)
    frames = shifted_texture(shifts)
    with refining(grid) as flow:
        direct = [follow(flow, *pair, grid)[0] for pair in pairwise(frames)]
    monkeypatch.setattr(compiled_flow, "FIRST_LOOK", Look(reach_px=-1.0, doubt=0.0))
    prepare = Preparation()
    with refining(grid, prepare) as flow:
        searched = [follow(flow, *pair, grid)[0] for pair in pairwise(frames)]
    assert prepare.n_prepared == 10
    assert np.abs(np.array(direct) - searched).max() < 0.01


def test_preparing_in_advance_or_on_demand_gives_the_same_numbers(passing_bar, grid):
    answers = []
    for searches in (0.0, 1.0):
        with refining(grid) as flow:
            points, path = grid, []
            for before, after in pairwise(passing_bar):
                flow._searches = searches
                points, _ = follow(flow, before, after, points)
                path.append(points)
        answers.append(np.array(path))
    assert np.array_equal(*answers)


def test_a_change_of_brightness_moves_nothing(shifted_texture, grid):
    before = (shifted_texture(np.zeros((1, 2)))[0] * 0.8).astype(np.uint8)
    with refining(grid) as flow:
        moved, found = follow(flow, before, before + np.uint8(30), grid)
    assert found.all()
    assert np.abs(moved - grid).max() < 0.003


def test_hidden_pixels_have_no_influence(shifted_texture, grid):
    frames = shifted_texture(np.array([[0.0, 0.0], [1.2, 0.6]]))
    visible = VISIBLE.copy()
    visible[:, :50] = False
    noisy = frames.copy()
    noisy[:, :, :45] = np.random.default_rng(1).integers(0, 255, (2, 96, 45))
    points = grid[grid[:, 0] > 50]
    answers = []
    for pair in (frames, noisy):
        with refining(points, visible=visible) as flow:
            answers.append(follow(flow, *pair, points)[0])
    assert np.array_equal(*answers)


def test_a_narrow_bar_drags_half_as_many_points_along(passing_bar, grid):
    """A window that is half a bar tells of two motions; a wide bar is all that some windows see."""
    t = np.arange(30)
    sway = np.stack([2 * np.sin(t / 3.0), np.cos(t / 4.0)], axis=1)
    share_dragged = []
    with refining(grid) as refined:
        for flow in (refined, make_flow(SETTINGS, backend="opencv")):
            errors = []
            for i, (before, after) in enumerate(pairwise(passing_bar)):
                points = (grid + sway[i]).astype(np.float32)
                moved, _ = follow(flow, before, after, points)
                errors.append(np.linalg.norm(moved - points - (sway[i + 1] - sway[i]), axis=1))
            share_dragged.append(np.mean(np.concatenate(errors) > 0.5))
    assert share_dragged[0] < 0.6 * share_dragged[1]


def test_a_lost_point_takes_the_median_of_its_clear_neighbours():
    before = np.zeros((5, 2), np.float32)
    moved = np.array([[9, 9], [1, 0], [2, -4], [30, 1], [8, 8]], np.float32)
    lost = np.array([True, False, False, False, True])
    clear = np.array([False, True, True, True, False])
    neighbors = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3], [3, 0, 1, 2], [4, 0, 0, 0]])
    carried = carry(before, moved, lost, clear, neighbors)
    assert carried.tolist() == [True, False, False, False, False]
    assert moved[0].tolist() == [2.0, 0.0]
    assert moved[1:].tolist() == [[1, 0], [2, -4], [30, 1], [8, 8]]


@pytest.mark.parametrize(
    "corners", [(0, 96, 0, 128), (10, 60, 20, 90), (0, 5, 100, 128), (95, 96, 127, 128)]
)
def test_the_visible_part_is_smoothed_as_opencv_does(corners):
    frame = np.random.default_rng(2).integers(0, 255, (96, 128)).astype(np.uint8)
    top, bottom, left, right = corners
    visible = np.zeros((96, 128), bool)
    visible[top:bottom, left:right] = True
    pad = 25
    taps = np.array([1.0, 2.0, 1.0])
    smooth = cv2.sepFilter2D(frame, cv2.CV_16S, taps, taps, borderType=cv2.BORDER_REFLECT_101)
    padded = cv2.copyMakeBorder(smooth, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
    part = VisiblePart(visible, pad)
    expected = padded[top : bottom + 2 * pad, left : right + 2 * pad]
    assert np.array_equal(part.smoothed(frame), expected)
    origin, stride, *where = part.layout.tolist()
    assert where == [left, top, right - left, bottom - top]
    place = origin + top * stride + left
    assert part.smoothed(frame).ravel()[place] == smooth[top, left]


def test_nothing_visible_is_no_special_case(shifted_texture, grid):
    frames = shifted_texture(np.array([[0.0, 0.0], [1.0, 0.0]]))
    with refining(grid, visible=np.zeros((96, 128), bool)) as flow:
        moved, found = follow(flow, *frames, grid)
    assert np.isfinite(moved).all()
    assert found.all()  # by the search: there is nothing to judge it by


@pytest.mark.parametrize("n_threads", [2, 5])
def test_gives_the_same_answer_on_any_number_of_threads(passing_bar, grid, n_threads):
    answers = []
    for n in (1, n_threads):
        with refining(grid, n_threads=n) as flow:
            answers.append(follow(flow, passing_bar[10], passing_bar[11], grid))
    assert np.array_equal(answers[0][0], answers[1][0])
    assert np.array_equal(answers[0][1], answers[1][1])

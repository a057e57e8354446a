"""The flow is right where motion is known, and every backend equals OpenCV on every device."""

from contextlib import closing
from itertools import pairwise

import cv2
import numpy as np
import pytest

from element_facerhythm.core.tracking import ClaheSettings, flow_settings, make_flow
from element_facerhythm.core.tracking.refinement import RefineWithin
from element_facerhythm.errors import ParameterError

SETTINGS = flow_settings([15, 15], 2, [3, 10, 0.03])


def follow(flow, before, after, points):
    return flow(flow.describe(before), flow.describe(after), points)


@pytest.fixture
def scattered() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform([8, 8], [120, 88], (200, 2)).astype(np.float32)


@pytest.mark.parametrize("backend", ["opencv", "compiled"])
@pytest.mark.parametrize("shift", [(0.3, -0.2), (2.75, 1.5), (-6.1, 4.4)])
def test_known_sub_pixel_motion_is_found(shifted_texture, grid, backend, shift):
    before, after = shifted_texture(np.array([[0.0, 0.0], shift]))
    flow = make_flow(flow_settings([15, 15], 2, [3, 30, 0.001]), backend=backend)
    moved, found = follow(flow, before, after, grid)
    error = np.linalg.norm(moved - grid - shift, axis=1)
    assert found.all()
    assert np.median(error) < 0.02
    assert error.max() < 0.1


@pytest.mark.parametrize(
    ("window", "levels", "criteria"),
    [([15, 15], 2, [3, 10, 0.03]), ([21, 9], 3, [1, 4, 0.0]), ([8, 8], 0, [2, 0, 0.01])],
)
def test_agrees_with_opencv(shifted_texture, scattered, window, levels, criteria):
    shifts = np.cumsum(np.random.default_rng(4).normal(0, 1.2, (4, 2)), axis=0)
    frames = shifted_texture(shifts)
    settings = flow_settings(window, levels, criteria)
    reference = make_flow(settings, backend="opencv")
    flow = make_flow(settings)
    apart, same_status = [], []
    for before, after in pairwise(frames):
        expected, expected_found = follow(reference, before, after, scattered)
        moved, found = follow(flow, before, after, scattered)
        same_status.append(found == expected_found)
        apart.append(np.linalg.norm(moved - expected, axis=1)[found & expected_found])
    apart_px = np.concatenate(apart)
    assert np.mean(same_status) == 1.0
    assert np.median(apart_px) <= 0.001
    assert np.percentile(apart_px, 99) <= 0.02


def test_loses_the_points_that_opencv_loses(shifted_texture):
    before, after = shifted_texture(np.array([[0.0, 0.0], [1.0, 0.0]]))
    before[:, 64:], after[:, 64:] = 90, 90
    points = np.array(
        [[20, 20], [100, 50], [-40, 10], [500, 20], [0, 0], [127, 95], [63.5, 40]], np.float32
    )
    reference = make_flow(SETTINGS, backend="opencv")
    expected, expected_found = follow(reference, before, after, points)
    flow = make_flow(SETTINGS)
    moved, found = follow(flow, before, after, points)
    assert (
        found.tolist() == expected_found.tolist() == [True, False, False, False, True, False, True]
    )
    assert np.abs(moved[found] - expected[found]).max() < 0.01


@pytest.mark.parametrize("backend", ["opencv", "compiled"])
def test_gives_the_same_answer_on_any_number_of_threads(shifted_texture, scattered, backend):
    before, after = shifted_texture(np.array([[0.0, 0.0], [2.0, 1.0]]))
    n_threads = cv2.getNumThreads()
    answers = []
    try:
        for n in (1, 2, 7):
            cv2.setNumThreads(n)
            with closing(make_flow(SETTINGS, backend=backend, n_threads=n)) as flow:
                answers.append(follow(flow, before, after, scattered)[0])
    finally:
        cv2.setNumThreads(n_threads)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_an_unknown_backend_is_refused():
    with pytest.raises(ParameterError, match="backend 'torch'; expected 'compiled' or 'opencv'"):
        make_flow(SETTINGS, backend="torch")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([2, 15], 2, [3, 10, 0.03]), "winSize"),
        (([15], 2, [3, 10, 0.03]), "winSize"),
        (([15, 15], -1, [3, 10, 0.03]), "maxLevel"),
        (([15, 15], 2, [3, 10]), "criteria"),
        (([15, 15], 2, [4, 10, 0.03]), "criteria"),
    ],
)
def test_impossible_settings_are_refused(arguments, match):
    with pytest.raises(ParameterError, match=match):
        flow_settings(*arguments)


def test_a_grid_without_tiles_is_refused():
    with pytest.raises(ParameterError, match="CLAHE tile grid"):
        ClaheSettings(40.0, (0, 4))


def test_a_backend_that_cannot_refine_says_so():
    """It was left out without a word."""
    within = RefineWithin(np.ones((20, 30), bool), np.zeros((1, 1), np.int64))
    with pytest.raises(ParameterError, match="'opencv' does not refine matches"):
        make_flow(SETTINGS, backend="opencv", refine_within=within)

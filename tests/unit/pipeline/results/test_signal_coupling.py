"""A signal that rises or falls with a component is found, with its sign and lag; chance is told apart."""

import numpy as np
import pytest

from element_facerhythm.core.false_discovery import q_values
from element_facerhythm.pipeline.results.component_coupling import ComponentCourse
from element_facerhythm.pipeline.results.signal_coupling import couple_both_signs, mean_around
from element_facerhythm.pipeline.results.signal_summary import blinks_of
from tests.unit.core.test_coupling import CENTRES, N_FRAMES, RATE_HZ, slow_envelope

LAG_FRAMES = 30


def course_of(envelope: np.ndarray) -> ComponentCourse:
    return ComponentCourse(
        "0", 0, 8.0, 4.0, (np.interp(CENTRES, np.arange(N_FRAMES), envelope),), (CENTRES,),
        (slice(0, N_FRAMES),), (),
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_sign_and_lag_of_a_planted_signal(sign: int) -> None:
    rng = np.random.default_rng(0)
    envelope = slow_envelope(rng)
    signal = 1000 + sign * 50 * np.roll(envelope, LAG_FRAMES) + rng.normal(0, 1, N_FRAMES)
    signal[200:230] = np.nan
    found = couple_both_signs(course_of(envelope), [mean_around(signal, 10)], frame_rate_hz=RATE_HZ)
    assert sign * found.correlation > 0.8
    assert found.lag_s == pytest.approx(LAG_FRAMES / RATE_HZ, abs=0.11)
    assert found.p_value < 0.05


def test_of_many_that_chance_made_few_are_discoveries() -> None:
    found = []
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        course = course_of(slow_envelope(rng))
        other = couple_both_signs(course, [slow_envelope(rng)], frame_rate_hz=RATE_HZ)
        found.append(other.p_value)
    assert np.mean(np.array(found) < 0.05) < 0.15
    assert min(q_values(found)) > 0.05


def test_q_values_are_those_of_the_definition() -> None:
    p_values = [0.01, None, 0.04, 0.03, 0.2]
    # p x n / rank, and none larger than that of a larger p
    assert q_values(p_values) == pytest.approx((0.04, None, 0.16 / 3, 0.16 / 3, 0.2))
    assert q_values([None]) == (None,) and q_values([]) == ()


def test_mean_around_leaves_out_what_is_not_known() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=40)
    values[[0, 7, 8, 9, 10, 11]] = np.nan
    found = mean_around(values, 3)
    expected = [np.nanmean(values[max(t - 1, 0) : t + 2]) for t in range(40) if t not in (8, 9, 10)]
    assert np.isnan(found[[8, 9, 10]]).all()
    assert np.delete(found, [8, 9, 10]) == pytest.approx(expected)


def test_blinks_are_runs_of_closed_frames() -> None:
    opening = np.array([10, 10, 2, 2, 10, np.nan, 10, 1, np.nan, 1, 10.0])
    blinks = blinks_of(opening)
    assert (blinks.count, blinks.fraction) == (3, pytest.approx(4 / 9))
    assert blinks_of(np.full(5, np.nan)).fraction is None

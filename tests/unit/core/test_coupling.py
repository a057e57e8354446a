"""A body part that moves with a component is found, with its lag; one that does not is not."""

import numpy as np
import pytest

from element_facerhythm.core.coupling import band_limited_speed, couple
from element_facerhythm.errors import ParameterError

RATE_HZ, CENTRE_HZ = 100.0, 8.0
N_FRAMES, STEP = 6000, 10
CENTRES = np.arange(50, N_FRAMES - 50, STEP).astype(np.float32)


def slow_envelope(rng: np.random.Generator, n: int = N_FRAMES) -> np.ndarray:
    """Waxing and waning over seconds, never negative."""
    kernel = np.hanning(300)
    return np.abs(np.convolve(rng.normal(0, 1, n + 299), kernel / kernel.sum(), "valid"))


def oscillation(envelope: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, 2) positions that swing at the centre frequency as the envelope says, with sway and noise."""
    t = np.arange(len(envelope)) / RATE_HZ
    swing = envelope[:, None] * np.sin(2 * np.pi * CENTRE_HZ * t)[:, None] * [3.0, 1.0]
    sway = 20 * np.sin(2 * np.pi * 0.3 * t)[:, None] * [1.0, -1.0]
    return 200 + 40 * swing + sway + rng.normal(0, 0.1, (len(t), 2))


def speed_of(positions):
    return band_limited_speed(
        positions, frame_rate_hz=RATE_HZ, centre_hz=CENTRE_HZ, bandwidth_hz=4.0
    )


def couple_one(course, positions, **options):
    return couple([course], [speed_of(positions)], [CENTRES], frame_rate_hz=RATE_HZ, **options)


def test_speed_in_the_band_is_that_of_the_swing():
    t = np.arange(N_FRAMES) / RATE_HZ
    positions = np.stack([5 * np.sin(2 * np.pi * CENTRE_HZ * t), np.zeros_like(t)], axis=1)
    positions += 50 * np.sin(2 * np.pi * 0.5 * t)[:, None]
    speed = speed_of(positions)[200:-200]
    expected = 5 * 2 * np.pi * CENTRE_HZ / np.sqrt(2)
    assert np.abs(speed / expected - 1).max() < 0.08


@pytest.mark.parametrize("lag_frames", [0, 40, -70])
def test_a_part_that_moves_with_the_component_is_found_with_its_lag(lag_frames):
    rng = np.random.default_rng(1)
    envelope = slow_envelope(rng)
    course = np.interp(CENTRES, np.arange(N_FRAMES), envelope)
    found = couple_one(course, oscillation(np.roll(envelope, lag_frames), rng))
    assert found.correlation > 0.9
    assert found.lag_s == pytest.approx(lag_frames / RATE_HZ, abs=1.5 * STEP / RATE_HZ)
    assert found.p_value < 0.01
    assert found.n_compared_windows == len(CENTRES)


def test_chance_is_called_chance_as_often_as_it_says():
    """Of unrelated pairs, however slow they wax and wane, about a tenth has p below 0.1."""
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        course = np.interp(CENTRES, np.arange(N_FRAMES), slow_envelope(rng))
        values.append(couple_one(course, oscillation(slow_envelope(rng), rng)).p_value)
    assert np.mean(np.array(values) < 0.1) < 0.22
    assert 0.3 < np.median(values) < 0.75


def test_several_videos_are_one_recording():
    rng = np.random.default_rng(3)
    envelopes = [slow_envelope(rng) for _ in range(2)]
    courses = [np.interp(CENTRES, np.arange(N_FRAMES), e) for e in envelopes]
    speeds = [speed_of(oscillation(e, rng)) for e in envelopes]
    found = couple(courses, speeds, [CENTRES] * 2, frame_rate_hz=RATE_HZ)
    assert found.n_compared_windows == 2 * len(CENTRES)
    assert found.correlation > 0.9


def test_gaps_are_bridged_and_a_track_that_is_mostly_missing_is_left_out():
    rng = np.random.default_rng(4)
    envelope = slow_envelope(rng)
    course = np.interp(CENTRES, np.arange(N_FRAMES), envelope)
    positions = oscillation(envelope, rng)
    positions[rng.random(N_FRAMES) < 0.1] = np.nan
    positions[:20] = np.nan
    assert couple_one(course, positions).correlation > 0.7
    positions[: N_FRAMES // 2 + 10] = np.nan
    assert speed_of(positions) is None


def test_what_cannot_be_compared_says_so():
    rng = np.random.default_rng(5)
    speed = speed_of(oscillation(slow_envelope(rng), rng))
    still = np.ones(len(CENTRES))
    assert couple([still], [speed], [CENTRES], frame_rate_hz=RATE_HZ) is None
    few = couple([rng.random(12)], [speed], [CENTRES[:12]], frame_rate_hz=RATE_HZ)
    assert few.p_value is None
    with pytest.raises(ParameterError, match="5 loadings over time"):
        couple([np.ones(5)], [speed], [CENTRES], frame_rate_hz=RATE_HZ)
    beyond = band_limited_speed(
        np.zeros((400, 2)), frame_rate_hz=10.0, centre_hz=8.0, bandwidth_hz=1.0
    )
    assert beyond is None

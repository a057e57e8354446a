"""Phase, frequency and bouts are those that were planted, in noise, beside gaps, rare or without a pause."""

from collections.abc import Sequence

import numpy as np
import pytest

from element_facerhythm.core.mean_cycle import mean_cycle
from element_facerhythm.core.rhythm.bouts import (
    Bout,
    BoutSettings,
    Thresholds,
    bout_thresholds,
    find_bouts,
)
from element_facerhythm.core.rhythm.oscillation import (
    Oscillation,
    filter_reach,
    noise_px,
    oscillation_of,
)
from element_facerhythm.core.rhythm.pattern import rhythm_pattern
from element_facerhythm.errors import ParameterError

RATE_HZ, HZ, BAND_HZ = 100.0, 8.0, (5.2, 10.8)


def followed(samples: np.ndarray) -> tuple[Oscillation, float]:
    made = oscillation_of(samples, BAND_HZ, RATE_HZ)
    times = np.arange(len(samples)) / RATE_HZ
    return (
        Oscillation(made.astype(np.complex64), times, RATE_HZ),
        noise_px([samples], [made], BAND_HZ, RATE_HZ),
    )


def bouts_of(samples: np.ndarray, settings: BoutSettings = BoutSettings()) -> list[Bout]:  # noqa: B008
    rhythm, noise = followed(samples)
    thresholds = bout_thresholds([rhythm.amplitude_px], noise, settings)
    return [] if thresholds is None else list(find_bouts(rhythm, thresholds, HZ, settings))


def in_bouts(n: int, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """A rhythm of 1 px in spans of seconds."""
    times = np.arange(n) / RATE_HZ
    inside = np.zeros(n, bool)
    for start, stop in spans:
        inside |= (times >= start) & (times < stop)
    return inside * np.cos(2 * np.pi * HZ * times)


def test_a_rhythm_that_waxes_and_wanders_is_followed_in_noise() -> None:
    rng, times = np.random.default_rng(0), np.arange(6000) / RATE_HZ
    turns = 2 * np.pi * HZ * times + 1.2 * np.sin(2 * np.pi * 0.3 * times)
    hz = HZ + 1.2 * 0.3 * np.cos(2 * np.pi * 0.3 * times)
    size = 1 + 0.5 * np.sin(2 * np.pi * 0.2 * times)
    drift = np.cumsum(0.02 * rng.standard_normal(6000))
    rhythm, noise = followed(size * np.cos(turns) + drift + 0.2 * rng.standard_normal(6000))
    known = np.isfinite(rhythm.amplitude_px)
    reach = filter_reach(BAND_HZ, RATE_HZ)
    assert known.sum() == 6000 - 2 * reach and known[reach:-reach].all()
    error = np.angle(np.exp(1j * (rhythm.phase_rad - turns)))[known]
    assert np.degrees(np.median(np.abs(error))) < 4
    assert np.nanmedian(np.abs(rhythm.frequency_hz / hz - 1)) < 0.03
    assert np.median(np.abs(rhythm.amplitude_px / size - 1)[known]) < 0.06
    # white noise of 0.2 px, and drift, within the band
    assert 0.05 < noise < 0.15


def test_phases_are_not_shifted_wherever_an_oscillation_begins() -> None:
    for phase in np.linspace(0, 2 * np.pi, 7):
        rhythm, _ = followed(np.cos(2 * np.pi * HZ * np.arange(1000) / RATE_HZ + phase))
        middle = 500
        expected = np.angle(np.exp(1j * (2 * np.pi * HZ * middle / RATE_HZ + phase)))
        difference = np.angle(np.exp(1j * (rhythm.phase_rad[middle] - expected)))
        assert abs(difference) < 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_rare_bouts_are_found_to_a_cycle(noise: float) -> None:
    spans = [(20.0 + 53 * i, 21.0 + 53 * i + 0.1 * i) for i in range(10)]  # 2.4 % of the time
    rng = np.random.default_rng(1)
    found = bouts_of(in_bouts(60_000, spans) + noise * rng.standard_normal(60_000))
    assert len(found) == len(spans)
    for bout, (start, stop) in zip(found, spans, strict=True):
        most = 1 / HZ if noise < 0.1 else 2.5 / HZ  # a tenth of the amplitude, within the band
        assert abs(bout.onset_s - start) < most and abs(bout.offset_s - stop) < most
        assert bout.mean_frequency_hz == pytest.approx(HZ, rel=0.02 + 0.1 * noise)
        assert bout.peak_frequency_hz >= bout.mean_frequency_hz * 0.99
        assert bout.peak_amplitude_px == pytest.approx(1, abs=0.2 + noise)
        assert bout.n_cycles == pytest.approx((stop - start) * HZ, abs=2 + 4 * noise)
        assert not bout.is_cut
    at_onset = np.array([bout.onset_s for bout in found])
    phases = np.array([bout.onset_phase_rad for bout in found])
    error = np.angle(np.exp(1j * (phases - 2 * np.pi * HZ * at_onset)))
    assert np.degrees(np.median(np.abs(error))) < 8 + 60 * noise
    late = [bout.onset_s - start for bout, (start, _) in zip(found, spans, strict=True)]
    assert np.median(np.abs(late)) < 1 / HZ


def test_noise_alone_has_hardly_a_bout_and_a_rhythm_without_a_pause_is_one() -> None:
    rng = np.random.default_rng(2)
    n_found = sum(len(bouts_of(rng.standard_normal(60_000))) for _ in range(5))
    assert n_found <= 2  # in 50 minutes
    times = np.arange(6000) / RATE_HZ
    for size in (np.ones(6000), 1 + 0.4 * np.sin(2 * np.pi * 0.1 * times)):
        rhythm = size * np.cos(2 * np.pi * HZ * times) + 0.05 * rng.standard_normal(6000)
        (whole,) = bouts_of(rhythm)
        assert whole.is_cut and whole.n_cycles > 0.95 * HZ * 60 * 0.98


def test_hysteresis_merging_and_length_do_what_they_say() -> None:
    hz, rate = 5.0, 100.0
    size = np.zeros(1000)
    size[100:200], size[200:210], size[210:300] = (
        1.0,
        0.5,
        0.8,
    )  # flickers, stays above the lower one
    size[320:400] = 1.0  # 0.2 s later: a period
    size[600:630] = 1.0  # a cycle and a half
    size[700:900] = 0.7  # never reaches
    turns = 2 * np.pi * hz * np.arange(1000) / rate
    values = (size * np.exp(1j * turns)).astype(np.complex64)
    rhythm = Oscillation(values, np.arange(1000) / rate, rate)

    def spans(rhythm: Oscillation, **changes: float) -> list[tuple[int, int]]:
        settings = BoutSettings(**{"merge_gap_cycles": 0.0, "shortest_cycles": 2.0, **changes})
        found = find_bouts(rhythm, Thresholds(0.9, 0.45), hz, settings)
        return [(bout.first_frame, bout.last_frame) for bout in found]

    assert spans(rhythm) == [(100, 299), (320, 399)]
    assert spans(rhythm, merge_gap_cycles=1.2) == [(100, 399)]
    assert spans(rhythm, shortest_cycles=1.0) == [(100, 299), (320, 399), (600, 629)]
    values[305] = np.nan  # a gap is never bridged
    broken = Oscillation(values, np.arange(1000) / rate, rate)
    assert spans(broken, merge_gap_cycles=1.2) == [(100, 299), (320, 399)]
    values[320] = np.nan
    cut = list(find_bouts(Oscillation(values, np.arange(1000) / rate, rate), Thresholds(0.9, 0.45), hz,
                          BoutSettings()))  # fmt: skip
    assert [bout.is_cut for bout in cut] == [False, True]


def test_jitter_of_the_stamps_is_none_of_the_rhythm() -> None:
    values = np.exp(2j * np.pi * HZ * np.arange(500) / RATE_HZ).astype(np.complex64)
    times = np.round(np.arange(500) / RATE_HZ + 0.002 * np.sin(np.arange(500)), 3)
    even = Oscillation(values, times, RATE_HZ).frequency_hz
    assert np.abs(even - HZ).max() < 1e-3
    assert np.abs(Oscillation(values, times).frequency_hz - HZ).max() > 0.1


def test_points_in_antiphase_add_up_and_the_sign_follows_the_rule() -> None:
    rng, times = np.random.default_rng(3), np.arange(3000) / RATE_HZ
    course = np.cos(2 * np.pi * HZ * times)
    planted = np.zeros((6, 2))
    planted[:, 0] = (-2.0, -1.0, -0.5, 0.5, 1.0, 1.5)  # the two sides of a face
    moved = course[:, None, None] * planted + 0.02 * rng.standard_normal((3000, 6, 2))
    loadings = np.abs(planted).T
    cycle = mean_cycle([moved], loadings, frame_rate_hz=RATE_HZ, frequency_hz=HZ)
    pattern = rhythm_pattern(cycle.amplitudes_px, loadings)
    assert np.linalg.norm(pattern, axis=1).sum() == pytest.approx(1)
    # the first point moves most, so its way to the right is positive: the sign of the planted course is not
    gain = float((pattern * planted).sum())
    shares = np.abs(planted[:, 0]) / np.abs(planted[:, 0]).sum()
    assert gain == pytest.approx(-float(shares @ np.abs(planted[:, 0])), rel=0.01)
    displacement = (moved * pattern).sum(axis=(1, 2))
    assert np.corrcoef(displacement, course)[0, 1] < -0.99
    with pytest.raises(ParameterError, match="moves along with the rhythm"):
        rhythm_pattern(np.zeros((6, 2), complex), loadings)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("high_share", 0.0), ("high_share", 1.1), ("low_over_high", float("nan")), ("high_px", 0.0),
     ("noise_factor", -1.0), ("merge_gap_cycles", float("inf")), ("shortest_cycles", -0.1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{setting}: given"):
        BoutSettings(**{setting: value})

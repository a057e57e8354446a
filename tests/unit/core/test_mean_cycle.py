"""The mean cycle gives back amplitudes and phases that were planted, whatever else moves."""

import numpy as np
import pytest

from element_facerhythm.core.mean_cycle import mean_cycle
from element_facerhythm.errors import ParameterError

RATE_HZ, RHYTHM_HZ, N = 60.0, 7.3, 1500
TIMES_S = np.arange(N) / RATE_HZ
RNG = np.random.default_rng(3)


def moved(amplitudes: np.ndarray, *, phase: float = 0.0, noise_px: float = 0.3) -> np.ndarray:
    """(T, P, 2) displacements of a rhythm that waxes, wanes and wanders, with drift and noise."""
    strength = 0.6 + 0.4 * np.sin(2 * np.pi * 0.21 * TIMES_S)
    turns = 2 * np.pi * RHYTHM_HZ * TIMES_S + 0.8 * np.sin(2 * np.pi * 0.3 * TIMES_S) + phase
    rhythm = strength * np.exp(1j * turns)
    drift = np.cumsum(RNG.standard_normal((N, *amplitudes.shape)), axis=0) * 0.05
    noise = noise_px * RNG.standard_normal((N, *amplitudes.shape))
    return np.real(rhythm[:, None, None] * amplitudes) + drift + noise


def relative_phases(found: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Phases of found over planted, less their mean direction."""
    ratio = found / planted
    return np.angle(ratio / ratio.sum())


def travelling(n_points: int = 40) -> np.ndarray:
    """Amplitudes (P, 2): a wave along the points, 1.5 periods long; y follows x by a quarter period."""
    along = np.exp(-2j * np.pi * 1.5 * np.arange(n_points) / n_points)
    return np.stack([1.5 * along, 0.7 * along * np.exp(-0.5j * np.pi)], axis=1)


def test_a_travelling_wave_has_its_phases_and_turns_the_right_way() -> None:
    planted = travelling()
    cycle = mean_cycle(
        [moved(planted)], np.abs(planted).T, frame_rate_hz=RATE_HZ, frequency_hz=RHYTHM_HZ
    )
    assert np.abs(relative_phases(cycle.amplitudes_px, planted)).max() < 0.12
    size = np.abs(cycle.amplitudes_px) / np.abs(planted)
    assert size.std() / size.mean() < 0.08 and 0.6 < size.mean() < 1.0  # the strong half of it
    assert (cycle.followed > 0.7).all()
    path = cycle.path(32)
    assert path.shape == (32, 40, 2)
    (x, y), (next_x, next_y) = path.transpose(2, 0, 1), np.roll(path, -1, axis=0).transpose(2, 0, 1)
    area = (x * next_y - y * next_x).sum(axis=0)
    assert (area > 0).all()  # x leads y: from right to down, y pointing down
    reach = np.linalg.norm(path, axis=2).max(axis=0)
    np.testing.assert_allclose(cycle.reach_px, reach, rtol=0.01)


def test_points_in_antiphase_do_not_cancel_and_a_still_one_has_no_path() -> None:
    planted = np.zeros((20, 2), complex)
    planted[:8, 0], planted[8:16, 0] = 1.0, -1.0  # a standing wave with a node between
    cycle = mean_cycle(
        [moved(planted)], np.abs(planted[:, :1]).T, frame_rate_hz=RATE_HZ, frequency_hz=RHYTHM_HZ
    )
    assert np.abs(relative_phases(cycle.amplitudes_px[:16, 0], planted[:16, 0])).max() < 0.15
    assert np.abs(cycle.amplitudes_px[16:]).max() < 0.1 * np.abs(cycle.amplitudes_px[:16, 0]).min()
    assert cycle.followed[16:].max() < 0.25 < 0.7 < cycle.followed[:16].min()


def test_pieces_count_together_whatever_phase_they_begin_with() -> None:
    planted = travelling(12)
    pieces = [moved(planted, phase=phase) for phase in (0.0, 2.0, 4.0)]
    given = {"frame_rate_hz": RATE_HZ, "frequency_hz": RHYTHM_HZ}
    one = mean_cycle(pieces[:1], np.abs(planted).T, **given)
    all_of_them = mean_cycle([*pieces, pieces[0][:20]], np.abs(planted).T, **given)
    np.testing.assert_allclose(
        np.abs(all_of_them.amplitudes_px), np.abs(one.amplitudes_px), rtol=0.15
    )
    assert all_of_them.n_averaged_frames == pytest.approx(3 * one.n_averaged_frames, rel=0.01)


def test_another_rhythm_outside_the_band_is_not_in_it() -> None:
    planted = travelling(12)
    slow = 3 * np.sin(2 * np.pi * 2.0 * TIMES_S)[:, None, None] * np.ones((12, 2))
    cycle = mean_cycle(
        [moved(planted) + slow], np.abs(planted).T, frame_rate_hz=RATE_HZ, frequency_hz=RHYTHM_HZ
    )
    assert np.abs(relative_phases(cycle.amplitudes_px, planted)).max() < 0.15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frequency_hz": 29.0}, "29 Hz is too fast for a mean cycle at 60 frames per second"),
        ({"frequency_hz": float("nan")}, "expected a number above 0"),
        ({"pieces": [np.zeros((20, 12, 2))]}, "the longest piece has 20 frames; .* needs 50"),
        ({"pieces": []}, "the longest piece has 0 frames"),
        ({"pieces": [np.zeros((N, 11, 2))]}, r"expected \(frames, 12, 2\)"),
        ({"pieces": [np.zeros((N, 12, 2))]}, "no point that takes part moves"),
        ({"loadings": np.zeros((2, 12))}, "zero everywhere"),
        ({"loadings": np.ones(12)}, "expected"),
    ],
)
def test_what_has_no_cycle_is_refused(change: dict, words: str) -> None:
    given = {
        "pieces": [moved(travelling(12))], "loadings": np.ones((2, 12)), "frame_rate_hz": RATE_HZ,
        "frequency_hz": RHYTHM_HZ, **change,
    }  # fmt: skip
    pieces, loadings = given.pop("pieces"), given.pop("loadings")
    with pytest.raises(ParameterError, match=words):
        mean_cycle(pieces, loadings, **given)

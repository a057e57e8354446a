"""Averages over trials, how sure they are, and how often chance gives as much.

Trials are cut out on the recording's own clock: a frame belongs to the bin that its time lies in, a frame
that is missing or not known to none, and a bin of a trial without known frames does not count. So trials of
any length and those at the ends of a recording count as far as they go.

Bands are percentiles of averages over trials drawn anew, with replacement (Efron 1979, Ann. Statist. 7:1).
Trials that overlap are alike; as many as overlap are drawn together, in blocks (Künsch 1989, Ann. Statist.
17:1217).

Chance is what events at other times give. The train of events is shifted as a whole along the recorded time,
around its end, which keeps the intervals between events and the slow changes of the quantity; or every event
gets a time of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.peri_event.samples import EventTimes, Recording, Samples, Values
from element_facerhythm.core.peri_event.settings import PeriEventSettings
from element_facerhythm.errors import ParameterError

LEAST_SPANS = 5.0
"""Recorded time, in windows, below which no p is given: events could hardly be moved."""
_USUAL = 1.5  # times the median interval: no frame is missing
_BLOCK = 4_000_000  # entries of the matrix of draws at a time


@dataclass(frozen=True, eq=False)
class CircularBand:
    """Mean direction of phases, and its band: (B,) each, in rad; the mean from -pi to pi."""

    mean: Float64Array
    low: Float64Array
    high: Float64Array


@dataclass(frozen=True, eq=False)
class PeriEvent:
    """A quantity around events.

    Attributes
    ----------
    edges_s
        (B + 1,) edges of the bins, in seconds from the event.
    mean, low, high
        (B,) mean over trials of the quantity less its baseline, and its band; of phases the resultant length,
        0 to 1. NaN where no trial has a known frame; bands are NaN where there are fewer than two trials.
    phase_rad
        Mean direction of phases; None for other quantities.
    chance_low, chance_high
        (B,) percentiles of `mean` by chance.
    n_trials_in_bin
        (B,) trials that have known frames in the bin.
    estimate, estimate_low, estimate_high
        Mean response, and its interval: mean over trials of the quantity in the response window less the
        baseline; of phases the mean over its bins of the resultant length. NaN where no trial has both.
    baseline
        Mean over trials of the baseline; NaN where none is taken off.
    p_value
        Share of shuffles whose estimate is as far from what chance gives on the average; of phases: as large.
        None where it cannot be said.
    n_events, n_trials
        Events given, and those that count in the estimate.
    n_cut
        Events whose trial reaches beyond the recording.
    """

    edges_s: Float64Array
    mean: Float64Array
    low: Float64Array
    high: Float64Array
    phase_rad: CircularBand | None
    chance_low: Float64Array
    chance_high: Float64Array
    n_trials_in_bin: npt.NDArray[np.int64]
    estimate: float
    estimate_low: float
    estimate_high: float
    baseline: float
    p_value: float | None
    n_events: int
    n_trials: int
    n_cut: int

    @property
    def lags_s(self) -> Float64Array:
        """(B,) middle of each bin, in seconds from the event."""
        return (self.edges_s[1:] + self.edges_s[:-1]) / 2


@dataclass(frozen=True, eq=False)
class _Trials:
    """One quantity in all trials: (N, B) bins and (N,) responses, less the baselines; NaN where not known."""

    bins: Values
    responses: Float64Array
    baselines: Float64Array


def peri_event(
    videos: Sequence[Samples],
    events: Sequence[EventTimes],
    settings: PeriEventSettings,
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> tuple[PeriEvent, ...]:
    """Average quantities around events.

    Parameters
    ----------
    videos
        The quantities, C of them in each video. Where they are complex their angles are phases.
    events
        Of each video.
    settings
        Windows, bins, draws and shuffles. Phases take no baseline.
    advance
        Called with the number of shuffles done.

    Returns
    -------
    One for each quantity.

    Raises
    ------
    ParameterError
        There is no event, or videos, events and settings do not fit.
    """
    n_quantities = {len(video.values) for video in videos}
    if len(videos) != len(events) or len(n_quantities) != 1:
        raise ParameterError("expected events for each video, and as many quantities in each")
    if not sum(map(len, events)):
        raise ParameterError("there are no events")
    of_phase = np.iscomplexobj(videos[0].values)
    if of_phase and settings.baseline_s is not None:
        raise ParameterError(
            "phases have no baseline: what is before an event is compared in the figure"
        )
    (n,) = n_quantities
    settings = settings.with_bin(_usual_interval_s(videos), of_phase=of_phase)
    recording = Recording(videos, events)
    observed = list(_trials(videos, events, settings))
    averages = [_average(one, settings) for one in observed]
    chance = [np.full((settings.n_shuffles, len(settings.edges_s)), np.nan) for _ in range(n)]
    for done, moved in enumerate(_shuffled(recording, settings)):
        for index, one in enumerate(_trials(videos, moved, settings)):
            chance[index][done] = np.append(*_average(one, settings))
        advance(done + 1)
    block = _trials_that_overlap(events, settings)
    n_cut = sum(_n_cut(v, e, settings) for v, e in zip(videos, events, strict=True))
    return tuple(
        _summary(one, average, by_chance, block, n_cut, settings)
        for one, average, by_chance in zip(observed, averages, chance, strict=True)
    )


def _usual_interval_s(videos: Sequence[Samples]) -> float:
    """Mean of the intervals between frames that are about as long as the median one."""
    intervals = np.concatenate([np.diff(video.times_s) for video in videos])
    return float(intervals[intervals <= _USUAL * np.median(intervals)].mean())


def _trials(
    videos: Sequence[Samples], events: Sequence[EventTimes], settings: PeriEventSettings
) -> Iterator[_Trials]:
    """Yield the trials of each quantity, those of all videos together."""
    baseline = settings.baseline_s or (0.0, 0.0)
    n_edges = len(settings.edges_s)
    lags_s = np.concatenate([settings.edges_s, baseline, settings.response])
    bounds = [
        video.frames_at(own.times_s[:, None] + np.minimum(lags_s, own.lengths_s[:, None]))
        for video, own in zip(videos, events, strict=True)
    ]
    for index in range(len(videos[0].values)):
        parts = [
            np.concatenate(
                [v.means(index, b[:, chosen]) for v, b in zip(videos, bounds, strict=True)]
            )
            for chosen in (slice(n_edges), slice(n_edges, n_edges + 2), slice(n_edges + 2, None))
        ]
        bins, before, response = parts[0], np.real(parts[1][:, 0]), np.real(parts[2][:, 0])
        if np.iscomplexobj(bins):
            size = np.abs(bins)
            bins = np.where(size > 0, bins / np.where(size > 0, size, 1.0), np.nan)
        elif settings.baseline_s is not None:
            bins, response = bins - before[:, None], response - before
        yield _Trials(bins, response, before)


def _average(trials: _Trials, settings: PeriEventSettings) -> tuple[Float64Array, float]:
    """(B,) mean over trials, or resultant length, and the estimate."""
    mean = _mean(trials.bins)
    if np.iscomplexobj(mean):
        length = np.abs(mean)
        return length, float(_mean(length[_in_response(settings)]))
    return np.asarray(mean), float(_mean(trials.responses))


def _mean(values: Values) -> Values:
    """Mean of what is known along the first axis; NaN where nothing is."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _in_response(settings: PeriEventSettings) -> npt.NDArray[np.bool_]:
    """(B,) bins whose middle lies in the response window."""
    middle_s = (settings.edges_s[1:] + settings.edges_s[:-1]) / 2
    inside = (middle_s >= settings.response[0]) & (middle_s < settings.response[1])
    if not inside.any():
        raise ParameterError("the response holds no bin; expected it to be as long as one at least")
    return inside


def _shuffled(recording: Recording, settings: PeriEventSettings) -> Iterator[list[EventTimes]]:
    """Yield the events at other times; none where the recording is too short."""
    whole_s = float(recording.starts_s[-1])
    if whole_s < LEAST_SPANS * settings.span_s:
        return
    rng = np.random.default_rng([settings.seed, 1])
    own = recording.recorded_s
    for _ in range(settings.n_shuffles):
        if settings.shuffle == "train":
            # by a window at least: with less, part of the response itself would be chance
            by_s = rng.uniform(settings.span_s, whole_s - settings.span_s)
            yield recording.moved((own + by_s) % whole_s)
        else:
            yield recording.moved(rng.uniform(0.0, whole_s, len(own)))


def _trials_that_overlap(events: Sequence[EventTimes], settings: PeriEventSettings) -> int:
    """Mean number of events within a window's length after an event, itself included."""
    counts: list[npt.NDArray[np.intp]] = []
    for own in events:
        times_s = np.sort(own.times_s)
        after = np.searchsorted(times_s, times_s + settings.span_s)
        counts.append(after - np.arange(len(times_s)))
    return max(round(float(np.concatenate(counts).mean())), 1)


def _n_cut(video: Samples, events: EventTimes, settings: PeriEventSettings) -> int:
    begin_s, end_s = settings.window_s
    last_s = events.times_s + np.minimum(end_s, events.lengths_s)
    beyond = (events.times_s + begin_s < video.times_s[0]) | (last_s > video.end_s)
    return int(beyond.sum())


def _summary(
    trials: _Trials,
    average: tuple[Float64Array, float],
    chance: Float64Array,
    block: int,
    n_cut: int,
    settings: PeriEventSettings,
) -> PeriEvent:
    is_phase = np.iscomplexobj(trials.bins)
    known = np.isfinite(trials.bins)
    mean, estimate = average
    drawn = _drawn(trials, block, settings)
    sizes = np.abs(drawn[:, :-1]) if is_phase else np.real(drawn[:, :-1])
    low, high = _band(sizes, settings)
    estimate_low, estimate_high = _band(np.real(drawn[:, -1:]), settings)
    chance_low, chance_high = _band(chance[:, :-1], settings)
    of_estimate = known[:, _in_response(settings)].any(axis=1) if is_phase else None
    counted = np.isfinite(trials.responses) if of_estimate is None else of_estimate
    return PeriEvent(
        settings.edges_s,
        mean,
        low,
        high,
        _directions(np.asarray(_mean(trials.bins)), drawn[:, :-1], settings) if is_phase else None,
        chance_low,
        chance_high,
        known.sum(axis=0),
        estimate,
        float(estimate_low[0]),
        float(estimate_high[0]),
        float("nan") if settings.baseline_s is None else float(_mean(trials.baselines[counted])),
        _p_value(estimate, chance[:, -1], is_phase=is_phase),
        len(trials.bins),
        int(counted.sum()),
        n_cut,
    )


def _drawn(trials: _Trials, block: int, settings: PeriEventSettings) -> Values:
    """(S, B + 1) averages and estimates of trials drawn anew; trials overlap in blocks of so many."""
    n, is_phase = len(trials.bins), np.iscomplexobj(trials.bins)
    rng = np.random.default_rng([settings.seed, 2])
    columns = np.column_stack([trials.bins, trials.responses])
    known = np.isfinite(columns)
    values, known = np.where(known, columns, 0.0), known.astype(np.float64)
    found: list[Values] = [np.zeros((0, columns.shape[1]), columns.dtype)]
    step = max(_BLOCK // n, 1)
    for first in range(0, settings.n_bootstrap if n > 1 else 0, step):
        n_draws = min(step, settings.n_bootstrap - first)
        firsts = rng.integers(0, n, (n_draws, -(-n // block)))
        chosen = (firsts[:, :, None] + np.arange(block)).reshape(n_draws, -1)[:, :n] % n
        counts = np.zeros((n_draws, n))
        np.add.at(counts, (np.arange(n_draws)[:, None], chosen), 1.0)
        weight = counts @ known
        means = np.where(weight > 0, counts @ values / np.maximum(weight, 1), np.nan)
        if is_phase:
            means[:, -1] = _mean(np.abs(means[:, :-1][:, _in_response(settings)]).T)
        found.append(means)
    return np.concatenate(found)


def _band(values: Float64Array, settings: PeriEventSettings) -> tuple[Float64Array, Float64Array]:
    """(B,) lower and upper percentiles of (S, B); NaN where nothing is known."""
    outside = (1 - settings.confidence) / 2
    low, high = (np.full(values.shape[1], np.nan) for _ in range(2))
    some = np.isfinite(values).any(axis=0)
    if some.any():
        low[some], high[some] = np.nanquantile(values[:, some], [outside, 1 - outside], axis=0)
    return low, high


def _directions(mean: Values, drawn: Values, settings: PeriEventSettings) -> CircularBand:
    """Mean directions, with the band of those of the draws around them."""
    turned = np.asarray(np.angle(drawn * np.conj(mean)), np.float64)
    low, high = _band(turned, settings)
    missing = ~np.isfinite(mean)
    angle = np.where(missing, np.nan, np.angle(np.where(missing, 1.0, mean)))
    return CircularBand(angle, angle + low, angle + high)


def _p_value(estimate: float, chance: Float64Array, *, is_phase: bool) -> float | None:
    chance = chance[np.isfinite(chance)]
    if not len(chance) or not np.isfinite(estimate):
        return None
    # the middle is that of all, the observed one too: under chance none of them stands out
    middle = 0.0 if is_phase else float(np.append(chance, estimate).mean())
    as_far = np.abs(chance - middle) >= np.abs(estimate - middle) * (1 - 1e-12)
    return float((1 + as_far.sum()) / (1 + len(chance)))

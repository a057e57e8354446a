"""Rows of `ComponentRhythm` and `RhythmBout`, made of rhythms and bouts, and rhythms made of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.facial_behavior_estimation.rows import finite_or_null

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.component_rhythms import (
        ComponentBouts,
        Rhythm,
    )

FRAMES_PER_ROW = 65_536
"""Of a trace: half a megabyte, which every server takes."""
ROWS_PER_INSERT = 8

Row = dict[str, Any]
COMPONENT = ("model_key", "component_index")


def rhythm_part_rows(rhythms: Sequence["Rhythm"]) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield the name of each part of `ComponentRhythm` with its rows, in the order of entering."""
    yield "Component", map(_component_row, rhythms)
    yield "FrameTime", _time_rows(rhythms)
    yield "Trace", _trace_rows(rhythms)


def _of(one: "Rhythm | ComponentBouts") -> Row:
    return {name: getattr(one, name) for name in COMPONENT}


def _component_row(rhythm: "Rhythm") -> Row:
    own = rhythm.videos.values()
    amplitude = np.concatenate([video.amplitude_px for video in own]).astype(np.float64)
    frequency = np.concatenate([video.frequency_hz for video in own])
    known = np.isfinite(amplitude)
    timed = known & np.isfinite(frequency)
    power = float((amplitude[timed] ** 2).sum())
    quantiles = np.quantile(amplitude[known], (0.5, 0.99)) if known.any() else (np.nan, np.nan)
    mean_hz = float((amplitude[timed] ** 2) @ frequency[timed]) / power if power > 0 else np.nan
    return {
        **_of(rhythm),
        "rhythm_hz": rhythm.frequency_hz,
        "band_low_hz": rhythm.band_hz[0],
        "band_high_hz": rhythm.band_hz[1],
        "pattern": rhythm.pattern.astype(np.float32),
        "rhythm_noise_px": finite_or_null(rhythm.noise_px),
        "rhythm_median_px": finite_or_null(float(quantiles[0])),
        "rhythm_p99_px": finite_or_null(float(quantiles[1])),
        "rhythm_mean_hz": finite_or_null(mean_hz),
        "rhythm_known_s": sum(video.known_s for video in own),
    }


def _pieces(n_frames: int) -> Iterator[slice]:
    for first in range(0, n_frames, FRAMES_PER_ROW):
        yield slice(first, min(first + FRAMES_PER_ROW, n_frames))


def _trace_rows(rhythms: Iterable["Rhythm"]) -> Iterator[Row]:
    for rhythm in rhythms:
        for video, own in rhythm.videos.items():
            for piece in _pieces(len(own.times_s)):
                yield {
                    **_of(rhythm),
                    "video_index": video,
                    "first_frame": piece.start,
                    "n_frames_of_row": piece.stop - piece.start,
                    "analytic_px": own.analytic_px[piece],
                }


def _time_rows(rhythms: Iterable["Rhythm"]) -> Iterator[Row]:
    """Yield the times of the frames of each video once."""
    videos = {video: own for rhythm in rhythms for video, own in rhythm.videos.items()}
    for video, own in videos.items():
        for piece in _pieces(len(own.times_s)):
            yield {
                "video_index": video,
                "first_timed_frame": piece.start,
                "n_timed_frames": piece.stop - piece.start,
                "even_rate_hz": own.frame_rate_hz,
                "frame_times_s": own.times_s[piece],
            }


def rhythms_of_rows(
    components: Sequence[Mapping[str, Any]],
    traces: Sequence[Mapping[str, Any]],
    times: Sequence[Mapping[str, Any]],
) -> tuple["Rhythm", ...]:
    """Rhythms as they were before they were entered.

    Parameters
    ----------
    components, traces, times
        Rows of the parts of `ComponentRhythm`, of one run, in the order of their keys.
    """
    from element_facerhythm.core.rhythm.oscillation import Oscillation
    from element_facerhythm.pipeline.results.component_rhythms import Rhythm

    clocks: dict[int, list[Mapping[str, Any]]] = {}
    for row in times:
        clocks.setdefault(row["video_index"], []).append(row)
    found: dict[tuple[str, int], dict[int, list[Any]]] = {}
    for row in traces:
        videos = found.setdefault((row["model_key"], row["component_index"]), {})
        videos.setdefault(row["video_index"], []).append(row["analytic_px"])
    return tuple(
        Rhythm(
            row["model_key"],
            row["component_index"],
            row["rhythm_hz"],
            (row["band_low_hz"], row["band_high_hz"]),
            np.asarray(row["pattern"], np.float64),
            np.nan if row["rhythm_noise_px"] is None else row["rhythm_noise_px"],
            {
                video: Oscillation(
                    np.concatenate(pieces),
                    np.concatenate([piece["frame_times_s"] for piece in clocks[video]]),
                    clocks[video][0]["even_rate_hz"],
                )
                for video, pieces in found[row["model_key"], row["component_index"]].items()
            },
        )
        for row in components
    )


def bout_part_rows(found: Iterable["ComponentBouts"]) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield the name of each part of `RhythmBout` with its rows, in the order of entering."""
    components = tuple(found)
    yield "Component", map(_bouts_row, components)
    yield "Bout", (row for own in components for row in own.rows)


def _bouts_row(own: "ComponentBouts") -> Row:
    thresholds = own.thresholds
    return {
        **_of(own),
        "reach_px": None if thresholds is None else thresholds.high_px,
        "stay_px": None if thresholds is None else thresholds.low_px,
        "n_component_bouts": len(own.bouts),
        "bouts_per_minute": finite_or_null(own.per_minute),
        "bout_fraction": finite_or_null(own.fraction),
    }

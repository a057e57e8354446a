"""All recordings with what is known of their results, a row for each run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
)
from element_facerhythm.facial_behavior_estimation.results import FacialRhythm

RECORDED = ("recording_time", "n_frames", "duration_s", "frame_rate_hz")
"""Columns of `RecordingInfo`."""
FOUND = ("n_points", "violation_fraction")
"""Columns of `FacialRhythm`."""


def overview() -> tuple[list[Key], list[dict[str, Any]]]:
    """Return keys and rows of all recordings, ordered by key; a recording without results has one row.

    A row holds `RECORDED` and `FOUND`, `verdicts` (those of its checks that are not ok, and `ok` where it has
    any), and `n_components` and `peak_frequency_hz` of the first component; None where nothing is known.
    The key is that of the run, or of the recording where there is none.
    """
    facts = _by_key(RecordingInfo().proj(*RECORDED), VideoRecording)
    results = _grouped(FacialRhythm().proj(*FOUND), VideoRecording)
    flagged = _grouped(FacialRhythm.Quality() & "verdict <> 'ok'", FaceRhythmProcessing)
    components = _grouped(FacialRhythm.Component().proj("peak_frequency_hz"), FaceRhythmProcessing)
    keys, rows = [], []
    for recording in VideoRecording().proj().to_dicts(order_by="KEY"):
        known = facts.get(_values(recording, VideoRecording), {})
        recorded = {name: known.get(name) for name in RECORDED}
        for run in results.get(_values(recording, VideoRecording), [None]):
            if run is None:
                keys.append(recording)
                rows.append({**recorded, **_nothing()})
                continue
            of_run = _values(run, FaceRhythmProcessing)
            keys.append(dict(zip(FaceRhythmProcessing.primary_key, of_run, strict=True)))
            verdicts = {row["verdict"] for row in flagged.get(of_run, ())} or {"ok"}
            rhythms = components.get(of_run, [])
            first = next((r for r in rhythms if r["component_index"] == 0), {})
            rows.append(
                {
                    **recorded,
                    **{name: run[name] for name in FOUND},
                    "verdicts": sorted(verdicts),
                    "n_components": len(rhythms),
                    "peak_frequency_hz": first.get("peak_frequency_hz"),
                }
            )
    return keys, rows


def _nothing() -> dict[str, Any]:
    nothing = dict.fromkeys((*FOUND, "n_components", "peak_frequency_hz"))
    return {**nothing, "verdicts": []}


def _values(row: dict[str, Any], table: Any) -> tuple[Any, ...]:
    """Values of a row in the key of a table."""
    return tuple(row[name] for name in table.primary_key)


def _grouped(rows: Any, table: Any) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups = defaultdict(list)
    for row in rows.to_dicts(order_by="KEY"):
        groups[_values(row, table)].append(row)
    return groups


def _by_key(rows: Any, table: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {_values(row, table): row for row in rows.to_dicts()}

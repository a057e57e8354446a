"""A project in one row: the numbers by which recordings are compared, and the gravest verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from element_facerhythm.pipeline.records import ProjectSummary

LEVELS = ("red", "warn", "unknown", "ok")
"""Verdicts, the gravest first; a recording has that of its gravest check."""


def gravest(verdicts: Sequence[str]) -> str:
    """Return the gravest of some verdicts; `unknown` of none."""
    return next((level for level in LEVELS if level in verdicts), "unknown")


def at_a_glance(summary: ProjectSummary) -> Mapping[str, Any]:
    """Numbers of a project, under the names of the database's columns."""
    n_frames = sum(video.n_frames for video in summary.videos)
    n_violations = sum(video.n_violations for video in summary.videos)
    components = [one for model in summary.models for one in model.components]
    return {
        "verdict": gravest([verdict.verdict for verdict in summary.quality]),
        "n_frames": n_frames,
        "duration_s": sum(video.duration_s for video in summary.videos),
        "frame_rate_hz": summary.frame_rate_hz,
        "n_points": summary.n_points,
        "violation_fraction": n_violations / max(n_frames * summary.n_points, 1),
        "n_components": len(components),
        "peak_frequency_hz": components[0].peak_frequency_hz if components else None,
    }

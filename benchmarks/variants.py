"""Ways of running our tracker that benchmarks can compare: names, and what each changes.

A variant makes other settings of those that follow from the parameters. Add one here to try it:
``python -m benchmarks.accuracy --ours-variant NAME``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from element_facerhythm.core.tracking import ClaheSettings, TrackingSettings


def _as_face_rhythm(settings: TrackingSettings) -> TrackingSettings:
    dynamics = replace(settings.dynamics, rewind="face-rhythm")
    return replace(settings, dynamics=dynamics, refine=False)


def _small_grid(settings: TrackingSettings) -> TrackingSettings:
    clip_limit = 40.0 if settings.clahe is None else settings.clahe.clip_limit
    return replace(settings, clahe=ClaheSettings(clip_limit, (8, 8)))


VARIANTS: dict[str, Callable[[TrackingSettings], TrackingSettings]] = {
    "default": lambda settings: settings,
    "unrefined": lambda settings: replace(settings, refine=False),
    "exact": _as_face_rhythm,  # by OpenCV
    "no-clahe": lambda settings: replace(settings, clahe=None),
    "tiles-8": _small_grid,
    "anchored": lambda settings: settings,  # which it does not use
}

ANCHORED = "anchored"
"""Tracks of this variant are displacements; those of the others are pulled home and to the mesh."""

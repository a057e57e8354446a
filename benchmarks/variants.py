"""Ways of running our tracker that benchmarks can compare: names, and what each changes.

``default`` is what a user gets: every frame matched with references. The others follow the flow, with other
settings than follow from the parameters. Add one here to try it:
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


FLOWS: dict[str, Callable[[TrackingSettings], TrackingSettings]] = {
    "flow": lambda settings: settings,
    "unrefined": lambda settings: replace(settings, refine=False),
    "exact": _as_face_rhythm,  # by OpenCV
    "no-clahe": lambda settings: replace(settings, clahe=None),
    "tiles-8": _small_grid,
}

DEFAULT = "default"
"""Tracks of this variant are displacements; those of the others are pulled home and to the mesh."""
VARIANTS = (DEFAULT, *FLOWS)

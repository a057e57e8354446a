"""Limits of the checks that say whether a result is plausible."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from element_facerhythm.parameters.base import AsTuple, NonNegative, Section

Limits = Annotated[tuple[NonNegative, NonNegative | None], AsTuple]
"""Where a check warns, and where it turns red; null where it only warns."""

FLAGGED_BELOW = frozenset(
    {
        "n_windows",
        "windows_per_component",
        "periods_of_lowest_frequency",
        "r_squared",
        "stability",
    }
)
"""Checks that flag a value below their limits; all others flag one above them."""


class QualityLimits(Section):
    """Limits of the flags on a result: [warn, red], red null where a check only warns.

    They change no number and no stage's fingerprint; `assess` reads those that the project was run with.
    """

    n_windows: Limits = Field(
        default=(30.0, 10.0),
        description="Spectrogram windows that one decomposition is fitted to; flagged below.",
    )
    windows_per_component: Limits = Field(
        default=(5.0, 2.0),
        description="The same, divided by the number of components; flagged below.",
    )
    periods_of_lowest_frequency: Limits = Field(
        default=(6.0, 3.0),
        description="Length of the recording in periods of F_min; flagged below.",
    )
    rank: Limits = Field(
        default=(1.0, 2.0),
        description="Number of components, divided by the largest number that data of this shape determine "
        "(Kruskal's condition); flagged above.",
    )
    violations: Limits = Field(
        default=(0.02, 0.15),
        description="Point-frames in which a point was flagged, as a fraction; flagged above.",
    )
    points_mostly_flagged: Limits = Field(
        default=(0.01, 0.2),
        description="Points that were flagged in more than half of the frames, as a fraction; flagged above.",
    )
    drift: Limits = Field(
        default=(1.5, 5.0),
        description="Median distance between a point's mean places in the first and in the last tenth of a "
        "video, in units of its movement within them (at least 1 px); flagged above.",
    )
    points_without_texture: Limits = Field(
        default=(0.2, 0.6),
        description="Points whose surroundings show no structure in two directions, as a fraction; flagged "
        "above.",
    )
    light_change: Limits = Field(
        default=(0.15, None),
        description="Largest change of the mean gray level from one frame to the next, as a fraction of the "
        "median level; flagged above.",
    )
    dark_frames: Limits = Field(
        default=(0.0, 0.05),
        description="Frames that are dark or without contrast, or in which the tracker held its points "
        "in place, as a fraction; flagged above.",
    )
    duplicate_frames: Limits = Field(
        default=(0.15, 0.3),
        description="Frames that repeat the frame before, as a fraction; flagged above.",
    )
    frozen_picture: Limits = Field(
        default=(0.25, None),
        description="Longest time in seconds in which every frame repeats the one before; flagged above.",
    )
    mains_flicker: Limits = Field(
        default=(0.01, 0.1),
        description="Relative amplitude of level or contrast at the alias of 100 or 120 Hz; flagged above.",
    )
    light_flicker: Limits = Field(
        default=(0.05, 0.15),
        description="Relative amplitude of the light's strongest steady frequency; flagged above.",
    )
    gaps: Limits = Field(
        default=(0.0, None),
        description="Gaps in time that nothing is computed across; flagged above.",
    )
    dropped_frames: Limits = Field(
        default=(0.0, 0.05),
        description="Frames missing where traces are interpolated, as a fraction of all; flagged above.",
    )
    rate_changes: Limits = Field(
        default=(0.0, None),
        description="Videos within which the frame rate changes; flagged above.",
    )
    clock_jitter: Limits = Field(
        default=(0.2, 0.5),
        description="Jitter of the frames' times in frame intervals; flagged above.",
    )
    suspect_frames: Limits = Field(
        default=(0.0, 0.05),
        description="Frames that were decoded after lost or damaged packets, as a fraction; flagged above.",
    )
    r_squared: Limits = Field(
        default=(0.3, 0.1),
        description="1 - variance of what the components leave / variance of the spectrograms; flagged "
        "below.",
    )
    stability: Limits = Field(
        default=(0.7, None), description="Of the least stable component, 0 to 1; flagged below."
    )
    components_at_edge: Limits = Field(
        default=(0.0, None),
        description="Components with their peak at the lowest or the highest frequency; flagged above.",
    )
    component_on_one_point: Limits = Field(
        default=(0.6, None),
        description="Largest share that one point has of a component's squared loadings; flagged above.",
    )
    components_alike: Limits = Field(
        default=(0.8, None),
        description="Largest congruence of two components (product of the cosines along all axes); flagged "
        "above.",
    )

    @model_validator(mode="after")
    def _warns_before_red(self) -> QualityLimits:
        for name in type(self).model_fields:
            warn, red = getattr(self, name)
            if red is None or red == warn:
                continue
            below = name in FLAGGED_BELOW
            if (red > warn) == below:
                order = "red below warn" if below else "red above warn"
                raise ValueError(
                    f"{name} is [{warn:g}, {red:g}], expected [warn, red] with {order}"
                )
        return self

"""Signals of the whole face that are measured beside the tracking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from element_facerhythm.parameters.base import AsTuple, Count, Section

SIGNALS = ("motion", "svd", "movie_svd", "pupil", "blink", "running")
"""What can be asked for: motion energy, the SVDs of motion and of the movie, and what facemap adds."""

DECOMPOSED = ("svd", "movie_svd")
"""Those that are singular value decompositions."""

MOST_COMPONENTS = 500

Signal = Literal["motion", "svd", "movie_svd", "pupil", "blink", "running"]


class FacialSignals(Section):
    """What is measured in the frames besides points, in `FacialSignal.h5`; nothing unless it is asked for."""

    signals: Annotated[tuple[Signal, ...], AsTuple] = Field(
        default=(),
        description="Any of motion (motion energy), svd (components of motion), movie_svd (components of the "
        "movie itself), pupil, blink and running. The last three need a region of that kind.",
    )
    bin_px: Count = Field(
        default=4,
        description="Motion is measured in bins of so many pixels squared; pupil, blink and running are not.",
    )
    n_components: Annotated[int, Field(ge=1, le=MOST_COMPONENTS)] = Field(
        default=MOST_COMPONENTS,
        description="Components of motion and of movie in each region, at most.",
    )
    exact: bool = Field(
        default=False,
        description="Read the frames a second time, and project them on the masks themselves; false keeps to "
        "one pass, whose error is stored.",
    )

    @field_validator("signals")
    @classmethod
    def _in_order(cls, value: tuple[Signal, ...]) -> tuple[Signal, ...]:
        """Each once, in one order: what asks for the same has the same digest."""
        return tuple(signal for signal in SIGNALS if signal in value)

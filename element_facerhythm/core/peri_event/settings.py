"""How trials are cut out around events, and how many times they are drawn and shuffled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError

SHUFFLES = ("train", "events")
"""Shift all events by one time, around the end of the recording; or give each one a random time."""
_MOST_BINS = 10_000
_N_BINS = 60
_PHASE_BIN_S = 0.01
_FRAMES = 1.25  # in a bin at least
_MOST_DRAWS = 100_000


@dataclass(frozen=True)
class PeriEventSettings:
    """How trials are cut out, averaged and compared with chance.

    Attributes
    ----------
    window_s
        Where a trial begins and ends, in seconds from its event; 0 lies within.
    baseline_s
        Whose mean is taken off each trial, within the window; None takes nothing off.
    response_s
        Whose mean is the estimate, within the window; None for all of the window after the event.
    bin_s
        Length of the bins that frames are averaged in. One begins at the event, so that none mixes before and
        after; the window grows to whole bins. None for a 60th of the window, of phases 0.01 s; but never
        less than a quarter more than a usual interval between frames, so that none is empty by jitter.
    n_bootstrap, n_shuffles
        How often trials are drawn for the bands, and events moved for p; 0 for neither bands nor p.
    shuffle
        One of `SHUFFLES`.
    confidence
        Of bands and intervals, between 0 and 1.
    seed
        Of all random numbers.

    Raises
    ------
    ParameterError
        A number is out of its range.
    """

    window_s: tuple[float, float] = (-1.0, 2.0)
    baseline_s: tuple[float, float] | None = (-1.0, 0.0)
    response_s: tuple[float, float] | None = None
    bin_s: float | None = None
    n_bootstrap: int = 1000
    n_shuffles: int = 1000
    shuffle: str = "train"
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        begin_s, end_s = self.window_s
        _require("window", self.window_s, math.isfinite(end_s - begin_s) and begin_s < end_s)
        if not begin_s <= 0 < end_s:
            raise ParameterError(
                f"window {_text(self.window_s)}: expected one that holds the event, as -1:2"
            )
        for name in ("baseline", "response"):
            span = getattr(self, f"{name}_s")
            if span is not None:
                inside = begin_s <= span[0] < span[1] <= end_s
                _require(name, span, inside, f", within the window {_text(self.window_s)}")
        if self.bin_s is not None and not (
            0 < self.bin_s <= end_s and (end_s - begin_s) / self.bin_s <= _MOST_BINS
        ):
            raise ParameterError(
                f"bin {self.bin_s:g} s: expected seconds above 0, no longer than the window after the event, "
                f"and at most {_MOST_BINS} bins"
            )
        for name in ("n_bootstrap", "n_shuffles"):
            if not 0 <= getattr(self, name) <= _MOST_DRAWS:
                raise ParameterError(
                    f"{name} {getattr(self, name)}: expected a number from 0 to {_MOST_DRAWS}"
                )
        if self.shuffle not in SHUFFLES:
            raise ParameterError(f"shuffle {self.shuffle!r}: expected one of {', '.join(SHUFFLES)}")
        if not 0 < self.confidence < 1:
            raise ParameterError(
                f"confidence {self.confidence:g}: expected a number between 0 and 1"
            )

    @property
    def edges_s(self) -> Float64Array:
        """(B + 1,) edges of the bins, in seconds from the event; `bin_s` is a number."""
        if self.bin_s is None:
            raise TypeError("the length of the bins depends on the frames")
        first, stop = (edge / self.bin_s for edge in self.window_s)
        steps = np.arange(math.floor(first + 1e-9), math.ceil(stop - 1e-9) + 1)
        return steps.astype(np.float64) * self.bin_s

    def with_bin(self, frame_s: float, *, of_phase: bool) -> PeriEventSettings:
        """Return these settings with a length of the bins.

        Parameters
        ----------
        frame_s
            Usual interval between frames.
        of_phase
            Whether phases are averaged.
        """
        if self.bin_s is not None:
            return self
        wanted_s = _PHASE_BIN_S if of_phase else self.span_s / _N_BINS
        return replace(self, bin_s=min(max(wanted_s, _FRAMES * frame_s), self.window_s[1]))

    @property
    def response(self) -> tuple[float, float]:
        """Where the response is, in seconds from the event."""
        return self.response_s or (0.0, self.window_s[1])

    @property
    def span_s(self) -> float:
        """Length of the window."""
        return self.window_s[1] - self.window_s[0]


def _require(name: str, span: tuple[float, float], holds: bool, more: str = "") -> None:
    if not holds:
        raise ParameterError(
            f"{name} {_text(span)}: expected two numbers of seconds, the first smaller{more}"
        )


def _text(span: tuple[float, float]) -> str:
    return f"{span[0]:g}:{span[1]:g}"

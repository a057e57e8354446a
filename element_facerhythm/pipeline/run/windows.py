"""Windows of a spectrogram: those of every stretch between gaps, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from element_facerhythm.core.spectral import FilterBank, SampledPoints, window_centres
from element_facerhythm.core.spectral.normalisation import ArrayLike3D
from element_facerhythm.io.products import WindowAxis
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline.run.core_arguments import transform_options
from element_facerhythm.video.clock import Clock, Stretch


@dataclass(frozen=True, eq=False)
class WindowLayout:
    """Windows of one tracked sequence.

    Attributes
    ----------
    stretches
        Stretches that are long enough for the filters, each with its windows in the spectrogram.
    centres
        (W,) frame, fractions included, at the centre of each window.
    """

    stretches: tuple[tuple[Stretch, slice], ...]
    centres: np.ndarray

    def axis(self, clock: Clock) -> WindowAxis:
        """Frames and times of the windows, for the product."""
        frames = np.arange(clock.n_frames)
        step_s = 1 / clock.frame_rate_hz
        times_s = np.interp(self.centres, frames, clock.times_s)
        # with `padding: same` a centre may lie half a frame beyond an end
        times_s += step_s * (self.centres - np.clip(self.centres, 0, frames[-1]))
        return WindowAxis(self.centres.astype(np.float32), times_s, clock)


def window_layout(clock: Clock, bank: FilterBank, parameters: Parameters) -> WindowLayout:
    """Lay out the windows of a sequence.

    Parameters
    ----------
    clock
        Times of its frames; no window spans one of its gaps.
    bank
        Filters, at the clock's rate.
    parameters
        Padding, and frames averaged into a window.
    """
    options = transform_options(parameters)
    stretches, centres, first = [], [], 0
    for stretch in clock.stretches:
        if stretch.n_samples < bank.n_taps:
            continue
        own = window_centres(stretch.n_samples, bank, options)
        centres.append(stretch.frames_of(own))
        stretches.append((stretch, slice(first, first + len(own))))
        first += len(own)
    return WindowLayout(tuple(stretches), np.concatenate(centres))


def sampled(points: ArrayLike3D, stretch: Stretch) -> SampledPoints:
    """Return equally spaced samples of tracks, read from the file when they are used.

    Parameters
    ----------
    points
        (T, P, 2) tracks of the sequence, in pixels.
    stretch
        The part of them between two gaps.
    """
    return SampledPoints(points, stretch.first, stretch.stop, stretch.knots)

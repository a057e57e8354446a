"""How many components a recording can distinguish."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from element_facerhythm.parameters.tree import Parameters


@dataclass(frozen=True)
class Resolution:
    """What a recording holds that components can differ in.

    Attributes
    ----------
    n_stretches
        Stretches of time whose spectra share no frame, at the middle frequency (geometrically) of the
        range; of the shortest sequence where each is decomposed by itself, else of all together.
    stretch_s
        Length of one.
    n_frequencies, n_points
        Centre frequencies and tracked points.
    """

    n_stretches: int
    stretch_s: float
    n_frequencies: int
    n_points: int

    @property
    def n_components(self) -> int:
        """Most components that can differ in every one of them, at least 1."""
        return max(1, min(self.n_stretches, self.n_frequencies, self.n_points))

    def __str__(self) -> str:
        """Name the counts, for messages."""
        stretches = "stretch" if self.n_stretches == 1 else "stretches"
        return (
            f"{self.n_stretches} separate {stretches} of {self.stretch_s:.2g} s, {self.n_frequencies} "
            f"frequencies and {self.n_points} points"
        )


def resolution(
    parameters: Parameters, *, rate_hz: float, n_samples: Sequence[Sequence[int]], n_points: int
) -> Resolution:
    """Count what components can differ in.

    Parameters
    ----------
    parameters
        Closed, but for the rank, which is ignored.
    rate_hz
        Sampling rate of the filter bank.
    n_samples
        Samples of each stretch between gaps, of each tracked sequence.
    n_points
        Number of seed points.
    """
    vqt = parameters.VQT_Analyzer.params_VQT
    cycles, middle_hz = math.sqrt(vqt.Q_lowF * vqt.Q_highF), math.sqrt(vqt.F_min * vqt.F_max)
    stretch = max(cycles / middle_hz * rate_hz, vqt.downsample_factor)
    lost = vqt.Q_lowF / vqt.F_min * rate_hz if vqt.padding == "valid" else 0
    counts = [
        max(1, sum(math.floor((n - lost) / stretch) for n in lengths if n > lost))
        for lengths in n_samples
    ]
    separate = parameters.TCA.rearrange_data.method_handling_dictElements == "separate"
    return Resolution(
        n_stretches=min(counts) if separate else sum(counts),
        stretch_s=stretch / rate_hz,
        n_frequencies=vqt.n_freq_bins,
        n_points=n_points,
    )

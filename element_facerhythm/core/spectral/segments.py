"""Long traces in segments (overlap-save): where each begins, and how long it had best be.

A segment of n_fft frames is transformed as if it were periodic. Its first samples are wrong for
that reason, so segments overlap; the samples that are kept of each are a whole number of windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from element_facerhythm.core.spectral.windows import Span


@dataclass(frozen=True)
class Segments:
    """Segments over the kept samples of a convolution.

    Attributes
    ----------
    span
        Samples of the full convolution that are kept. Sample i needs no frame after frame i.
    n_fft
        Frames of a segment.
    lead
        Samples of a segment before the first one kept.
    hop
        Samples kept of each segment but the last.
    """

    span: Span
    n_fft: int
    lead: int
    hop: int

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return math.ceil(self.span.length / self.hop)

    def start(self, index: int) -> int:
        """First frame of a segment; negative where it begins before the trace."""
        return self.span.start + index * self.hop - self.lead

    def n_kept(self, index: int) -> int:
        """Count the samples kept of a segment."""
        return min(self.hop, self.span.length - index * self.hop)

    def frames(
        self, index: int, traces: npt.NDArray[np.float32], first_frame: int
    ) -> npt.NDArray[np.float32]:
        """Cut a segment out of traces.

        Parameters
        ----------
        index
            Number of the segment.
        traces
            (N, ...) part of the traces.
        first_frame
            Frame that the part begins with.

        Returns
        -------
        (N, <= n_fft) frames; zeros stand where there are none, those at the end are left to the
        transform.
        """
        start = self.start(index) - first_frame
        segment = traces[:, max(start, 0) : max(start + self.n_fft, 0)]
        return np.pad(segment, ((0, 0), (max(-start, 0), 0)))


def plan_segments(
    span: Span, *, n_before: int, n_after: int, factor: int, multiple: int, longest_hop: int
) -> Segments:
    """Choose the segment length that makes the whole span cost least.

    Parameters
    ----------
    span
        Samples to keep.
    n_before, n_after
        Samples of a segment that are lost at its start and at its end.
    factor
        Samples of a window: hops are multiples of it.
    multiple
        What the length of a segment must be a multiple of.
    longest_hop
        Hops are not longer, if a segment can be had that is that short.
    """
    lost = n_before + n_after
    lengths = _lengths(span.length, lost, factor, multiple)
    hops = {n_fft: (n_fft - lost) // factor * factor for n_fft in lengths}
    short = {n: hop for n, hop in hops.items() if hop <= longest_hop}
    hops = short or {min(hops): hops[min(hops)]}

    def cost(n_fft: int) -> float:
        return math.ceil(span.length / hops[n_fft]) * n_fft * math.log2(n_fft) * lengths[n_fft]

    best = min(hops, key=cost)
    return Segments(span, best, n_before, hops[best])


def _lengths(n_samples: int, lost: int, factor: int, multiple: int) -> dict[int, float]:
    """Lengths to choose from, each with what a sample costs compared with the quickest.

    Powers of two up to a few times what is lost, or one segment of everything where that is
    short.
    """
    shortest = math.ceil(math.log2((lost + factor) / multiple))
    powers = range(max(shortest, 1), max(shortest, 1) + 6)
    lengths = {multiple * 2**power: 1.0 for power in powers}
    whole = max(math.ceil(n_samples / factor), 1) * factor + lost
    if whole <= max(lengths):
        # Transforms of odd length are slow, those of other lengths than 2^n a little slower.
        half = scipy.fft.next_fast_len(math.ceil(whole / (2 * multiple)), real=True)
        lengths.setdefault(2 * multiple * half, 1.4)
    return lengths

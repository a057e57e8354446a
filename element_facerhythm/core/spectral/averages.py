"""From the spectrum of a segment to averages over windows, for some filters of a bank.

Both classes take the spectrum of real segments as `segment_spectrum` gives it, (N, >= n_fft // 2 + 1),
and yield averages (N, bins, windows).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from element_facerhythm.core.spectral.kernels import average_magnitude, fold, magnitude_of
from element_facerhythm.core.spectral.segments import Segments
from element_facerhythm.core.spectral.strides import end_correction
from element_facerhythm.core.spectral.windows import ComplexAverage


def segment_spectrum(frames: torch.Tensor, n_fft: int, *, unfold: bool) -> torch.Tensor:
    """Spectrum of real segments.

    Parameters
    ----------
    frames
        (N, <= n_fft) real samples; what is missing at the end counts as 0.
    n_fft
        Length of the transform.
    unfold
        Give negative frequencies as well.

    Returns
    -------
    (N, n_fft // 2 + 1), or with `unfold` (N, 2 * n_fft): all frequencies, twice in a row, so that
    any stretch of them is one slice.
    """
    spectrum = torch.fft.rfft(frames, n=n_fft)
    if not unfold:
        return spectrum
    mirrored = spectrum[:, 1 : n_fft - spectrum.shape[1] + 1].flip(1).conj()
    return torch.cat([spectrum, mirrored] * 2, dim=1)


class FullRateAverager:
    """Values at every frame, averaged over windows.

    A segment is real, so its spectrum is needed at non-negative frequencies only, and the real and
    the imaginary part of a filter are two real filters, whose outputs are two real inverse
    transforms.

    Parameters
    ----------
    filters
        (F, N) complex impulse responses.
    first_bin
        Their place in the bank.
    segments
        What the spectra are of.
    factor
        Frames of a window.
    complex_average
        None: magnitudes; otherwise how complex values are averaged.
    """

    def __init__(
        self,
        filters: npt.NDArray[np.complex64],
        first_bin: int,
        segments: Segments,
        factor: int,
        complex_average: ComplexAverage | None,
        device: torch.device,
    ) -> None:
        response = torch.as_tensor(filters, device=device)
        self._real = torch.fft.rfft(response.real, n=segments.n_fft)
        self._imag = torch.fft.rfft(response.imag, n=segments.n_fft)
        self._first_bin, self._segments = first_bin, segments
        self._factor, self._complex_average = factor, complex_average

    def blocks(
        self, spectrum: torch.Tensor, n_kept: int, n_samples: int
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield bins and their averages, a few bins at a time.

        Parameters
        ----------
        spectrum
            (N, n_fft // 2 + 1 or more) spectrum of a segment, as `segment_spectrum` gives it.
        n_kept
            Samples of the segment that are averaged: whole windows, or less than one.
        n_samples
            Samples in memory at once, about.

        Yields
        ------
        Bins of the bank, and (N, bins, windows) their averages.
        """
        n_fft, lead = self._segments.n_fft, self._segments.lead
        keep = slice(lead, lead + n_kept)
        spectrum = spectrum[:, None, : n_fft // 2 + 1]
        for bins in _batches(len(self._real), n_samples // (len(spectrum) * n_fft)):
            real, imag = (
                torch.fft.irfft(spectrum * response[bins], n=n_fft)[..., keep]
                for response in (self._real, self._imag)
            )
            yield _moved(bins, self._first_bin), self._average(real, imag)

    def _average(self, real: torch.Tensor, imag: torch.Tensor) -> torch.Tensor:
        if self._complex_average is None:
            return self._mean(magnitude_of(real, imag))
        if self._complex_average == "linear" or self._factor == 1:
            return torch.complex(self._mean(real), self._mean(imag))
        phase = torch.atan2(imag, real)
        return torch.polar(self._mean(magnitude_of(real, imag)), self._mean(phase))

    def _mean(self, samples: torch.Tensor) -> torch.Tensor:
        """Average over windows; all that is given is one window where it is shorter than one."""
        n_samples = min(self._factor, samples.shape[-1])
        return samples.unflatten(-1, (-1, n_samples)).mean(-1)


class DecimatedAverager:
    """Magnitudes in the middle of each run of `stride` frames, averaged as `strides` describes.

    Every s-th sample of a segment of n is an inverse transform of length n / s: bins of the product
    of spectrum and response that lie n / s apart are added first, since at the lower rate they are
    one. The samples are those of the full rate; nothing is filtered away. Where the sum begins
    turns the phase alone, which a magnitude does not show.

    Parameters
    ----------
    filters, first_bin, segments, factor, device
        As for `FullRateAverager`.
    stride
        Divides `factor` and the segments' length.
    """

    def __init__(
        self,
        filters: npt.NDArray[np.complex64],
        first_bin: int,
        segments: Segments,
        factor: int,
        stride: int,
        device: torch.device,
    ) -> None:
        n_fft = segments.n_fft
        response = np.fft.fft(filters.astype(np.complex128), n_fft)
        length = n_fft // stride
        # Frequencies are counted from half a turn below the band, so that a band that reaches beyond
        # the Nyquist frequency stays in one piece when it is moved by half a frame.
        first = _band_centre(np.abs(response)) - n_fft // 2
        offsets = first + np.arange(n_fft)
        # The first sample is that of the run before the first window.
        delay = segments.lead - stride + (stride - 1) / 2
        shift = np.exp(2j * np.pi / n_fft * delay * offsets) / stride
        folded = (response[:, offsets % n_fft] * shift).reshape(-1, stride, length)
        self._response = torch.as_tensor(folded.astype(np.complex64), device=device)
        self._frequencies = slice(first % n_fft, first % n_fft + n_fft)
        self._first_bin, self._segments = first_bin, segments
        self._n_per_window = factor // stride
        self._correction = end_correction(factor, stride)

    def blocks(
        self, spectrum: torch.Tensor, n_kept: int, n_samples: int
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield bins and their averages, a few bins at a time.

        Parameters
        ----------
        spectrum
            (N, 2 * n_fft) unfolded spectrum of a segment, as `segment_spectrum` gives it.
        n_kept, n_samples
            As in `FullRateAverager.blocks`.

        Yields
        ------
        Bins of the bank, and (N, bins, windows) their averages.
        """
        n_bins, n_turns, length = self._response.shape
        stretches = spectrum[:, self._frequencies].unflatten(-1, (n_turns, length))
        for bins in _batches(n_bins, n_samples // (len(spectrum) * length)):
            folded = fold(stretches, self._response[bins])
            yield (
                _moved(bins, self._first_bin),
                average_magnitude(
                    torch.fft.ifft(folded),
                    self._n_per_window,
                    self._correction,
                    n_kept // (self._n_per_window * n_turns),
                ),
            )


def _band_centre(gain: npt.NDArray[np.float64]) -> int:
    """Bin in the middle between the lowest and the highest peak of (F, n_fft) responses."""
    peaks = gain.argmax(axis=1)
    return (int(peaks.min()) + int(peaks.max())) // 2


def _batches(n_bins: int, size: int) -> list[slice]:
    size = max(size, 1)
    return [slice(first, min(first + size, n_bins)) for first in range(0, n_bins, size)]


def _moved(bins: slice, offset: int) -> slice:
    return slice(bins.start + offset, bins.stop + offset)

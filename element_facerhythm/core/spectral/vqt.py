"""The variable-Q transform of many traces, in blocks.

Every trace is convolved with every filter of a `FilterBank`, its magnitude (or the complex value)
taken, and averaged over `downsample_factor` frames. The average of the magnitude is not the
magnitude of a decimated signal, and the average must be that over every frame. There are two modes:

exact
    Every frame's magnitude is computed, one block at a time.
fast
    A slow filter's magnitude is taken at every second frame, or fourth, or tenth ..., whatever
    keeps the expected error of the average within `strides.TOLERANCE`; see `strides`.

Long traces are cut into overlapping segments (overlap-save, `segments`), each a whole number of
windows long.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

from element_facerhythm.core.device import is_out_of_memory, resolve_device
from element_facerhythm.core.spectral.averages import (
    DecimatedAverager,
    FullRateAverager,
    segment_spectrum,
)
from element_facerhythm.core.spectral.filter_bank import FilterBank
from element_facerhythm.core.spectral.segments import Segments, plan_segments
from element_facerhythm.core.spectral.strides import choose_strides, common_multiple
from element_facerhythm.core.spectral.windows import Span, TransformOptions, kept_span
from element_facerhythm.errors import ParameterError

logger = logging.getLogger(__name__)

_Traces: TypeAlias = npt.NDArray[np.float32]
_Result: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.complex64]
_Piece: TypeAlias = tuple[Segments, int, Sequence[FullRateAverager | DecimatedAverager]]
_Job = TypeVar("_Job")

# Samples in flight at once, in each thread: what fits a CPU's cache; what keeps a GPU busy.
_SAMPLES_IN_FLIGHT = {"cpu": 2**18, "cuda": 2**25}


def variable_q_transform(
    traces: npt.ArrayLike,
    bank: FilterBank,
    options: TransformOptions,
    *,
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.float32] | npt.NDArray[np.complex64]:
    """Transform real traces.

    Parameters
    ----------
    traces
        (N, T) real values, one row per trace, or (T,).
    bank
        Filters for the traces' frame rate.
    options
        Windows, padding, magnitudes or complex values, and how they are averaged.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:n"`` or a `torch.device`.

    Returns
    -------
    (N, F, W) float32 magnitudes, or complex64 values in units of the traces.

    Raises
    ------
    ParameterError
        The traces are shorter than the filters, or have another shape.
    """
    array = np.atleast_2d(np.asarray(traces, dtype=np.float32))
    if array.ndim != 2:
        raise ParameterError(f"traces have shape {array.shape}; expected (n_traces, n_frames).")
    transform = Transform(bank, options, n_frames=array.shape[1], device=device)
    return transform(array, slice(0, transform.n_windows))


class Transform:
    """A variable-Q transform prepared for traces of one length: filters' spectra made once.

    Traces may be given piece by piece: `window_blocks` says which windows to ask for together, and
    `frames_for` which frames they are made from. The pieces do not change the numbers.

    Parameters
    ----------
    bank, options, device
        As for `variable_q_transform`.
    n_frames
        Length of the traces T.
    longest_segment
        Windows that are made together at most, if filters this short allow it.
    """

    def __init__(
        self,
        bank: FilterBank,
        options: TransformOptions,
        *,
        n_frames: int,
        device: str | torch.device = "cpu",
        longest_segment: int = 2**20,
    ) -> None:
        downsample_factor, take_abs = options.downsample_factor, options.take_abs
        self._device = resolve_device(device) if isinstance(device, str) else device
        self._n_frames, self._factor = n_frames, downsample_factor
        self._take_abs = take_abs
        self._complex_average = None if take_abs else options.complex_average
        span = kept_span(n_frames, bank.n_taps, options.padding)
        self._n_windows, self._n_bins = span.n_windows(downsample_factor), bank.n_freq_bins
        n_whole = span.length // downsample_factor * downsample_factor
        strides = np.ones(bank.n_freq_bins, dtype=np.int64)
        if take_abs and options.averaging == "fast":
            strides = choose_strides(bank, downsample_factor)
        # Magnitudes need a sample before and after each window; see `strides`.
        longest = int(strides.max()) if take_abs else 0
        self._segments = plan_segments(
            Span(span.start, n_whole),
            n_before=bank.n_taps - 1 + longest,
            n_after=longest,
            factor=downsample_factor,
            multiple=common_multiple(strides),
            longest_hop=longest_segment * downsample_factor,
        )
        self._parts = self._make_parts(bank, strides)
        self._rest = Span(span.start + n_whole, span.length - n_whole)
        self._rest_segment, self._rest_part = self._make_rest(bank)

    def _make_parts(
        self, bank: FilterBank, strides: npt.NDArray[np.int64]
    ) -> list[FullRateAverager | DecimatedAverager]:
        """Averages of neighbouring bins that have a stride in common."""
        parts: list[FullRateAverager | DecimatedAverager] = []
        for stride, group in itertools.groupby(range(len(strides)), key=lambda i: int(strides[i])):
            bins = list(group)
            filters = bank.filters[bins[0] : bins[-1] + 1]
            common = (filters, bins[0], self._segments, self._factor)
            parts.append(
                DecimatedAverager(*common, stride, self._device)
                if self._take_abs
                else FullRateAverager(*common, self._complex_average, self._device)
            )
        return parts

    def _make_rest(self, bank: FilterBank) -> tuple[Segments, FullRateAverager]:
        """Prepare for the last window where it is shorter than the others: every frame counts."""
        n_before = bank.n_taps - 1
        n_fft = 2 * scipy.fft.next_fast_len(-(-(n_before + self._factor) // 2), real=True)
        segment = Segments(self._rest, n_fft, n_before, self._factor)
        part = FullRateAverager(
            bank.filters, 0, segment, self._factor, self._complex_average, self._device
        )
        return segment, part

    @property
    def n_windows(self) -> int:
        """Number of windows W."""
        return self._n_windows

    @property
    def dtype(self) -> type[np.float32] | type[np.complex64]:
        """Data type of the result."""
        return np.float32 if self._take_abs else np.complex64

    @property
    def _windows_per_segment(self) -> int:
        return self._segments.hop // self._factor

    def window_blocks(self, n_windows: int) -> list[slice]:
        """Cut the windows into blocks of about `n_windows`, whole segments each."""
        size = max(n_windows // self._windows_per_segment, 1) * self._windows_per_segment
        n_whole = self._segments.span.length // self._factor
        stops = [*range(size, n_whole, size), self._n_windows]
        return [slice(a, b) for a, b in itertools.pairwise([0, *stops])]

    def frames_for(self, windows: slice) -> slice:
        """Frames of the traces that a block of `window_blocks` is made from."""
        pieces = self._pieces(windows)
        first = min(segments.start(i) for segments, i, _ in pieces)
        last = max(segments.start(i) + segments.n_fft for segments, i, _ in pieces)
        return slice(max(first, 0), min(last, self._n_frames))

    def __call__(
        self, traces: npt.NDArray[np.float32], windows: slice
    ) -> npt.NDArray[np.float32] | npt.NDArray[np.complex64]:
        """Transform (N, ...) traces, the frames of `frames_for`, into (N, F, windows)."""
        n_windows = windows.stop - windows.start
        result = np.empty((len(traces), self._n_bins, n_windows), dtype=self.dtype)
        if self._device.type == "cpu":
            self._fill_in_threads(result, traces, windows)
        else:
            self._fill_in_turn(result, traces, windows, _SAMPLES_IN_FLIGHT["cuda"])
        return result

    def _fill_in_threads(self, result: _Result, traces: _Traces, windows: slice) -> None:
        n_samples = _SAMPLES_IN_FLIGHT["cpu"]
        n_rows = max(1, n_samples // self._segments.n_fft)
        row_blocks = [slice(row, row + n_rows) for row in range(0, len(traces), n_rows)]

        def fill(job: tuple[slice, _Piece]) -> None:
            rows, piece = job
            self._fill(result[rows], traces[rows], windows, piece, n_samples)

        _in_threads(fill, list(itertools.product(row_blocks, self._pieces(windows))))

    def _fill_in_turn(
        self, result: _Result, traces: _Traces, windows: slice, n_samples: int
    ) -> None:
        """Transform as many traces at a time as the device has memory for."""
        row = 0
        while row < len(traces):
            rows = slice(row, row + max(1, n_samples // self._segments.n_fft))
            try:
                for piece in self._pieces(windows):
                    self._fill(result[rows], traces[rows], windows, piece, n_samples)
            except RuntimeError as error:
                if rows.stop - row == 1 or not is_out_of_memory(error):
                    raise
                n_samples //= 2
                logger.warning("%s is out of memory: going on with half a block.", self._device)
                continue
            row = rows.stop

    def _fill(
        self,
        result: _Result,
        traces: _Traces,
        windows: slice,
        piece: _Piece,
        n_samples: int,
    ) -> None:
        """Transform one segment of some traces."""
        segments, index, parts = piece
        frames = segments.frames(index, traces, self.frames_for(windows).start)
        signal = torch.as_tensor(frames, device=self._device)
        spectrum = segment_spectrum(signal, segments.n_fft, unfold=self._take_abs)
        n_kept = segments.n_kept(index)
        sample = segments.span.start - self._segments.span.start + index * segments.hop
        first = sample // self._factor - windows.start
        for part in parts:
            for bins, block in part.blocks(spectrum, n_kept, n_samples):
                result[:, bins, first : first + block.shape[-1]] = block.cpu().numpy()

    def _pieces(self, windows: slice) -> list[_Piece]:
        """Segments that a block of windows is made of, and what is made of each."""
        first = windows.start // self._windows_per_segment
        last = min(-(-windows.stop // self._windows_per_segment), self._segments.n_segments)
        pieces: list[_Piece] = [
            (self._segments, index, self._parts) for index in range(first, last)
        ]
        if self._rest.length and windows.stop == self._n_windows:
            pieces.append((self._rest_segment, 0, [self._rest_part]))
        return pieces


def _in_threads(run: Callable[[_Job], None], jobs: Sequence[_Job]) -> None:
    """Run jobs on as many threads as torch has, each job on one of them.

    torch's own threads wait for each other at every operation, which costs much where the processor
    has other work too.
    """
    n_threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(n_threads, initializer=lambda: torch.set_num_threads(1)) as pool:
            for done in [pool.submit(run, job) for job in jobs]:
                done.result()
    finally:
        # Setting it in a thread changes what later threads begin with.
        torch.set_num_threads(n_threads)

"""Parameters against the recording that they are meant for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import AXES, axis_parts, find_axis
from element_facerhythm.parameters.resolution import resolution
from element_facerhythm.parameters.tree import Parameters

# Values of all filters together, two gigabytes of complex numbers.
_MAX_BANK = 250_000_000


def check_parameters(
    parameters: Parameters,
    *,
    frame_rate_hz: float,
    n_frames: int,
    n_samples: Sequence[Sequence[int]],
    n_points: int | None,
    filter_length: int | None = None,
) -> tuple[str, ...]:
    """Check what cannot be known without the video.

    Parameters
    ----------
    parameters
        Already valid by themselves.
    frame_rate_hz
        The recording's own frame rate.
    n_frames
        Frames of the recording.
    n_samples
        Samples of each stretch between gaps, of each tracked sequence, in order.
    n_points
        Number of seed points; None where it is not known yet (then the rank is not checked).
    filter_length
        Length of the longest filter in frames (`core.spectral.filter_length`); None where it is
        not known (then filter and rank are not checked against the video).

    Returns
    -------
    tuple of str
        Notes: what is read differently from what was typed, or is unusual.

    Raises
    ------
    ParameterError
        A frequency above half the frame rate, a filter longer than the shortest video, a rank
        above what the data allow, or frame indices outside the recording.
    """
    rate_hz = parameters.spectral_rate_hz(frame_rate_hz)
    _check_nyquist(parameters, rate_hz)
    _check_freeze(parameters, n_frames)
    _check_windows(parameters, len(n_samples))
    if filter_length is not None:
        _check_filter(parameters, filter_length, n_samples, rate_hz)
        if n_points is not None:
            _check_rank(parameters, filter_length, n_samples, n_points)
    notes = tuple(_notes(parameters, frame_rate_hz, n_points))
    if filter_length is None or n_points is None:
        return notes
    return (*notes, *_rank_notes(parameters, rate_hz, n_samples, n_points))


def _check_nyquist(parameters: Parameters, rate_hz: float) -> None:
    highest_hz = parameters.VQT_Analyzer.params_VQT.F_max
    if highest_hz > rate_hz / 2:
        raise ParameterError(
            f"VQT_Analyzer.params_VQT.F_max: given {highest_hz} Hz, expected at most half the "
            f"frame rate, {rate_hz / 2:g} Hz at {rate_hz:g} Hz; lower F_max"
        )


def _check_filter(
    parameters: Parameters, filter_length: int, n_samples: Sequence[Sequence[int]], rate_hz: float
) -> None:
    vqt = parameters.VQT_Analyzer.params_VQT
    shortest = min((max(lengths), len(lengths)) for lengths in n_samples)
    if filter_length > shortest[0]:
        between = (
            "the shortest video has" if shortest[1] == 1 else "a video has between its gaps at most"
        )
        raise ParameterError(
            f"VQT_Analyzer.params_VQT: Q_lowF {vqt.Q_lowF:g} at F_min {vqt.F_min:g} Hz and "
            f"{rate_hz:g} Hz asks for a filter of {filter_length} frames, and {between} "
            f"{shortest[0]}; raise F_min, lower Q_lowF, or set PointTracker.contiguous"
        )
    if vqt.n_freq_bins * filter_length > _MAX_BANK:
        raise ParameterError(
            f"VQT_Analyzer.params_VQT: {vqt.n_freq_bins} filters of {filter_length} frames are asked for, "
            f"expected at most {_MAX_BANK} values together; lower n_freq_bins, raise F_min, or lower Q_lowF"
        )


def _check_rank(
    parameters: Parameters, filter_length: int, n_samples: Sequence[Sequence[int]], n_points: int
) -> None:
    """More components than the product of all axes but the longest have no meaning."""
    rank = parameters.TCA.fit.params_method.rank
    for shape in _tensor_shapes(parameters, filter_length, n_samples, n_points):
        largest = math.prod(shape) // max(shape)
        if rank > largest:
            raise ParameterError(
                f"TCA.fit.params_method.rank: given {rank}, expected at most {largest}, with which "
                f"any tensor of shape {shape} ({2 * n_points} point coordinates, "
                f"{parameters.VQT_Analyzer.params_VQT.n_freq_bins} frequencies) is reproduced"
            )


def _tensor_shapes(
    parameters: Parameters, filter_length: int, n_samples: Sequence[Sequence[int]], n_points: int
) -> list[tuple[int, ...]]:
    """Shapes of the tensors to decompose; checks `idx_windows` on the way."""
    vqt, data = parameters.VQT_Analyzer.params_VQT, parameters.TCA.rearrange_data
    lost = filter_length - 1 if vqt.padding == "valid" else 0
    shapes = []
    for i, lengths in enumerate(n_samples):
        whole = (n - lost for n in lengths if n >= filter_length)
        n_windows = sum(-(-n // vqt.downsample_factor) for n in whole)
        sizes = dict(zip(AXES, (2, n_points, vqt.n_freq_bins, n_windows), strict=True))
        if data.idx_windows is not None and (window := data.idx_windows[i]) is not None:
            _check_window(i, window, sizes[data.name_dim_array_window])
            sizes[data.name_dim_array_window] = window[1] - window[0] + 1
        shapes.append([math.prod(sizes[p] for p in axis_parts(n)) for n in data.joined_names()])
    if data.method_handling_dictElements == "separate":
        return [tuple(shape) for shape in shapes]
    if data.method_handling_dictElements == "stack":
        return [(len(shapes), *shapes[0])]
    names = data.joined_names()
    joined = find_axis(data.name_dim_concat_dictElements, names)
    columns = zip(names, zip(*shapes, strict=True), strict=True)
    return [tuple(sum(lengths) if name == joined else lengths[0] for name, lengths in columns)]


def _check_window(index: int, window: tuple[int, int], length: int) -> None:
    if not window[0] <= window[1] < length:
        raise ParameterError(
            f"TCA.rearrange_data.idx_windows: entry {index} is {list(window)}, expected first <= "
            f"last <= {length - 1} (both included)"
        )


def _check_freeze(parameters: Parameters, n_total: int) -> None:
    freeze = parameters.PointTracker.frames_freeze
    if not freeze:
        return
    if isinstance(freeze[0], bool):
        if len(freeze) != n_total:
            raise ParameterError(
                f"PointTracker.frames_freeze: given {len(freeze)} values, expected one for each of "
                f"the recording's {n_total} frames"
            )
    elif max(freeze) >= n_total:
        raise ParameterError(
            f"PointTracker.frames_freeze: frame {max(freeze)} is outside the recording, which has "
            f"{n_total} frames counted from 0"
        )


def _check_windows(parameters: Parameters, n_sequences: int) -> None:
    windows = parameters.TCA.rearrange_data.idx_windows
    if windows is not None and len(windows) != n_sequences:
        raise ParameterError(
            f"TCA.rearrange_data.idx_windows: given {len(windows)} windows, expected one (or null) "
            f"for each of the {n_sequences} tracked videos"
        )


def _notes(parameters: Parameters, frame_rate_hz: float, n_points: int | None) -> Iterator[str]:
    spectral = parameters.VQT_Analyzer.params_VQT
    said_hz, was_said = spectral.Fs_sample, "Fs_sample" in spectral.model_fields_set
    rate_hz = parameters.sample_rate_hz(frame_rate_hz)
    if rate_hz != frame_rate_hz:
        yield (
            f"Dataset_videos.frame_rate_clamp: {rate_hz:g} Hz is used in place of the video's "
            f"{frame_rate_hz:g} Hz"
        )
    if said_hz != rate_hz and parameters.rules.is_rate_typed:
        whose = "as typed" if was_said else "face-rhythm's default"
        yield (
            f"compat: spectrograms use Fs_sample {whose}, {said_hz:g} Hz; the frame rate is {rate_hz:g} Hz"
        )
    elif said_hz != rate_hz and was_said:
        yield (
            f"VQT_Analyzer.params_VQT.Fs_sample: {said_hz:g} Hz is not used; the frame rate is "
            f"{rate_hz:g} Hz"
        )
    neighbors = parameters.PointTracker.params_optical_flow.mesh_n_neighbors
    if n_points is not None and neighbors > n_points:
        yield (
            f"PointTracker.params_optical_flow.mesh_n_neighbors: {neighbors} asked, and there are "
            f"only {n_points} points; all of them form the mesh"
        )
    normalize = parameters.TCA.normalize_data
    if normalize.mean_subtract and parameters.TCA.fit.method == "CP_NN_HALS":
        yield (
            "TCA.normalize_data.mean_subtract makes negative values, which the non-negative "
            "CP_NN_HALS can only meet with zero"
        )


def _rank_notes(
    parameters: Parameters, rate_hz: float, n_samples: Sequence[Sequence[int]], n_points: int
) -> Iterator[str]:
    rank = parameters.TCA.fit.params_method.rank
    found = resolution(parameters, rate_hz=rate_hz, n_samples=n_samples, n_points=n_points)
    if rank > found.n_components:
        yield (
            f"TCA.fit.params_method.rank: {rank} components are asked for, and the recording can distinguish "
            f"about {found.n_components}: it has {found}. Lower the rank, or let `facerhythm rank` show "
            "which are stable"
        )

"""Checks of the spectrograms and the components: enough data, good fit, each a rhythm of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import CpModel
from element_facerhythm.core.decomposition.components import largest_point_shares
from element_facerhythm.core.decomposition.stability import unit_columns
from element_facerhythm.parameters.axes import TIME, axis_parts, has_parts
from element_facerhythm.pipeline.records import ModelSummary, VideoSummary
from element_facerhythm.pipeline.results.quality.judging import Measure, unknown

_FEWEST_FREQUENCIES = 3


def data_measures(
    models: Mapping[str, CpModel],
    videos: Sequence[VideoSummary],
    frequencies_hz: NDArray[np.float32],
    element_axis: str,
) -> Iterator[Measure]:
    """Measure whether there is enough data for what was asked of it.

    Parameters
    ----------
    models
        Models of the project, by their key.
    videos
        Its videos in numbers.
    frequencies_hz
        (F,) centre frequencies of the spectrograms, ascending.
    element_axis
        Name of the axis along which models join the videos.
    """
    windows = {key: _n_windows_of(model, videos, element_axis) for key, model in models.items()}
    few = min(windows, key=windows.__getitem__)
    more = "record longer, lower downsample_factor, or raise F_min so that filters are shorter"
    yield Measure(
        "n_windows", windows[few], f"{windows[few]} spectrogram windows{_of(few, models)}", more
    )
    per_component = {key: windows[key] / max(model.rank, 1) for key, model in models.items()}
    few = min(per_component, key=per_component.__getitem__)
    yield Measure(
        "windows_per_component",
        per_component[few],
        f"{windows[few]} spectrogram windows{_of(few, models)} for {models[few].rank} components",
        f"lower the rank, or {more}",
    )
    lowest_hz = float(frequencies_hz[0])
    n_periods = sum(video.duration_s for video in videos) * lowest_hz
    yield Measure(
        "periods_of_lowest_frequency",
        n_periods,
        f"the recording holds {n_periods:.3g} periods of the lowest frequency, {lowest_hz:.3g} Hz",
        "record longer, or raise F_min",
    )
    yield _rank(models)


def model_measures(
    summaries: Sequence[ModelSummary],
    models: Mapping[str, CpModel],
    frequencies_hz: NDArray[np.float32],
    n_points: int,
) -> Iterator[Measure]:
    """Measure how well components fit, and whether each is a rhythm of its own.

    Parameters
    ----------
    summaries
        Models of the project in numbers.
    models
        The same models, by their key.
    frequencies_hz
        (F,) centre frequencies of the spectrograms.
    n_points
        Tracked points, P.
    """
    yield _fit(summaries)
    yield _stability(summaries)
    yield _edge(summaries, frequencies_hz)
    yield _one_point(models, len(frequencies_hz), n_points)
    yield _alike(models)


def _n_windows_of(model: CpModel, videos: Sequence[VideoSummary], element_axis: str) -> int:
    """Windows that a model was fitted to: its time axis, times its videos where these are an axis."""
    along = [name for name in model.names if has_parts(name, TIME)]
    if len(along) != 1 or set(axis_parts(along[0])) - {TIME, element_axis}:
        return sum(video.n_windows for video in videos)  # folded with something else
    n_windows = len(model.factors[along[0]])
    own_axis = element_axis in model.names and element_axis != along[0]
    return n_windows * (len(model.factors[element_axis]) if own_axis else 1)


def largest_determined_rank(shape: Sequence[int]) -> int:
    """Largest rank R for which Kruskal's condition can hold: sum of min(n, R) >= 2 R + (number of axes - 1).

    Up to it, components of a tensor are determined by the data, unless they are alike along an axis;
    beyond it nothing says that they are.

    Parameters
    ----------
    shape
        Length of each axis.
    """
    rank, n_axes = 1, len(shape)
    while sum(min(n, rank + 1) for n in shape) >= 2 * (rank + 1) + n_axes - 1:
        rank += 1
    return rank


def largest_congruence(model: CpModel) -> tuple[float, tuple[int, int]]:
    """Largest product over axes of the cosine between the loadings of two components, and the two.

    0 of a single component; NaN where a loading is not finite.
    """
    congruence = np.ones((model.rank, model.rank))
    for name in model.names:
        with np.errstate(invalid="ignore"):
            units = unit_columns(model.factors[name])
            congruence *= np.abs(units.T @ units)
    np.fill_diagonal(congruence, 0.0)
    first, second = np.unravel_index(int(np.argmax(congruence)), congruence.shape)
    return float(congruence[first, second]), (int(first), int(second))


def _rank(models: Mapping[str, CpModel]) -> Measure:
    if any(len(model.names) < 3 for model in models.values()):
        return unknown("rank", "the data have two axes, of which no rank above 1 is determined")
    largest = {
        key: largest_determined_rank([len(model.factors[name]) for name in model.names])
        for key, model in models.items()
    }
    over = max(models, key=lambda key: models[key].rank / largest[key])
    return Measure(
        "rank",
        models[over].rank / largest[over],
        f"{models[over].rank} components{_of(over, models)}, where data of this shape determine at most "
        f"{largest[over]}",
        "lower the rank",
    )


def _fit(summaries: Sequence[ModelSummary]) -> Measure:
    name = "r_squared"
    known = {s.model_key: s.r_squared for s in summaries}
    if not np.isfinite(list(known.values())).all():
        return unknown(
            name,
            "the spectrograms that the components were fitted to cannot be rebuilt, do not vary, or they or "
            "the loadings are not finite",
        )
    worst = min(known, key=known.__getitem__)
    return Measure(
        name,
        known[worst],
        f"R squared of the components{_of(worst, known)} is {known[worst]:.2f}",
        "most of what moves is not described, so raise the rank, or look whether points follow the face",
    )


def _stability(summaries: Sequence[ModelSummary]) -> Measure:
    values = [
        (c.stability, s.model_key, c.component_index) for s in summaries for c in s.components
    ]
    if not np.isfinite([value for value, *_ in values]).all():
        return unknown(
            "stability",
            "it was not measured (one start, face-rhythm's fit, or loadings that are not finite); "
            "`facerhythm rank` measures it",
        )
    value, key, index = min(values)
    return Measure(
        "stability",
        value,
        f"the least stable is component {index}{_of(key, summaries)}, with {value:.2f} of 1",
        "another start finds another component in its place, so lower the rank (`facerhythm rank` says to "
        "what), and do not interpret it alone",
    )


def _edge(summaries: Sequence[ModelSummary], frequencies_hz: NDArray[np.float32]) -> Measure:
    name = "components_at_edge"
    if len(frequencies_hz) < _FEWEST_FREQUENCIES:
        return unknown(name, "there are fewer than three frequencies")
    ends = [float(frequencies_hz[0]), float(frequencies_hz[-1])]
    peaks = [
        (component.component_index, key, component.peak_frequency_hz)
        for key, component in ((s.model_key, c) for s in summaries for c in s.components)
    ]
    if not np.isfinite([peak for *_, peak in peaks]).all():
        return unknown(
            name, "components have no peak frequency: their loadings vanish, or are not finite"
        )
    at_edge = [(i, key, hz) for i, key, hz in peaks if np.isclose(hz, ends).any()]
    listed = ", ".join(
        f"component {i}{_of(key, summaries)} at {hz:.3g} Hz" for i, key, hz in at_edge[:4]
    )
    return Measure(
        name,
        float(len(at_edge)),
        f"{len(at_edge)} of {len(peaks)} components peak at the edge of the frequency range ({listed})"
        if at_edge
        else "no component peaks at the edge of the frequency range",
        "the rhythm may lie outside, or it is slow drift or noise, so change F_min or F_max, or leave it out",
    )


def _one_point(models: Mapping[str, CpModel], n_frequencies: int, n_points: int) -> Measure:
    name = "component_on_one_point"
    shares = [
        (float(share), key, index)
        for key, model in models.items()
        for index, share in enumerate(
            largest_point_shares(model, n_points=n_points, n_frequencies=n_frequencies)
        )
    ]
    if not np.isfinite([share for share, *_ in shares]).all():
        return unknown(
            name, "components have no loadings along the points, or they vanish or are not finite"
        )
    share, key, index = max(shares)
    return Measure(
        name,
        share,
        f"one point has {share:.0%} of the squared loadings of component {index}{_of(key, models)}",
        "that is a point that slipped rather than a movement of the face, so look at its trace, and take it "
        "out of the ROI",
    )


def _alike(models: Mapping[str, CpModel]) -> Measure:
    found = {key: largest_congruence(model) for key, model in models.items()}
    worst = max(found, key=lambda key: found[key][0])
    value, (first, second) = found[worst]
    if not np.isfinite([congruence for congruence, _ in found.values()]).all():
        return unknown("components_alike", "loadings are not finite")
    pair = f"the most alike are components {first} and {second}{_of(worst, models)}, with {value:.2f} of 1"
    return Measure(
        "components_alike",
        value,
        pair if models[worst].rank > 1 else "there is one component",
        "they describe one rhythm, so lower the rank",
    )


def _of(key: str, models: Mapping[str, object] | Sequence[ModelSummary]) -> str:
    return f" of model {key}" if len(models) > 1 else ""

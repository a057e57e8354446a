"""Signals of regions as FacialSignal.h5 holds them, of this package or of any program with its layout.

Any dataset may be absent. Arrays by frame are as long as the recording; all arrays stay on disk until sliced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.h5_reader import H5Dataset, H5Group
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.product_stamps import stage_record
from element_facerhythm.io.project import Project

SignalKind: TypeAlias = Literal["motion", "pupil", "blink", "running"]
SIGNAL_KINDS: tuple[SignalKind, ...] = ("motion", "pupil", "blink", "running")
"""What a region is measured for."""

FRAME_AXES = {
    "motion": ("motion", 1),
    "area": ("pupil", 1), "centre": ("pupil", 2), "axes": ("pupil", 2), "angle": ("pupil", 1),
    "opening": ("blink", 1),
    "running": ("running", 2),
}  # fmt: skip
"""Arrays by frame: the kind of region that has each, and its number of axes. All but those of motion have a
``confidence`` (T,), too."""

_OVER_TIME = {
    "motion": ("motion", "motion energy"),
    "pupil": ("area", "pupil area (px²)"),
    "blink": ("opening", "eye opening"),
    "running": ("running", "running (px per frame)"),
}
"""Kind of a region: the array that is drawn of it over time, and what that is."""

DECOMPOSITIONS = ("motion_svd", "movie_svd")
_BY_COMPONENT = ("singular_values", "share_of_variance")
_EDGES = ("x_range", "y_range", "x_range_bin", "y_range_bin")
_MAX_REGIONS = 1000
_MAX_COMPONENTS = 10_000
_REMEDY = "write it anew (`facerhythm run --signals`, or the import that made it), or restore it"


@dataclass(frozen=True, eq=False)
class StoredSvd:
    """Singular vectors of the motion energy, or of the frames, of a region.

    Attributes
    ----------
    projection, mask
        (T, n) and (n, y, x); None where one is not stored.
    singular_values, share_of_variance
        (n,); NaN where not known.
    total_variance, relative_error
        Of the whole decomposition; None where not known.
    method
        How it was computed; empty where not known.
    """

    projection: LazyArray | None
    mask: LazyArray | None
    singular_values: NDArray[np.float64]
    share_of_variance: NDArray[np.float64]
    total_variance: float | None
    relative_error: float | None
    method: str

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.singular_values)


@dataclass(frozen=True, eq=False)
class StoredRegion:
    """One region, and what was measured in it.

    Attributes
    ----------
    index
        Number of the region; 0 is the whole frame where that was asked for.
    name, kind
        What it is called, and one of `SIGNAL_KINDS`.
    polygon
        (V, 2) in (x, y) pixels; None where not stored.
    edges
        Half-open ranges (first, stop) by name: ``x_range``, ``y_range`` in pixels, ``x_range_bin``,
        ``y_range_bin`` in bins; those that are stored.
    arrays
        Arrays by frame that are stored, by name.
    svd
        Decompositions that are stored, by name: ``motion_svd``, ``movie_svd``.
    """

    index: int
    name: str
    kind: SignalKind
    polygon: NDArray[np.float64] | None
    edges: dict[str, tuple[int, int]]
    arrays: dict[str, LazyArray]
    svd: dict[str, StoredSvd]

    @property
    def quantity(self) -> str:
        """What `over_time` gives, with its unit."""
        return _OVER_TIME[self.kind][1]

    @property
    def is_over_time(self) -> bool:
        """Whether the array that `over_time` gives is stored."""
        return _OVER_TIME[self.kind][0] in self.arrays

    def over_time(self, first: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return the one curve that shows the region: motion energy, pupil area, eye opening or speed.

        Parameters
        ----------
        first, stop
            Frames ``[first, stop)`` of the recording, all videos one after the other.

        Returns
        -------
        (T,) values; NaN in frames without one.
        """
        values = np.asarray(self.arrays[_OVER_TIME[self.kind][0]][first:stop], np.float64)
        return np.hypot(values[:, 0], values[:, 1]) if self.kind == "running" else values


@dataclass(frozen=True, eq=False)
class StoredSignals:
    """All signals of a recording.

    Attributes
    ----------
    regions
        In the order of their numbers.
    n_frames
        T, of all videos; None where no array by frame is stored.
    video_n_frames
        T of each video; empty where not stored.
    bin_px
        Pixels along one side of a bin; None where not stored.
    images
        Binned ``mean_frame`` and ``mean_motion`` (y, x), those that are stored.
    source
        Who computed them.
    notes
        What was left out or guessed.
    """

    regions: tuple[StoredRegion, ...]
    n_frames: int | None
    video_n_frames: tuple[int, ...]
    bin_px: int | None
    images: dict[str, LazyArray]
    source: str
    notes: tuple[str, ...]


def signals_of_project(project: Project) -> StoredSignals:
    """Read what FacialSignal.h5 of a project says, but for its arrays.

    Raises
    ------
    ProjectError
        There is none, or the errors of `read_signals`.
    """
    project.require(SIGNALS)
    return read_signals(project.product_path(SIGNALS), project.layouts[SIGNALS])


def read_signals(path: Path, source: str = "") -> StoredSignals:
    """Read what a FacialSignal.h5 says, but for its arrays.

    Parameters
    ----------
    path
        The file.
    source
        Who computed the signals, where the file does not say.

    Raises
    ------
    ProjectError
        It is missing or damaged, or its arrays disagree on the number of frames or of components.
    """
    record = stage_record(path)
    with open_h5(path, _REMEDY) as file:
        regions = tuple(_regions(file))
        n_frames = _common_length(file, regions)
        lengths = _video_lengths(file, n_frames)
        told = record.get("source")
        return StoredSignals(
            regions,
            sum(lengths) if lengths else n_frames,
            lengths,
            _bin_px(file),
            {
                name: _array(node, 2)
                for name in ("mean_frame", "mean_motion")
                if isinstance(node := file.find(f"summary/{name}"), H5Dataset)
            },
            told if isinstance(told, str) and told else source,
            tuple(str(note) for note in _as_list(record.get("notes"))),
        )


def _regions(file: H5Group) -> Iterator[StoredRegion]:
    if "regions" not in file:
        return
    group = file.group("regions")
    names = group.names_by_number()
    if len(names) > _MAX_REGIONS:
        group.refuse(f"holds {len(names):,} regions; expected {_MAX_REGIONS:,} at most")
    for name in names:
        if not name.isdecimal() or str(int(name)) != name:
            group.refuse(f"holds {name!r}; expected the number of a region")
        yield _region(group.group(name), int(name))


def _region(group: H5Group, index: int) -> StoredRegion:
    kind = group.dataset("kind").text()
    if kind not in SIGNAL_KINDS:
        group.dataset("kind").refuse(f"is {kind!r}; expected one of {', '.join(SIGNAL_KINDS)}")
    own = [name for name, (of, _) in FRAME_AXES.items() if of == kind]
    own += ["confidence"] if kind != "motion" else []
    arrays = {
        name: _array(node, FRAME_AXES.get(name, (kind, 1))[1])
        for name in own
        if isinstance(node := group.find(name), H5Dataset)
    }
    for name in ("centre", "axes", "running"):
        if name in arrays and arrays[name].shape[1] != 2:
            group.dataset(name).refuse(f"has shape {arrays[name].shape}; expected (frames, 2)")
    return StoredRegion(
        index,
        group.dataset("name").text() if "name" in group else f"{kind} {index}",
        kind,
        _polygon(group),
        {name: _edge(group.dataset(name)) for name in _EDGES if name in group},
        arrays,
        {
            name: _svd(group.group(name))
            for name in DECOMPOSITIONS
            if kind == "motion" and name in group
        },
    )


def _polygon(group: H5Group) -> NDArray[np.float64] | None:
    if "polygon" not in group:
        return None
    node = group.dataset("polygon")
    vertices = node.numbers(2, finite=True).astype(np.float64)
    if vertices.shape[1] != 2 or len(vertices) < 3:
        node.refuse(f"has shape {vertices.shape}; expected (vertices, 2) with three or more")
    return vertices


def _edge(node: H5Dataset) -> tuple[int, int]:
    values = node.numbers(1, finite=True)
    if values.shape != (2,) or values.dtype.kind not in "iu" or not values[0] < values[1]:
        node.refuse("is no range; expected two whole numbers, the first and the one after the last")
    return int(values[0]), int(values[1])


def _svd(group: H5Group) -> StoredSvd:
    projection, mask = (
        _array(node, ndim) if isinstance(node := group.find(name), H5Dataset) else None
        for name, ndim in (("projection", 2), ("mask", 3))
    )
    lengths = {
        name: n
        for name, n in (
            ("projection", None if projection is None else projection.shape[1]),
            ("mask", None if mask is None else mask.shape[0]),
            *((n, len(group.dataset(n))) for n in _BY_COMPONENT if n in group),
        )
        if n is not None
    }
    if len(set(lengths.values())) > 1 or not all(n <= _MAX_COMPONENTS for n in lengths.values()):
        group.refuse(f"has components in different numbers, or too many: {lengths}")
    n_components = next(iter(lengths.values()), 0)
    values, shares = (
        group.dataset(name).numbers(1).astype(np.float64)
        if name in group
        else np.full(n_components, np.nan)
        for name in _BY_COMPONENT
    )
    return StoredSvd(
        projection,
        mask,
        values,
        shares,
        _number(group, "total_variance"),
        _number(group, "relative_error"),
        str(group.attribute("method") or ""),
    )


def _number(group: H5Group, name: str) -> float | None:
    value = group.attribute(name)
    if value is not None and not isinstance(value, int | float):
        group.refuse(f"has an attribute {name} that is no number")
    return None if value is None or not np.isfinite(value) else float(value)


def _array(node: H5Dataset, ndim: int) -> LazyArray:
    if node.ndim != ndim:
        node.refuse(f"has shape {node.shape}; expected {ndim} axes")
    node.require_plausible()
    return LazyArray(node.path, node.name.lstrip("/"), stored_as=(node.shape, node.dtype))


def _common_length(file: H5Group, regions: tuple[StoredRegion, ...]) -> int | None:
    """Return the number of frames that all arrays by frame have."""
    lengths = {
        array.dataset: array.shape[0]
        for region in regions
        for array in (*region.arrays.values(), *(svd.projection for svd in region.svd.values()))
        if array is not None
    }
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {n}" for name, n in list(lengths.items())[:6])
        file.refuse(f"has arrays of different numbers of frames: {shown}")
    return next(iter(lengths.values()), None)


def _video_lengths(file: H5Group, n_frames: int | None) -> tuple[int, ...]:
    if "summary/n_frames" not in file:
        return ()
    node = file.dataset("summary/n_frames")
    lengths = tuple(int(n) for n in np.atleast_1d(node.numbers(finite=True)))
    if n_frames is not None and sum(lengths) != n_frames:
        node.refuse(f"sums to {sum(lengths)}; the arrays have {n_frames} frames")
    return lengths


def _bin_px(file: H5Group) -> int | None:
    if "summary/bin_px" not in file:
        return None
    node = file.dataset("summary/bin_px")
    values = node.numbers(finite=True)
    if values.size != 1 or values.dtype.kind not in "iu" or int(values.ravel()[0]) < 1:
        node.refuse("is no whole number of pixels")
    return int(values.ravel()[0])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

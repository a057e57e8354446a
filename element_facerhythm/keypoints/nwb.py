"""Poses in NWB files (ndx-pose), read as plain HDF5: nothing that the file declares of its own is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.predictions import Predictions, shown_names

_POSES = "PoseEstimation"
_SERIES = "PoseEstimationSeries"
_REMEDY = "write the NWB file again"
_PLACES = ("processing", "acquisition", "scratch", "analysis")
_MAX_DEPTH = 4
_MAX_CONTAINERS = 200
_TRACK = "track="
"""What sleap-io puts before the name of a track, in that of a container."""


@dataclass(frozen=True)
class _Container:
    """Poses of one individual: tracks by name, and the clock that they share."""

    tracks: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]]
    times_s: NDArray[np.floating] | None
    rate_hz: float | None
    predicted_by: str


def read_nwb(path: Path, module: str | None = None, containers: Sequence[str] = ()) -> Predictions:
    """Read poses from any processing module.

    Soft links within the file, by which series share their time stamps, are followed.

    Parameters
    ----------
    path
        The file.
    module
        Which processing module; None takes any.
    containers
        Names of the containers of poses; none takes the only one. Of several that are named, each is an
        individual.

    Returns
    -------
    Predictions
        The individual is the subject, else the identifier of the file; of several containers, each gives
        its name. Rows have times where the file has, or where it gives a rate and does not begin at zero.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no poses, several containers of which none is chosen, or series that do not fit together.
    """
    with open_h5(path, _REMEDY, soft_links=True) as file:
        chosen = _chosen(file, module, containers)
        found = [_read(container) for container in chosen]
        names = [container.name.rpartition("/")[2].removeprefix(_TRACK) for container in chosen]
        individuals = (
            [_individual(file)]
            if len(chosen) == 1 and not chosen[0].name.rpartition("/")[2].startswith(_TRACK)
            else names
        )
    first = found[0]
    if len({len(track) for part in found for track, _ in part.tracks.values()}) != 1:
        raise KeypointError(
            f"{path}: the containers of poses differ in length; choose one (--container)"
        )
    body_parts = list(dict.fromkeys(name for part in found for name in part.tracks))
    shape = (len(next(iter(first.tracks.values()))[0]), len(found), len(body_parts))
    n_axes = {track.shape[1] for part in found for track, _ in part.tracks.values()}
    if len(n_axes) != 1 or not n_axes <= {2, 3}:
        raise KeypointError(
            f"{path}: series of {sorted(n_axes)} axes; expected x and y (and z) in all"
        )
    positions = np.full((*shape, n_axes.pop()), np.nan)
    likelihood = np.full(shape, np.nan)
    for i, part in enumerate(found):
        for name, (track, confidence) in part.tracks.items():
            positions[:, i, body_parts.index(name)] = track
            likelihood[:, i, body_parts.index(name)] = confidence
    absent = frozenset(
        (individual, name)
        for individual, part in zip(individuals, found, strict=True)
        for name in body_parts
        if name not in part.tracks
    )
    return Predictions(
        positions,
        likelihood,
        tuple(body_parts),
        tuple(individuals),
        "NWB",
        first.rate_hz,
        times_s=first.times_s,
        absent=absent,
        predicted_by=first.predicted_by,
    )


def _chosen(file: H5Group, module: str | None, names: Sequence[str]) -> list[H5Group]:
    """Containers of poses that are wanted."""
    every: list[H5Group] = []
    for place in _PLACES:
        group = file.find(place)
        if isinstance(group, H5Group):
            _find(group, every, _MAX_DEPTH)
    shown = shown_names([container.name.removeprefix("/processing/") for container in every])
    found = [c for c in every if module is None or c.name.split("/")[2] == module]
    if names:
        by_name = [[c for c in found if c.name.rpartition("/")[2] == name] for name in names]
        for name, containers in zip(names, by_name, strict=True):
            if len(containers) != 1:
                raise KeypointError(
                    f"{file.path} has {len(containers)} containers {name!r}"
                    f"{'' if module is None else f' in module {module!r}'}; it has {shown or 'none'}"
                    f"{'; say in which module (--module)' if containers else ''}"
                )
        return [container for containers in by_name for container in containers]
    if not found:
        what = "poses" if module is None else f"poses in a module {module!r}"
        raise KeypointError(
            f"{file.path} holds no {what} ({_POSES}); it has {shown or 'none'}: write the file with ndx-pose"
        )
    if len(found) > 1:
        raise KeypointError(
            f"{file.path} has {len(found)} containers of poses ({shown}); say which is to be read "
            "(--container, "
            "--module), or name several: each is an individual then"
        )
    return found


def _find(group: H5Group, found: list[H5Group], depth: int) -> None:
    for name in group.names()[:_MAX_CONTAINERS]:
        member = group[name]
        if not isinstance(member, H5Group) or len(found) > _MAX_CONTAINERS:
            continue
        if member.attribute("neurodata_type") == _POSES:
            found.append(member)
        elif depth > 1:
            _find(member, found, depth - 1)


def _read(container: H5Group) -> _Container:
    members = {name: container[name] for name in sorted(container.names())}
    series = {
        name: member
        for name, member in members.items()
        if isinstance(member, H5Group) and member.attribute("neurodata_type") == _SERIES
    }
    if not series:
        raise KeypointError(f"{container.path}: {container.name} holds no {_SERIES}; {_REMEDY}")
    order = _nodes(container)
    if set(order) == set(series):
        series = {name: series[name] for name in order}
    tracks = {name: member.dataset("data").numbers(2) for name, member in series.items()}
    n_frames = len(next(iter(tracks.values())))
    if len({track.shape for track in tracks.values()}) != 1:
        raise KeypointError(
            f"{container.path}: the series of {container.name} differ in shape; {_REMEDY}"
        )
    clocks = [_clock(member, n_frames) for member in series.values()]
    times_s, rate_hz = clocks[0]
    for other_s, other_hz in clocks[1:]:
        same = (times_s is None) == (other_s is None) and rate_hz == other_hz
        if times_s is not None and other_s is not None:
            same = same and np.array_equal(times_s, other_s)
        if not same:
            raise KeypointError(
                f"{container.path}: the series of {container.name} differ in their times; {_REMEDY}"
            )
    return _Container(
        {name: (track, _confidence(series[name], n_frames)) for name, track in tracks.items()},
        times_s,
        rate_hz,
        _source_software(container),
    )


def _source_software(container: H5Group) -> str:
    node = container.find("source_software")
    is_text = isinstance(node, H5Dataset) and node.shape == () and node.dtype.kind in "SO"
    return node.text() if is_text and isinstance(node, H5Dataset) else ""


def _nodes(container: H5Group) -> list[str]:
    """Body parts in the order of the skeleton; none where it is not there."""
    places = [container.find("nodes")]
    for name in container.names()[:_MAX_CONTAINERS]:
        member = container[name]
        if isinstance(member, H5Group) and member.attribute("neurodata_type") == "Skeleton":
            places.append(member.find("nodes"))
    for found in places:
        if isinstance(found, H5Dataset) and found.ndim == 1 and found.dtype.kind in "SO":
            return found.texts()
    return []


def _individual(file: H5Group) -> str:
    subject = file.find("general/subject/subject_id")
    named = subject if isinstance(subject, H5Dataset) else file.dataset("identifier")
    return named.text() or file.dataset("identifier").text()


def _confidence(series: H5Group, n_frames: int) -> NDArray[np.floating]:
    if "confidence" not in series:
        return np.full(n_frames, np.nan)
    confidence = series.dataset("confidence")
    if confidence.shape != (n_frames,):
        confidence.refuse(f"has shape {confidence.shape}; expected ({n_frames},)")
    return confidence.numbers(1)


def _clock(series: H5Group, n_frames: int) -> tuple[NDArray[np.floating] | None, float | None]:
    """Read times of the rows, and frames per second (stated, or of the median step); None if unsaid."""
    if "starting_time" in series:
        node = series.dataset("starting_time")
        rate = node.attribute("rate")
        start_s = float(node.numbers(0))
        if not isinstance(rate, (int, float)) or not 0 < rate < np.inf:
            node.refuse("has no rate; expected the frames per second of its rows")
        return start_s + np.arange(n_frames) / float(rate), round(float(rate), 6)
    if "timestamps" not in series:
        return None, None
    times = series.dataset("timestamps")
    if times.shape != (n_frames,):
        times.refuse(f"has shape {times.shape}; expected ({n_frames},)")
    times_s = times.numbers(1).astype(float)
    steps = np.diff(times_s)
    median_s = float(np.median(steps)) if len(steps) else np.nan
    return times_s, round(1 / median_s, 6) if median_s > 0 else None

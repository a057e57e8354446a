"""SLEAP's files: the analysis .h5, and labels (.slp), whose videos are never opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.placement import MAX_FRAMES
from element_facerhythm.keypoints.predictions import Predictions

_REMEDY = "export the predictions from SLEAP again"
_UNNAMED = "id_0"
"""Name of the one animal where SLEAP has no tracks."""
_CENTRE_OF_PIXEL = 1.1  # from this format on, whole numbers are the middles of pixels
_NEWEST = 3.0
_USER, _PREDICTED = 0, 1


def read_sleap(path: Path, video: int | None = None) -> Predictions:
    """Read SLEAP's predictions, by 32-bit numbers as movement gives them.

    Parameters
    ----------
    path
        An analysis file (`.h5`), or labels (`.slp`), whose rows are the frames that have instances;
        instances that a person labelled go before predicted ones.
    video
        Number of the video in labels of several.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no tracks of SLEAP's, several videos of which none is chosen, or two instances in a frame
        that cannot be distinguished.
    """
    with open_h5(path, _REMEDY) as file:
        return _labelled(file, video) if path.suffix.lower() == ".slp" else _analysed(file)


def _analysed(file: H5Group) -> Predictions:
    """Read an analysis file, as SLEAP writes it or with axes in the order that it says."""
    stored = file.dataset("tracks")
    body_parts = file.dataset("node_names").texts()
    names = file.dataset("track_names") if "track_names" in file else None
    individuals = names.texts() if names is not None and names.shape != (0,) else [_UNNAMED]
    n_individuals, n_parts = len(individuals), len(body_parts)
    tracks = _in_order(stored, ("frame", "track", "node", "xy"), ("track", "xy", "node", "frame"))
    if tracks.ndim != 4 or tracks.shape[1:3] != (n_individuals, n_parts):
        stored.refuse(
            f"has shape {stored.shape}; expected ({n_individuals} tracks, 2, {n_parts} nodes, frames)"
        )
    scores = np.full(tracks.shape[:3], np.nan, dtype=np.float32)
    if "point_scores" in file:
        given = file.dataset("point_scores")
        scores = _in_order(given, ("frame", "track", "node"), ("track", "node", "frame"))
        if scores.shape != tracks.shape[:3]:
            given.refuse(f"has shape {given.shape}, which does not fit tracks of {stored.shape}")
    names_, notes = _distinct(individuals)
    return Predictions(tracks, scores, tuple(body_parts), names_, "SLEAP", notes=notes)


def _in_order(
    node: H5Dataset, wanted: tuple[str, ...], usual: tuple[str, ...]
) -> NDArray[np.float32]:
    """Numbers with their axes in the order `wanted`; stored as the file says, or as is usual."""
    said = node.attribute("dims")
    axes = usual
    if said is not None:
        value = _json(node, said)
        axes = tuple(map(str, value)) if isinstance(value, list) else ()
    if sorted(axes) != sorted(wanted) or node.ndim != len(wanted):
        node.refuse(f"has the axes {axes} of shape {node.shape}; expected {', '.join(usual)}")
    values = node.numbers(len(wanted)).transpose([axes.index(axis) for axis in wanted])
    return values.astype(np.float32)


def _distinct(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of tracks, numbered where one stands twice, and a remark on it."""
    found: list[str] = []
    for name in names:
        number = 2
        new = name
        while new in found:
            new = f"{name} {number}"
            number += 1
        found.append(new)
    if found == names:
        return tuple(found), ()
    return tuple(found), (f"tracks of equal names were numbered: {', '.join(found)}",)


def _labelled(file: H5Group, video: int | None) -> Predictions:
    """Read the frames of one video of a file of labels."""
    about = file.group("metadata")
    version = float(about.attribute("format_id") or 0.0)
    if not version < _NEWEST:
        about.refuse(f"says format {version:g}; expected one below {_NEWEST:g}")
    body_parts = _node_names(about)
    individuals = _track_names(file)
    frames = _columns(file.dataset("frames"), "video frame_idx instance_id_start instance_id_end")
    frames = frames[frames["video"] == _chosen_video(file, frames["video"], video)]
    frames = np.sort(frames, order="frame_idx", kind="stable")
    numbers = frames["frame_idx"].astype(np.int64)
    if not len(frames) or numbers[0] < 0:
        file.dataset("frames").refuse("has no labelled frame of the video")
    if numbers[-1] >= MAX_FRAMES:
        file.dataset("frames").refuse(f"has frame {numbers[-1]}, beyond any video")
    if (np.diff(numbers) == 0).any():
        number = numbers[int(np.argmax(np.diff(numbers) == 0))]
        file.dataset("frames").refuse(f"has frame {number} twice")
    n_individuals = max(len(individuals), 1)
    about.claim(len(frames) * n_individuals * len(body_parts) * 3 * np.float32().nbytes)
    shape = (len(frames), n_individuals, len(body_parts), 3)
    values = np.full(shape, np.nan, dtype=np.float32)
    instances = _Instances(file, len(body_parts), version)
    notes = _fill(values, frames, instances, bool(individuals))
    names, renamed = _distinct(individuals or [_UNNAMED])
    return Predictions(
        values[..., :2],
        values[..., 2],
        tuple(body_parts),
        names,
        "SLEAP",
        frame_numbers=numbers,
        notes=(*notes, *renamed),
    )


class _Instances:
    """Rows of `instances`, and the points that each refers to."""

    def __init__(self, file: H5Group, n_parts: int, version: float) -> None:
        names = "instance_type track point_id_start point_id_end"
        self._node = file.dataset("instances")
        self.rows = _columns(self._node, names)
        self._points = {
            _USER: _columns(file.dataset("points"), "x y visible"),
            _PREDICTED: _columns(file.dataset("pred_points"), "x y visible score"),
        }
        self._n_parts = n_parts
        self._shift = 0.0 if version >= _CENTRE_OF_PIXEL else -0.5

    def refuse_two(self, frame: int, with_tracks: bool) -> NoReturn:
        """Raise the error that two instances of a frame cannot be distinguished."""
        what = "of one track" if with_tracks else "without tracks"
        raise KeypointError(
            f"{self._node.path}: frame {frame} has two instances {what}, and nothing says which animal is "
            "which; run SLEAP's tracking, or keep one instance in each frame"
        )

    def points(self, row: Any) -> NDArray[np.float64]:
        """(K, 3) x, y and score of an instance; NaN where it is not visible, or has no score."""
        points = self._points[int(row["instance_type"])]
        first, last = int(row["point_id_start"]), int(row["point_id_end"])
        if not 0 <= first <= last <= len(points) or last - first != self._n_parts:
            self._node.refuse(f"refers to points that are not those of {self._n_parts} nodes")
        part = points[first:last]
        x, y = (np.where(part["visible"], part[axis], np.nan) for axis in ("x", "y"))
        scored = "score" in (part.dtype.names or ())
        score = part["score"] if scored else np.full(len(part), np.nan)
        return np.column_stack([x + self._shift, y + self._shift, score])


def _fill(
    values: NDArray[np.float32], frames: NDArray[Any], instances: _Instances, with_tracks: bool
) -> tuple[str, ...]:
    """Write the instances of each frame into (T, I, K, 3): predicted ones first, then a person's.

    Returns
    -------
    Remarks on what was left out.

    Raises
    ------
    KeypointError
        Two instances of a frame claim one place.
    """
    rows = instances.rows
    n_untracked, n_users = 0, 0
    for t, frame in enumerate(frames):
        first, last = int(frame["instance_id_start"]), int(frame["instance_id_end"])
        found = rows[max(first, 0) : max(last, 0)]
        for kind in (_PREDICTED, _USER):
            taken: set[int] = set()
            for row in found[found["instance_type"] == kind]:
                individual = int(row["track"]) if with_tracks else 0
                if not 0 <= individual < values.shape[1]:
                    n_untracked += 1
                    continue
                if individual in taken:
                    instances.refuse_two(int(frame["frame_idx"]), with_tracks)
                taken.add(individual)
                values[t, individual] = instances.points(row)
            n_users += len(taken) if kind == _USER else 0
    notes = []
    if n_untracked:
        notes.append(
            f"{n_untracked} instances without a track were left out, since others have one"
        )
    if n_users:
        notes.append(
            f"{n_users} instances were labelled by a person: taken before predicted ones, without "
            "a likelihood"
        )
    return tuple(notes)


def _columns(node: H5Dataset, names: str) -> NDArray[Any]:
    rows = node.records()
    if rows.ndim != 1 or not set(names.split()) <= set(rows.dtype.names or ()):
        node.refuse(f"lacks one of the columns {names}")
    return rows


def _node_names(about: H5Group) -> list[str]:
    """Names of the first skeleton's nodes, in its order."""
    content = _json(about, about.attribute("json"))
    try:
        skeleton = content["skeletons"][0]
        nodes = skeleton.get("nx_graph", skeleton)["nodes"]
        return [str(content["nodes"][int(node["id"])]["name"]) for node in nodes]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise KeypointError(f"{about.path}: its metadata name no skeleton; {_REMEDY}") from error


def _track_names(file: H5Group) -> list[str]:
    node = file.dataset("tracks_json")
    texts = node.texts() if node.shape != (0,) else []
    values = [_json(node, text) for text in texts]
    if not all(isinstance(value, list) and len(value) > 1 for value in values):
        node.refuse("holds tracks without a name")
    return [str(value[1]) for value in values]


def _chosen_video(file: H5Group, used: NDArray[Any], video: int | None) -> int:
    """Return the number that frames of a video have: of the one that is chosen, or the only one."""
    node = file.dataset("videos_json")
    texts = node.texts() if node.shape != (0,) else []
    numbers = sorted({int(number) for number in np.unique(used)})
    if len(numbers) == 1 and video is None:
        return numbers[0]
    by_place = numbers[-1] < len(texts) if numbers else True
    names = [_numbered(node, text, place, by_place) for place, text in enumerate(texts)]
    by_number = {number: place for place, (number, _) in enumerate(names)}
    shown = ", ".join(
        f"{by_number.get(n, n)}: {names[by_number[n]][1] if n in by_number else '?'}"
        for n in numbers[:12]
    )
    if video is None:
        raise KeypointError(
            f"{file.path} has frames of {len(numbers)} videos ({shown}); say which one is meant (--video)"
        )
    chosen = names[video][0] if video < len(names) else -1
    if chosen not in numbers:
        raise KeypointError(
            f"{file.path} has no frames of a video {video}; it has those of {shown}"
        )
    return chosen


def _numbered(node: H5Dataset, text: str, place: int, by_place: bool) -> tuple[int, str]:
    """Return the number that frames of a video have, and its name; embedded ones may have other numbers."""
    video = _json(node, text)
    video = video if isinstance(video, dict) else {}
    backend = video.get("backend")
    backend = backend if isinstance(backend, dict) else {}
    match = re.match(r"video([0-9]{1,9})/", str(backend.get("dataset")))
    name = backend.get("filename") or video.get("filename") or "unnamed"
    number = int(match[1]) if match and not by_place else place
    return number, re.split(r"[/\\]", str(name))[-1][:60]


def _json(node: H5Group | H5Dataset, text: Any) -> Any:
    try:
        return parse_json(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise KeypointError(
            f"{node.path}: {node.name} holds a text that is no JSON; {_REMEDY}"
        ) from error

"""SLEAP's files: the analysis .h5, and labels (.slp), whose videos are never opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.text_files import parse_json

_REMEDY = "export the predictions from SLEAP again"
_UNNAMED = "id_0"
"""Name of the one animal where SLEAP has no tracks."""
_CENTRE_OF_PIXEL = 1.1  # from this format on, whole numbers are the middles of pixels
_NEWEST = 3.0
_USER, _PREDICTED = 0, 1


def read_sleap(path: Path, frame_rate_hz: float | None) -> Predictions:
    """Read SLEAP's predictions, by 32-bit numbers as movement gives them.

    Parameters
    ----------
    path
        An analysis file (`.h5`), or labels (`.slp`), of which the first video is taken; instances that a
        person labelled go before predicted ones.
    frame_rate_hz
        Of the video; neither file says it.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no tracks of SLEAP's.
    """
    with open_h5(path, _REMEDY) as file:
        read = _labelled if path.suffix.lower() == ".slp" else _analysed
        tracks, scores, body_parts, individuals = read(file)
    return Predictions(
        tracks, scores, tuple(body_parts), tuple(individuals), "SLEAP", frame_rate_hz
    )


Tracks = tuple[NDArray[np.float32], NDArray[np.float32], list[str], list[str]]


def _analysed(file: H5Group) -> Tracks:
    """Tracks (T, I, K, D) and scores (T, I, K) of an analysis file."""
    stored = file.dataset("tracks")
    body_parts = file.dataset("node_names").texts()
    names = file.dataset("track_names") if "track_names" in file else None
    individuals = names.texts() if names is not None and names.shape != (0,) else [_UNNAMED]
    n_individuals, n_parts = len(individuals), len(body_parts)
    if stored.ndim != 4 or (stored.shape[0], stored.shape[2]) != (n_individuals, n_parts):
        stored.refuse(
            f"has shape {stored.shape}; expected ({n_individuals} tracks, 2, {n_parts} nodes, frames)"
        )
    tracks = stored.numbers(4).transpose(3, 0, 2, 1).astype(np.float32)
    scores = np.full(tracks.shape[:3], np.nan, dtype=np.float32)
    if "point_scores" in file:
        given = file.dataset("point_scores")
        if given.shape != tracks.shape[1:3] + tracks.shape[:1]:
            given.refuse(f"has shape {given.shape}, which does not fit tracks of {stored.shape}")
        scores = given.numbers(3).transpose(2, 0, 1).astype(np.float32)
    return tracks, scores, body_parts, individuals


def _labelled(file: H5Group) -> Tracks:
    """Tracks (T, I, K, D) and scores (T, I, K) of the first video of a file of labels."""
    about = file.group("metadata")
    version = float(about.attribute("format_id") or 0.0)
    if not version < _NEWEST:
        about.refuse(f"says format {version:g}; expected one below {_NEWEST:g}")
    body_parts = _node_names(about)
    individuals = _track_names(file)
    frames = _columns(file.dataset("frames"), "video frame_idx instance_id_start instance_id_end")
    frames = frames[frames["video"] == _first_video(file, frames["video"])]
    if not len(frames) or frames["frame_idx"].min() < 0:
        file.dataset("frames").refuse("has no labelled frame of the first video")
    n_frames = int(frames["frame_idx"].max()) + 1
    n_individuals = max(len(individuals), 1)
    about.claim(n_frames * n_individuals * len(body_parts) * 3 * np.float32().nbytes)
    values = np.full((n_frames, n_individuals, len(body_parts), 3), np.nan, dtype=np.float32)
    _fill(values, frames, _Instances(file, len(body_parts), version), bool(individuals))
    return values[..., :2], values[..., 2], body_parts, individuals or [_UNNAMED]


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
) -> None:
    """Put the instances of each frame into (T, I, K, 3): predicted ones first, then a person's."""
    rows = instances.rows
    for frame in frames:
        first, last = int(frame["instance_id_start"]), int(frame["instance_id_end"])
        found = rows[max(first, 0) : max(last, 0)]
        for kind in (_PREDICTED, _USER):
            for row in found[found["instance_type"] == kind]:
                individual = int(row["track"])
                if with_tracks and 0 <= individual < values.shape[1]:
                    values[frame["frame_idx"], individual] = instances.points(row)
                elif not with_tracks and individual < 0:
                    values[frame["frame_idx"], 0] = instances.points(row)


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


def _first_video(file: H5Group, used: NDArray[Any]) -> int:
    """Return the number that frames of the first video have; files with embedded frames leave some out."""
    node = file.dataset("videos_json")
    texts = node.texts() if node.shape != (0,) else []
    if len(np.unique(used)) == len(texts) and used.max(initial=0) == len(texts) - 1:
        return 0
    video = _json(node, texts[0]) if texts else {}
    backend = video.get("backend") if isinstance(video, dict) else None
    dataset = backend.get("dataset") if isinstance(backend, dict) else None
    match = re.match(r"video([0-9]{1,9})/", str(dataset))
    return int(match[1]) if match else 0


def _json(node: H5Group | H5Dataset, text: Any) -> Any:
    try:
        return parse_json(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise KeypointError(
            f"{node.path}: {node.name} holds a text that is no JSON; {_REMEDY}"
        ) from error

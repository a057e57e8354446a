"""Tracked points as a dataset of movement's: of a project, of arrays, or of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from element_facerhythm.core.rois import polygon_mask
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.predictions import DEFAULT_INDIVIDUAL, SPACE
from element_facerhythm.pipeline.exchange.lazy_variables import (
    Flags,
    Joined,
    Stored,
    Viewed,
    lazy_variable,
)
from element_facerhythm.pipeline.exchange.recording_axis import TIME_ATTRS, frame_coordinates

DIMS = ("time", "space", "keypoints", "individuals")
SOFTWARE = "element-facerhythm"
_OF_TRACKS = (DIMS[0], *DIMS[2:])
_POSITION = {"units": "px", "long_name": "position in the frame, x to the right, y down"}
_CONFIDENCE = {"units": "1", "long_name": "how surely the point is where it is said to be, 0 to 1"}
_FLAGGED = {"long_name": "the point was not found, or lies too far from where it was seeded"}
_ADVICE = "give positions (frames, points, 2 or 3), and the rest to match"


def point_names(n_points: int) -> list[str]:
    """Return what points are called in datasets: by their numbers."""
    return [f"point_{i}" for i in range(n_points)]


def point_coordinates(project: Project, dim: str) -> dict[str, xr.Variable]:
    """Coordinates along the points of a project: names, homes, and the region of each.

    Parameters
    ----------
    project
        The project.
    dim
        Name of the dimension, and of the coordinate with the names.
    """
    homes = project.point_positions
    place = "where the point was seeded"
    return {
        dim: xr.Variable(dim, point_names(len(homes)), {"long_name": "tracked point"}),
        "home_x": xr.Variable(dim, homes[:, 0], {"units": "px", "long_name": f"{place}, x"}),
        "home_y": xr.Variable(dim, homes[:, 1], {"units": "px", "long_name": f"{place}, y"}),
        "region": xr.Variable(
            dim, _regions(project), {"long_name": "region it lies in; empty where not known"}
        ),
    }


def points_of(project: Project) -> xr.Dataset:
    """Tracks of all videos of a project, which stay on disk until sliced; see `datasets.to_xarray`."""
    frames = frame_coordinates(project)
    views = [project.tracking(i) for i in range(len(project.video_keys))]
    tracked = Joined([Stored(view.points) for view in views])
    flagged = Joined([
        Flags(view.violation_rows, view.violation_cols, view.points.shape[:2]) for view in views
    ])  # fmt: skip
    unknown = [
        np.broadcast_to(np.float32(np.nan), view.points.shape[:2])
        if view.confidence is None else view.confidence for view in views
    ]  # fmt: skip
    confidence = Joined([Stored(part) for part in unknown])
    single, of_tracks = np.dtype(np.float32), (0, 1, None)
    dataset = xr.Dataset(
        {
            "position": lazy_variable(DIMS, Viewed(tracked, (0, 2, 1, None), single), _POSITION),
            "confidence": lazy_variable(
                _OF_TRACKS, Viewed(confidence, of_tracks, single), _CONFIDENCE
            ),
            "flagged": lazy_variable(
                _OF_TRACKS, Viewed(flagged, of_tracks, np.dtype(bool)), _FLAGGED
            ),
        },
        {
            **frames,
            "space": list(SPACE[:2]),
            **point_coordinates(project, "keypoints"),
            "individuals": [DEFAULT_INDIVIDUAL],
        },
        {**_facts(project.frame_rate_hz), "layout": project.layout},
    )
    held = [view.held_frames for view in views if view.held_frames is not None]
    if len(held) == len(views):
        is_held = [
            np.isin(np.arange(n), part) for n, part in zip(project.n_frames, held, strict=True)
        ]
        dataset["held"] = xr.Variable(
            "time",
            np.concatenate(is_held),
            {"long_name": "nothing was to be seen: points were held"},
        )
    return dataset


def points_from_numpy(
    positions: ArrayLike,
    confidence: ArrayLike | None = None,
    *,
    times_s: ArrayLike | None = None,
    frame_rate_hz: float | None = None,
    names: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    source_software: str = SOFTWARE,
) -> xr.Dataset:
    """Tracks in arrays as the dataset that `to_xarray` gives of a project.

    Parameters
    ----------
    positions
        (T, P, 2) or (T, P, 3), x, y (and z); NaN where a point was not seen.
    confidence
        (T, P), 0 to 1; NaN, all of it, where not given.
    times_s
        (T,) rising seconds. Without, frames are evenly spaced at `frame_rate_hz`.
    frame_rate_hz
        Frames per second; without, that of the median step of `times_s`.
    names, regions
        (P,) names of the points, and of the region of each.
    source_software
        What tracked them.

    Raises
    ------
    RequestError
        Shapes do not fit, times do not rise, names stand twice, or neither times nor a rate is given.
    """
    places = np.asarray(positions, dtype=float)
    if places.ndim != 3 or places.shape[2] not in (2, 3) or 0 in places.shape:
        raise RequestError(f"positions have shape {places.shape}; {_ADVICE}")
    n_frames, n_points, n_axes = places.shape
    sure = (
        np.full(places.shape[:2], np.nan) if confidence is None else np.asarray(confidence, float)
    )
    named = point_names(n_points) if names is None else [str(name) for name in names]
    wrong = {
        "confidence": sure.shape != places.shape[:2],
        "names": len(named) != n_points or len(set(named)) < n_points,
        "regions": regions is not None and len(regions) != n_points,
    }
    if any(wrong.values()):
        faulty = ", ".join(what for what, is_wrong in wrong.items() if is_wrong)
        raise RequestError(f"{faulty}: not one for each of {n_points} points, or twice; {_ADVICE}")
    times, rate_hz = _clock_of(n_frames, times_s, frame_rate_hz)
    coordinates: dict[str, Any] = {
        "time": xr.Variable("time", times, TIME_ATTRS),
        "space": list(SPACE[:n_axes]),
        "keypoints": named,
        "individuals": [DEFAULT_INDIVIDUAL],
    }
    if regions is not None:
        coordinates["region"] = ("keypoints", [str(region) for region in regions])
    return xr.Dataset(
        {
            "position": (DIMS, places.transpose(0, 2, 1)[..., None], _POSITION),
            "confidence": (_OF_TRACKS, sure[..., None], _CONFIDENCE),
        },
        coordinates,
        _facts(rate_hz) | {"source_software": source_software},
    )


def points_from_dataframe(
    frame: pd.DataFrame, *, frame_rate_hz: float | None = None, source_software: str = SOFTWARE
) -> xr.Dataset:
    """Tracks in a table with a row for each point and frame, as a dataset.

    Parameters
    ----------
    frame
        Columns, or levels of the index, `time` (s), `keypoints`, `x`, `y` and, if they are there, `z`,
        `confidence` and `region`. A point without a row at a time is NaN there.
    frame_rate_hz, source_software
        As of `points_from_numpy`.

    Raises
    ------
    RequestError
        A column is missing, a point has two rows at one time, or as of `points_from_numpy`.
    """
    table = frame.reset_index()
    lacking = [name for name in ("time", "keypoints", "x", "y") if name not in table.columns]
    if lacking:
        raise RequestError(
            f"the table lacks {', '.join(lacking)}; it has {', '.join(map(str, frame))}"
        )
    if table.duplicated(["time", "keypoints"]).any() or table[["time", "keypoints"]].isna().any(
        axis=None
    ):
        raise RequestError("a point has two rows at one time, or none; expected one row for each")
    names = list(dict.fromkeys(table["keypoints"]))
    columns = [name for name in (*SPACE, "confidence") if name in table.columns]
    wide = {
        name: table.pivot(index="time", columns="keypoints", values=name)[names] for name in columns
    }
    regions = None
    if "region" in table.columns:
        regions = table.groupby("keypoints")["region"].first()[names].tolist()
    return points_from_numpy(
        np.stack([wide[axis].to_numpy(float) for axis in SPACE if axis in wide], axis=2),
        wide["confidence"].to_numpy(float) if "confidence" in wide else None,
        times_s=wide["x"].index.to_numpy(float),
        frame_rate_hz=frame_rate_hz,
        names=[str(name) for name in names],
        regions=regions,
        source_software=source_software,
    )


def _clock_of(
    n_frames: int, times_s: ArrayLike | None, frame_rate_hz: float | None
) -> tuple[NDArray[np.float64], float]:
    if frame_rate_hz is not None and not 0 < frame_rate_hz < np.inf:
        raise RequestError(f"frame_rate_hz is {frame_rate_hz}; expected frames per second")
    if times_s is None:
        if frame_rate_hz is None:
            raise RequestError("when were the frames? Give times_s, or frame_rate_hz")
        return np.arange(n_frames) / frame_rate_hz, frame_rate_hz
    times = np.asarray(times_s, dtype=float)
    if times.shape != (n_frames,) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise RequestError(f"times_s of shape {times.shape}; expected {n_frames} rising seconds")
    if frame_rate_hz is None:
        if n_frames < 2:
            raise RequestError("one time says no frame rate; give frame_rate_hz")
        frame_rate_hz = float(1 / np.median(np.diff(times)))
    return times, frame_rate_hz


def _facts(frame_rate_hz: float) -> dict[str, Any]:
    """Attributes that movement gives a dataset of poses."""
    return {
        "source_software": SOFTWARE,
        "ds_type": "poses",
        "fps": float(frame_rate_hz),
        "time_unit": "seconds",
    }


def _regions(project: Project) -> list[str]:
    """Name of the polygon that each point was seeded in; empty where none is known."""
    points, rois = np.rint(project.point_positions).astype(int), project.rois()
    height_px, width_px = project.example_image().shape[:2]
    inside = ((points >= 0) & (points < (width_px, height_px))).all(axis=1)
    found = [""] * len(points)
    labels = [label.name for label in rois.seed_labels]
    for number, polygon in enumerate(rois.seed_polygons):
        mask = polygon_mask(polygon, height_px=height_px, width_px=width_px)
        name = (labels[number] if labels else None) or f"region_{number}"
        for i in np.flatnonzero(inside):
            if not found[i] and mask[points[i, 1], points[i, 0]]:
                found[i] = name
    return found

"""Poses in NWB files (ndx-pose), read as plain HDF5: nothing that the file declares of its own is loaded."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.keypoints.predictions import Predictions

MODULE, CONTAINER = "behavior", "PoseEstimation"
_SERIES = "PoseEstimationSeries"
_REMEDY = "write the NWB file again"


def read_nwb(path: Path) -> Predictions:
    """Read the poses of the container `PoseEstimation` in the module `behavior`.

    Soft links within the file, by which series share their time stamps, are followed.

    Raises
    ------
    ProjectError
        The file is missing, damaged, lacks that container, or is refused.
    KeypointError
        The container holds no series, or series that do not fit together.
    """
    with open_h5(path, _REMEDY, soft_links=True) as file:
        container = file.group(f"processing/{MODULE}/{CONTAINER}")
        members = {name: container[name] for name in sorted(container.names())}
        series = {
            name: member
            for name, member in members.items()
            if isinstance(member, H5Group) and member.attribute("neurodata_type") == _SERIES
        }
        if not series:
            raise KeypointError(f"{path}: {container.name} holds no {_SERIES}; {_REMEDY}")
        tracks = [member.dataset("data").numbers(2) for member in series.values()]
        if len({track.shape for track in tracks}) != 1:
            raise KeypointError(
                f"{path}: the series of {container.name} differ in shape; {_REMEDY}"
            )
        n_frames = len(tracks[0])
        scores = [_confidence(member, n_frames) for member in series.values()]
        rates = {_rate_hz(member, n_frames) for member in series.values()}
        individual = file.dataset("identifier").text()
    return Predictions(
        np.stack(tracks, axis=1)[:, None],
        np.stack(scores, axis=1)[:, None],
        tuple(series),
        (individual,),
        "NWB",
        rates.pop() if len(rates) == 1 else None,
    )


def _confidence(series: H5Group, n_frames: int) -> NDArray[np.floating]:
    if "confidence" not in series:
        return np.full(n_frames, np.nan)
    confidence = series.dataset("confidence")
    if confidence.shape != (n_frames,):
        confidence.refuse(f"has shape {confidence.shape}; expected ({n_frames},)")
    return confidence.numbers(1)


def _rate_hz(series: H5Group, n_frames: int) -> float | None:
    """Frames per second: as stated, or from the median step between time stamps."""
    if "starting_time" in series:
        rate = series.dataset("starting_time").attribute("rate")
        return round(float(rate), 6) if isinstance(rate, (int, float)) else None
    times = series.dataset("timestamps").numbers(1)
    if len(times) != n_frames or n_frames < 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        rate_hz = float(np.nanmedian(1 / np.diff(times)))
    return round(rate_hz, 6) if math.isfinite(rate_hz) else None

"""Predictions of any tracker, in and out.

HDF5 files are read by our own readers, through `io.h5_reader`: no library that opens what a file points at,
or unpickles what it holds, sees them. Text tables are read, and all files written, by the movement library.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import FaceRhythmError, KeypointError, ProjectError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.keypoints.csv_file import require_csv
from element_facerhythm.keypoints.deeplabcut import read_deeplabcut
from element_facerhythm.keypoints.movement_library import import_movement
from element_facerhythm.keypoints.netcdf import open_netcdf
from element_facerhythm.keypoints.nwb import read_nwb
from element_facerhythm.keypoints.predictions import SPACE, Predictions
from element_facerhythm.keypoints.product import read_keypoints
from element_facerhythm.keypoints.sleap import read_sleap

if TYPE_CHECKING:
    import xarray as xr

FACEMAP, NETCDF = "Facemap", "movement"

LOADED: dict[str, tuple[str, ...]] = {
    FACEMAP: (".h5",),
    "DeepLabCut": (".h5", ".csv"),
    "SLEAP": (".h5", ".slp"),
    "LightningPose": (".csv",),
    "Anipose": (".csv",),
    "NWB": (".nwb",),
    "VIA-tracks": (".csv",),
    NETCDF: (".nc",),
}
"""What can be read: the software, and the endings of its files."""

SAVED: dict[str, tuple[str, ...]] = {
    "dlc": (".h5", ".csv"),
    "sleap": (".h5",),
    "lightningpose": (".csv",),
    "nwb": (".nwb",),
    "netcdf": (".nc",),
}
"""What can be written, and the endings of its files."""

BOX_CENTRE = "centroid"
"""Body part that stands for the middle of a tracked box."""

# what readers raise for files that are not what they seem
_UNREADABLE = (
    ValueError, KeyError, OSError, TypeError, IndexError, AttributeError, RuntimeError, MemoryError,
    OverflowError, SyntaxError,
)  # fmt: skip


def read_predictions(
    path: Path, source_software: str, *, frame_rate_hz: float | None = None
) -> Predictions:
    """Read what a tracker predicted.

    Parameters
    ----------
    path
        The file.
    source_software
        Who wrote it; a name of `LOADED`.
    frame_rate_hz
        Of the video, for files that do not say; None leaves it unknown.

    Raises
    ------
    KeypointError
        The software is unknown, or the file is missing, is not what it is said to be, or is refused.
    ConfigurationError
        movement is not installed.
    """
    if source_software not in LOADED:
        raise KeypointError(
            f"source software {source_software!r} is not known; expected one of {', '.join(LOADED)}"
        )
    endings = LOADED[source_software]
    if path.suffix.lower() not in endings:
        raise KeypointError(
            f"{path} does not end like a file of {source_software} ({' or '.join(endings)}); name the "
            "software that wrote it"
        )
    if not path.is_file():
        raise KeypointError(f"predictions {path} do not exist; check the path")
    try:
        return _read(path.absolute(), source_software, frame_rate_hz)
    except ProjectError as error:
        raise KeypointError(f"predictions of {source_software}: {error}") from error
    except KeypointError as error:
        if str(path) in str(error):
            raise
        raise KeypointError(f"{path}: {error}") from error
    except _UNREADABLE as error:
        if isinstance(error, FaceRhythmError):
            raise
        raise KeypointError(
            f"{path} cannot be read as predictions of {source_software} ({type(error).__name__}); check "
            "which software wrote it, and export the predictions again"
        ) from error


def _read(path: Path, source_software: str, frame_rate_hz: float | None) -> Predictions:
    """Read a file that is there; its absolute path is nothing that pandas takes for an address."""
    if source_software == FACEMAP:
        return read_keypoints(path)
    if source_software == "NWB":
        return read_nwb(path)
    if source_software == "SLEAP":
        return read_sleap(path, frame_rate_hz)
    movement = import_movement()
    if source_software == NETCDF:
        return from_movement(open_netcdf(path), source_software)
    if path.suffix.lower() == ".h5":
        table = read_deeplabcut(path)
        dataset = movement.io.load_poses.from_dlc_style_df(table, frame_rate_hz)
    else:
        require_csv(path)
        dataset = movement.io.load.load_dataset(path, source_software, frame_rate_hz)
    return from_movement(dataset, source_software)


def write_predictions(predictions: Predictions, path: Path, to: str) -> tuple[Path, ...]:
    """Write predictions for another tool.

    Parameters
    ----------
    predictions
        What to write.
    path
        The file. LightningPose and NWB keep one individual per file: where there are several, each gets
        a file with its name before the ending.
    to
        The format; a name of `SAVED`.

    Returns
    -------
    Files that were written.

    Raises
    ------
    KeypointError
        The format or the ending is unknown, or the format cannot hold positions in space.
    ConfigurationError
        movement is not installed.
    """
    if to not in SAVED:
        raise KeypointError(f"format {to!r} is not known; expected one of {', '.join(SAVED)}")
    if path.suffix.lower() not in SAVED[to]:
        raise KeypointError(
            f"{path} does not end like a file of format {to}; expected {' or '.join(SAVED[to])}"
        )
    if predictions.n_dimensions == 3 and to != "netcdf":
        raise KeypointError(
            f"format {to} holds positions in the picture with their likelihoods; these are positions in "
            "space: write them as netcdf"
        )
    dataset = to_movement(predictions)
    singly = to in ("lightningpose", "nwb") and len(predictions.individuals) > 1
    parts = (
        {
            path.with_name(f"{path.stem}_{name}{path.suffix}"): dataset.sel(
                {_dimension(dataset, "individual"): [name]}
            )
            for name in predictions.individuals
        }
        if singly
        else {path: dataset}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, part in parts.items():
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch, atomic_path(place) as whole:
            written = Path(scratch, f"one{path.suffix.lower()}")
            _WRITERS[to](part, written)
            # some writers put the individual's name before the ending
            (only,) = Path(scratch).iterdir()
            only.replace(whole)
    return tuple(parts)


def to_movement(predictions: Predictions) -> xr.Dataset:
    """Predictions as movement's dataset of poses."""
    movement = import_movement()
    return movement.io.load_poses.from_numpy(
        position_array=predictions.positions.transpose(0, 3, 2, 1),
        confidence_array=predictions.likelihood.transpose(0, 2, 1),
        individual_names=list(predictions.individuals),
        keypoint_names=list(predictions.body_parts),
        fps=predictions.frame_rate_hz,
        source_software=predictions.source_software or None,
    )


def from_movement(dataset: xr.Dataset, source_software: str) -> Predictions:
    """Predictions of movement's dataset: of poses, or of boxes, whose middles are taken.

    Raises
    ------
    KeypointError
        It is no dataset of tracks.
    """
    if "position" not in dataset or "confidence" not in dataset:
        raise KeypointError(
            f"a dataset of movement has position and confidence; this one has {', '.join(map(str, dataset))}"
        )
    individual, keypoint = _dimension(dataset, "individual"), _dimension(dataset, "keypoint")
    position, confidence = dataset["position"], dataset["confidence"]
    if keypoint is None:
        keypoint = "keypoint"
        position = position.expand_dims({keypoint: [BOX_CENTRE]})
        confidence = confidence.expand_dims({keypoint: [BOX_CENTRE]})
    if individual is None:
        raise KeypointError(
            "a dataset of movement has a dimension of individuals; this one has none"
        )
    axes = [str(name) for name in position["space"].values]
    if axes != list(SPACE[: len(axes)]):
        raise KeypointError(f"positions along {', '.join(axes)}; expected x, y (and z)")
    rate = dataset.attrs.get("fps")
    rate_hz = math.nan if rate is None else float(rate)
    return Predictions(
        np.ascontiguousarray(position.transpose("time", individual, keypoint, "space").values),
        np.ascontiguousarray(confidence.transpose("time", individual, keypoint).values),
        tuple(str(name) for name in position[keypoint].values),
        tuple(str(name) for name in position[individual].values),
        source_software,
        rate_hz if math.isfinite(rate_hz) else None,
    )


def _dimension(dataset: xr.Dataset, name: str) -> str | None:
    """Name of a dimension, which movement's releases give in the singular or in the plural."""
    return next((d for d in (name, f"{name}s") if d in dataset.dims), None)


def _write_dlc(dataset: Any, path: Path) -> None:
    movement = import_movement()
    single = dataset.sizes[_dimension(dataset, "individual")] == 1
    movement.io.save_poses.to_dlc_file(dataset, path, split_individuals=single)


def _write_sleap(dataset: Any, path: Path) -> None:
    import_movement().io.save_poses.to_sleap_analysis_file(dataset, path)


def _write_lightning_pose(dataset: Any, path: Path) -> None:
    import_movement().io.save_poses.to_lp_file(dataset, path)


def _write_nwb(dataset: Any, path: Path) -> None:
    import pynwb

    content = import_movement().io.save_poses.to_nwb_file(dataset)
    (file,) = content if isinstance(content, list) else [content]
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def _write_netcdf(dataset: Any, path: Path) -> None:
    plain = {name: value for name, value in dataset.attrs.items() if value is not None}
    dataset.drop_attrs(deep=False).assign_attrs(plain).to_netcdf(path, engine="h5netcdf")


_WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "dlc": _write_dlc,
    "sleap": _write_sleap,
    "lightningpose": _write_lightning_pose,
    "nwb": _write_nwb,
    "netcdf": _write_netcdf,
}

"""Predictions of any tracker, in and out.

Files are read by this package's own readers: HDF5 through `io.h5_reader`, text through `text_table`. No
library that opens what a file points at, or unpickles what it holds, sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from element_facerhythm.errors import KeypointError, ProjectError
from element_facerhythm.keypoints.dataset import from_movement, to_movement
from element_facerhythm.keypoints.deeplabcut import read_deeplabcut_predictions
from element_facerhythm.keypoints.netcdf import open_netcdf
from element_facerhythm.keypoints.nwb import read_nwb
from element_facerhythm.keypoints.predictions import Predictions, UnsoundPredictions
from element_facerhythm.keypoints.product import is_product, read_keypoints
from element_facerhythm.keypoints.ranges import in_range
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.keypoints.sleap import read_sleap
from element_facerhythm.keypoints.text_formats import (
    BOX_CENTRE,
    read_anipose,
    read_labelled_csv,
    read_via,
)
from element_facerhythm.keypoints.writing import SAVED, left_out, write_predictions

__all__ = [
    "BOX_CENTRE",
    "LOADED",
    "SAVED",
    "from_movement",
    "left_out",
    "read_predictions",
    "to_movement",
    "write_predictions",
]

FACEMAP, NETCDF, DEEPERFLY = "Facemap", "movement", "deeperfly"

LOADED: dict[str, tuple[str, ...]] = {
    FACEMAP: (".h5",),
    "DeepLabCut": (".h5", ".csv"),
    "SLEAP": (".h5", ".slp"),
    "LightningPose": (".csv",),
    "Anipose": (".csv",),
    "NWB": (".nwb",),
    "VIA-tracks": (".csv",),
    NETCDF: (".nc",),
    DEEPERFLY: (".h5",),
}
"""What can be read: the software, and the endings of its files."""

_NO_OPTIONS = ReadingOptions()
# what xarray raises for a dataset that contradicts itself
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    MemoryError,
    OverflowError,
)


def read_predictions(
    path: Path,
    source_software: str,
    *,
    frame_rate_hz: float | None = None,
    options: ReadingOptions = _NO_OPTIONS,
) -> Predictions:
    """Read what a tracker predicted, row by row as its file has it; `placement` puts rows at frames.

    Parameters
    ----------
    path
        The file. A file of this package (`Keypoints.h5`) is read as such, whatever tracker predicted.
    source_software
        The software that wrote it; a name of `LOADED`.
    frame_rate_hz
        Of the video, for files that do not say; None leaves it unknown.
    options
        What the user states about the file.

    Raises
    ------
    KeypointError
        The software is unknown, or the file is missing, is not what it is said to be, holds several sets of
        predictions of which none is chosen, or numbers that no tracker writes. The message begins with what
        was read, and names the file.
    """
    is_product_file = path.suffix.lower() == ".h5" and path.is_file() and _is_product(path)
    if source_software not in LOADED and not is_product_file:
        raise KeypointError(
            f"source software {source_software!r} is not known; expected one of {', '.join(LOADED)}"
        )
    endings = LOADED.get(source_software, ())
    if path.suffix.lower() not in endings and not is_product_file:
        raise KeypointError(
            f"{path} does not end like a file of {source_software} ({' or '.join(endings)}); name the "
            "software that wrote it"
        )
    if not path.is_file():
        raise KeypointError(f"predictions {path} do not exist; check the path")
    place = path.absolute()  # so that pandas takes it for no address
    try:
        read = read_keypoints if is_product_file else _reader(place, source_software, options)
        found = in_range(read(place).renamed(options.rename))
    except UnsoundPredictions as error:
        raise KeypointError(f"{path}: {error}") from error
    except ProjectError as error:
        raise KeypointError(f"predictions of {source_software}: {error}") from error
    return found if found.frame_rate_hz is not None else replace(found, frame_rate_hz=frame_rate_hz)


def _is_product(path: Path) -> bool:
    try:
        return is_product(path)
    except ProjectError:  # its reader says what is wrong with it
        return False


def _reader(
    path: Path, source_software: str, options: ReadingOptions
) -> Callable[[Path], Predictions]:
    is_h5 = path.suffix.lower() == ".h5"
    if source_software == "DeepLabCut" and is_h5:
        return lambda file: read_deeplabcut_predictions(
            file, key=options.table, scorer=options.scorer
        )
    readers: dict[str, Callable[[Path], Predictions]] = {
        FACEMAP: read_keypoints,
        "NWB": lambda file: read_nwb(file, options.module, options.container),
        "SLEAP": lambda file: read_sleap(file, options.video),
        "Anipose": read_anipose,
        "VIA-tracks": read_via,
        NETCDF: _read_netcdf,
        DEEPERFLY: _read_deeperfly,
    }
    return readers.get(
        source_software, lambda file: read_labelled_csv(file, source_software, options.scorer)
    )


def _read_deeperfly(path: Path) -> Predictions:
    from element_facerhythm.keypoints.cameras.results import read_results  # brings OpenCV along

    return read_results(path)


def _read_netcdf(path: Path) -> Predictions:
    try:
        return from_movement(open_netcdf(path), NETCDF)
    except (KeypointError, ProjectError):
        raise
    except _UNREADABLE as error:
        raise KeypointError(
            f"{path} is no dataset of movement ({type(error).__name__}); write the dataset again"
        ) from error

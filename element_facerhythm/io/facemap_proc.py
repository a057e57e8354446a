"""What facemap's `process.run` saved: a ``_proc.npy``, read without unpickling, or its ``.mat``."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import PathError, ProjectError
from element_facerhythm.files.plain_npy import SIGNATURE, Held, read_npy_object
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.facemap_mat import read_mat

REGION_TYPES = {0: "pupil", 1: "motion", 2: "blink", 3: "running"}
"""Kinds of regions by facemap's number; others hold no trace."""

_MAX_LIST = 1000
_HDF5 = b"\x89HDF\r\n\x1a\n"
_READING_ERRORS = (
    ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, MemoryError, EOFError,
    NotImplementedError, AttributeError, zlib.error,
)  # fmt: skip
_MAT_LISTS = (
    "motion", "motSVD", "movSVD", "motMask", "movMask", "motMask_reshape", "movMask_reshape",
    "avgframe", "avgmotion", "blink", "running",
)  # fmt: skip
_WANTED = (*_MAT_LISTS, "filenames", "Ly", "Lx", "sbin", "motSv", "movSv", "pupil", "rois")

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FacemapProc:
    """A result of facemap, of one camera.

    Attributes
    ----------
    path
        The file.
    file_names
        Of the videos, in order, as they were called where facemap ran.
    width_px, height_px
        Of the frames.
    bin_px
        Pixels along one side of a bin.
    arrays
        Lists of arrays by facemap's names (``motion``, ``motSVD``, ``motMask_reshape`` ...): first that of
        the whole frame, then those of the regions of motion. Missing lists are empty.
    singular_values
        ``motSv`` and ``movSv``, those that are there.
    pupils
        A mapping of arrays for each region of a pupil.
    regions
        Every region, as facemap lays it out.
    """

    path: Path
    file_names: tuple[str, ...]
    width_px: int
    height_px: int
    bin_px: int
    arrays: dict[str, list[Array]]
    singular_values: dict[str, Array]
    pupils: tuple[Mapping[str, Array], ...]
    regions: tuple[Mapping[str, Any], ...]

    @property
    def n_frames(self) -> int:
        """Frames of the longest trace."""
        traces = [*self.arrays["motion"], *self.arrays["blink"], *self.arrays["running"]]
        traces += [pupil["area"] for pupil in self.pupils if "area" in pupil]
        traces += [*self.arrays["motSVD"], *self.arrays["movSVD"]]
        return max((len(trace) for trace in traces), default=0)

    @property
    def binned_shape(self) -> tuple[int, int]:
        """Bins down and to the right."""
        return self.height_px // self.bin_px, self.width_px // self.bin_px


def read_facemap_proc(path: Path) -> FacemapProc:
    """Read what facemap saved; all arrays of it are in memory.

    Parameters
    ----------
    path
        A ``_proc.npy`` of facemap 1 or earlier, or a ``_proc.mat``.

    Raises
    ------
    ProjectError
        It is none, is damaged, would call something when it is unpickled, or is of several cameras.
    """
    try:
        with open_regular(path) as file:
            beginning = file.read(128)
            file.seek(0)
            if beginning.startswith(SIGNATURE):
                size = path.stat().st_size
                found = _plain(read_npy_object(file, largest_bytes=size, strict=True))
            elif beginning.startswith(_HDF5) or b"MATLAB 7.3" in beginning:
                raise ValueError("it is a .mat of MATLAB 7.3; facemap's own are of MATLAB 5")
            elif beginning.startswith(b"MATLAB 5.0"):
                found = _read_mat(path)
            else:
                raise ValueError("it is neither an object of numpy nor a .mat of MATLAB 5")
    except _READING_ERRORS as error:
        raise ProjectError(f"{path} cannot be read as a _proc of facemap: {error}") from error
    except PathError as error:
        raise ProjectError(str(error)) from error
    if not isinstance(found, dict):
        raise ProjectError(f"{path} is no _proc of facemap: it holds {shortened(found)}")
    return _checked(path, found)


def _read_mat(path: Path) -> dict[str, Any]:
    """Read a .mat of MATLAB 5, in which facemap numbers the arrays of a list."""
    found: dict[str, Any] = _plain(read_mat(path, _MAT_LISTS, _WANTED))
    lists: dict[str, dict[int, Any]] = {}
    for name in list(found):
        head, _, number = name.rpartition("_")
        if head in _MAT_LISTS and number.isdecimal():
            lists.setdefault(head, {})[int(number)] = np.asarray(found.pop(name))
    return found | {head: [own[i] for i in sorted(own)] for head, own in lists.items()}


def _plain(value: Any) -> Any:
    """Return a value with arrays in place of what holds them."""
    if isinstance(value, Held):
        return _plain(value.value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _checked(path: Path, found: Mapping[str, Any]) -> FacemapProc:
    missing = [name for name in ("filenames", "Ly", "Lx", "motion") if name not in found]
    if missing:
        raise ProjectError(
            f"{path} is no _proc of facemap: it lacks {', '.join(missing)}. Give the file that facemap's "
            "process saved"
        )
    file_names = _file_names(path, found["filenames"])
    height, width, bin_px = (
        _whole(path, name, found.get(name, 1)) for name in ("Ly", "Lx", "sbin")
    )
    pupils = [pupil for pupil in _as_list(found.get("pupil")) if isinstance(pupil, Mapping)]
    return FacemapProc(
        path,
        file_names,
        width,
        height,
        bin_px,
        {name: _arrays(path, name, found.get(name)) for name in _MAT_LISTS},
        {
            name: _numbers(path, name, found[name]).ravel()
            for name in ("motSv", "movSv")
            if np.size(found.get(name, 0)) > 1
        },
        tuple(
            {
                name: _numbers(path, f"pupil.{name}", value)
                for name, value in pupil.items()
                if isinstance(value, np.ndarray)
            }
            for pupil in pupils
        ),
        tuple(region for region in _as_list(found.get("rois")) if isinstance(region, Mapping)),
    )


def _file_names(path: Path, value: Any) -> tuple[str, ...]:
    """Names of the videos: a list of them, each a list of the files of simultaneous cameras."""
    rows = [_as_list(row) for row in _as_list(value)]
    if not rows or any(len(row) != 1 for row in rows):
        n_cameras = max((len(row) for row in rows), default=0)
        raise ProjectError(
            f"{path} is of {n_cameras} cameras that recorded together; a recording here is of one. Process "
            "the video of each camera in facemap by itself"
        )
    names = [str(row[0]).strip() for row in rows]
    return tuple(name.replace("\\", "/").rpartition("/")[2] for name in names)


def _whole(path: Path, name: str, value: Any) -> int:
    numbers = np.atleast_1d(np.asarray(value)).ravel()
    if numbers.dtype.kind not in "iuf" or len(numbers) != 1 or numbers[0] != int(numbers[0]):
        raise ProjectError(f"{path}: {name} is {shortened(value)}; expected one whole number")
    if int(numbers[0]) < 1:
        raise ProjectError(f"{path}: {name} is {int(numbers[0])}; expected 1 or more")
    return int(numbers[0])


def _arrays(path: Path, name: str, value: Any) -> list[Array]:
    """Return the arrays of a list; one array alone is a list of it."""
    return [_numbers(path, name, item) for item in _as_list(value)]


def _numbers(path: Path, name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ProjectError(
            f"{path}: {name} holds {shortened(value)} where an array of numbers was expected"
        )
    return array


def _as_list(value: Any) -> list[Any]:
    """Return a list of what a .mat or a pickle holds: one thing alone is a list of it, nothing is none."""
    if value is None or (isinstance(value, np.ndarray) and value.size == 0):
        return []
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel().tolist()
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return [str(item) for item in value.ravel()]
    if isinstance(value, list):
        return value[:_MAX_LIST]
    return [value]

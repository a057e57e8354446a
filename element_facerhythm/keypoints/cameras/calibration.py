"""Calibrations of cameras that other programs wrote: Anipose's and deeperfly's TOML, deeperfly's results.

To add a program: a function from the parsed TOML to cameras, in `_FORMS`, with the table that shows that a
file is its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError, ProjectError, TextError
from element_facerhythm.files.texts import read_toml
from element_facerhythm.io.h5_reader import open_h5
from element_facerhythm.keypoints.cameras.calibration_values import CameraValues, camera_of_facts
from element_facerhythm.keypoints.cameras.camera import Camera, orbit
from element_facerhythm.keypoints.cameras.stored_cameras import best_cameras
from element_facerhythm.keypoints.predictions import shown_names

Sizes = Mapping[str, tuple[int, int]]
Table = Mapping[str, Any]

_NEWEST_DEEPERFLY = 1
"""Version of deeperfly's calibration file, beyond which its meaning is not known."""
_ANIPOSE_TABLE = re.compile(r"cam_?([0-9]+)")
_ORBIT = ("look_at", "distance", "azimuth_deg", "elevation_deg", "roll_deg")
_LENS = ("focal_length_px", "principal_point_px", "distortion_coefficients")
_OF_FOOTAGE = ("input", "preprocess", "mirror")
_MAX_CAMERAS = 64
_STEEPEST_DEG = 89.999


def read_cameras(path: Path, sizes_px: Sizes | None = None) -> tuple[Camera, ...]:
    """Read the cameras of a session, in the order of the file.

    Parameters
    ----------
    path
        Anipose's `calibration.toml`; deeperfly's `calibration.toml`, `config.toml` or `results.h5`, of which
        refined cameras are taken before those that were given.
    sizes_px
        Width and height of the frames of cameras, by name, where the file does not say: deeperfly's
        `config.toml` may leave the principal point to them.

    Raises
    ------
    KeypointError
        The file is missing, of another kind, or describes a camera that cannot be; the message names file,
        camera, what was given and what is expected.
    """
    try:
        cameras = _read(path, sizes_px or {})
    except TextError as error:
        raise KeypointError(str(error)) from error
    except ProjectError as error:
        raise KeypointError(f"calibration {error}") from error
    except KeypointError as error:
        raise KeypointError(f"calibration {path}: {error}") from error
    return cameras


def _read(path: Path, sizes: Sizes) -> tuple[Camera, ...]:
    if path.suffix.lower() in (".h5", ".hdf5"):
        with open_h5(path, "calibrate again") as file:
            return require_rig(best_cameras(file), sizes)
    parsed = read_toml(path, what="calibration")
    for is_its_own, read in _FORMS:
        if is_its_own(parsed):
            return require_rig(read(parsed, sizes), sizes)
    raise KeypointError(
        f"it has the tables {shown_names(list(parsed)) or '(none)'}; expected [cam_0], [cam_1] ... of "
        "Anipose, "
        "or [calibration.cameras.NAME] or [cameras.NAME] of deeperfly"
    )


def require_rig(cameras: Sequence[Camera], sizes_px: Sizes) -> tuple[Camera, ...]:
    """Return cameras that can be used together, with the sizes that were given.

    Parameters
    ----------
    cameras
        Of one session.
    sizes_px
        Width and height by name.

    Raises
    ------
    KeypointError
        There are fewer than two or more than 64, two have one name, a size is of no camera, or it is another
        one than the calibration's.
    """
    names = [camera.name for camera in cameras]
    if not 2 <= len(names) <= _MAX_CAMERAS:
        raise KeypointError(
            f"it describes {len(names)} cameras; two views at least are needed for positions in space, and "
            f"{_MAX_CAMERAS} at most are taken"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KeypointError(f"two cameras are named {shown_names(twice)}; give each its own name")
    strange = sorted(set(sizes_px) - set(names))
    if strange:
        raise KeypointError(
            f"a size of frames is given for {shown_names(strange)}; the cameras are {shown_names(names)}"
        )
    for camera in cameras:
        given = sizes_px.get(camera.name)
        if given is not None and camera.size_px not in (None, given):
            raise KeypointError(
                f"camera {camera.name} was calibrated for frames of {_shown(camera.size_px)} px, and "
                f"{_shown(given)} are given: the calibration is of other frames"
            )
    return tuple(
        replace(camera, size_px=sizes_px.get(camera.name, camera.size_px)) for camera in cameras
    )


def _shown(size: tuple[int, int] | None) -> str:
    return "unknown" if size is None else f"{size[0]} x {size[1]}"


def _is_anipose(parsed: Table) -> bool:
    return any(_ANIPOSE_TABLE.fullmatch(name) for name in parsed)


def _of_anipose(parsed: Table, _: Sizes) -> list[Camera]:
    """Tables [cam_0], [cam_1] ... in the order of their numbers; [metadata] and others are not cameras."""
    found = [
        (int(match[1]), name)
        for name in parsed
        if (match := _ANIPOSE_TABLE.fullmatch(name)) is not None
    ]
    return [
        camera_of_facts({"name": name, **_table(parsed[name], f"[{name}]")})
        for _number, name in sorted(found)
    ]


def _is_solved(parsed: Table) -> bool:
    return isinstance(parsed.get("calibration"), Mapping) and "cameras" in parsed["calibration"]


def _of_solved(parsed: Table, _: Sizes) -> list[Camera]:
    """[calibration.cameras.NAME] with rvec, tvec, intr and dist; image_size counts rows first."""
    about = parsed["calibration"]
    version = about.get("format_version", _NEWEST_DEEPERFLY)
    if not isinstance(version, int) or version > _NEWEST_DEEPERFLY:
        raise KeypointError(
            f"it is of format version {version!r} of deeperfly's calibrations; this package reads up to "
            f"{_NEWEST_DEEPERFLY}"
        )
    cameras = []
    for name, table in _table(about["cameras"], "[calibration.cameras]").items():
        values = CameraValues(name, table)
        rows_first = values.size("image_size")
        cameras.append(
            Camera(
                name,
                values.matrix(values.array("intr")),
                values.lens("dist"),
                values.array("rvec"),
                values.array("tvec"),
                None if rows_first is None else rows_first[::-1],
            )
        )
    return cameras


def _is_orbits(parsed: Table) -> bool:
    return isinstance(parsed.get("cameras"), Mapping)


def _of_orbits(parsed: Table, sizes: Sizes) -> list[Camera]:
    """[cameras.NAME] over [cameras.defaults]: cameras that circle a place."""
    tables = dict(parsed["cameras"])
    if isinstance(tables.get("calibration"), str):
        raise KeypointError(
            f"its cameras are those of {tables['calibration']!r}; give that file as the calibration"
        )
    shared = {
        **_table(parsed.get("camera_defaults", {}), "[camera_defaults]"),
        **_table(tables.pop("defaults", {}), "[cameras.defaults]"),
    }
    return [
        _orbiting(CameraValues(name, shared | dict(_table(table, f"[cameras.{name}]"))), sizes)
        for name, table in tables.items()
    ]


def _orbiting(values: CameraValues, sizes: Sizes) -> Camera:
    name = values.name
    strange = [key for key in values.names if key not in (*_ORBIT, *_LENS, *_OF_FOOTAGE)]
    if strange:
        raise KeypointError(
            f"camera {name} has {shown_names(strange)}; a config of deeperfly has "
            f"{', '.join((*_LENS, *_ORBIT))}"
        )
    focal = values.array("focal_length_px").ravel()
    if focal.shape not in ((1,), (2,)):
        raise KeypointError(f"camera {name} has {focal.size} focal lengths; expected one, or two")
    elevation, distance = values.number("elevation_deg", 0.0), values.number("distance")
    look_at = values.array("look_at", (0.0, 0.0, 0.0))
    if abs(elevation) >= _STEEPEST_DEG or distance <= 0 or look_at.shape != (3,):
        raise KeypointError(
            f"camera {name} looks at {look_at.tolist()} from a distance of {distance:g} at an elevation of "
            f"{elevation:g} degrees; expected three numbers, above 0, and less than 90 up or down"
        )
    rotation, translation = orbit(
        look_at=look_at,
        distance=distance,
        azimuth_deg=values.number("azimuth_deg", 0.0),
        elevation_deg=elevation,
        roll_deg=values.number("roll_deg", 0.0),
    )
    intrinsics = np.concatenate([np.broadcast_to(focal, 2), _principal_point(values, sizes)])
    lens = values.lens("distortion_coefficients")
    return Camera(name, values.matrix(intrinsics), lens, rotation, translation, sizes.get(name))


def _principal_point(values: CameraValues, sizes: Sizes) -> NDArray[np.float64]:
    name = values.name
    if "principal_point_px" in values:
        return values.array("principal_point_px").ravel()
    if name not in sizes:
        raise KeypointError(
            f"camera {name} has no principal_point_px, which is the middle of its frames then: say how large "
            f"they are (--size {name}=WIDTHxHEIGHT)"
        )
    return (np.array(sizes[name], dtype=np.float64) - 1) / 2


def _table(value: Any, place: str) -> Table:
    if not isinstance(value, Mapping):
        raise KeypointError(f"{place} is no table; expected one with the calibration of a camera")
    return value


_FORMS: tuple[tuple[Callable[[Table], bool], Callable[[Table, Sizes], list[Camera]]], ...] = (
    (_is_solved, _of_solved),
    (_is_anipose, _of_anipose),
    (_is_orbits, _of_orbits),
)

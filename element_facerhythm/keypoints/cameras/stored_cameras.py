"""Cameras in HDF5 as deeperfly's results keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import h5py
import numpy as np

from element_facerhythm.errors import TextError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.h5 import read_text_attribute, write_tree
from element_facerhythm.io.h5_reader import H5Group
from element_facerhythm.keypoints.cameras.calibration_values import CameraValues
from element_facerhythm.keypoints.cameras.camera import Camera, completed_distortion

GROUP = "cameras"
SIZES = "image_sizes"
"""Attribute of the group of a stage: height and width of the frames, by camera, in JSON."""
STAGES = ("bundle_adjustment", "pose2d")
"""Stages that have cameras; of those that are there, the first is the best."""


def best_cameras(file: H5Group) -> list[Camera]:
    """Cameras of deeperfly's results: refined ones, else those that were given.

    Raises
    ------
    ProjectError
        There are none, or they are damaged.
    KeypointError
        A camera cannot be.
    """
    for stage in STAGES:
        if f"{stage}/{GROUP}" in file:
            return cameras_in(file.group(f"{stage}/{GROUP}"), _sizes(file))
    _no_cameras(file)


def _no_cameras(file: H5Group) -> NoReturn:
    file.refuse("holds no cameras of deeperfly (a group 'cameras' in bundle_adjustment or pose2d)")


def cameras_in(group: H5Group, sizes: Mapping[str, Any]) -> list[Camera]:
    """Cameras of a group with `names`, `rvecs`, `tvecs`, `intrs` ([fx, fy, cx, cy]) and `dists`.

    Parameters
    ----------
    group
        Of an open file.
    sizes
        Height and width of frames, by name; of cameras that are not in it, they are not known.

    Raises
    ------
    ProjectError
        One of the arrays is missing, or they are not of one length.
    KeypointError
        A camera cannot be.
    """
    names = group.dataset("names").texts()
    rows = {name: group.dataset(name).numbers(2) for name in ("rvecs", "tvecs", "intrs", "dists")}
    if {len(values) for values in rows.values()} != {len(names)}:
        group.refuse("has not one row for each camera in names, rvecs, tvecs, intrs and dists")
    cameras = []
    for i, name in enumerate(names):
        values = CameraValues(name, {"dist": rows["dists"][i], SIZES: sizes.get(name)})
        size = values.size(SIZES)
        matrix = values.matrix(rows["intrs"][i].astype(np.float64))
        lens, turn, shift = values.lens("dist"), rows["rvecs"][i], rows["tvecs"][i]
        cameras.append(
            Camera(name, matrix, lens, turn, shift, None if size is None else size[::-1])
        )
    return cameras


def write_cameras(stage: h5py.Group, cameras: Sequence[Camera]) -> None:
    """Write cameras below a stage; lenses with fewer coefficients get zeros, which mean the same.

    Parameters
    ----------
    stage
        Group of a file that is open for writing.
    cameras
        None of them a fisheye, which deeperfly has no place for.
    """
    longest = max(len(camera.distortion) for camera in cameras)
    lenses = [np.pad(c.distortion, (0, longest - len(c.distortion))) for c in cameras]
    write_tree(
        stage,
        {
            GROUP: {
                "names": [camera.name for camera in cameras],
                "rvecs": np.stack([camera.rotation for camera in cameras]),
                "tvecs": np.stack([camera.translation for camera in cameras]),
                "intrs": np.stack([camera.intrinsics for camera in cameras]),
                "dists": np.stack([completed_distortion(lens) for lens in lenses]),
            }
        },
    )
    sizes = {c.name: [c.size_px[1], c.size_px[0]] for c in cameras if c.size_px is not None}
    if sizes:
        stage.attrs[SIZES] = json.dumps(sizes)


def _sizes(file: H5Group) -> Mapping[str, Any]:
    """Height and width of frames by camera, where the file says."""
    if "pose2d" not in file:
        return {}
    text = read_text_attribute(file.group("pose2d"), SIZES)
    if text is None:
        return {}
    try:
        found = parse_json(text)
    except TextError:
        found = None
    if not isinstance(found, Mapping):
        file.refuse(f"has an attribute {SIZES} of pose2d that is not what deeperfly writes")
    return found

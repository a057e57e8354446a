"""``ROIs.h5``, face-rhythm's file of regions: masks, outlines and seed points, read and written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import PlacedRois, RegionLabel, Rois
from element_facerhythm.errors import ProjectError, RoiError, TextError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.h5 import atomic_h5, write_tree
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.io.region_labels import ROLES, labels_to_json, read_labels
from element_facerhythm.io.roi_polygons import Polygons

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_LABELS = "polygon_labels"
_MAX_REGIONS = 10_000


def read_h5(path: Path) -> Rois:
    """Read a ``ROIs.h5``.

    Parameters
    ----------
    path
        The file; its first mask seeds points, its second hides pixels, its point positions are taken.

    Raises
    ------
    RoiError
        It is no HDF5, or no file of regions.
    """
    try:
        with open_h5(path, "draw the ROIs again or give a JSON file") as file:
            return _rois_from_h5(file, path)
    except ProjectError as error:
        raise RoiError(str(error)) from error


def write_h5(path: Path, rois: Rois, placed: PlacedRois, image: NDArray[np.uint8]) -> None:
    """Write a ``ROIs.h5`` in face-rhythm's layout, with every polygon and its label beside.

    Parameters
    ----------
    path
        The file; one that is there is replaced.
    rois, placed
        The regions, and the masks (H, W) and points (P, 2) that they make on the frame.
    image
        (H, W, 3) frame to see them on.
    """
    from element_facerhythm.io.products import write_rois  # brings every stage along

    with atomic_h5(path) as file:
        write_rois(file, rois, placed, image)
        labels = labels_to_json(rois)
        if labels:
            write_tree(file, {_LABELS: json.dumps(labels)})


def _rois_from_h5(file: H5Group, path: Path) -> Rois:
    masks = [_mask(file, name, path) for name in _numbered(file, "mask_images")[:2]]
    if not masks:
        raise RoiError(f"ROI file {path} has no mask under 'mask_images'; is it a ROIs.h5?")
    polygons = _stored_polygons(file, path)
    labels = _stored_labels(file, polygons, path)
    return Rois(
        seed_polygons=polygons["points"],
        mask_polygons=polygons["mask"],
        exclude_polygons=polygons["exclude"],
        point_positions=_positions(file, path),
        seed_mask=masks[0],
        visible_mask=masks[1] if len(masks) > 1 else None,
        source=f"ROI file {path}",
        seed_labels=labels["points"],
        mask_labels=labels["mask"],
        exclude_labels=labels["exclude"],
        signal_polygons=polygons["signals"],
        signal_labels=labels["signals"],
    )


def _stored_polygons(file: H5Group, path: Path) -> dict[str, Polygons]:
    """Every polygon, where this package wrote the file; else face-rhythm's first two."""
    if "polygons" in file:
        return {
            role: tuple(_vertices(file, name, path) for name in _numbered(file, f"polygons/{role}"))
            for role in ROLES
        }
    outlines = [_vertices(file, name, path) for name in _numbered(file, "roi_points")[:2]]
    found = {"points": tuple(outlines[:1]), "mask": tuple(outlines[1:2])}
    return {role: found.get(role, ()) for role in ROLES}


def _stored_labels(
    file: H5Group, polygons: dict[str, Polygons], path: Path
) -> dict[str, tuple[RegionLabel, ...]]:
    """Names and kinds, which `write_h5` keeps and a run does not."""
    value = {}
    if _LABELS in file:
        try:
            value = parse_json(file.dataset(_LABELS).text())
        except TextError as error:
            raise RoiError(f"ROI file {path}: {_LABELS} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise RoiError(f"ROI file {path}: {_LABELS} holds a {type(value).__name__}; expected names")
    return read_labels(value, {r: len(p) for r, p in polygons.items()}, f"ROI file {path}")


def _numbered(file: H5Group, group: str) -> list[str]:
    """Full names of a group's members, ``mask_10`` after ``mask_2``."""
    if group not in file:
        return []
    names = file.group(group).names_by_number()
    if len(names) > _MAX_REGIONS:
        raise RoiError(
            f"ROI file {file.path}: {group} has {len(names):,} members; expected {_MAX_REGIONS:,} at most"
        )
    return [f"{group}/{name}" for name in names]


def _mask(file: H5Group, name: str, path: Path) -> NDArray[np.bool_]:
    mask = file.dataset(name)
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise RoiError(
            f"ROI file {path}: {name} is {mask.dtype} of shape {mask.shape}; expected a bool image"
        )
    return mask.numbers(2)


def _vertices(file: H5Group, name: str, path: Path) -> NDArray[np.float64]:
    vertices = file.dataset(name).numbers(2, finite=True)
    if vertices.shape[1] != 2 or vertices.dtype.kind not in "iuf":
        raise RoiError(
            f"ROI file {path}: {name} is {vertices.dtype} of shape {vertices.shape}; expected the "
            "vertices of a polygon, (n, 2)"
        )
    return vertices.astype(np.float64, copy=False)


def _positions(file: H5Group, path: Path) -> NDArray[np.float32] | None:
    if "point_positions" not in file:
        return None
    positions = file.dataset("point_positions").numbers()
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise RoiError(
            f"ROI file {path}: point_positions of shape {positions.shape} must be (P, 2), finite"
        )
    return positions.astype(np.float32, copy=False)

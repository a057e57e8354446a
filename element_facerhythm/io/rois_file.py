"""ROI files: this package's JSON of polygons, and face-rhythm's ``ROIs.h5``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import MAX_COORDINATE_PX, MAX_VERTICES, Rois
from element_facerhythm.errors import PathError, ProjectError, RoiError, TextError
from element_facerhythm.files.plain import plain
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import read_json, shortened
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.io.region_labels import LABEL_KEYS, labels_to_json, read_labels

Polygons = tuple[NDArray[np.float64], ...]

_KEYS = ("points", "mask")
_EXAMPLE = '{"points": [[[x, y], [x, y], [x, y]]], "mask": []}'
_LISTS = (list, tuple)
_NOWHERE = "ROIs"
_MAX_KEY_CHARACTERS = 100
_MAX_REGIONS = 10_000
MAX_POLYGONS = 1_000
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_rois(path: str | Path) -> Rois:
    """Read regions of interest.

    Parameters
    ----------
    path
        A JSON file ``{"points": [polygon, ...], "mask": [polygon, ...]}`` with polygons as lists
        of ``[x, y]`` in pixels and, optionally, ``names`` and ``kinds`` of the polygons; or a
        ``ROIs.h5`` of face-rhythm or of this package: its first mask seeds the points, its second
        hides pixels, its point positions are taken as they are.

    Raises
    ------
    RoiError
        The file is missing or malformed; the message names the polygon and vertex.
    """
    path = Path(path)
    if not path.exists():
        raise RoiError(f"ROI file {path} does not exist; expected a JSON file or a ROIs.h5")
    try:
        with open_regular(path) as file:
            is_hdf5 = file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
    except (OSError, PathError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RoiError(f"ROI file {path} cannot be read: {why}") from error
    if is_hdf5 or path.suffix in {".h5", ".hdf5"}:
        return _read_h5(path)
    return _read_json(path)


def write_rois(rois: Rois, path: str | Path) -> None:
    """Write the polygons of `rois` as JSON.

    Parameters
    ----------
    rois
        Polygons with their names and kinds are written; masks and point positions are left out.
    path
        The file; folders on the way are made, and a file there is replaced.

    Raises
    ------
    RoiError
        `rois` has no polygon that seeds points: it was made from masks or point positions alone.
    """
    if not rois.seed_polygons:
        raise RoiError("these ROIs hold no polygon, and a JSON ROI file holds nothing else")
    value = {
        "points": [polygon.tolist() for polygon in rois.seed_polygons],
        "mask": [polygon.tolist() for polygon in rois.mask_polygons],
        **labels_to_json(rois),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(json.dumps(value) + "\n", encoding="utf-8")


def rois_from_mapping(value: Any, source: str = _NOWHERE) -> Rois:
    """Return regions of interest from a value laid out as a ROI file.

    Parameters
    ----------
    value
        What the JSON of a ROI file holds; arrays may stand for lists.
    source
        Its name in messages; the regions keep it where one is given.

    Raises
    ------
    RoiError
        Wrong nesting, no polygon that seeds points, fewer than three vertices, a vertex that is not two
        finite numbers, names or kinds that are not one for each polygon, or a key that is none of these.
    """
    return _rois_of(plain(value), source)


def _rois_of(value: Any, source: str) -> Rois:
    if not isinstance(value, Mapping):
        raise RoiError(f"{source} holds a {type(value).__name__}; expected {_EXAMPLE}")
    for key in value:
        if key not in (*_KEYS, *LABEL_KEYS):
            typed = str(key)[:_MAX_KEY_CHARACTERS]
            close = difflib.get_close_matches(typed, (*_KEYS, *LABEL_KEYS), n=1, cutoff=0.0)
            raise RoiError(f"{source}: unknown key {shortened(key)}; did you mean {close[0]!r}?")
    if not value.get("points"):
        raise RoiError(f"{source} has no polygon under 'points'; expected {_EXAMPLE}")
    seeds = _polygons(value["points"], "points", source)
    masks = _polygons(value.get("mask") or [], "mask", source)
    labels = read_labels(value, {"points": len(seeds), "mask": len(masks)}, source)
    return Rois(
        seed_polygons=seeds,
        mask_polygons=masks,
        source="" if source == _NOWHERE else source,
        seed_labels=labels["points"],
        mask_labels=labels["mask"],
    )


def _require_few(polygons: Any, key: str, source: str) -> None:
    n_vertices = sum(len(polygon) for polygon in polygons if isinstance(polygon, _LISTS))
    if len(polygons) > MAX_POLYGONS or n_vertices > MAX_VERTICES:
        raise RoiError(
            f"{source}: {key!r} has {len(polygons)} polygons with {n_vertices} vertices; at most "
            f"{MAX_POLYGONS} with {MAX_VERTICES} together are taken. Draw them with fewer vertices"
        )


def _read_json(path: Path) -> Rois:
    try:
        value = read_json(path, what="ROI file")
    except TextError as error:
        raise RoiError(str(error)) from error
    return _rois_of(value, f"ROI file {path}")


def _polygons(value: Any, key: str, source: str) -> Polygons:
    if not isinstance(value, _LISTS):
        raise RoiError(
            f"{source}: {key!r} is a {type(value).__name__}; expected a list of polygons"
        )
    _require_few(value, key, source)
    return tuple(_polygon(item, f"{source}, {key} polygon {i}") for i, item in enumerate(value))


def _polygon(value: Any, name: str) -> NDArray[np.float64]:
    if not isinstance(value, _LISTS) or (value and _is_number(value[0])):
        raise RoiError(f"{name} is not a list of [x, y] vertices; expected {_EXAMPLE}")
    for i, vertex in enumerate(value):
        if not (
            isinstance(vertex, _LISTS)
            and len(vertex) == 2
            and all(_is_number(number) and abs(number) <= MAX_COORDINATE_PX for number in vertex)
        ):
            raise RoiError(
                f"{name}, vertex {i} is {shortened(vertex)}; expected two finite numbers [x, y] of pixels"
            )
    if len(value) < 3:
        raise RoiError(f"{name} has {len(value)} vertices; a polygon needs at least 3")
    return np.array(value, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _read_h5(path: Path) -> Rois:
    try:
        with open_h5(path, "draw the ROIs again or give a JSON file") as file:
            return _rois_from_h5(file, path)
    except ProjectError as error:
        raise RoiError(str(error)) from error


def _rois_from_h5(file: H5Group, path: Path) -> Rois:
    masks = [_mask(file, name, path) for name in _numbered(file, "mask_images")[:2]]
    if not masks:
        raise RoiError(f"ROI file {path} has no mask under 'mask_images'; is it a ROIs.h5?")
    seeds, hidden = _stored_polygons(file, path)
    return Rois(
        seed_polygons=seeds,
        mask_polygons=hidden,
        point_positions=_positions(file, path),
        seed_mask=masks[0],
        visible_mask=masks[1] if len(masks) > 1 else None,
        source=f"ROI file {path}",
    )


def _stored_polygons(file: H5Group, path: Path) -> tuple[Polygons, Polygons]:
    """Every polygon, where this package wrote the file; else face-rhythm's first two."""
    if "polygons" in file:
        seeds, hidden = (
            tuple(_vertices(file, name, path) for name in _numbered(file, f"polygons/{key}"))
            for key in _KEYS
        )
        return seeds, hidden
    outlines = [_vertices(file, name, path) for name in _numbered(file, "roi_points")[:2]]
    return tuple(outlines[:1]), tuple(outlines[1:2])


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

"""ROI files: this package's JSON of polygons, and those of other programs, told apart by their content."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import PathError, RoiError, TextError
from element_facerhythm.files.plain import plain
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import read_json, shortened
from element_facerhythm.io import rois_facemap, rois_geojson, rois_h5
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.region_labels import (
    LABEL_KEYS,
    ROLES,
    labels_to_json,
    polygons_by_role,
    read_labels,
    roles_of,
)
from element_facerhythm.io.roi_polygons import EXAMPLE, read_polygons

_NOWHERE = "ROIs"
_MAX_KEY_CHARACTERS = 100
_LONGEST_SIGNATURE = max(len(rois_h5.SIGNATURE), len(rois_facemap.SIGNATURE))


def read_rois(path: str | Path, *, view: int | None = None) -> Rois:
    """Read regions of interest.

    Parameters
    ----------
    path
        A JSON file ``{"points": [polygon, ...], "mask": [...], "exclude": [...], "signals": [...]}`` with
        polygons as lists of ``[x, y]`` in pixels and, optionally, ``names`` and ``kinds`` of the polygons;
        a ``ROIs.h5`` of face-rhythm or of this package: its first mask seeds the points, its second hides
        pixels, its point positions are taken as they are; a GeoJSON file of polygons
        (see `io.rois_geojson`); or a ``_proc.npy`` of facemap (see `io.rois_facemap`).
    view
        Of a ``_proc.npy`` of several cameras: the number of the one that is wanted, from 0.

    Raises
    ------
    RoiError
        The file is missing or malformed; the message names the polygon and vertex.
    """
    path = Path(path)
    if not path.exists():
        raise RoiError(
            f"ROI file {path} does not exist; expected a JSON or GeoJSON file, a ROIs.h5 or a _proc.npy"
        )
    try:
        with open_regular(path) as file:
            beginning = file.read(_LONGEST_SIGNATURE)
    except (OSError, PathError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RoiError(f"ROI file {path} cannot be read: {why}") from error
    if beginning.startswith(rois_facemap.SIGNATURE):
        return rois_from_mapping(*rois_facemap.read_facemap(path, view))
    if beginning.startswith(rois_h5.SIGNATURE) or path.suffix in {".h5", ".hdf5"}:
        return rois_h5.read_h5(path)
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
    _write_json(rois_to_mapping(rois), rois, path)


def rois_to_mapping(rois: Rois) -> dict[str, Any]:
    """Polygons of regions, laid out as in a ROI file; masks and point positions are left out."""
    value = {
        role: [polygon.tolist() for polygon in polygons_by_role(rois)[role]]
        for role in roles_of(rois)
    }
    return {**value, **labels_to_json(rois)}


def write_geojson(rois: Rois, path: str | Path) -> None:
    """Write the polygons of `rois` as GeoJSON.

    Parameters
    ----------
    rois, path
        As of `write_rois`.

    Raises
    ------
    RoiError
        As of `write_rois`.
    """
    _write_json(rois_geojson.to_geojson(rois), rois, path)


def _write_json(value: Mapping[str, Any], rois: Rois, path: str | Path) -> None:
    if not rois.seed_polygons:
        raise RoiError("these ROIs hold no polygon, and a JSON ROI file holds nothing else")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(json.dumps(value) + "\n", encoding="utf-8")


def rois_from_mapping(value: Any, source: str = _NOWHERE, notes: tuple[str, ...] = ()) -> Rois:
    """Return regions of interest from a value laid out as a ROI file.

    Parameters
    ----------
    value
        What the JSON of a ROI file holds; arrays may stand for lists.
    source
        Its name in messages; the regions keep it where one is given.
    notes
        What was left out or changed before; the regions keep them.

    Raises
    ------
    RoiError
        Wrong nesting, no polygon that seeds points, fewer than three vertices, a vertex that is not two
        finite numbers, names or kinds that are not one for each polygon, or a key that is none of these.
    """
    value = plain(value)
    if not isinstance(value, Mapping):
        raise RoiError(f"{source} holds a {type(value).__name__}; expected {EXAMPLE}")
    for key in value:
        if key not in (*ROLES, *LABEL_KEYS):
            typed = str(key)[:_MAX_KEY_CHARACTERS]
            close = difflib.get_close_matches(typed, (*ROLES, *LABEL_KEYS), n=1, cutoff=0.0)
            raise RoiError(f"{source}: unknown key {shortened(key)}; did you mean {close[0]!r}?")
    if not value.get("points"):
        raise RoiError(f"{source} has no polygon under 'points'; expected {EXAMPLE}")
    polygons = {role: read_polygons(value.get(role) or [], role, source) for role in ROLES}
    labels = read_labels(value, {role: len(found) for role, found in polygons.items()}, source)
    return Rois(
        seed_polygons=polygons["points"],
        mask_polygons=polygons["mask"],
        exclude_polygons=polygons["exclude"],
        source="" if source == _NOWHERE else source,
        seed_labels=labels["points"],
        mask_labels=labels["mask"],
        exclude_labels=labels["exclude"],
        signal_polygons=polygons["signals"],
        signal_labels=labels["signals"],
        notes=notes,
    )


def _read_json(path: Path) -> Rois:
    try:
        value = read_json(path, what="ROI file")
    except TextError as error:
        raise RoiError(str(error)) from error
    source = f"ROI file {path}"
    if rois_geojson.is_geojson(value):
        return rois_from_mapping(*rois_geojson.from_geojson(value, source))
    return rois_from_mapping(value, source)

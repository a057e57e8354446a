"""Regions of a ``_proc.npy`` that facemap saved, read without unpickling.

facemap's pupils and blinks are ellipses, cut off at the frame, its regions of motion and running are
rectangles; all become polygons, with facemap's word as their kind. Regions of motion seed points, the others
hold their signal and no points; where there is none of motion, all seed points. Reflections, which facemap
leaves out of a pupil, become polygons of kind `exclude`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.outline import outline_region
from element_facerhythm.errors import RoiError
from element_facerhythm.files.plain_npy import SIGNATURE as SIGNATURE
from element_facerhythm.files.plain_npy import Held, read_npy_object
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.roi_polygons import MAX_POLYGONS

_KINDS = {0: "pupil", 1: "motion", 2: "blink", 3: "running", 4: "motion"}
_NAMES = {0: "pupil", 1: "motion SVD", 2: "blink", 3: "running", 4: "movie SVD"}
_ELLIPSES = (0, 2)
_MAX_VERTICES = 24
_MAX_SIDE_PX = 20_000

Found = dict[str, list[tuple[str, str, NDArray[np.float64]]]]
"""Name, kind and polygon of the regions, by role."""


def read_facemap(path: Path, view: int | None) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """Regions of a ``_proc.npy``, laid out as this package's ROI file.

    Parameters
    ----------
    path
        The file.
    view
        Number of the camera whose regions are wanted, from 0; None where they are all of one.

    Returns
    -------
    mapping, source, notes
        As `io.rois_file.rois_from_mapping` takes them; the notes say what was left out or changed.

    Raises
    ------
    RoiError
        It is no file of facemap, has no regions, or has those of several cameras and `view` is None.
    """
    source = f"ROI file {path}"
    try:
        with open_regular(path) as file:
            proc = read_npy_object(file)
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        raise RoiError(f"{source} cannot be read as a _proc.npy of facemap: {error}") from error
    regions = proc.get("rois") if isinstance(proc, dict) else None
    if not isinstance(regions, list) or not 0 < len(regions) <= MAX_POLYGONS:
        raise RoiError(
            f"{source} holds no regions of facemap: draw some there and process the video, or draw them anew"
        )
    views = [
        _whole(_field(region, "ivid", 0), f"{source}, region {i}")
        for i, region in enumerate(regions)
    ]
    if view is None and len(set(views)) > 1:
        raise RoiError(
            f"{source} has regions of the cameras {sorted(set(views))}, each in pixels of its own video; say "
            "which is wanted: `facerhythm rois convert FILE --view N -o rois.json`"
        )
    wanted = views[0] if view is None else view
    found: Found = {"points": [], "exclude": [], "signals": []}
    for i, region in enumerate(regions):
        if views[i] == wanted:
            _add(found, region, f"{source}, region {i}")
    if wanted not in views:
        raise RoiError(
            f"{source} has no region of camera {wanted}; it has those of {sorted(set(views))}"
        )
    if not found["points"]:
        found["points"], found["signals"] = found["signals"], []
    return (
        _mapping(found),
        source,
        tuple(_notes(found, n_others=len(regions) - views.count(wanted))),
    )


def _notes(found: Found, *, n_others: int) -> Iterator[str]:
    if all(kind != "motion" for _, kind, _ in found["points"]):
        yield "there is no region of motion, so that every region seeds points, whatever its kind"
    if found["signals"]:
        kinds = Counter(kind for _, kind, _ in found["signals"])
        listed = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        yield f"regions of motion seed points; those of other kinds ({listed}) hold signals and seed none"
    if found["exclude"]:
        yield f"{len(found['exclude'])} reflections of pupils became regions of kind exclude"
    if n_others:
        yield f"{n_others} regions of other cameras were left out"


def _add(found: Found, region: Any, where: str) -> None:
    """Add a region and its reflections."""
    number = _whole(_field(region, "rind"), where)
    if number not in _KINDS:
        raise RoiError(f"{where} is of facemap's type {number}; expected 0 to {max(_KINDS)}")
    x, y = (_axis(_field(region, axis), f"{where}, {axis}") for axis in ("xrange", "yrange"))
    ellipse = _ellipse(_field(region, "ellipse", None), x, y, where)
    if number in _ELLIPSES and ellipse is not None:
        polygon = _outline(ellipse, x, y, where)
    else:
        polygon = np.array([[x[0], y[0]], [x[-1], y[0]], [x[-1], y[-1]], [x[0], y[-1]]], float)
    kind = _KINDS[number]
    regions = found["points" if kind == "motion" else "signals"]
    name = f"{_NAMES[number]} {sum(n.startswith(_NAMES[number]) for n, _, _ in regions) + 1}"
    regions.append((name, kind, polygon))
    reflectors = _field(region, "reflector", [])
    if not isinstance(reflectors, list) or len(reflectors) > MAX_POLYGONS:
        raise RoiError(f"{where}: its reflections are {shortened(reflectors)}; expected a list")
    for i, reflector in enumerate(reflectors):
        there = f"{where}, reflection {i}"
        # these are in pixels of the region
        own_x, own_y = (
            _axis(_field(reflector, axis), there) + int(start[0])
            for axis, start in (("xrange", x), ("yrange", y))
        )
        mask = _ellipse(_field(reflector, "ellipse"), own_x, own_y, there)
        if mask is not None:
            outline = _outline(mask, own_x, own_y, there)
            found["exclude"].append((f"{name} reflection {i + 1}", "exclude", outline))


def _field(region: Any, name: str, *default: Any) -> Any:
    value = region.get(name, *default) if isinstance(region, dict) else None
    value = value.value if isinstance(value, Held) else value
    return default[0] if value is None and default else value


def _whole(value: Any, where: str) -> int:
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_POLYGONS:
        raise RoiError(f"{where}: {shortened(value)} is no number of a type or a camera")
    return value


def _axis(value: Any, where: str) -> NDArray[np.int64]:
    """Pixels of a region along one axis, which follow each other."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        raise RoiError(f"{where}: {shortened(value)} is no list of pixels")
    if not 2 <= len(value) <= _MAX_SIDE_PX or abs(int(value[0])) > _MAX_SIDE_PX:
        raise RoiError(f"{where} has {len(value)} pixels; expected 2 to {_MAX_SIDE_PX}")
    pixels = value.astype(np.int64)
    if not (np.diff(pixels) == 1).all():
        raise RoiError(f"{where}: its pixels do not follow each other")
    return pixels


def _ellipse(
    value: Any, x: NDArray[np.int64], y: NDArray[np.int64], where: str
) -> NDArray[np.bool_] | None:
    if value is None:
        return None
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != np.bool_
        or value.shape != (len(y), len(x))
    ):
        raise RoiError(
            f"{where}: its ellipse is no mask of {len(y)} x {len(x)} pixels, as its ranges have"
        )
    return value if value.any() else None


def _outline(
    mask: NDArray[np.bool_], x: NDArray[np.int64], y: NDArray[np.int64], where: str
) -> NDArray[np.float64]:
    try:
        outline = outline_region(mask, max_vertices=_MAX_VERTICES, tolerance=0.01)
    except RoiError as error:
        raise RoiError(f"{where}: {error}") from error
    return outline + np.array([x[0], y[0]])


def _mapping(found: Mapping[str, list[tuple[str, str, NDArray[np.float64]]]]) -> dict[str, Any]:
    return {
        **{role: [polygon for _, _, polygon in regions] for role, regions in found.items()},
        "names": {role: [name for name, _, _ in regions] for role, regions in found.items()},
        "kinds": {role: [kind for _, kind, _ in regions] for role, regions in found.items()},
    }

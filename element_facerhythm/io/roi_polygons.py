"""Polygons as files hold them: lists of ``[x, y]``, checked one by one so that a message names the vertex."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import MAX_COORDINATE_PX, MAX_VERTICES
from element_facerhythm.errors import RoiError
from element_facerhythm.files.texts import shortened

Polygons = tuple[NDArray[np.float64], ...]

EXAMPLE = '{"points": [[[x, y], [x, y], [x, y]]], "mask": [], "exclude": [], "signals": []}'
LISTS = (list, tuple)
MAX_POLYGONS = 1_000


def read_polygons(value: Any, key: str, source: str) -> Polygons:
    """Polygons of one role.

    Parameters
    ----------
    value
        List of polygons, each a list of ``[x, y]``.
    key, source
        The role, and the name of the file, for messages.

    Raises
    ------
    RoiError
        Wrong nesting, too many polygons or vertices, fewer than three vertices, or a vertex that is not two
        finite numbers.
    """
    if not isinstance(value, LISTS):
        raise RoiError(
            f"{source}: {key!r} is a {type(value).__name__}; expected a list of polygons"
        )
    require_few(value, key, source)
    return tuple(read_polygon(item, f"{source}, {key} polygon {i}") for i, item in enumerate(value))


def require_few(polygons: Any, key: str, source: str) -> None:
    """Refuse more polygons or vertices than are taken.

    Parameters
    ----------
    polygons, key, source
        As of `read_polygons`.

    Raises
    ------
    RoiError
        There are too many.
    """
    n_vertices = sum(len(polygon) for polygon in polygons if isinstance(polygon, LISTS))
    if len(polygons) > MAX_POLYGONS or n_vertices > MAX_VERTICES:
        raise RoiError(
            f"{source}: {key!r} has {len(polygons)} polygons with {n_vertices} vertices; at most "
            f"{MAX_POLYGONS} with {MAX_VERTICES} together are taken. Draw them with fewer vertices"
        )


def read_polygon(value: Any, name: str) -> NDArray[np.float64]:
    """One polygon (N, 2).

    Parameters
    ----------
    value
        List of ``[x, y]``.
    name
        What it is called in messages, with its file.

    Raises
    ------
    RoiError
        As of `read_polygons`.
    """
    if not isinstance(value, LISTS) or (value and _is_number(value[0])):
        raise RoiError(f"{name} is not a list of [x, y] vertices; expected {EXAMPLE}")
    for i, vertex in enumerate(value):
        if not (
            isinstance(vertex, LISTS)
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

"""What spectrograms and mean traces are of: all points, those of a region or within a drawn line, or one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rois import polygon_mask
from element_facerhythm.errors import RequestError

MOST_VERTICES = 64
_EXPECTED = "expected all, region:NUMBER, point:NUMBER or area:X,Y,X,Y,X,Y..."


@dataclass(frozen=True)
class Selection:
    """Some points.

    Attributes
    ----------
    kind
        ``all``, ``region``, ``point`` or ``area``.
    number
        Of the region or point; 0 for the others.
    polygon
        Of an area: its vertices (x, y) in pixels.
    """

    kind: str
    number: int = 0
    polygon: tuple[tuple[float, float], ...] = ()

    @property
    def name(self) -> str:
        """Kind, with the number where it has one."""
        return f"{self.kind}:{self.number}" if self.kind in ("region", "point") else self.kind


def parse_selection(text: str) -> Selection:
    """Read a selection as addresses state it.

    Raises
    ------
    RequestError
        It is none.
    """
    kind, _, rest = text.partition(":")
    if text == "all":
        return Selection("all")
    if kind in ("region", "point") and rest.isascii() and rest.isdigit() and len(rest) <= 9:
        return Selection(kind, int(rest))
    if kind != "area":
        raise RequestError(f"{text!r} is no selection; {_EXPECTED}")
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError as error:
        raise RequestError(f"{text!r} is no selection; {_EXPECTED}") from error
    n_vertices = len(values) // 2
    if (
        len(values) % 2
        or not 3 <= n_vertices <= MOST_VERTICES
        or not all(map(math.isfinite, values))
    ):
        raise RequestError(
            f"an area of {len(values)} numbers was asked for; expected x and y of 3 to {MOST_VERTICES} "
            "vertices, all finite"
        )
    return Selection("area", 0, tuple(zip(values[::2], values[1::2], strict=True)))


def points_within(
    polygon: npt.ArrayLike, positions: npt.NDArray[np.floating], size_px: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """(P,) which points lie in a polygon: those whose pixel does, as where points are seeded.

    Parameters
    ----------
    polygon
        (n, 2) vertices in pixels.
    positions
        (P, 2) of the points.
    size_px
        Height and width of the frame.
    """
    height, width = size_px
    mask = polygon_mask(polygon, height_px=height, width_px=width)
    x, y = np.clip(np.rint(positions).astype(int).T, 0, [[width - 1], [height - 1]])
    return np.asarray(mask[y, x])

"""What goes into the file, gathered before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynwb.core import DynamicTable, VectorData, VectorIndex

from element_facerhythm.core.rois import polygon_mask
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.exchange.nwb.clock import SessionClock
from element_facerhythm.pipeline.exchange.nwb.streams import Streams, compressed

PREFIX = "FaceRhythm"
"""Beginning of the names of everything that is written."""


@dataclass(frozen=True)
class PointRegion:
    """Points of one region: its name, and their numbers."""

    name: str
    points: NDArray[np.intp]


@dataclass(eq=False)
class Contents:
    """Objects of the processing module, and what is needed to make them.

    Attributes
    ----------
    project
        Where the numbers are.
    clock
        When they were.
    about
        Device and video of poses, by the names that ndx-pose gives them.
    streams
        Datasets that are filled at last.
    made
        Objects so far, in order.
    notes
        What was left out or changed.
    """

    project: Project
    clock: SessionClock
    about: dict[str, Any] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    made: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def regions(self) -> tuple[PointRegion, ...]:
        """Regions that points were seeded in; a point in none of them is in ``elsewhere``."""
        rois = self.project.rois()
        places = np.rint(self.project.point_positions).astype(int)
        height, width = self.project.example_image().shape[:2]
        columns, rows = np.clip(places, 0, (width - 1, height - 1)).T
        found, is_inside = [], np.zeros(len(places), bool)
        for i, polygon in enumerate(rois.seed_polygons):
            label = rois.seed_labels[i].name if rois.seed_labels else None
            inside = polygon_mask(polygon, height_px=height, width_px=width)[rows, columns]
            is_inside |= inside
            if inside.any():
                found.append(PointRegion(label or f"points_{i}", np.flatnonzero(inside)))
        if not is_inside.all():
            name = "elsewhere" if found else "all points"
            found.append(PointRegion(name, np.flatnonzero(~is_inside)))
        return tuple(found)


def table(name: str, description: str, columns: dict[str, tuple[str, Any]]) -> DynamicTable:
    """Make a table of columns.

    Parameters
    ----------
    name, description
        Of the table.
    columns
        By name: what the column is, and its values, an array with one entry, or row, for each row of the
        table, or a list of arrays of any lengths.
    """
    made: list[Any] = []
    for column, (what, values) in columns.items():
        if isinstance(values, list) and values and isinstance(values[0], np.ndarray):
            data = VectorData(name=column, description=what, data=np.concatenate(values))
            made += [
                data,
                VectorIndex(
                    name=f"{column}_index", data=np.cumsum(list(map(len, values))), target=data
                ),
            ]
        else:
            stored = values if isinstance(values, list) else compressed(values)
            made.append(VectorData(name=column, description=what, data=stored))
    return DynamicTable(name=name, description=description, columns=made)

"""What projects are called and look like, where those of one animal are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from element_facerhythm.core.arrays import Float64Array, GrayFrame
from element_facerhythm.core.rois import BoolMask
from element_facerhythm.core.sessions.common_axes import spacing_px
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project


def session_names(directories: Sequence[Path]) -> dict[str, Path]:
    """Name each project: by its directory alone where that tells all of them apart, else by its whole path.

    Raises
    ------
    RequestError
        One is given twice.
    """
    places = [directory.resolve() for directory in directories]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise RequestError(f"{twice} is given twice; expected different projects")
    alone = [place.name for place in places]
    names = alone if len(set(alone)) == len(alone) else [str(place) for place in places]
    return dict(sorted(zip(names, directories, strict=True)))


def reference_name(reference: Path | None, named: Mapping[str, Path]) -> str:
    """Name of the session that the others are registered to.

    Parameters
    ----------
    reference
        Its project; the first session in the order of the names where None.
    named
        Projects by the names of their sessions (`session_names`).

    Raises
    ------
    RequestError
        It is none of them.
    """
    if reference is None:
        return next(iter(named))
    for name, place in named.items():
        if place.resolve() == reference.resolve():
            return name
    raise RequestError(
        f"the reference {reference} is none of the projects; expected one of {', '.join(named)}"
    )


def project_image(project: Project) -> GrayFrame:
    """(H, W) background image of a project, or its first frame where it was made without."""
    image = project.background_image()
    if image is None:
        image = np.rint(project.example_image().mean(axis=-1)).astype(np.uint8)
    return image


def region_around(positions_px: Float64Array, image: GrayFrame) -> BoolMask:
    """(H, W) true around points of a picture.

    Parameters
    ----------
    positions_px
        (P, 2) points.
    image
        (H, W) the picture.
    """
    region = np.zeros(image.shape, np.uint8)
    height, width = image.shape
    columns, rows = np.rint(positions_px).astype(int).T
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    region[rows[inside], columns[inside]] = 1
    reach = 2 * int(np.ceil(spacing_px(positions_px))) + 1
    return np.asarray(cv2.dilate(region, np.ones((reach, reach), np.uint8)) > 0)

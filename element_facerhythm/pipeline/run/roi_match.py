"""Whether a project directory was made in the regions of interest that a task names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import Rois, place_rois, seed_region
from element_facerhythm.errors import ProjectError, RoiError
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.open import OpenParameters
from element_facerhythm.pipeline.run.fingerprint import rois_sha256

_SPACING = "ROIs.make_rois.point_spacing"
_SAME_POINT_PX = 0.01
_SAME_REGION = 0.01
"""Share of a region's pixels that two programs may fill differently along its edges."""


def require_rois(
    project: Project, rois: Rois, parameters: OpenParameters | None
) -> tuple[str, ...]:
    """Refuse a project that was made in other regions, or with points at other places.

    Parameters
    ----------
    project
        The project directory.
    rois
        Regions of the task.
    parameters
        Those that the project was made with, as far as they are known.

    Returns
    -------
    tuple
        Notes: what could not be compared.

    Raises
    ------
    ProjectError
        Points, regions or masks differ.
    """
    stored = project.rois()
    digests = {rois_sha256(stored), _regions_of_run(project)}
    if rois_sha256(rois) in digests:
        return ()
    height_px, width_px = project.example_image().shape[:2]
    size = {"height_px": height_px, "width_px": width_px}
    knows_spacing = parameters is not None and _SPACING not in parameters.unknown_names
    try:
        if rois.point_positions is None and not (knows_spacing and project.is_ours("ROIs")):
            return _compare_regions(project, rois, stored, size)
        spacing = parameters.stand_in.ROIs.make_rois.point_spacing if parameters else 1
        placed = place_rois(rois, **size, spacing_px=spacing)
    except RoiError as error:
        raise _refusal(project, str(error)) from error
    points = project.point_positions
    if placed.point_positions.shape != points.shape:
        raise _refusal(
            project,
            f"it has {len(points)} points, the task's regions {len(placed.point_positions)}",
        )
    offset = np.abs(placed.point_positions - points).max()
    if offset > _SAME_POINT_PX:
        raise _refusal(project, f"its points lie up to {offset:.3g} px from those of the task")
    _require_same(project, placed.visible_mask, _visible(project), "visible to the tracker")
    return ()


def _compare_regions(
    project: Project, rois: Rois, stored: Rois, size: dict[str, int]
) -> tuple[str, ...]:
    """Compare regions where nothing says how far apart points were seeded in them."""
    region = seed_region(rois, **size)
    if region is None:
        raise _refusal(project, "the task's regions hold no polygon under 'points'")
    if stored.seed_mask is not None:
        _require_same(project, region, stored.seed_mask, "where points are seeded")
    columns, rows = np.rint(project.point_positions).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < len(region)) & (columns < region.shape[1])
    if not inside.all() or not region[rows, columns].all():
        raise _refusal(project, "it has points outside the task's regions")
    placed = place_rois(rois, **size, spacing_px=1)
    _require_same(project, placed.visible_mask, _visible(project), "visible to the tracker")
    return (
        f"layout {project.layouts['ROIs']} does not record how far apart points are seeded: regions were "
        "compared by their pixels, and every point lies within",
    )


def _regions_of_run(project: Project) -> str | None:
    """Digest of the regions that a run of this package was given; None for a project of face-rhythm."""
    if not project.is_ours("ROIs"):
        return None
    inputs = (stage_fingerprint(project.product_path("ROIs")) or {}).get("inputs")
    digest = inputs.get("rois_sha256") if isinstance(inputs, dict) else None
    return digest if isinstance(digest, str) else None


def _visible(project: Project) -> NDArray[np.bool_]:
    """(H, W) pixels that the tracker saw."""
    with open_h5(project.product_path("PointTracker")) as file:
        return file.dataset("mask").numbers(2).astype(bool)


def _require_same(
    project: Project, own: NDArray[np.bool_], other: NDArray[np.bool_], what: str
) -> None:
    if own.shape != other.shape:
        raise _refusal(project, f"its regions are of {other.shape[1]} x {other.shape[0]} px frames")
    n_different = int(np.count_nonzero(own != other))
    share = 0.0 if project.is_ours("ROIs") else _SAME_REGION
    if n_different > share * max(int(np.count_nonzero(own)), 1):
        raise _refusal(project, f"{n_different} pixels differ in what is {what}")


def _refusal(project: Project, why: str) -> ProjectError:
    return ProjectError(
        f"{project.directory} was not made in the task's regions of interest: {why}. Give the task the "
        "regions of the project (FaceRhythmROI.insert_rois with its analysis_files/ROIs.h5), or the project "
        "of these regions"
    )

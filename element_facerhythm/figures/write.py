"""Draws the figures of a project by name, and writes all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.figures.components import component_figure
from element_facerhythm.figures.overlay import overlay_rois
from element_facerhythm.figures.spectra import spectrogram_figure
from element_facerhythm.figures.style import save_figure
from element_facerhythm.figures.traces import displacement_figure, violation_figure
from element_facerhythm.files.names import short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

logger = logging.getLogger(__name__)

NEEDED = {
    "rois": ("Dataset_videos", "ROIs"),
    "displacements": ("Dataset_videos", "PointTracker", "VQT_Analyzer"),  # which has the clock
    "violations": ("Dataset_videos", "PointTracker", "VQT_Analyzer"),
    "spectrogram": ("PointTracker", "VQT_Analyzer"),
    "components": ("Dataset_videos", "PointTracker", "VQT_Analyzer", "TCA"),
}
"""Figures in order, each with the products that it is drawn from."""


@dataclass(frozen=True)
class DrawnFigures:
    """What was drawn.

    Attributes
    ----------
    paths
        The files, in order.
    left_out
        Remarks on figures whose products are not there.
    failed
        Remarks on figures that could not be drawn or written.
    """

    paths: tuple[Path, ...]
    left_out: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """All remarks."""
        return (*self.left_out, *self.failed)


def figure_names(project: Project) -> tuple[str, ...]:
    """Names of the figures that a project has the products for.

    A project with a model of each video has a figure ``components_<key>`` of each.
    """
    return tuple(_drawings(project))


def draw_figure(project: Project, name: str) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    project
        The project.
    name
        One of `figure_names`; ``components`` is the first model where there are several.

    Raises
    ------
    RequestError
        There is no such figure, or a product that it needs is missing or damaged.
    """
    drawings = _drawings(project)
    if name in drawings:
        return drawings[name]()
    if name in NEEDED:
        project.require(*NEEDED[name])
        return component_figure(project, model_key=next(iter(project.models())))
    raise RequestError(
        f"there is no figure {name!r} of {project.directory}; expected one of {', '.join(drawings)}"
    )


def write_figures(
    project: Project, out_dir: Path, report: Callable[[int], None] | None = None
) -> DrawnFigures:
    """Write every figure as ``<name>.png``: the regions, tracks, spectrogram and components of a project.

    Figures that need a product which is not there are left out, and one that fails takes no other with
    it; the result lists both.

    Parameters
    ----------
    project
        The project.
    out_dir
        Directory for the files, made where it is missing. Each appears whole or not at all.
    report
        Called with the number of figures done so far.
    """
    paths, failed = [], []
    for n_done, (name, draw) in enumerate(_drawings(project).items()):
        if report is not None:
            report(n_done)
        try:
            paths.append(save_figure(draw(), out_dir / short_name(name, ".png")))
        except Exception as error:  # results are kept even where a figure of them fails
            logger.info("figure %s of %s", name, project.directory, exc_info=error)
            failed.append(f"figure {name} could not be drawn: {_reason(error)}")
    return DrawnFigures(tuple(paths), _left_out(project), tuple(failed))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RequestError) else f"{type(error).__name__}: {error}"


def _left_out(project: Project) -> tuple[str, ...]:
    missing = {name: _missing(project, name) for name in NEEDED}
    return tuple(
        f"figure {name} is left out: {' and '.join(products)} missing"
        for name, products in missing.items()
        if products
    )


def _missing(project: Project, name: str) -> list[str]:
    there = {product.name for product in project.products}
    return [f"analysis_files/{need}.h5" for need in NEEDED[name] if need not in there]


def _drawings(project: Project) -> dict[str, Callable[[], Figure]]:
    """Return the drawing of each figure that there are products for, by name."""
    drawings: dict[str, Callable[[], Figure]] = {
        "rois": lambda: overlay_rois(project.example_image(), project.rois()),
        "displacements": lambda: displacement_figure(project),
        "violations": lambda: violation_figure(project),
        "spectrogram": lambda: spectrogram_figure(project),
    }
    drawings = {name: draw for name, draw in drawings.items() if not _missing(project, name)}
    if _missing(project, "components"):
        return drawings
    keys = _model_keys(project)
    for key in keys:
        name = "components" if len(keys) == 1 else f"components_{key}"
        drawings[name] = lambda key=key: component_figure(project, model_key=key)  # type: ignore[misc]
    return drawings


def _model_keys(project: Project) -> list[str]:
    try:
        return list(project.models())
    except ProjectError:  # reported, with its reason, where the components are drawn
        return ["0"]

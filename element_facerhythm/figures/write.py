"""Draws the figures of a project by name, and writes all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.figures.components import component_figure
from element_facerhythm.figures.cycles import cycle_figure
from element_facerhythm.figures.formats import FORMATS, require_formats
from element_facerhythm.figures.overlay import overlay_rois
from element_facerhythm.figures.signals import signal_figure
from element_facerhythm.figures.spectra import spectrogram_figure
from element_facerhythm.figures.style import save_figure
from element_facerhythm.figures.traces import displacement_figure
from element_facerhythm.figures.violations import violation_figure
from element_facerhythm.files.names import short_name
from element_facerhythm.io.layout import SIGNALS

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
    "cycles": ("Dataset_videos", "PointTracker", "VQT_Analyzer", "TCA"),
    "signals": (SIGNALS,),
}
"""Figures in order, each with the products that it is drawn from."""

ASKED_FOR = ("signals",)
"""Figures of what a run computes only where it is asked for."""

_OF_MODELS: dict[str, Callable[..., Figure]] = {
    "components": component_figure,
    "cycles": cycle_figure,
}
"""Figures that there is one of for each model."""


@dataclass(frozen=True)
class DrawnFigures:
    """What was drawn.

    Attributes
    ----------
    paths
        The files, in order; of a figure that is written in several formats, one after the other.
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

    A project with a model of each video has figures ``components_<key>`` and ``cycles_<key>`` of each.
    """
    return tuple(_drawings(project))


def draw_figure(project: Project, name: str) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    project
        The project.
    name
        One of `figure_names`; ``components`` and ``cycles`` are of the first model where there are several.

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
        return _OF_MODELS[name](project, model_key=next(iter(project.models())))
    raise RequestError(
        f"there is no figure {name!r} of {project.directory}; expected one of {', '.join(drawings)}"
    )


def write_figures(
    project: Project,
    out_dir: Path,
    report: Callable[[int], None] | None = None,
    *,
    without: Collection[str] = (),
    formats: Sequence[str] = FORMATS[:1],
) -> DrawnFigures:
    """Write every figure as ``<name>.<format>``: regions, tracks, spectrogram and components of a project.

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
    without
        Figures of `NEEDED` that are not drawn here.
    formats
        Of `formats.FORMATS`; each figure is drawn once and written in all of them.

    Raises
    ------
    RequestError
        A format is not known.
    """
    chosen = require_formats(formats)
    paths, failed = [], []
    drawings = {
        name: draw
        for name, draw in _drawings(project).items()
        if name.partition("_")[0] not in without
    }
    for n_done, (name, draw) in enumerate(drawings.items()):
        if report is not None:
            report(n_done)
        try:
            figure = draw()
            paths += [save_figure(figure, out_dir / short_name(name, f".{end}")) for end in chosen]
        except Exception as error:  # results are kept even where a figure of them fails
            logger.info("figure %s of %s", name, project.directory, exc_info=error)
            failed.append(f"figure {name} could not be drawn: {_reason(error)}")
    return DrawnFigures(tuple(paths), _left_out(project), tuple(failed))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RequestError) else f"{type(error).__name__}: {error}"


def _left_out(project: Project) -> tuple[str, ...]:
    missing = {name: _missing(project, name) for name in NEEDED if name not in ASKED_FOR}
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
        "signals": lambda: signal_figure(project),
    }
    drawings = {name: draw for name, draw in drawings.items() if not _missing(project, name)}
    if _missing(project, "components"):
        return drawings
    keys = _model_keys(project)
    for kind, of_model in _OF_MODELS.items():
        for key in keys:
            name = kind if len(keys) == 1 else f"{kind}_{key}"
            drawings[name] = partial(of_model, project, model_key=key)
    return drawings


def _model_keys(project: Project) -> list[str]:
    try:
        return list(project.models())
    except ProjectError:  # reported, with its reason, where the components are drawn
        return ["0"]

"""Writes every figure of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.figures.components import component_figure
from element_facerhythm.figures.overlay import overlay_rois
from element_facerhythm.figures.spectra import spectrogram_figure
from element_facerhythm.figures.style import save_figure
from element_facerhythm.figures.traces import displacement_figure, violation_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project


def write_figures(project: Project, out_dir: Path, video_path: Path | None = None) -> list[Path]:
    """Write `rois.png`, `displacements.png`, `violations.png`, `spectrogram.png`, `components.png`.

    Figures that need a product which is not there yet are left out. Models of one video each give
    `components_<key>.png`. The regions are drawn over the first frame of `video_path`, or over the
    example image that the project keeps.

    Returns
    -------
    Paths of the files written, in the order above. Each is written whole or not at all.
    """
    made = [
        save_figure(draw(), out_dir / f"{name}.png")
        for name, draw in _drawings(project, video_path).items()
    ]
    return made


def _drawings(project: Project, video_path: Path | None) -> dict[str, Callable[[], Figure]]:
    there = {product.name for product in project.products}
    drawings: dict[str, Callable[[], Figure]] = {}
    if {"Dataset_videos", "ROIs"} <= there:
        drawings["rois"] = lambda: _roi_figure(project, video_path)
    if {"Dataset_videos", "PointTracker"} <= there:
        drawings["displacements"] = lambda: displacement_figure(project)
        drawings["violations"] = lambda: violation_figure(project)
    if {"PointTracker", "VQT_Analyzer"} <= there:
        drawings["spectrogram"] = lambda: spectrogram_figure(project)
    if {"Dataset_videos", "PointTracker", "VQT_Analyzer", "TCA"} <= there:
        keys = list(project.models())
        for key in keys:
            name = "components" if len(keys) == 1 else f"components_{key}"
            drawings[name] = lambda key=key: component_figure(project, model_key=key)  # type: ignore[misc]
    return drawings


def _roi_figure(project: Project, video_path: Path | None) -> Figure:
    if video_path is None:
        return overlay_rois(project.example_image(), project.rois())
    from element_facerhythm.video import read_rgb_frame

    return overlay_rois(read_rgb_frame(video_path, 0), project.rois())

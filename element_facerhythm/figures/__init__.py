"""Figures of a project: functions that return a matplotlib `Figure` and touch no global state."""

from element_facerhythm.figures.components import component_figure
from element_facerhythm.figures.cycles import cycle_figure
from element_facerhythm.figures.formats import FORMATS, figure_bytes
from element_facerhythm.figures.overlay import overlay_rois
from element_facerhythm.figures.png import png_bytes
from element_facerhythm.figures.ranks import rank_figure
from element_facerhythm.figures.spectra import spectrogram_figure
from element_facerhythm.figures.style import save_figure
from element_facerhythm.figures.traces import displacement_figure
from element_facerhythm.figures.violations import violation_figure
from element_facerhythm.figures.write import (
    DrawnFigures,
    draw_figure,
    figure_names,
    write_figures,
)

__all__ = [
    "FORMATS",
    "DrawnFigures",
    "component_figure",
    "cycle_figure",
    "displacement_figure",
    "draw_figure",
    "figure_bytes",
    "figure_names",
    "overlay_rois",
    "png_bytes",
    "rank_figure",
    "save_figure",
    "spectrogram_figure",
    "violation_figure",
    "write_figures",
]

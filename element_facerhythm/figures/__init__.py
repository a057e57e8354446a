"""Figures of a project: functions that return a matplotlib `Figure` and touch no global state."""

from element_facerhythm.figures.components import component_figure
from element_facerhythm.figures.overlay import overlay_rois
from element_facerhythm.figures.ranks import rank_figure
from element_facerhythm.figures.spectra import spectrogram_figure
from element_facerhythm.figures.style import png_bytes, save_figure
from element_facerhythm.figures.traces import displacement_figure, violation_figure
from element_facerhythm.figures.write import write_figures

__all__ = [
    "component_figure",
    "displacement_figure",
    "overlay_rois",
    "png_bytes",
    "rank_figure",
    "save_figure",
    "spectrogram_figure",
    "violation_figure",
    "write_figures",
]

"""The figure that everything is drawn on; matplotlib is imported with this module."""

from __future__ import annotations

from matplotlib.figure import Figure

from element_facerhythm.figures.png import png_bytes


class NotebookFigure(Figure):
    """A matplotlib figure that every notebook shows, whether pyplot is in use there or not."""

    def _repr_png_(self) -> bytes:
        return png_bytes(self)

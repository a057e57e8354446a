"""A figure as bytes of a picture file: the same bytes for the same figure."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import RequestError
from element_facerhythm.figures.png import png_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
"""Kinds of files that figures are written as; the first is the default."""

RASTER_DPI = 220
"""Resolution of frames and rasters inside SVG and PDF."""


def require_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return formats, each once, in the order given.

    Raises
    ------
    RequestError
        One is not known, or there is none.
    """
    chosen = tuple(dict.fromkeys(name.lower().removeprefix(".") for name in names))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        raise RequestError(
            f"the format is {', '.join(map(repr, unknown)) or 'not given'}; expected one or more of "
            f"{', '.join(FORMATS)}"
        )
    return chosen


def figure_bytes(figure: Figure, format_name: str, *, raster_dpi: int = RASTER_DPI) -> bytes:
    """Return a figure as a file of one of `FORMATS`; texts of SVG and PDF stay texts.

    Parameters
    ----------
    figure
        The figure.
    format_name
        One of `FORMATS`.
    raster_dpi
        Resolution of frames and rasters inside SVG and PDF; a PNG has that of the figure.

    Raises
    ------
    RequestError
        There is no such format.
    """
    (name,) = require_formats([format_name])
    if name == "png":
        return png_bytes(figure)
    before = figure.dpi
    figure.set_dpi(raster_dpi)
    try:
        return svg_bytes(figure) if name == "svg" else _pdf_bytes(figure)
    finally:
        figure.set_dpi(before)


def svg_bytes(figure: Figure) -> bytes:
    """Return a figure as SVG at its own resolution, coordinates to a hundredth of a point."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "facerhythm"}):
        drawn = _printed(FigureCanvasSVG(figure).print_svg, {"Date": None, "Creator": None})
    return _rounded(drawn.decode()).encode()


def _pdf_bytes(figure: Figure) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    with rc_context({"pdf.fonttype": 42}):
        metadata = {"CreationDate": None, "Creator": None, "Producer": None}
        return _printed(FigureCanvasPdf(figure).print_pdf, metadata)


def _printed(write: Any, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    write(buffer, metadata=metadata)
    return buffer.getvalue()


def _rounded(svg: str) -> str:
    """Shorten the numbers of paths, which matplotlib writes with six decimals."""
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\d\.\d\d)\d+", r"\1", path.group()), svg)

"""Figures as SVG that stands in a page: texts stay texts, and take the colours of the page."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.errors import RequestError
from element_facerhythm.figures import draw_figure, figure_names
from element_facerhythm.figures.formats import svg_bytes
from element_facerhythm.figures.style import COLOURS, INK
from element_facerhythm.io.data_paths import place_inside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

logger = logging.getLogger(__name__)

MOVIE = "visualizations/tracking.mp4"
MOST_MOVIE_BYTES = 3_000_000
_RASTER_DPI = 150
_COLOURS_OF_PAGE = {INK: "--ink", "#000000": "--ink", COLOURS[0].lower(): "--blue"}
"""Colours that would not show on a dark page, and what they are there."""
_PX_PER_PT = 1.5  # a figure of 11 inches is as wide as the page
_MOST_MARKS = 120
"""Dots or paths of one panel above which they are a picture within the SVG: as shapes they take megabytes."""


@dataclass(frozen=True)
class Pictures:
    """The figures of a project, ready to be put into a page.

    Attributes
    ----------
    svg
        By the name of the figure.
    notes
        On figures that could not be drawn.
    """

    svg: dict[str, str]
    notes: tuple[str, ...]


def draw_pictures(
    project: Project,
    described: Callable[[str], str],
    *,
    prefix: str = "",
    on_figure: Callable[[int], None] = lambda n_done: None,
) -> Pictures:
    """Draw every figure that a project has the products for; one that fails takes no other with it.

    Parameters
    ----------
    project
        The project.
    described
        Gives the text for those who do not see a figure, by its name.
    prefix
        Begins the identifiers within the SVG, so that several projects can stand in one page.
    on_figure
        Called with the number of figures done.
    """
    svg, notes = {}, []
    for n_done, name in enumerate(figure_names(project)):
        on_figure(n_done)
        try:
            drawn = draw_figure(project, name)
            svg[name] = inline_svg(drawn, name=f"{prefix}{name}", described=described(name))
        except Exception as error:  # the rest of a report is kept where a figure of it fails
            logger.info("figure %s of %s", name, project.directory, exc_info=error)
            kind = "" if isinstance(error, RequestError) else f"{type(error).__name__}: "
            notes.append(f"figure {name} could not be drawn: {kind}{error}")
    return Pictures(svg, tuple(notes))


def inline_svg(figure: Figure, *, name: str, described: str) -> str:
    """Return a figure as an SVG element without a background.

    Parameters
    ----------
    figure
        The figure; its background is taken away.
    name
        Begins the identifiers within.
    described
        What is to be seen, for those who do not see it.
    """
    figure.patch.set_facecolor("none")
    figure.set_dpi(_RASTER_DPI)
    for axes in figure.axes:
        for marks in axes.collections:
            marks.set_rasterized(
                max(len(marks.get_paths()), np.size(marks.get_offsets()) // 2) > _MOST_MARKS
            )
        for line in axes.lines:
            is_dots = line.get_marker() not in ("None", "", None)
            line.set_rasterized(is_dots and np.size(line.get_xdata()) > _MOST_MARKS)
    text = svg_bytes(figure).decode()
    text = text[text.index("<svg") :]
    text = re.sub(
        r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.S
    )
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r'"data:image/png;base64,([^"]+)"', _smaller, _own_identifiers(text, name))
    for colour, of_page in _COLOURS_OF_PAGE.items():
        text = text.replace(colour, f"var({of_page})")
    (view,) = re.findall(r'viewBox="([^"]+)"', text[:1000])[:1]
    body = text[text.index(">") + 1 :]
    width_px = round(_PX_PER_PT * float(view.split()[2]))
    return (
        f'<svg viewBox="{view}" style="max-width: {width_px}px" role="img" '
        f'aria-label="{escape(described)}">{body}'
    ).strip()


def _own_identifiers(svg: str, name: str) -> str:
    """Keep the identifiers that something refers to, and make them those of this figure."""
    used = {a or b for a, b in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)


def _smaller(match: re.Match[str]) -> str:
    """Write a picture within the SVG with fewer bytes: gray ones as gray, to 7 bits; without empty alpha."""
    import cv2

    given = base64.b64decode(match[1])
    decoded = cv2.imdecode(np.frombuffer(given, np.uint8), cv2.IMREAD_UNCHANGED)
    picture = np.asarray(decoded)
    if picture.ndim == 3 and picture.shape[2] == 4 and (picture[..., 3] == 255).all():
        picture = picture[..., :3]
    if picture.ndim == 3 and picture.shape[2] == 3 and (picture == picture[..., :1]).all():
        picture = picture[..., 0] & 0xFE
    _, written = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    smallest = min(given, written.tobytes(), key=len)
    return f'"data:image/png;base64,{base64.b64encode(smallest).decode()}"'


def movie(project: Project) -> str:
    """Return the movie of the tracks that lies beside a project as an element; empty where there is none.

    One that is larger than 3 MB is left out.

    Raises
    ------
    PathError
        It is a link that leads out of the project.
    """
    path: Path = place_inside(project.directory, MOVIE, project.roots)
    if not path.is_file() or path.stat().st_size > MOST_MOVIE_BYTES:
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        '<video controls loop muted playsinline preload="metadata" '
        'aria-label="Movie of the face with the tracked points" '
        f'src="data:video/mp4;base64,{data}"></video>'
    )

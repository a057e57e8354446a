"""What of the page is handed on: figures as SVG, and the page that a snapshot is put into."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from element_facerhythm.errors import RequestError
from element_facerhythm.figures import draw_figure, figure_names
from element_facerhythm.figures.formats import figure_bytes
from element_facerhythm.files.names import short_name
from element_facerhythm.gui.look_project import LookProject
from element_facerhythm.gui.look_requests import require_component
from element_facerhythm.report.facts import gather_facts
from element_facerhythm.report.html import Section, bullets, html_page
from element_facerhythm.report.tables import component_html, quality_html, recording_html

PLACE = "<!--shown-->"
"""Where the page puts what it shows."""

_drawing = threading.Lock()  # matplotlib's settings are the process's


def share_answers(base: str) -> dict[str, Callable[[LookProject, Request], Response]]:
    """Return what answers to addresses of figures and of the snapshot's page.

    Parameters
    ----------
    base
        Address of a project.
    """
    return {f"{base}/figures/{{name}}.svg": _figure, f"{base}/snapshot.html": _snapshot}


def _figure(look: LookProject, request: Request) -> Response:
    name, known = request.path_params["name"], figure_names(look.project)
    if name not in known:
        raise RequestError(f"figure {name!r} was asked for; expected one of {', '.join(known)}")
    with _drawing:
        content = figure_bytes(draw_figure(look.project, name), "svg")
    file = short_name(f"{look.directory.resolve().name}-{name}", ".svg")
    headers = {"content-disposition": f'inline; filename="{_plain(file)}"'}
    return Response(content, media_type="image/svg+xml", headers=headers)


def _plain(name: str) -> str:
    """Return a name that a header can hold."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)


def _snapshot(look: LookProject, request: Request) -> Response:
    """Give a page that needs nothing else: facts of the project, and a place for what is shown."""
    key = request.query_params.get("model", next(iter(look.models)))
    require_component(look, key, 0)
    of = gather_facts(look.directory)
    model = next(model for model in of.summary.models if model.model_key == key)
    address = escape(request.query_params.get("view", ""))
    sections = [
        Section("What was shown", PLACE),
        Section("Components", component_html(model, look.panels(key))),
        Section("Is it plausible?", quality_html(of)),
        Section("What was recorded", recording_html(of)),
        Section("Notes", bullets(of.notes) if of.notes else "<p>None.</p>"),
        Section(
            "The same view", f"<p><code>facerhythm gui</code>, then <code>look?{address}</code></p>"
        ),
    ]
    return Response(html_page(f"Facial rhythms of {of.title}", sections), media_type="text/html")

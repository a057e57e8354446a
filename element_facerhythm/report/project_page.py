"""A report of one project, or of several with a table that compares them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from html import escape
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.figures.component_panels import ComponentPanels, component_panels
from element_facerhythm.parameters import as_open
from element_facerhythm.parameters.commented import commented_yaml
from element_facerhythm.pipeline.run.run_file import run_facts
from element_facerhythm.report.html import (
    Section,
    bullets,
    code,
    figure,
    file_link,
    folded,
    html_page,
    section_html,
)
from element_facerhythm.report.pictures import Pictures, draw_pictures, movie
from element_facerhythm.report.tables import (
    anchor,
    comparison_html,
    component_html,
    digest_html,
    parameter_html,
    quality_html,
    recording_html,
    region_html,
    stage_html,
)

if TYPE_CHECKING:
    from element_facerhythm.report.facts import ProjectFacts

CAPTIONS = {
    "rois": "Regions over the first frame, and the points that were tracked.",
    "displacements": "Displacement of points that move much, and where they sit.",
    "violations": "Points that were not found, where and when; they move with their neighbours meanwhile.",
    "spectrogram": "Variable-Q spectrogram, averaged over points and both directions.",
    "components": "Each component: its place, its frequencies and its time course, all on one scale.",
    "cycles": "Mean cycle of each component: the path of each point during one period.",
}


def report_page(
    projects: Sequence[ProjectFacts],
    *,
    title: str | None = None,
    not_reported: Sequence[str] = (),
    on_figure: Callable[[int], None] = lambda n_done: None,
) -> tuple[str, tuple[str, ...]]:
    """Return the page, and notes on figures that could not be drawn.

    Parameters
    ----------
    projects
        One, or several: then the page begins with a table that compares them and leads to each.
    title
        Of the page; named after the project, or the number of them, if None.
    not_reported
        Sentences on projects of the selection that are not in the page.
    on_figure
        Called with the number of figures done.
    """
    done, notes = 0, []

    def advance(_: int) -> None:
        nonlocal done
        done += 1
        on_figure(done)

    parts: list[Section] = []
    if not_reported:
        parts.append(Section("Not in this page", bullets(not_reported)))
    if len(projects) == 1 and not not_reported:
        sections, notes_of = project_sections(projects[0], on_figure=advance)
        page = html_page(title or f"Facial rhythms of {projects[0].title}", sections)
        return page, notes_of
    parts.append(Section("All recordings", comparison_html(projects)))
    for index, of in enumerate(projects):
        sections, notes_of = project_sections(of, prefix=f"p{index}-", on_figure=advance)
        notes += [f"{of.title}: {note}" for note in notes_of]
        body = "".join(section_html(section, 3) for section in sections)
        parts.append(Section(of.title, body, anchor(index)))
    return html_page(title or f"Facial rhythms of {len(projects)} recordings", parts), tuple(notes)


def project_sections(
    of: ProjectFacts, *, prefix: str = "", on_figure: Callable[[int], None] = lambda n_done: None
) -> tuple[list[Section], tuple[str, ...]]:
    """Return the sections on one project, and notes on figures that could not be drawn.

    Parameters
    ----------
    of
        The project.
    prefix
        Begins identifiers, which must differ between projects of one page.
    on_figure
        Called with the number of figures done.
    """
    drawn = draw_pictures(
        of.project, lambda name: described(of, name), prefix=prefix, on_figure=on_figure
    )
    notes = (*of.notes, *drawn.notes)
    found = [
        Section("What was recorded", recording_html(of)),
        Section("Is it plausible?", quality_html(of)),
        Section("Components", _components(of, drawn)),
        Section("Spectrogram", _shown(drawn, "spectrogram")),
        Section("Tracks", _shown(drawn, "displacements", "violations") + _movie(of)),
        Section("Regions", _shown(drawn, "rois") + region_html(of)),
        Section("Notes", bullets(notes) if notes else "<p>None.</p>"),
        Section("Parameters", parameter_html(of)),
        Section("How it was computed", stage_html(of)),
        Section("Cite and repeat", _repeat(of)),
        Section("Digests", folded("SHA-256 of every file", digest_html(of))),
    ]
    return [section for section in found if section.body], drawn.notes


def _shown(drawn: Pictures, *kinds: str) -> str:
    return "".join(
        figure(svg, CAPTIONS[kind])
        for kind in kinds
        for name, svg in drawn.svg.items()
        if name.partition("_")[0] == kind
    )


def _movie(of: ProjectFacts) -> str:
    element = movie(of.project)
    return figure(element, "The tracked points over the video.") if element else ""


def _components(of: ProjectFacts, drawn: Pictures) -> str:
    parts = []
    for model in of.summary.models:
        if len(of.summary.models) > 1:
            parts.append(f"<p>Model {escape(model.model_key)}</p>")
        parts.append(component_html(model, _panels(of, model.model_key)))
    return "".join(parts) + _shown(drawn, "components", "cycles")


def _panels(of: ProjectFacts, model_key: str) -> list[ComponentPanels] | None:
    try:
        return component_panels(of.project, model_key)
    except (ParameterError, ProjectError):  # a note of the figure says why
        return None


def described(of: ProjectFacts, name: str) -> str:
    """Return what is to be seen in a figure, for those who do not see it.

    Parameters
    ----------
    of
        The project.
    name
        Of the figure.
    """
    kind, _, key = name.partition("_")
    text = CAPTIONS[kind]
    if kind in ("components", "cycles"):
        models = [m for m in of.summary.models if not key or m.model_key == key]
        listed = "; ".join(
            f"component {own.component_index}: {own.peak_frequency_hz:.1f} Hz, explained variance "
            f"{100 * own.explained_variance:.1f} %"
            for model in models
            for own in model.components
        )
        return f"{text} {listed}."
    if kind == "violations":
        frames = sum(video.n_frames for video in of.summary.videos)
        flagged = sum(video.n_violations for video in of.summary.videos)
        return f"{text} {flagged / (frames * of.summary.n_points):.2%} of point-frames are flagged."
    if kind == "rois":
        return f"{text} {of.summary.n_points} points."
    return text


def _repeat(of: ProjectFacts) -> str:
    """Return how to cite the analysis, and the commands that repeat it."""
    version = of.package_version
    cited = (
        f"element-facerhythm {version}"
        if version
        else f"a project of the layout {of.record.layout}"
    )
    digest = ""
    parameters = None if of.record.parameters is None else as_open(of.record.parameters)
    if parameters is not None:
        digest = f", parameters with SHA-256 {parameters.sha256()[:12]}"
    parts = [f"<p>Analysed with {escape(cited)}{digest}.</p>"]
    if parameters is None or not parameters.is_closed:
        parts.append("<p>Not all parameters are recorded, so that no command repeats the run.</p>")
        return "".join(parts)
    name = of.project.directory.resolve().name
    videos = [PureWindowsPath(path).name for path in of.project.video_paths]
    rois = f"{name}/analysis_files/ROIs.h5"
    words = ["facerhythm", "run", *videos, "--rois", rois, "--params", "parameters.yaml"]
    command = shlex.join([*words, "-o", f"{name}-again"])
    parts.append(code(f"{command}\nfacerhythm verify {shlex.quote(name)}"))
    text = commented_yaml(parameters, of.record.parameters_fitted, heading=[f"of {of.title}"])
    link = file_link("parameters.yaml", text.encode(), "text/yaml")
    parts.append(f"<p>Save {link}; the regions are in the project directory.{_asked(of)}</p>")
    return "".join(parts)


def _asked(of: ProjectFacts) -> str:
    """Say what else the run was given."""
    asked = run_facts(of.project.directory, of.project.roots)
    frames, rate_hz, times = (asked.get(key) for key in ("frames", "frame_rate_hz", "times"))
    said = []
    if frames is not None:
        said.append(f"--frames {frames[0]}:{frames[1]}")
    if rate_hz is not None:
        said.append(f"--frame-rate {rate_hz:g}")
    for own in times or ():
        said.append(f"--times {PureWindowsPath(str(own)).name}")
    return f" The run was also given {escape(' '.join(said))}." if said else ""

"""The lines of Python and SQL that give the numbers that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import Request

from element_facerhythm.gui.answers import number_in
from element_facerhythm.gui.look_project import LookProject
from element_facerhythm.gui.look_requests import frames_in, points_in, require_component
from element_facerhythm.gui.selections import Selection


@dataclass(frozen=True)
class StoredRow:
    """The row of `FacialRhythm` that a project belongs to.

    Attributes
    ----------
    key
        Its primary key.
    condition
        The same in SQL, as this server quotes it.
    tables
        Names of its parts in SQL, by the names of their classes.
    """

    key: Mapping[str, Any]
    condition: str
    tables: Mapping[str, str]


class ResultRows(Protocol):
    """Where the rows of projects are found."""

    def row_of(self, directory: Path) -> StoredRow | None:
        """Return the row of a project; None where it was opened from no row."""
        ...


@dataclass(frozen=True)
class Shown:
    """What a page shows.

    Attributes
    ----------
    directory
        The project.
    model_key
        Of the decomposition; None where there is none to show.
    component
        Number of the component; None where none is chosen.
    video_index
        Number of the tracked sequence.
    selection
        What the spectrogram is of: ``all``, ``region:NUMBER`` or ``point:NUMBER``.
    points
        Whose displacements are shown.
    first, stop
        Frames that are shown.
    row
        Of the project in the database; None where it was not opened from there.
    """

    directory: Path
    model_key: str
    component: int | None
    video_index: int
    selection: Selection
    points: tuple[int, ...]
    first: int
    stop: int
    row: StoredRow | None = None


def query_texts(look: LookProject, request: Request, row: StoredRow | None) -> dict[str, Any]:
    """Return the Python and the SQL for what a request says is shown.

    Parameters
    ----------
    look, request
        The project, and the request.
    row
        Of the project in the database; None where it was not opened from there.

    Raises
    ------
    RequestError
        The project has no such model, component, points or frames.
    """
    index = number_in(request, "video", 0)
    look.sequence(index)
    key = request.query_params.get("model", next(iter(look.models)))
    chosen = request.query_params.get("component")
    component = None if chosen is None else number_in(request, "component", 0)
    if key not in look.models or component is not None:
        require_component(look, key, component or 0)
    selection = look.require_selection(request.query_params.get("of", "all"))
    points = tuple(points_in(look, request)) if request.query_params.get("points") else ()
    frames = frames_in(look, index, request)
    shown = Shown(look.directory.resolve(), key, component, index, selection, points, *frames, row)
    return {"python": as_python(shown), "sql": as_sql(shown), "has_key": row is not None}


def as_python(shown: Shown) -> str:
    """Return a program that gives the numbers, under the names that its comments explain.

    Parameters
    ----------
    shown
        What the page shows.
    """
    parts = [
        *_row_lines(shown),
        "from element_facerhythm.io.project import Project",
        "from element_facerhythm.pipeline import load_project, summarise_project",
        "",
        f"record = load_project({str(shown.directory)!r})  # products, versions, notes",
        "summary = summarise_project(record.project_dir)  # the numbers of rows and figures",
        "project = Project.open(record.project_dir)",
    ]
    if shown.component is not None:
        parts += ["", *_component_lines(shown)]
    parts += ["", *_spectrogram_lines(shown)]
    if shown.points:
        parts += ["", *_trace_lines(shown)]
    return "\n".join(parts) + "\n"


def _row_lines(shown: Shown) -> list[str]:
    """Rows of the database, where the project was opened from there."""
    if shown.row is None:
        return []
    lines = [
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe",
        "",
        f"key = {dict(shown.row.key)!r}",
        "quality = (fbe.FacialRhythm.Quality & key).to_dicts()",
    ]
    if shown.component is not None:
        own = {"model_key": shown.model_key, "component_index": shown.component}
        lines.append(f"component_row = (fbe.FacialRhythm.Component & key & {own!r}).fetch1()")
    if shown.points:
        listed = [{"point_index": point} for point in shown.points]
        lines.append(f"point_rows = (fbe.FacialRhythm.Point & key & {listed!r}).to_dicts()")
    return [*lines, ""]


def _component_lines(shown: Shown) -> list[str]:
    return [
        "from element_facerhythm.io import stored_factors",
        f"component, video, model_key = {shown.component}, {shown.video_index}, {shown.model_key!r}",
        "model = next(model for model in summary.models if model.model_key == model_key)",
        "numbers = model.components[component]  # peak_frequency_hz, explained_variance, stability ...",
        "factors = stored_factors.project_factors(project, model_key)",
        "maps = stored_factors.project_maps(project, factors)  # maps.loadings['x'][component]: (points,)",
        "spectrum = stored_factors.project_spectra(project, factors).loadings[component]  # (frequencies,)",
        "course = next(",
        "    course for course in stored_factors.project_courses(project, factors)",
        "    if (course.component_index, course.video_index) == (component, video)",
        ")  # course.times_s, course.loadings",
    ]


def _spectrogram_lines(shown: Shown) -> list[str]:
    lines = [
        "import numpy as np",
        f"spectrogram = project.spectrogram({shown.video_index})  # (xy, points, frequencies, windows)",
    ]
    selection = shown.selection
    if selection.kind == "all":
        return [
            *lines,
            "magnitude = np.abs(spectrogram[:]).mean(axis=(0, 1))  # (frequencies, windows)",
        ]
    if selection.kind == "point":
        return [
            *lines,
            f"magnitude = np.abs(spectrogram[:, {selection.number}]).mean(axis=0)  # (frequencies, windows)",
        ]
    polygon = (
        f"project.rois().seed_polygons[{selection.number}]"
        if selection.kind == "region"
        else f"{list(selection.polygon)}"
    )
    return [
        *lines,
        "from element_facerhythm.core.rois import polygon_mask",
        "height_px, width_px = project.example_image().shape[:2]",
        f"region = {polygon}",
        "mask = polygon_mask(region, height_px=height_px, width_px=width_px)",
        "last = [[width_px - 1], [height_px - 1]]",
        "x, y = np.clip(np.rint(project.point_positions).astype(int).T, 0, last)",
        "inside = np.flatnonzero(mask[y, x])",
        "magnitude = np.mean([np.abs(spectrogram[:, p]).mean(axis=0) for p in inside], axis=0)",
        f"moved = project.tracking({shown.video_index}).points[{shown.first}:{shown.stop}]",
        "mean_trace = (moved[:, inside] - project.point_positions[inside]).mean(axis=1)  # (frames, x and y)",
    ]


def _trace_lines(shown: Shown) -> list[str]:
    return [
        f"tracks = project.tracking({shown.video_index}).points  # (frames, points, x and y) in px, on disk",
        f"first, stop = {shown.first}, {shown.stop}",
        f"times_s = project.clock({shown.video_index}).times_s[first:stop]",
        "displacements = {",
        "    point: tracks[first:stop, point] - project.point_positions[point]",
        f"    for point in {list(shown.points)}",
        "}  # point: (frames, x and y) in px",
    ]


def as_sql(shown: Shown) -> str:
    """Return queries that give the numbers: of the row the project was opened from, or of one to fill in.

    Parameters
    ----------
    shown
        What the page shows.
    """
    row, model_key = shown.row or _PLACEHOLDER, shown.model_key.replace("'", "''")
    parts = [] if shown.row else [_FILL_IN]
    parts.append(
        "SELECT quality_name, value, threshold, verdict, message\n"
        f"FROM {row.tables['Quality']}\nWHERE {row.condition}\nORDER BY quality_name;"
    )
    if shown.component is not None:
        parts.append(
            "SELECT component_index, peak_frequency_hz, centroid_frequency_hz, bandwidth_hz,\n"
            "       explained_variance, squared_correlation, stability\n"
            f"FROM {row.tables['Component']}\nWHERE {row.condition}\n"
            f"  AND model_key = '{model_key}' AND component_index = {shown.component};"
        )
    if shown.points:
        listed = ", ".join(map(str, shown.points))
        parts.append(
            "SELECT point_index, x_px, y_px, rms_displacement_px, max_displacement_px,\n"
            "       point_violation_fraction\n"
            f"FROM {row.tables['Point']}\nWHERE {row.condition} AND point_index IN ({listed})\n"
            "ORDER BY point_index;"
        )
    return "\n\n".join(parts) + "\n"


_FILL_IN = (
    "-- This project was opened from its directory, and not from a row: put in the prefix of your schemas\n"
    "-- and the key of its recording. `facerhythm gui` without a path fills both in."
)
_TABLE = "facerhythm_facial_behavior_estimation._facial_rhythm"
_PLACEHOLDER = StoredRow(
    {},
    "subject = 'SUBJECT' AND session_id = 1 AND recording_id = 0",
    {part: f"{_TABLE}__{part.lower()}" for part in ("Quality", "Component", "Point")},
)

"""What the page for looking at results asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from element_facerhythm.core.decomposition.loadings import real_loadings
from element_facerhythm.core.extremes import extremes, run_size
from element_facerhythm.errors import RequestError
from element_facerhythm.gui.answers import array_answer, number_in
from element_facerhythm.gui.frames import as_picture
from element_facerhythm.gui.look_component import component_answers
from element_facerhythm.gui.look_facts import (
    model_facts,
    point_facts,
    project_facts,
    summary_facts,
)
from element_facerhythm.gui.look_project import LookProject
from element_facerhythm.gui.look_query import ResultRows, query_texts
from element_facerhythm.gui.look_requests import (
    columns_in,
    frames_in,
    later,
    points_in,
    seconds_in,
)
from element_facerhythm.gui.look_share import share_answers
from element_facerhythm.gui.mean_traces import stored_trace
from element_facerhythm.gui.opened import Opened
from element_facerhythm.io.events import events_of_sequence
from element_facerhythm.io.stored_factors import project_factors, project_maps, project_spectra

_PROJECTS_KEPT = 4


class LookApi:
    """Answers about projects.

    Parameters
    ----------
    opened
        What may be asked for.
    rows
        Where the rows of a project are found; None where there is no database.
    """

    def __init__(self, opened: Opened, rows: ResultRows | None = None) -> None:
        self._opened, self._rows = opened, rows
        self._looks: OrderedDict[str, LookProject] = OrderedDict()
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Return the addresses below `/api/projects`."""
        base = "/api/projects/{id}"
        video = base + "/videos/{video:int}"
        answers: dict[str, Callable[[LookProject, Request], Response]] = {
            base: self._facts,
            f"{base}/state": _state,
            f"{base}/summary": _summary,
            f"{base}/image.png": _image,
            f"{base}/geometry": _geometry,
            f"{base}/points/{{point:int}}": _point,
            f"{base}/models/{{key}}": _model,
            f"{base}/models/{{key}}/videos/{{video:int}}/courses": _courses,
            f"{video}/times": _times,
            f"{video}/flags": _flags,
            f"{video}/blocks/{{block:int}}": _block,
            f"{video}/traces": _traces,
            f"{video}/mean-trace": _mean_trace,
            f"{video}/spectrogram": _spectrogram,
            f"{video}/signals": _signals,
            f"{video}/events": _events,
            f"{base}/query": self.query,
            **component_answers(base),
            **share_answers(base),
        }
        return [Route(path, self._answering(answer)) for path, answer in answers.items()]

    def close(self) -> None:
        """Stop what is made in the background."""
        for look in self._looks.values():
            look.close()

    def _facts(self, look: LookProject, _request: Request) -> Response:
        return JSONResponse({**project_facts(look), "is_of_database": self._rows is not None})

    def query(self, look: LookProject, request: Request) -> Response:
        """Give the Python and the SQL for what a request says is shown.

        Parameters
        ----------
        look, request
            The project, and the request.
        """
        row = None if self._rows is None else self._rows.row_of(look.directory)
        return JSONResponse(query_texts(look, request, row))

    def _answering(self, answer: Callable[[LookProject, Request], Response]) -> Any:
        async def handle(request: Request) -> Response:
            return await run_in_threadpool(self._answer, answer, request)

        return handle

    def _answer(
        self, answer: Callable[[LookProject, Request], Response], request: Request
    ) -> Response:
        response = answer(self.look(request.path_params["id"]), request)
        response.headers.setdefault("cache-control", "no-store")
        return response

    def look(self, project_id: str) -> LookProject:
        """Return an opened project; the last few are kept.

        Raises
        ------
        RequestError
            None of that identifier was opened.
        """
        directory = self._opened.projects.get(project_id)
        if directory is None:
            raise RequestError("no project of that name was opened; start the server on it")
        with self._lock:
            look = self._looks.pop(project_id, None) or LookProject(self._opened, directory)
            self._looks[project_id] = look
            closed = [
                self._looks.popitem(last=False)[1] for _ in range(len(self._looks) - _PROJECTS_KEPT)
            ]
        for other in closed:
            other.close()
        look.preparation.start()
        return look


def _state(look: LookProject, _request: Request) -> Response:
    steps = look.preparation.steps
    changed = steps["videos"].result or ()
    return JSONResponse(
        {"steps": {name: step.as_json() for name, step in steps.items()}, "notes": list(changed)}
    )


def _summary(look: LookProject, _request: Request) -> Response:
    summary = look.summary
    return (
        later(look.preparation.steps["summary"])
        if summary is None
        else JSONResponse(summary_facts(summary))
    )


def _point(look: LookProject, request: Request) -> Response:
    point, summary = look.require_point(request.path_params["point"]), look.summary
    return (
        later(look.preparation.steps["summary"])
        if summary is None
        else JSONResponse(point_facts(summary, point))
    )


def _image(look: LookProject, _request: Request) -> Response:
    return Response(as_picture(look.project.example_image(), ".png"), media_type="image/png")


def _geometry(look: LookProject, _request: Request) -> Response:
    polygons = [polygon for _, polygon in look.regions]
    vertices = np.concatenate([*polygons, np.zeros((0, 2))]).astype(np.float32)
    return array_answer(
        {
            "positions": look.project.point_positions.astype(np.float32),
            "frequencies": look.project.frequencies_hz.astype(np.float32),
            "region_sizes": np.array([len(polygon) for polygon in polygons], np.int32),
            "region_vertices": vertices,
        }
    )


def _model(look: LookProject, request: Request) -> Response:
    key = request.path_params["key"]
    factors = project_factors(look.project, key, look.models)
    maps = project_maps(look.project, factors).loadings
    spectra = project_spectra(look.project, factors)
    facts = model_facts(look, key)
    return array_answer(
        {
            "maps": np.stack([real_loadings(own) for own in maps.values()]).astype(np.float32),
            "spectra": real_loadings(spectra.loadings).astype(np.float32),
        },
        {**facts, "directions": list(maps)},
    )


def _courses(look: LookProject, request: Request) -> Response:
    """Extremes of the time courses of all components; in a pause they are NaN."""
    key, index = request.path_params["key"], request.path_params["video"]
    courses = [course for course in look.courses(key) if course.video_index == index]
    if not courses:
        raise RequestError(f"model {key} is not of video {index}")
    times_s = courses[0].times_s
    first, stop = (int(n) for n in np.searchsorted(times_s, seconds_in(request)))
    first, stop = max(first - 1, 0), min(stop + 1, len(times_s))
    size = run_size(stop - first, columns_in(request))
    values = np.stack([real_loadings(c.loadings)[first:stop] for c in courses])
    low, high = extremes(values, values, size)
    pauses = np.add.reduceat(np.isnan(values[0]), np.arange(0, stop - first, size)) > 0
    low[:, pauses] = np.nan
    high[:, pauses] = np.nan
    return array_answer(
        {"times": times_s[first:stop:size], "low": low, "high": high}, {"size": size}
    )


def _times(look: LookProject, request: Request) -> Response:
    index = request.path_params["video"]
    look.sequence(index)
    clock = look.clocks[index]
    pauses = [[gap.after_frame, gap.n_missing] for gap in clock.gaps]
    return array_answer({"times": clock.times_s, "gaps": np.array(pauses, np.int32).reshape(-1, 2)})


def _flags(look: LookProject, request: Request) -> Response:
    index = request.path_params["video"]
    look.sequence(index)
    flags, clock = look.flags(index), look.clocks[index]
    size = run_size(len(flags.shares), columns_in(request))
    _, highest = extremes(flags.shares, flags.shares, size)
    gaps = [[gap.after_frame, gap.n_missing, int(gap.is_bridged)] for gap in clock.gaps]
    return array_answer(
        {
            "shares": highest,
            "episodes": flags.episodes,
            "held": flags.held,
            "dark": flags.dark,
            "frozen": flags.frozen,
            "gaps": np.array(gaps, np.int32).reshape(-1, 3),
        },
        {"size": size},
    )


def _block(look: LookProject, request: Request) -> Response:
    index = request.path_params["video"]
    look.sequence(index)
    block = look.block(index, request.path_params["block"])
    arrays = {
        "displacements": block.displacements,
        "flagged_frames": block.flagged_frames,
        "flagged_points": block.flagged_points,
    }
    if block.confidence is not None:
        arrays["confidence"] = block.confidence.astype(np.float16)
    return array_answer(arrays)


def _traces(look: LookProject, request: Request) -> Response:
    index = request.path_params["video"]
    look.sequence(index)
    points = points_in(look, request)
    first, stop = frames_in(look, index, request)
    pyramid = look.traces()
    if pyramid is None:
        return later(look.preparation.steps["traces"])
    found = pyramid.columns(index, points, first, stop, columns_in(request))
    arrays = {"low": found.low} if found.size == 1 else {"low": found.low, "high": found.high}
    return array_answer(arrays, {"first": found.first, "size": found.size, "points": points})


def _spectrogram(look: LookProject, request: Request) -> Response:
    index = request.path_params["video"]
    look.sequence(index)
    of = request.query_params.get("of", "all")
    magnitudes = look.magnitudes(index, of)
    if magnitudes is None:
        return later(look.spectrogram_step(look.require_selection(of)))
    times_s = look.project.window_times_s(index)
    first, stop = (int(n) for n in np.searchsorted(times_s, seconds_in(request)))
    first, stop = max(first - 1, 0), min(stop + 1, magnitudes.n_windows)
    tile = magnitudes.tile(first, stop, columns_in(request))
    stops = np.append(tile.firsts[1:], stop)
    breaks = np.isin(tile.firsts, look.breaks(index))
    return array_answer(
        {
            "levels": tile.levels,
            "times": (times_s[tile.firsts] + times_s[stops - 1]) / 2,
            "is_after_pause": breaks,
        },
        {"top": tile.top, "step_s": _step_s(times_s)},
    )


def _mean_trace(look: LookProject, request: Request) -> Response:
    """Extremes of the mean displacement of the points of a selection, as `_traces` gives those of a point."""
    index = request.path_params["video"]
    look.sequence(index)
    selection = look.require_selection(request.query_params.get("of", "all"))
    first, stop = frames_in(look, index, request)
    step = look.trace_step(selection)
    path = step.finished()
    if path is None:
        return later(step)
    size = max(number_in(request, "size", 0), 0) or run_size(stop - first, columns_in(request))
    first -= first % size  # columns begin where those of the pyramid do, and their runs are whole
    stop = min(-(-stop // size) * size, look.clocks[index].n_frames)
    values = np.asarray(stored_trace(path, index)[first:stop]).T[None]
    low, high = extremes(values, values, size)
    return array_answer(
        {"low": low, "high": high},
        {"first": first, "size": size, "n_points": int(look.members(selection).sum())},
    )


def _signals(look: LookProject, request: Request) -> Response:
    """Extremes of the signals of regions, a row each, and what each reaches in the recording."""
    index, signals = request.path_params["video"], look.signals
    look.sequence(index)
    first, stop = frames_in(look, index, request)
    size = run_size(stop - first, columns_in(request))
    before = sum(look.project.n_frames[:index])
    arrays: dict[str, Any] = {}
    if signals.regions:
        values = np.stack([one.over_time(before + first, before + stop) for one in signals.regions])
        low, high = extremes(values, values, size)
        arrays = {
            "low": low,
            "high": high,
            "reach": np.array(list(map(signals.reach, signals.regions))),
        }
    rows = [{"name": region.name, "says": region.quantity} for region in signals.regions]
    return array_answer(arrays, {"first": first, "size": size, "rows": rows, "note": signals.note})


def _events(look: LookProject, request: Request) -> Response:
    """Events that were given with the project, by time."""
    index = request.path_params["video"]
    look.sequence(index)
    table = look.opened.events
    if table is None:
        return array_answer({}, {"file": None, "names": [], "notes": []})
    shown = events_of_sequence(table, index, look.clocks, look.project.video_names)
    return array_answer(
        {"times": shown.times_s, "durations": shown.durations_s, "labels": shown.labels},
        {"file": table.source, "names": list(shown.names), "notes": list(shown.notes)},
    )


def _step_s(times_s: Any) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0

"""What requests about a project state: frames, spans of time, points, widths; and the answer `not yet`."""

from __future__ import annotations

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.answers import number_in
from element_facerhythm.gui.look_project import LookProject
from element_facerhythm.gui.preparation import Step

MOST_COLUMNS = 4096
MOST_TRACES = 12


def later(step: Step) -> Response:
    """Answer for what is still being made."""
    return JSONResponse({"waits_for": step.name, **step.as_json()}, 202)


def points_in(look: LookProject, request: Request) -> list[int]:
    """Return the points that a request names.

    Parameters
    ----------
    look, request
        The project, and the request.

    Raises
    ------
    RequestError
        They are none, or too many.
    """
    text = request.query_params.get("points", "")
    try:
        points = [look.require_point(int(part)) for part in text.split(",") if part]
    except ValueError as error:
        raise RequestError(str(error) if isinstance(error, RequestError) else
                           f"points is {text!r}; expected whole numbers with commas") from error  # fmt: skip
    if not 0 < len(points) <= MOST_TRACES:
        raise RequestError(f"{len(points)} points were asked for; expected 1 to {MOST_TRACES}")
    return points


def frames_in(look: LookProject, index: int, request: Request) -> tuple[int, int]:
    """Return the frames ``[first, stop)`` that a request names; all where it names none.

    Parameters
    ----------
    look, index
        The project, and the number of the sequence.
    request
        The request.

    Raises
    ------
    RequestError
        There are no such frames.
    """
    n_frames = look.clocks[index].n_frames
    first = number_in(request, "first", 0)
    stop = number_in(request, "stop", n_frames)
    first, stop = max(first, 0), min(stop, n_frames)
    if first >= stop:
        raise RequestError(
            f"frames {first} to {stop} were asked for; the video has 0 to {n_frames}"
        )
    return first, stop


def seconds_in(request: Request) -> tuple[float, float]:
    """Return the moments that a request spans; everything where it names none.

    Raises
    ------
    RequestError
        They are no span of time.
    """
    span = []
    for name, default in (("from", -np.inf), ("to", np.inf)):
        text = request.query_params.get(name)
        try:
            span.append(default if text is None else float(text))
        except ValueError as error:
            raise RequestError(f"{name} is {text!r}; expected seconds") from error
    if not span[0] < span[1]:
        raise RequestError(f"from {span[0]} to {span[1]} is no span of time")
    return span[0], span[1]


def columns_in(request: Request) -> int:
    """Return how many columns a request can show."""
    return max(min(number_in(request, "width", 1000), MOST_COLUMNS), 1)


def component_in(look: LookProject, request: Request) -> tuple[str, int]:
    """Return key of the model and number of the component that a request's path names.

    Parameters
    ----------
    look, request
        The project, and the request.

    Raises
    ------
    RequestError
        The project has no such model, or the model no such component.
    """
    return require_component(look, request.path_params["key"], request.path_params["component"])


def require_component(look: LookProject, key: str, component: int) -> tuple[str, int]:
    """Return a model's key and a component's number.

    Parameters
    ----------
    look
        The project.
    key, component
        What was asked for.

    Raises
    ------
    RequestError
        The project has no such model, or the model no such component.
    """
    if key not in look.models:
        raise RequestError(f"model {key!r} was asked for; the project has {', '.join(look.models)}")
    rank = len(look.models[key].weights)
    if not 0 <= component < rank:
        raise RequestError(f"component {component} was asked for; model {key} has {rank}")
    return key, component

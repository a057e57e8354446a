"""Components of the decompositions: a table of their factors, and their time courses as a series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pynwb import TimeSeries

from element_facerhythm.core.decomposition import summarise_components
from element_facerhythm.core.decomposition.components import ComponentSummary
from element_facerhythm.core.decomposition.factors import Factors
from element_facerhythm.curation.state import UNDECIDED, ComponentState
from element_facerhythm.errors import ParameterError
from element_facerhythm.io.stored_factors import (
    fitted_windows,
    project_courses,
    project_factors,
    project_maps,
    project_spectra,
)
from element_facerhythm.io.stored_model import StoredModel
from element_facerhythm.pipeline.exchange.nwb.clock import SharedTimes
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.pipeline.exchange.nwb.streams import compressed
from element_facerhythm.pipeline.results.model_summary import as_model

Decisions = Mapping[tuple[str, int], ComponentState]
"""What people decided, by key of the decomposition and number of the component."""

_T = TypeVar("_T")
_MEASURES = {
    "peak_frequency_hz": "centre frequency with the largest loading, Hz",
    "centroid_frequency_hz": "mean of the centre frequencies, weighted by loading, Hz",
    "bandwidth_hz": "twice their standard deviation, weighted by loading, Hz",
    "weight": "norm of the component as a tensor",
    "centroid_x_px": "mean x of the points, weighted by loading, pixels",
    "centroid_y_px": "mean y of the points, weighted by loading, pixels",
    "xy_ratio": "share of motion along x, 0 to 1",
    "explained_variance": "drop of the model's explained variance when it alone is left out",
    "squared_correlation": "squared correlation of data and component, 0 to 1",
    "stability": "mean congruence with its match from other starts of the fit, 0 to 1",
}
_DECIDED = {
    "verdict": "keep, noise or undecided, as people decided",
    "name": "name that people gave it",
    "note": "what people noted",
    "merged_into": "component that stands for it; -1: it stands for itself",
}


def add_components(contents: Contents, decisions: Decisions) -> None:
    """Add a table of components for each decomposition, and the series of its time courses.

    Parameters
    ----------
    contents
        What they are added to.
    decisions
        What people decided about components; what is not in it is undecided.
    """
    models = contents.project.models()
    for key, stored in models.items():
        name = "" if len(models) == 1 else f"_{key}"
        _add_model(contents, name, key, models, stored, decisions)


def _add_model(
    contents: Contents,
    name: str,
    key: str,
    models: Mapping[str, StoredModel],
    stored: StoredModel,
    decisions: Decisions,
) -> None:
    project = contents.project
    factors = project_factors(project, key, models)
    summaries = summarise_components(
        as_model(stored),
        factors,
        frequencies_hz=project.frequencies_hz,
        point_positions=project.point_positions,
        n_points=len(project.point_positions),
    )
    columns: dict[str, tuple[str, Any]] = {
        **_measures(summaries),
        **_decided(key, len(summaries), decisions),
        **_loadings(contents, factors),
    }
    courses = _courses(contents, factors)
    if courses is not None:
        times_s, loadings = courses
        columns |= _columns(
            "time_loadings", f"(components, windows) time courses, as {PREFIX}TimeCourses{name}", loadings
        )  # fmt: skip
    fit = {"relative_error": stored.relative_error, "r_squared": stored.r_squared}
    known = ", ".join(f"{what} {value:.6g}" for what, value in fit.items() if value is not None)
    contents.made.append(
        table(
            f"{PREFIX}Components{name}",
            f"Components of a tensor decomposition of the spectrograms (TCA, model {key}) over the axes "
            f"{', '.join(stored.names)}{'; ' if known else ''}{known}. Each is the outer product of its "
            "loadings; row k is component k.",
            columns,
        )
    )
    if courses is not None:
        _add_series(contents, name, SharedTimes(times_s), loadings)


def _measures(summaries: Sequence[ComponentSummary]) -> dict[str, tuple[str, Any]]:
    known = {field.name for field in fields(ComponentSummary)}
    return {
        name: (f"{what}; NaN where not known", np.array([float(getattr(s, name)) for s in summaries]))
        for name, what in _MEASURES.items()
        if name in known
    }  # fmt: skip


def _decided(key: str, rank: int, decisions: Decisions) -> dict[str, tuple[str, Any]]:
    states = [decisions.get((key, index), UNDECIDED) for index in range(rank)]
    values = {
        "verdict": [state.verdict for state in states],
        "name": [state.name for state in states],
        "note": [state.note for state in states],
        "merged_into": np.array([-1 if s.merged_into is None else s.merged_into for s in states]),
    }
    return {f"curated_{name}": (what, values[name]) for name, what in _DECIDED.items()}


def _loadings(contents: Contents, factors: Factors) -> dict[str, tuple[str, Any]]:
    """Columns of space and frequency; none of an axis that the model does not have."""
    found: dict[str, tuple[str, Any]] = {}
    maps = _unless_absent(contents, lambda: project_maps(contents.project, factors))
    if maps is not None:
        directions = tuple(maps.loadings)
        space = np.stack([maps.loadings[d] for d in directions], axis=2)
        what = (
            f"(components, points, directions {', '.join(directions)}); rows of {PREFIX}PointTable"
        )
        found |= _columns("space_loadings", what, space)
    spectra = _unless_absent(contents, lambda: project_spectra(contents.project, factors))
    if spectra is not None:
        what = f"(components, frequencies); the bands of {PREFIX}MeanSpectrogram"
        found |= _columns("frequency_loadings", what, spectra.loadings)
    return found


def _courses(
    contents: Contents, factors: Factors
) -> tuple[NDArray[np.float64], NDArray[Any]] | None:
    """(W,) seconds on the session's clock and (R, W) loadings, all videos end to end."""
    courses = _unless_absent(
        contents, lambda: project_courses(contents.project, factors, with_breaks=False)
    )
    if courses is None:
        return None
    videos = list(dict.fromkeys(course.video_index for course in courses))
    starts = contents.clock.starts_s
    windows = {own.video_index: own for own in fitted_windows(contents.project, with_breaks=False)}
    times = np.concatenate([starts[video] + windows[video].times_s for video in videos])
    rank = 1 + max(course.component_index for course in courses)
    loadings = np.stack(
        [
            np.concatenate([c.loadings for c in courses if c.component_index == component])
            for component in range(rank)
        ]
    )
    return times, loadings


def _add_series(contents: Contents, name: str, own: SharedTimes, loadings: NDArray[Any]) -> None:
    """Add the time courses; they share the windows' times where they are of all windows."""
    windows = contents.clock.windows
    if windows is not None and np.array_equal(own.times_s, windows.times_s):
        own = windows
    is_complex = np.iscomplexobj(loadings)
    contents.made.append(
        own.series(
            TimeSeries,
            name=f"{PREFIX}TimeCourses{name}",
            data=compressed((np.abs(loadings) if is_complex else loadings).T),
            unit="n.a.",
            description=f"{'magnitudes of the ' if is_complex else ''}loadings of all components over time; "
            f"(windows, components), rows of {PREFIX}Components{name}. The time of a window is that of its "
            "centre; no window spans a gap.",
        )
    )


def _columns(name: str, what: str, loadings: NDArray[Any]) -> dict[str, tuple[str, Any]]:
    """One column, or of complex loadings one of magnitudes and one of phases."""
    if not np.iscomplexobj(loadings):
        return {name: (what, loadings)}
    return {
        name: (f"magnitudes, {what}", np.abs(loadings)),
        f"{name}_phase": (f"phases in radians, {what}", np.angle(loadings)),
    }


def _unless_absent(contents: Contents, make: Callable[[], _T]) -> _T | None:
    """Make something of the factors; None, with a note, where the model lacks the axis."""
    try:
        return make()
    except ParameterError as error:
        contents.notes.append(f"left out: {error}")
        return None

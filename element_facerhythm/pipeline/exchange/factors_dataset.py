"""Decompositions as a dataset: maps, spectra and time courses of all components, and their loadings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from element_facerhythm.core.decomposition.factors import Factors
from element_facerhythm.errors import ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import (
    fitted_windows,
    project_courses,
    project_factors,
    project_maps,
    project_spectra,
)
from element_facerhythm.io.stored_model import StoredModel
from element_facerhythm.keypoints.predictions import SPACE
from element_facerhythm.parameters.axes import axis_parts
from element_facerhythm.pipeline.exchange.points_dataset import SOFTWARE, point_coordinates
from element_facerhythm.pipeline.exchange.recording_axis import window_coordinates
from element_facerhythm.pipeline.exchange.spectrogram_dataset import frequency_coordinate

_BOTH = ("model", "component")
_VIEWS = {
    "spatial_map": (("space", "points"), "loading of each point along each direction"),
    "spatial_map_of_both": (("points",), "loading of each point, directions not separated"),
    "spectrum": (("frequency",), "loading at each frequency"),
    "time_course": (("time",), "loading over time; NaN in windows that were not fitted"),
}
_PER_COMPONENT = {
    "weights": "weight of the component",
    "explained_variance": "what the model loses without the component, as a share",
    "squared_correlation": "squared correlation of the component with the tensor",
    "stability": "how well components of other starts of the fit agree, 0 to 1",
}
_PER_MODEL = {
    "relative_error": "norm of what the model leaves / norm of the tensor",
    "r_squared": "share of the tensor's variance that the model explains",
    "n_iterations": "iterations of the fit",
}


def factors_of(project: Project) -> xr.Dataset:
    """All decompositions of a project, by model and component; see `datasets.to_xarray`."""
    models = project.models()
    found, notes = [], []
    for key in models:
        views, own_notes = _views(project, project_factors(project, key, models))
        found.append(views)
        notes += [f"model {key}: {note}" for note in own_notes]
    variables = {
        name: xr.Variable(
            (*_BOTH, *dims), _padded([views.get(name) for views in found]), {"long_name": what}
        )
        for name, (dims, what) in _VIEWS.items()
        if any(name in views for views in found)
    }
    coordinates = {
        "model": xr.Variable("model", list(models), {"long_name": "key of the decomposition"}),
        "component": np.arange(max(len(model.weights) for model in models.values())),
        "space": list(SPACE[:2]),
        **point_coordinates(project, "points"),
        "frequency": frequency_coordinate(project),
        **window_coordinates(project),
    }
    facts = {"source_software": SOFTWARE, "layout": project.layout, "notes": "; ".join(notes)}
    return xr.Dataset({**variables, **_measures(models), **_loadings(models)}, coordinates, facts)


def _views(project: Project, factors: Factors) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Map, spectrum and time course (R, ...) of the components, and why one of them is not there."""
    found: dict[str, NDArray[Any]] = {}
    notes = []
    try:
        maps = project_maps(project, factors).loadings
        if "xy" in maps:
            found["spatial_map_of_both"] = maps["xy"]
        else:
            found["spatial_map"] = np.stack([maps["x"], maps["y"]], axis=1)
    except ParameterError as error:
        notes.append(str(error))
    try:
        found["spectrum"] = project_spectra(project, factors).loadings
    except ParameterError as error:
        notes.append(str(error))
    try:
        found["time_course"] = _courses(project, factors)
    except ParameterError as error:
        notes.append(str(error))
    return found, notes


def _courses(project: Project, factors: Factors) -> NDArray[Any]:
    """(R, W) loadings over the windows of all videos; NaN in those that the model was not fitted to."""
    courses = project_courses(project, factors, with_breaks=False)
    every = [project.window_times_s(i) for i in range(len(project.video_keys))]
    firsts = np.cumsum([0, *map(len, every)])
    rank = max(course.component_index for course in courses) + 1
    dtype = np.result_type(*(course.loadings for course in courses), np.float32)
    found = np.full((rank, firsts[-1]), np.nan, dtype)
    fitted = {own.video_index: own.times_s for own in fitted_windows(project, with_breaks=False)}
    for course in courses:
        video = course.video_index
        first = firsts[video] + int(np.searchsorted(every[video], fitted[video][0]))
        found[course.component_index, first : first + len(course.loadings)] = course.loadings
    return found


def _measures(models: Mapping[str, StoredModel]) -> dict[str, xr.Variable]:
    """Weights and measures of fit; NaN where a model has none, and no variable where none has."""
    found = {}
    for names, dims in ((_PER_COMPONENT, _BOTH), (_PER_MODEL, _BOTH[:1])):
        for name, what in names.items():
            values = [getattr(model, name) for model in models.values()]
            if any(value is not None for value in values):
                arrays = [None if value is None else np.asarray(value) for value in values]
                found[name] = xr.Variable(dims, _padded(arrays), {"long_name": what})
    return found


def _loadings(models: Mapping[str, StoredModel]) -> dict[str, xr.Variable]:
    """Return loadings along each axis as decomposed; shorter ones end in NaN, a length says where."""
    found = {}
    for axis in dict.fromkeys(name for model in models.values() for name in model.names):
        plain = "_".join(axis_parts(axis))
        arrays = [None if axis not in m.factors else m.factors[axis].T for m in models.values()]
        about = {
            "axis": axis,
            "long_name": "loadings as decomposed, along an axis as it was folded",
        }
        found[f"loadings_{plain}"] = xr.Variable((*_BOTH, f"along_{plain}"), _padded(arrays), about)
        found[f"length_{plain}"] = xr.Variable(
            "model",
            [0 if array is None else array.shape[1] for array in arrays],
            {"axis": axis, "long_name": "how many of these loadings the model has"},
        )
    return found


def _padded(arrays: Sequence[NDArray[Any] | None]) -> NDArray[Any]:
    """Arrays as one, along a new first axis; NaN where one is shorter than another, or not there."""
    there = [array for array in arrays if array is not None]
    shape = np.max([array.shape for array in there], axis=0).astype(int)
    found = np.full((len(arrays), *shape), np.nan, np.result_type(*there, np.float32))
    for i, array in enumerate(arrays):
        if array is not None:
            part: tuple[int | slice, ...] = (i, *[slice(n) for n in array.shape])
            found[part] = array
    return found

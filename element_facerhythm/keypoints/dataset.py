"""Predictions as a dataset of movement's, and back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import TextError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.keypoints.movement_library import import_movement
from element_facerhythm.keypoints.netcdf import LEFT_OUT, LOG
from element_facerhythm.keypoints.placement import from_first_frame
from element_facerhythm.keypoints.predictions import (
    COLUMNS,
    DEFAULT_INDIVIDUAL,
    LOG_NOTE,
    SPACE,
    Predictions,
    UnsoundPredictions,
    shown_names,
)
from element_facerhythm.keypoints.text_formats import BOX_CENTRE, BOX_SIZES

if TYPE_CHECKING:
    import xarray as xr

_POSITION, _CONFIDENCE, _BOX_SHAPE = "position", "confidence", "shape"
_OWN_NAMES = frozenset(
    {_POSITION, _CONFIDENCE, "time", "space", "individuals", "keypoints", "individual", "keypoint"}
)
_ON_GRID = 0.02
_MAX_VARIABLES = 200


def to_movement(predictions: Predictions) -> xr.Dataset:
    """Predictions as movement's dataset of poses; variables stand beside positions and confidence."""
    movement = import_movement()
    predictions = from_first_frame(predictions)
    dataset = movement.io.load_poses.from_numpy(
        position_array=predictions.positions.transpose(0, 3, 2, 1),
        confidence_array=predictions.likelihood.transpose(0, 2, 1),
        individual_names=list(predictions.individuals),
        keypoint_names=list(predictions.body_parts),
        fps=predictions.frame_rate_hz,
        source_software=predictions.source_software or None,
    )
    if predictions.times_s is not None:
        dataset = dataset.assign_coords(time=predictions.times_s)
    dims = dataset[_CONFIDENCE].dims
    for name, values in predictions.variables.items():
        dataset[variable_name(name)] = (dims, values.transpose(0, 2, 1))
    if predictions.log:
        dataset[_POSITION].attrs[LOG] = predictions.log
    if dataset.attrs.get("time_unit") == "seconds" or predictions.times_s is not None:
        dataset["time"].attrs.update(units="s", long_name="time since the first frame")
    if predictions.n_dimensions == 2:
        dataset[_POSITION].attrs["units"] = "px"
    return dataset


def variable_name(name: str) -> str:
    """Name of a variable as a dataset can have it: no slash, and none of the dataset's own."""
    plain = name.replace("/", "_")
    return f"{plain}_" if plain in _OWN_NAMES else plain


def from_movement(dataset: xr.Dataset, source_software: str) -> Predictions:
    """Predictions of movement's dataset: of poses, or of boxes, whose middles are taken.

    Every other array of numbers becomes a variable: one value per track, or several named after what
    stands along the other axes (`velocity_x`). What cannot is named in the notes.

    Parameters
    ----------
    dataset
        Positions along time and space, individuals and keypoints; where one of the latter two is missing,
        one is taken.
    source_software
        What the predictions are said to come from; the tracker that the dataset names becomes `predicted_by`.

    Raises
    ------
    KeypointError
        It is no dataset of tracks.
    """
    name = _position_name(dataset)
    position = dataset[name]
    individual, keypoint = _dimension(position, "individual"), _dimension(position, "keypoint")
    notes = [] if name == _POSITION else [f"positions were taken from {name!r}"]
    if individual is None:
        individual = "individuals"
        dataset = dataset.assign({name: position.expand_dims({individual: [DEFAULT_INDIVIDUAL]})})
        notes.append("the dataset has no dimension of individuals: taken as one")
        position = dataset[name]
    axes = [str(label) for label in position["space"].values]
    if axes != list(SPACE[: len(axes)]) or len(axes) < 2:
        raise UnsoundPredictions(f"positions along {', '.join(axes)}; expected x, y (and z)")
    parts = [BOX_CENTRE] if keypoint is None else [str(n) for n in position[keypoint].values]
    individuals = [str(n) for n in position[individual].values]
    shape = (position.sizes["time"], len(individuals), len(parts))
    order = ("time", individual, *([] if keypoint is None else [keypoint]), "space")
    if set(order) != set(position.dims):
        raise UnsoundPredictions(
            f"positions have the dimensions {shown_names(position.dims)}; expected time, space, individuals "
            "and keypoints: choose one of the others and write it again"
        )
    values = np.ascontiguousarray(position.transpose(*order).values).reshape(*shape, len(axes))
    tracks = _Tracks(shape, individual, keypoint)
    likelihood = np.full(shape, np.nan)
    variables: dict[str, NDArray[np.floating]] = {}
    left_out = [str(n) for n in dataset.attrs.get(LEFT_OUT, ())]
    for other in map(str, dataset.data_vars):
        found = {} if other == name else tracks.of(dataset[other])
        if other == _CONFIDENCE and list(found) == [other]:
            likelihood = found[other]
        elif found and not set(found) & {*COLUMNS, *variables}:
            variables |= _as_sizes(found)
        elif other != name:
            left_out.append(other)
    if left_out:
        notes.append(
            f"left out, since it is not one number per frame and track: {shown_names(left_out)}"
        )
    log = _log(dataset[name])
    if log:
        notes.append(f"{LOG_NOTE}{log}")
    rate_hz = _rate_hz(dataset)
    numbers, times_s = _rows(position, rate_hz, dataset.attrs.get("time_unit"))
    return Predictions(
        values,
        likelihood,
        tuple(parts),
        tuple(individuals),
        source_software,
        rate_hz,
        variables,
        frame_numbers=numbers,
        times_s=times_s,
        predicted_by=str(dataset.attrs.get("source_software") or ""),
        notes=tuple(notes),
        log=log,
    )


class _Tracks:
    """Turns arrays along some of the axes of tracks into arrays along all of them."""

    def __init__(self, shape: tuple[int, int, int], individual: str, keypoint: str | None) -> None:
        self._shape = shape
        self._axes = ["time", individual, *([] if keypoint is None else [keypoint])]

    def of(self, array: xr.DataArray) -> dict[str, NDArray[np.floating]]:
        """Arrays (T, I, K) by name; none where the array has no time, or too many other axes."""
        others = [axis for axis in array.dims if axis not in self._axes]
        n_others = math.prod(array.sizes[axis] for axis in others)
        if "time" not in array.dims or array.dtype.kind not in "biuf" or not 0 < n_others <= 16:
            return {}
        for axis in self._axes:
            if axis not in array.dims:
                size = self._shape[self._axes.index(axis)]
                array = array.expand_dims({axis: size})
        values = array.transpose(*others, *self._axes).values.astype(float)
        flat = values.reshape(n_others, *values.shape[len(others) :])
        full = flat.reshape(n_others, *self._shape)
        labels = [[str(label) for label in array[axis].values] for axis in others]
        names = [""]
        for of_axis in labels:
            names = [f"{name}_{label}" for name in names for label in of_axis]
        return {f"{array.name}{name}": full[n] for n, name in enumerate(names)}


def _as_sizes(found: dict[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
    """Widths and heights of boxes under the names that they have everywhere here."""
    sizes = dict(zip((f"{_BOX_SHAPE}_x", f"{_BOX_SHAPE}_y"), BOX_SIZES, strict=True))
    return {sizes.get(name, name): values for name, values in found.items()}


def _position_name(dataset: xr.Dataset) -> str:
    """Name of the array of positions: its own, or that of the only one along time and space."""
    if _POSITION in dataset.data_vars and {"time", "space"} <= set(dataset[_POSITION].dims):
        return _POSITION
    found = [
        str(n) for n, array in dataset.data_vars.items() if {"time", "space"} <= set(array.dims)
    ]
    if len(found) != 1:
        raise UnsoundPredictions(
            "a dataset of movement has positions along time and space; this one has "
            f"{shown_names(list(dataset.data_vars)) or 'nothing'}"
        )
    return found[0]


def _log(position: xr.DataArray) -> str:
    """Return what movement did to positions, on one line; empty where it did nothing, or says otherwise."""
    text = position.attrs.get(LOG)
    try:
        found = parse_json(text) if isinstance(text, str) else []
    except TextError:
        return ""
    return json.dumps(found) if isinstance(found, list) and found else ""


def _rate_hz(dataset: xr.Dataset) -> float | None:
    rate = dataset.attrs.get("fps")
    if not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
        return None
    return float(rate)


def _rows(
    position: xr.DataArray, rate_hz: float | None, unit: Any
) -> tuple[NDArray[np.int64] | None, NDArray[np.floating] | None]:
    """Frame numbers of the rows, where the times were made of them; else the times."""
    if "time" not in position.coords or position["time"].dtype.kind not in "iuf":
        return None, None
    times = position["time"].values.astype(float)
    if not np.isfinite(times).all():
        raise UnsoundPredictions("a row has no time; expected one for each row")
    if rate_hz is None and unit == "seconds":
        return None, times
    counts = times if rate_hz is None else times * rate_hz
    if len(counts) and np.abs(counts - np.rint(counts)).max() <= _ON_GRID:
        return np.rint(counts).astype(np.int64), None
    return None, times


def _dimension(array: Any, name: str) -> str | None:
    """Name of a dimension, which movement's releases give in the singular or in the plural."""
    return next((d for d in (name, f"{name}s") if d in array.dims), None)

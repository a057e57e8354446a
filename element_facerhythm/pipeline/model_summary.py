"""Stored decompositions in numbers: one row per component, one vector per component and axis."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import CpModel, evaluate_factors, summarise_components
from element_facerhythm.errors import FaceRhythmError, ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_model import StoredModel
from element_facerhythm.pipeline.records import FactorSummary, ModelSummary

logger = logging.getLogger(__name__)


def summarise_models(project: Project) -> tuple[ModelSummary, ...]:
    """Numbers of every decomposition of a project.

    Loadings are finite, or the project is refused. Spectrograms need not be: of a model that was fitted to
    NaN, no measure of fit can be computed.

    Where the writer stored no measures of fit (face-rhythm does not), the tensor is rebuilt from
    the spectrograms, in memory, and they are computed; where it cannot be rebuilt they are NaN.
    """
    stored = project.models()
    if any(model.relative_error is None for model in stored.values()):
        models = evaluate_models(project, stored)
    else:
        models = {key: as_model(model) for key, model in stored.items()}
    separate = len(project.video_keys) > 1 and tuple(stored) == project.video_keys
    return tuple(
        _summarise(project, key, stored[key], models[key], own_video=separate) for key in stored
    )


def _summarise(
    project: Project, key: str, stored: StoredModel, model: CpModel, *, own_video: bool
) -> ModelSummary:
    return ModelSummary(
        model_key=key,
        method=_method(project),
        rank=model.rank,
        n_iterations=model.n_iterations,
        explained_variance=float(model.explained_variance_total),
        relative_error=float(model.relative_error),
        stability=model.stability_total,
        components=summarise_components(
            model,
            frequencies_hz=project.frequencies_hz,
            point_positions=project.point_positions,
            n_points=len(project.point_positions),
        ),
        factors=tuple(_factors(project, key, stored, own_video=own_video)),
    )


def evaluate_models(project: Project, stored: Mapping[str, StoredModel]) -> dict[str, CpModel]:
    """Models with their fit to the stored spectrograms."""
    first = next(iter(stored.values()))
    config = project.settings("TCA")
    # face-rhythm reads its HDF5 files in alphabetical order: with eleven videos, "10" before "2".
    order = sorted(range(len(project.video_keys)), key=project.video_keys.__getitem__)
    try:
        return evaluate_factors(
            {project.video_keys[i]: project.spectrogram(i) for i in order},
            names=first.names,
            name_dim_dict_elements=project.element_axis(),
            factors={key: model.factors for key, model in stored.items()},
            weights={key: model.weights for key, model in stored.items()},
            mean_subtract=bool(config.get("mean_subtract", False)),
            std_divide=bool(config.get("std_divide", False)),
        )
    except FaceRhythmError as error:
        logger.warning(
            "%s: the fit of the decomposition cannot be told: %s", project.directory, error
        )
        return {key: as_model(model) for key, model in stored.items()}


def as_model(stored: StoredModel) -> CpModel:
    """Take a stored model as it is; NaN for the measures that were not stored."""
    nan = float("nan")
    variance, total = stored.explained_variance, stored.explained_variance_total
    return CpModel(
        names=stored.names,
        factors=dict(stored.factors),
        weights=stored.weights,
        explained_variance=np.full(len(stored.weights), nan) if variance is None else variance,
        explained_variance_total=nan if total is None else total,
        relative_error=nan if stored.relative_error is None else stored.relative_error,
        n_iterations=stored.n_iterations,
        stability=stored.stability,
    )


def _factors(
    project: Project, key: str, stored: StoredModel, *, own_video: bool
) -> Iterator[FactorSummary]:
    """Give loadings per component and axis, and per video where the axis was split.

    With `own_video` the model is that of the video `key`, and so is its course in time.
    """
    for dimension, value in stored.rearranged.items():
        if isinstance(value, Mapping):
            for name, loadings in value.items():
                axis, _, video = name.rpartition("_")
                yield from _columns(axis, _video_index(project, video), loadings)
        else:
            of_video = own_video and "time" in dimension
            video_index = _video_index(project, key) if of_video else None
            yield from _columns(dimension, video_index, value)


def _method(project: Project) -> str:
    method = project.settings("TCA").get("method")
    return method if isinstance(method, str) else "unknown"


def _video_index(project: Project, key: str) -> int:
    if key not in project.video_keys:
        raise ProjectError(
            f"{project.product_path('TCA')} has loadings of a video that PointTracker.h5 does not hold; the "
            "two are of different runs, so run the project again"
        )
    return project.video_keys.index(key)


def _columns(
    dimension: str, video_index: int | None, loadings: NDArray[Any]
) -> Iterator[FactorSummary]:
    """One summary per column; complex loadings give their real and their imaginary part."""
    if np.iscomplexobj(loadings):
        yield from _columns(f"{dimension} (real)", video_index, loadings.real)
        yield from _columns(f"{dimension} (imaginary)", video_index, loadings.imag)
        return
    for i, column in enumerate(np.asarray(loadings, dtype=np.float32).T):
        yield FactorSummary(i, dimension, video_index, np.ascontiguousarray(column))

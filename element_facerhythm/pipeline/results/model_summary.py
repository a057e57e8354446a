"""Stored decompositions in numbers: one row per component, one vector per component and axis."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import CpModel, evaluate_factors, summarise_components
from element_facerhythm.core.decomposition.factors import Factors
from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.finiteness import n_not_finite
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import (
    joined_order,
    project_factors,
    stored_arrangement,
)
from element_facerhythm.io.stored_model import StoredModel
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline.records import IMAGINARY, REAL, FactorSummary, ModelSummary
from element_facerhythm.pipeline.run.core_arguments import axis_plan, tensor_scaling

logger = logging.getLogger(__name__)


def summarise_models(project: Project) -> tuple[ModelSummary, ...]:
    """Numbers of every decomposition of a project.

    Where the writer stored no measures of fit (face-rhythm does not), the tensor is rebuilt from
    the spectrograms, in memory, and they are computed; where it cannot be rebuilt they are NaN. So is
    everything that loadings or spectrograms which are not finite go into.
    """
    stored = project.models()
    measured = all(
        model.relative_error is not None and model.is_finite for model in stored.values()
    )
    if measured and _spectrograms_are_finite(project):
        models = {key: as_model(model) for key, model in stored.items()}
    else:
        models = evaluate_models(project, stored)
    return tuple(
        _summarise(project, key, models[key], project_factors(project, key, stored))
        for key in stored
    )


def _summarise(project: Project, key: str, model: CpModel, factors: Factors) -> ModelSummary:
    return ModelSummary(
        model_key=key,
        method=_method(project),
        rank=model.rank,
        n_iterations=model.n_iterations,
        explained_variance=float(model.explained_variance_total),
        relative_error=float(model.relative_error),
        r_squared=float(model.r_squared),
        stability=model.stability_total,
        components=summarise_components(
            model,
            factors,
            frequencies_hz=project.frequencies_hz,
            point_positions=project.point_positions,
            n_points=len(project.point_positions),
        ),
        factors=tuple(_factors(factors)),
    )


def evaluate_models(
    project: Project, stored: Mapping[str, StoredModel], parameters: Parameters | None = None
) -> dict[str, CpModel]:
    """Models with their fit to the stored spectrograms.

    Parameters
    ----------
    project
        The project.
    stored
        Its models by key.
    parameters
        That the tensors were made with. Where None, they are made as the names of their axes say, of whole
        videos and normalised along time: all that face-rhythm keeps.

    Returns
    -------
    Models by key, with NaN for the measures where the tensor cannot be made again.
    """
    try:
        if parameters is None:
            plan, normalised = stored_arrangement(project, stored)
        else:
            plan, normalised = axis_plan(parameters), tensor_scaling(parameters)
        models = evaluate_factors(
            {project.video_keys[i]: project.spectrogram(i) for i in joined_order(project)},
            plan,
            {key: model.factors for key, model in stored.items()},
            {key: model.weights for key, model in stored.items()},
            normalised,
        )
    except FaceRhythmError as error:
        logger.warning(
            "%s: the fit of the decomposition is not known: %s", project.directory, error
        )
        measures = ("explained_variance", "squared_correlation", "relative_error", "r_squared")
        unknown: dict[str, Any] = dict.fromkeys(measures)
        return {key: as_model(replace(model, **unknown)) for key, model in stored.items()}
    return {
        key: replace(
            model, n_iterations=stored[key].n_iterations, stability=_stability(stored[key])
        )
        for key, model in models.items()
    }


def as_model(stored: StoredModel) -> CpModel:
    """Take a stored model as it is; NaN for the measures that were not stored."""
    nan = float("nan")
    unknown = np.full(len(stored.weights), nan)
    variance, correlation = stored.explained_variance, stored.squared_correlation
    return CpModel(
        names=stored.names,
        factors=dict(stored.factors),
        weights=stored.weights,
        explained_variance=unknown if variance is None else variance,
        squared_correlation=unknown if correlation is None else correlation,
        relative_error=nan if stored.relative_error is None else stored.relative_error,
        r_squared=nan if stored.r_squared is None else stored.r_squared,
        n_iterations=stored.n_iterations,
        stability=_stability(stored),
    )


def _stability(stored: StoredModel) -> NDArray[np.float64] | None:
    """(R,) stored stability, NaN for a component whose loadings are not finite; None where not stored."""
    if stored.stability is None:
        return None
    known = np.all([np.isfinite(factor).all(axis=0) for factor in stored.factors.values()], axis=0)
    return np.where(known, stored.stability.astype(np.float64), np.nan)


def _spectrograms_are_finite(project: Project) -> bool:
    """Whether stored measures of fit can be of these spectrograms; this package fits to no other ones."""
    if content_of(project.product_path("VQT_Analyzer")) is Content.INTACT:
        return True
    spectrograms = (project.spectrogram(i) for i in range(len(project.video_keys)))
    return not any(n_not_finite(spectrogram, axis=1).any() for spectrogram in spectrograms)


def _factors(factors: Factors) -> Iterator[FactorSummary]:
    """Yield loadings per component and axis, and per video where they are of one."""
    for video_index, dimension, loadings in factors:
        yield from _columns(dimension, video_index, loadings)


def _method(project: Project) -> str:
    method = project.settings("TCA").get("method")
    return method if isinstance(method, str) else "unknown"


def _columns(
    dimension: str, video_index: int | None, loadings: NDArray[Any]
) -> Iterator[FactorSummary]:
    """One summary per column; two for complex loadings, of their real and their imaginary part."""
    if np.iscomplexobj(loadings):
        yield from _columns(f"{dimension}{REAL}", video_index, loadings.real)
        yield from _columns(f"{dimension}{IMAGINARY}", video_index, loadings.imag)
        return
    for i, column in enumerate(np.asarray(loadings, dtype=np.float32).T):
        yield FactorSummary(i, dimension, video_index, np.ascontiguousarray(column))

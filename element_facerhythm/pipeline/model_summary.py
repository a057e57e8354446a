"""Stored decompositions in numbers: one row per component, one vector per component and axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import CpModel, summarise_components
from element_facerhythm.io.project import Project, StoredModel
from element_facerhythm.pipeline.records import FactorSummary, ModelSummary


def summarise_models(project: Project) -> tuple[ModelSummary, ...]:
    """Numbers of every decomposition of a project."""
    return tuple(_summarise(project, key, model) for key, model in project.models().items())


def _summarise(project: Project, key: str, stored: StoredModel) -> ModelSummary:
    model = _cp_model(stored)
    return ModelSummary(
        model_key=key,
        method=str(project.config.get("TCA", {}).get("method", "unknown")),
        rank=len(model.weights),
        n_iterations=model.n_iterations,
        explained_variance=float(model.explained_variance_total),
        relative_error=float(model.relative_error),
        components=summarise_components(
            model,
            frequencies_hz=project.frequencies_hz,
            point_positions=project.point_positions,
            n_points=len(project.point_positions),
        ),
        factors=tuple(_factors(project, key, stored)),
    )


def _cp_model(stored: StoredModel) -> CpModel:
    rank = len(stored.weights)
    nan = float("nan")
    return CpModel(
        names=stored.names,
        factors=stored.factors,
        weights=stored.weights,
        explained_variance=np.full(rank, nan, dtype=np.float32)
        if stored.explained_variance is None
        else stored.explained_variance,
        explained_variance_total=nan
        if stored.explained_variance_total is None
        else stored.explained_variance_total,
        relative_error=nan if stored.relative_error is None else stored.relative_error,
        n_iterations=stored.n_iterations,
    )


def _factors(project: Project, key: str, stored: StoredModel) -> Iterator[FactorSummary]:
    """Loadings per component and axis, with concatenated videos told apart where they can be."""
    separate = tuple(project.video_keys) == tuple(project.models()) and len(project.video_keys) > 1
    for dimension, value in stored.rearranged.items():
        if isinstance(value, Mapping):
            for name, loadings in value.items():
                axis, _, video = name.rpartition("_")
                yield from _columns(axis, project.video_keys.index(video), loadings)
        else:
            own_video = separate and "time" in dimension
            video_index = project.video_keys.index(key) if own_video else None
            yield from _columns(dimension, video_index, value)


def _columns(
    dimension: str, video_index: int | None, loadings: NDArray[np.generic]
) -> Iterator[FactorSummary]:
    """One summary per column; a complex factor gives one for its real and one for its imaginary part."""
    if np.iscomplexobj(loadings):
        yield from _columns(f"{dimension} (real)", video_index, loadings.real)
        yield from _columns(f"{dimension} (imaginary)", video_index, loadings.imag)
        return
    for i, column in enumerate(np.asarray(loadings, dtype=np.float32).T):
        yield FactorSummary(i, dimension, video_index, np.ascontiguousarray(column))

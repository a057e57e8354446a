"""Try several numbers of components on the spectrograms of a project; nothing in it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from element_facerhythm.core.decomposition import (
    AxisPlan,
    FitSettings,
    RankFit,
    TensorScaling,
    prepare_tensors,
    sweep_ranks,
)
from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import stored_arrangement
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.parameters.decomposition import ParamsMethod
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.pipeline.run.core_arguments import axis_plan, fit_settings, tensor_scaling
from element_facerhythm.pipeline.run.run_file import parameters_of_run

FIT_OPTIONS = ("n_iter_max", "tol", "n_restarts", "random_state")
"""Parameters of the method that a sweep takes."""


def sweep_project_ranks(
    project_dir: str | Path,
    ranks: Sequence[int],
    *,
    n_restarts: int | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, tuple[RankFit, ...]]:
    """Fit every rank to the tensors of a project, made as its own decomposition made them.

    Parameters
    ----------
    project_dir
        Directory of this package or of face-rhythm, with its spectrograms.
    ranks
        Numbers of components to try.
    n_restarts
        Starts per rank; the project's own number where None.
    options
        Of `FIT_OPTIONS`, in place of the project's own.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``.
    progress
        Notified of how many ranks are done.

    Returns
    -------
    Per model (``"0"``, or one per video), one `RankFit` per rank.

    Raises
    ------
    ProjectError
        The project is not one, lacks its spectrograms, or its ``config.yaml`` holds values that no
        decomposition was made with.
    ParameterError
        A rank or the device is impossible, or the method is one that this package does not fit.
    """
    project = Project.open(project_dir)
    project.require("VQT_Analyzer")
    project.require_intact()
    method = project.settings("TCA").get("method", "CP_NN_HALS")
    if method not in ("CP_NN_HALS", "CP"):
        raise ParameterError(
            f"{project.directory} was decomposed by another method than CP_NN_HALS and CP; ranks can be "
            "compared for these two."
        )
    settings = _fit_settings(project, method, options or {})
    if n_restarts:
        settings = replace(settings, n_restarts=n_restarts)
    resolved = resolve_device(device)
    plan, normalised = _arrangement(project)
    n_models = len(project.video_keys) if plan.method == "separate" else 1
    total = n_models * len(ranks)
    with (progress or NullProgress()).stage("rank sweep", total, "ranks") as advance:
        spectrograms = {key: project.spectrogram(i) for i, key in enumerate(project.video_keys)}
        prepared = prepare_tensors(spectrograms, plan, normalised)
        fits = {}
        for n_before, (key, tensor) in enumerate(prepared.tensors.items()):
            fits[key] = sweep_ranks(
                tensor,
                prepared.sums[key],
                ranks,
                settings,
                device=resolved,
                on_rank=lambda n_done, n=n_before: advance(n * len(ranks) + n_done),  # type: ignore[misc]
            )
    return fits


def _fit_settings(project: Project, method: str, options: Mapping[str, Any]) -> FitSettings:
    """Return the options that the project was decomposed with, without those of face-rhythm's fit alone."""
    own = _parameters_of_run(project)
    if own is None:
        given = project.settings("TCA").get("params_method") or {}
    else:
        given = {**own.TCA.fit.params_method.model_dump(), "random_state": own.seed}
    known = (
        {key: given[key] for key in FIT_OPTIONS if key in given}
        if isinstance(given, dict)
        else given
    )
    taken = _validated(known, project)
    asked = {**taken.model_dump(include=set(FIT_OPTIONS)), **options}
    fit = {"method": method, "params_method": asked}
    return fit_settings(parameters_from_mapping({"TCA": {"fit": fit}}).parameters)


def _validated(value: Any, project: Project) -> ParamsMethod:
    """Make options of a value of ``config.yaml``; ProjectError where it is none."""
    try:
        return ParamsMethod.model_validate(value)
    except ValidationError as error:
        raise ProjectError(
            f"{project.directory / 'config.yaml'}: TCA.params_method holds a value that no decomposition was "
            "made with; restore the file, or run the project again"
        ) from error


def _parameters_of_run(project: Project) -> Parameters | None:
    """Parameters of a run of this package; None for spectrograms of face-rhythm, or where they are lost."""
    if not project.is_ours("VQT_Analyzer"):
        return None
    return parameters_of_run(project.directory, project.roots)


def _arrangement(project: Project) -> tuple[AxisPlan, TensorScaling]:
    """Return how the tensors were made: by the parameters, or by the axis names that face-rhythm keeps."""
    own = _parameters_of_run(project)
    if own is not None:
        return axis_plan(own), tensor_scaling(own)
    return stored_arrangement(project, project.models())

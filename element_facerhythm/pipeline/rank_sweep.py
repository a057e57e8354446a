"""Try several numbers of components on the spectrograms of a project; nothing in it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from element_facerhythm.core.decomposition import (
    AxisPlan,
    Prepared,
    RankFit,
    prepare_tensors,
    sweep_ranks,
)
from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.parameters.base import Section
from element_facerhythm.parameters.decomposition import ParamsMethod, RearrangeData
from element_facerhythm.pipeline.records import NullProgress, Progress

FIT_OPTIONS = ("n_iter_max", "tol", "n_restarts", "random_state")
"""Parameters of the method that a sweep takes."""

_Section = TypeVar("_Section", bound=Section)


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
        Told how many ranks are done.

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
    fit = _fit_options(project, options or {})
    resolved = resolve_device(device)
    plan = _plan(project)
    n_models = len(project.video_keys) if plan.method == "separate" else 1
    total = n_models * len(ranks)
    with (progress or NullProgress()).stage("rank sweep", total, "ranks") as tell:
        prepared = _prepare(project, plan)
        fits = {}
        for n_before, (key, tensor) in enumerate(prepared.tensors.items()):
            fits[key] = sweep_ranks(
                tensor,
                prepared.sums[key],
                ranks,
                nonnegative=method == "CP_NN_HALS",
                seed=fit.random_state or 0,
                device=resolved,
                n_iter_max=fit.n_iter_max,
                tol=fit.tol,
                n_restarts=n_restarts or fit.n_restarts,
                on_rank=lambda n_done, n=n_before: tell(n * len(ranks) + n_done),  # type: ignore[misc]
            )
    return fits


def _fit_options(project: Project, options: Mapping[str, Any]) -> ParamsMethod:
    """Options that the project was decomposed with; those that face-rhythm's fit has alone are left out."""
    given = project.settings("TCA").get("params_method") or {}
    known = (
        {key: given[key] for key in FIT_OPTIONS if key in given}
        if isinstance(given, dict)
        else given
    )
    own = _validated(ParamsMethod, known, project, "params_method")
    fit = {"params_method": {**own.model_dump(include=set(FIT_OPTIONS)), **options}}
    return parameters_from_mapping({"TCA": {"fit": fit}}).parameters.TCA.fit.params_method


def _validated(section: type[_Section], value: Any, project: Project, name: str) -> _Section:
    """Make a section of parameters of a value of ``config.yaml``; ProjectError where it is none."""
    try:
        return section.model_validate(value)
    except ValidationError as error:
        raise ProjectError(
            f"{project.directory / 'config.yaml'}: TCA.{name} holds a value that no decomposition was made "
            "with; restore the file, or run the project again"
        ) from error


def _plan(project: Project) -> AxisPlan:
    """Take the plan of the parameters, which face-rhythm does not keep, or that of the result."""
    data = project.settings("TCA").get("rearrange_data")
    if not data:
        return _stored_plan(project)
    return _plan_of(_validated(RearrangeData, data, project, "rearrange_data"))


def _prepare(project: Project, plan: AxisPlan) -> Prepared:
    config = project.settings("TCA")
    return prepare_tensors(
        {key: project.spectrogram(i) for i, key in enumerate(project.video_keys)},
        plan,
        mean_subtract=bool(config.get("mean_subtract", False)),
        std_divide=bool(config.get("std_divide", False)),
        normalize_dim=str(config.get("normalize_dim_name", "time")),
    )


def _plan_of(data: RearrangeData) -> AxisPlan:
    """Take the plan that the parameters describe."""
    return AxisPlan(
        names=data.names_dims_array,
        pairs=data.names_dims_concat_array,
        complex_into=data.name_dim_concat_complexDim if data.concat_complexDim else None,
        element_axis=data.name_dim_dictElements,
        method=data.method_handling_dictElements,
        concatenate_along=data.name_dim_concat_dictElements,
        windows=data.idx_windows,
        window_axis=data.name_dim_array_window,
    )


def _stored_plan(project: Project) -> AxisPlan:
    """Take the plan from the axis names of the stored decomposition, all that face-rhythm keeps."""
    names = next(iter(project.models().values())).names
    return AxisPlan.from_names(names, element_axis=project.element_axis())

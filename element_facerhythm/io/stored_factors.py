"""Factors of the models of a project, each with the windows that it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from element_facerhythm.core.decomposition.axes import AxisPlan
from element_facerhythm.core.decomposition.factors import Factors, split_by_video
from element_facerhythm.core.decomposition.loadings import (
    SpatialMaps,
    Spectra,
    TimeCourse,
    VideoWindows,
    spatial_maps,
    spectra,
    time_courses,
)
from element_facerhythm.core.decomposition.settings import TensorScaling
from element_facerhythm.core.gaps import breaks_at
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.product_stamps import product_format
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_model import StoredModel
from element_facerhythm.parameters.axes import TIME


def project_factors(
    project: Project, model_key: str, models: Mapping[str, StoredModel] | None = None
) -> Factors:
    """Factors of one model, split by video.

    Parameters
    ----------
    project
        The project.
    model_key
        Of the model.
    models
        All models of the project, where they were read already.

    Raises
    ------
    ProjectError
        There is no such model, or it has loadings of a video that was not tracked.
    """
    models = models or project.models()
    if model_key not in models:
        raise ProjectError(
            f"{project.product_path('TCA')} has no model {model_key!r}; expected one of {', '.join(models)}"
        )
    model = models[model_key]
    windows = fitted_windows(project)
    nested = {name: value for name, value in model.rearranged.items() if isinstance(value, Mapping)}
    # of axes without undone foldings, the loadings as decomposed, which the measures of fit use
    plain = {
        name: model.factors.get(name, value)
        for name, value in model.rearranged.items()
        if name not in nested
    }
    factors = split_by_video(
        plain,
        {own.video_index: len(own.times_s) for own in windows},
        joined_order(project),
        own_video=_own_video(project, model_key, models),
    )
    by_video = {video: dict(own) for video, own in factors.by_video.items()}
    for pieces in nested.values():
        for name, loadings in pieces.items():
            axis, _, key = name.rpartition("_")
            by_video.setdefault(_video_index(project, key), {})[axis] = loadings
    return Factors(factors.shared, by_video, factors.video_order)


def stored_arrangement(
    project: Project, models: Mapping[str, StoredModel]
) -> tuple[AxisPlan, TensorScaling]:
    """How the tensors of a project were made, as far as its decomposition alone shows.

    Parameters
    ----------
    project
        The project.
    models
        Its models by key.

    Returns
    -------
    The plan that the names of the axes show, of whole videos; and the scaling that ``config.yaml``
    holds, which is along time.

    Raises
    ------
    ParameterError
        The axes are not those of a tensor of spectrograms.
    """
    names, config = next(iter(models.values())).names, project.settings("TCA")
    plan = AxisPlan.from_names(names, element_axis=project.element_axis())
    subtracts, divides = (bool(config.get(key, False)) for key in ("mean_subtract", "std_divide"))
    return plan, TensorScaling(subtracts, divides)


def fitted_windows(project: Project, *, with_breaks: bool = True) -> tuple[VideoWindows, ...]:
    """Windows of each video that the models were fitted to.

    Parameters
    ----------
    project
        The project.
    with_breaks
        Whether to look for pauses of the recording.
    """
    windows = []
    for i in range(len(project.video_keys)):
        centres = project.window_centres(i)
        pauses = [gap.after_frame for gap in project.clock(i).pauses] if with_breaks else []
        windows.append(
            VideoWindows(i, project.window_times_s(i), centres, breaks_at(centres, pauses))
        )
    return chosen_windows(windows, project.settings("TCA").get("rearrange_data"))


def chosen_windows(
    windows: Sequence[VideoWindows], rearrange_data: Any
) -> tuple[VideoWindows, ...]:
    """Those that a decomposition was restricted to; all of them where nothing is stated.

    Parameters
    ----------
    windows
        Of each video.
    rearrange_data
        The parameters of that name, or None where they are not known.
    """
    if not isinstance(rearrange_data, Mapping):
        return tuple(windows)
    chosen, axis = rearrange_data.get("idx_windows"), rearrange_data.get("name_dim_array_window")
    if not isinstance(chosen, list | tuple) or len(chosen) != len(windows):
        return tuple(windows)
    if axis != TIME:
        return tuple(windows)
    return tuple(
        own if part is None else own.part(int(part[0]), int(part[1]))
        for own, part in zip(windows, chosen, strict=True)
    )


def joined_order(project: Project) -> tuple[int, ...]:
    """Videos in the order in which their windows were joined."""
    is_ours = product_format(project.product_path("TCA")) is not None
    return video_order(len(project.video_keys), is_ours=is_ours)


def video_order(n_videos: int, *, is_ours: bool) -> tuple[int, ...]:
    """Videos in the order in which a program joins them.

    Parameters
    ----------
    n_videos
        How many there are.
    is_ours
        Whether this package joined them, in numeric order; face-rhythm reads its HDF5 files in alphabetical
        order: with eleven videos, "10" before "2".
    """
    return tuple(range(n_videos)) if is_ours else tuple(sorted(range(n_videos), key=str))


def project_maps(project: Project, factors: Factors) -> SpatialMaps:
    """Return the maps of all components of a model; see `spatial_maps`.

    Parameters
    ----------
    project
        Says where the points were seeded, and how many frequencies there are.
    factors
        Of one of its models; see `project_factors`.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    ParameterError
        The model has no axis of points, or another number of them.
    """
    return spatial_maps(factors, project.point_positions, len(project.frequencies_hz))


def project_spectra(project: Project, factors: Factors) -> Spectra:
    """Return the spectra of all components of a model; see `spectra`.

    Parameters
    ----------
    project
        Says what the frequencies are, and how many points there are.
    factors
        Of one of its models; see `project_factors`.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    ParameterError
        The model has no axis of frequencies, or another number of them.
    """
    return spectra(factors, project.frequencies_hz, len(project.point_positions))


def project_courses(
    project: Project, factors: Factors, *, with_breaks: bool = True
) -> tuple[TimeCourse, ...]:
    """Return the time courses of all components of a model; see `time_courses`.

    Parameters
    ----------
    project
        Says when the windows of each video were.
    factors
        Of one of its models; see `project_factors`.
    with_breaks
        Whether a time course is interrupted, by two NaN, at each pause of the recording.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    ParameterError
        The model has no axis of time, or another number of windows.
    """
    return time_courses(
        factors,
        fitted_windows(project, with_breaks=with_breaks),
        len(project.point_positions),
        len(project.frequencies_hz),
    )


def _own_video(project: Project, model_key: str, models: Mapping[str, StoredModel]) -> int | None:
    """Return the video that a model is of; None where it is of all."""
    keys = project.video_keys
    if len(keys) == 1:
        return 0
    return keys.index(model_key) if tuple(models) == keys else None


def _video_index(project: Project, key: str) -> int:
    if key not in project.video_keys:
        raise ProjectError(
            f"{project.product_path('TCA')} has loadings of a video that PointTracker.h5 does not hold; the "
            "two are of different runs, so run the project again"
        )
    return project.video_keys.index(key)

"""Parameters of each product of a project that face-rhythm wrote, as far as it keeps them.

face-rhythm keeps the arguments of its classes in ``config.yaml``, some under other names than in its tree of
parameters, and not all of them. What a product holds itself is read from the product; where the two
contradict each other, ``config.yaml`` was written by another run, and nothing of the section is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from element_facerhythm.core.decomposition.axes import AxisPlan
from element_facerhythm.errors import ParameterError
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.axes import AXES, COMPLEX_AXIS, TIME, has_parts
from element_facerhythm.parameters.recorded import leaf_names

Settings = tuple[dict[str, Any], tuple[str, ...]]  # values by name, contradictions

_RELATIVE = 1e-3
_LARGEST = 1e12
_NAMES = frozenset(leaf_names())


def _dataset(project: Project) -> Settings:
    return _known(project.settings("Dataset_videos"), "Dataset_videos"), ()


def _rois(project: Project) -> Settings:
    section = project.settings("ROIs")
    spacing = {"point_spacing": section["point_spacing"]} if "point_spacing" in section else {}
    return _known({"make_rois": spacing}, "ROIs"), ()


def _tracker(project: Project) -> Settings:
    section = project.settings("PointTracker")
    known = _known(section, "PointTracker")
    name = "PointTracker.frames_freeze"
    if known.pop(name, None) is False:  # true: there are some, and which ones is not recorded
        known[name] = None
    # face-rhythm has none of these options, and computes as with these values
    known["PointTracker.method"] = "flow"
    known["PointTracker.params_optical_flow.refine"] = False
    known["PointTracker.frames_per_block"] = None
    with open_h5(project.product_path("PointTracker")) as file:
        shape = file.dataset("neighbors").shape if "neighbors" in file else ()
    n_neighbors = _number(known.get("PointTracker.params_optical_flow.mesh_n_neighbors"))
    n_points = len(project.point_positions)
    faults = []
    if n_neighbors is not None and len(shape) == 2 and shape[1] != min(n_neighbors, n_points):
        faults.append(f"mesh_n_neighbors {n_neighbors:g}, and the product has {shape[1]}")
    n_videos = len(project.video_paths)
    n_sequences = 1 if section.get("contiguous") is True else n_videos
    if len(project.video_keys) != n_sequences:
        faults.append(
            f"{n_sequences} sequences of {n_videos} videos, and the product has {len(project.video_keys)}"
        )
    return ({}, tuple(faults)) if faults else (known, ())


def _analyzer(project: Project) -> Settings:
    known = _known(project.settings("VQT_Analyzer"), "VQT_Analyzer")
    vqt = project.settings("VQT_Analyzer").get("params_VQT")
    vqt = vqt if isinstance(vqt, Mapping) else {}
    if isinstance(vqt.get("return_complex"), bool):  # its name before 0.3
        known["VQT_Analyzer.params_VQT.take_abs"] = not vqt["return_complex"]
    known["VQT_Analyzer.params_VQT.averaging"] = "exact"
    frequencies = project.frequencies_hz.astype(float)
    steps = [np.diff(project.window_centres(i)) for i in range(len(project.video_keys))]
    step = np.median(np.concatenate(steps)) if any(map(len, steps)) else None
    found = {
        "n_freq_bins": len(frequencies),
        "F_min": frequencies.min(),
        "F_max": frequencies.max(),
        "downsample_factor": step,
    }
    faults = [
        f"{name} {stated:g}, and the product has {found[name]:g}"
        for name in found
        if (stated := _number(vqt.get(name))) is not None
        and found[name] is not None
        and not np.isclose(stated, found[name], rtol=_RELATIVE)
    ]
    if known.get("VQT_Analyzer.params_VQT.take_abs") is True and _is_complex(project):
        faults.append("amplitudes, and the product is complex")
    return ({}, tuple(faults)) if faults else (known, ())


def _decomposition(project: Project) -> Settings:
    section = project.settings("TCA")
    normalize = {k: section[k] for k in ("mean_subtract", "std_divide") if k in section}
    fit = {k: section[k] for k in ("method", "params_method") if k in section}
    known = _known({"normalize_data": normalize, "fit": fit}, "TCA")
    known["TCA.fit.params_method.n_restarts"] = 1  # it fits once
    seed = known.get("TCA.fit.params_method.random_state")
    if seed is not None:
        known["project.random_seed"] = seed
    model = next(iter(project.models().values()))
    rank, stated = len(model.weights), _number(known.get("TCA.fit.params_method.rank"))
    axes = _axes(project, model.names)
    if stated is not None and stated != rank:
        return {**axes, "TCA.fit.params_method.rank": rank}, (
            f"rank {stated:g}, and the product has {rank}",
        )
    return {**known, **axes}, ()


def _axes(project: Project, names: tuple[str, ...]) -> dict[str, Any]:
    """Return how the tensor was arranged, from the names of its axes."""
    try:
        plan = AxisPlan.from_names(names, element_axis=project.element_axis())
    except ParameterError:  # axes of another tensor than of spectrograms
        return {}
    with open_h5(project.product_path("TCA")) as file:
        after = file.dataset("names_dims_array").texts() if "names_dims_array" in file else None
    values: dict[str, Any] = {
        "rearrange_data.names_dims_array": list(AXES),
        "rearrange_data.names_dims_concat_array": [list(pair) for pair in plan.pairs],
        "rearrange_data.concat_complexDim": plan.complex_into is not None,
        "rearrange_data.name_dim_dictElements": plan.element_axis,
        "rearrange_data.method_handling_dictElements": plan.method,
    }
    if plan.complex_into is not None:
        values["rearrange_data.name_dim_concat_complexDim"] = plan.complex_into
    if plan.method == "concatenate":
        values["rearrange_data.name_dim_concat_dictElements"] = plan.concatenate_along
    if after is not None:
        joined = plan.method == "concatenate"
        is_kept = any(has_parts(name, plan.element_axis) for name in after)
        values["rearrange_factors.undo_concat_dictElements"] = joined and not is_kept
        complex_kept = any(has_parts(name, COMPLEX_AXIS) for name in after)
        folded = plan.complex_into is not None
        values["rearrange_factors.undo_concat_complexDim"] = folded and not complex_kept
    if plan.method == "concatenate" and _takes_every_window(project, plan, names):
        values["rearrange_data.idx_windows"] = None
    return {f"TCA.{name}": value for name, value in values.items()}


def _takes_every_window(project: Project, plan: AxisPlan, names: tuple[str, ...]) -> bool:
    """Whether loadings over time are as long as all spectrograms together, so that none was cut."""
    if plan.concatenate_along != TIME or plan.complex_into is not None:
        return False
    n_windows = sum(project.spectrogram(i).shape[3] for i in range(len(project.video_keys)))
    model = next(iter(project.models().values()))
    return len(model.factors[names[plan.joint_axis]]) == n_windows


def _is_complex(project: Project) -> bool:
    return any(project.spectrogram(i).dtype.kind == "c" for i in range(len(project.video_keys)))


def _known(section: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Values of a section that are parameters of this package, by their names."""
    found: dict[str, Any] = {}
    for key, value in section.items():
        name = f"{path}.{key}"
        if name in _NAMES:
            found[name] = value
        elif isinstance(value, Mapping):
            found |= _known(value, name)
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _LARGEST else None


SETTINGS_OF: dict[str, Callable[[Project], Settings]] = {
    "dataset": _dataset,
    "rois": _rois,
    "point_tracking": _tracker,
    "spectral_analysis": _analyzer,
    "decomposition": _decomposition,
}
"""Values of each stage's parameters by name, and how ``config.yaml`` contradicts the product."""

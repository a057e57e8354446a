"""Parameters that a project's results were made with, as far as it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from element_facerhythm.errors import ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.parameters.reading import known_names
from element_facerhythm.pipeline.load import known_parameters


def parameters_of_project(project: Project) -> Parameters:
    """Return the parameters of a project's results: of a run of ours all, else see `recorded_parameters`.

    Raises
    ------
    ParameterError
        A value is not one that this package could have computed with.
    PathError
        A file of it is a link that leads out.
    """
    return known_parameters(project)[0] or recorded_parameters(project.config)


def recorded_parameters(config: Mapping[str, Any]) -> Parameters:
    """Return the parameters that a project's `config.yaml` records; the others are defaults.

    face-rhythm keeps the arguments of its classes there: the decomposition's lie one level higher than
    in its parameter tree, `false` stands for no frozen frames, and how the decomposition's axes were
    arranged is not there at all.

    Raises
    ------
    ParameterError
        A value is not one that this package could have computed with.
    """
    known = set(known_names())

    def keep(section: Mapping[str, Any], path: str) -> dict[str, Any]:
        names = {key: f"{path}.{key}" if path else str(key) for key in section}
        return {
            key: keep(value, names[key]) if isinstance(value, Mapping) else value
            for key, value in section.items()
            if names[key] in known
        }

    decomposition = config.get("TCA") or {}
    if not isinstance(decomposition, Mapping):
        raise ParameterError(
            "config.yaml of the project: its section TCA is not a mapping. Give the parameters that it was "
            "made with as a parameter file"
        )
    flat = {
        "normalize_data": {
            key: decomposition[key]
            for key in ("mean_subtract", "std_divide")
            if key in decomposition
        },
        "fit": {
            key: decomposition[key] for key in ("method", "params_method") if key in decomposition
        },
    }
    tree = keep({**config, "TCA": {**flat, **decomposition}}, "")
    tracker = tree.get("PointTracker", {})
    if isinstance(tracker, dict) and tracker.get("frames_freeze") is False:
        tracker["frames_freeze"] = None
    try:
        return parameters_from_mapping(tree, quote=False).parameters
    except ParameterError as error:
        raise ParameterError(
            f"config.yaml of the project: {error}. Give the parameters that it was made with as a "
            "parameter file"
        ) from error

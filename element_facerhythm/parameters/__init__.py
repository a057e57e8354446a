"""The only place where a parameter's name, type, limits and default are written."""

from __future__ import annotations

from element_facerhythm.parameters.checks import check_parameters
from element_facerhythm.parameters.differences import describe_difference
from element_facerhythm.parameters.reading import (
    LoadedParameters,
    parameters_from_mapping,
    read_parameters,
)
from element_facerhythm.parameters.tree import Parameters

__all__ = [
    "LoadedParameters",
    "Parameters",
    "check_parameters",
    "describe_difference",
    "parameters_from_mapping",
    "read_parameters",
]

"""The only place where a parameter's name, type, limits and default are written."""

from __future__ import annotations

from element_facerhythm.parameters.checks import check_parameters
from element_facerhythm.parameters.differences import describe_difference
from element_facerhythm.parameters.fitting import FittedValue, RecordingFacts, fit_parameters
from element_facerhythm.parameters.open import AnyParameters, OpenParameters, as_open
from element_facerhythm.parameters.open_reading import (
    LoadedOpenParameters,
    open_parameters_from_mapping,
    read_open_parameters,
)
from element_facerhythm.parameters.reading import (
    LoadedParameters,
    parameters_from_mapping,
    read_parameters,
)
from element_facerhythm.parameters.tree import Parameters

__all__ = [
    "AnyParameters",
    "FittedValue",
    "LoadedOpenParameters",
    "LoadedParameters",
    "OpenParameters",
    "Parameters",
    "RecordingFacts",
    "as_open",
    "check_parameters",
    "describe_difference",
    "fit_parameters",
    "open_parameters_from_mapping",
    "parameters_from_mapping",
    "read_open_parameters",
    "read_parameters",
]

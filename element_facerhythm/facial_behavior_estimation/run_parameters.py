"""Parameters that a run was made with, as its row says them."""

from typing import TYPE_CHECKING

from element_facerhythm.database.keys import key_text, restriction_of
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.schema import schema

if TYPE_CHECKING:
    from element_facerhythm.parameters import Parameters

_RUNS = "FaceRhythmProcessing"
"""Table of the runs, by name as in a definition: it depends on the parameter sets, which read it here."""


def parameters_of_row(key: Key) -> "Parameters":
    """Parameters that a run was made with, once it is certain that they are those that were written.

    Raises
    ------
    ConfigurationError
        There is no such run, its parameters are not known, or they do not have the digest of its row.
    """
    from element_facerhythm.parameters import open_parameters_from_mapping

    runs = schema.table(_RUNS)
    key = restriction_of(runs, key)
    rows = (runs() & key).to_dicts()
    if len(rows) != 1:
        raise ConfigurationError(
            f"{key_text(key)} is the key of {len(rows)} runs; expected that of one"
        )
    tree, sha256 = rows[0]["run_parameters"], rows[0]["run_parameter_sha256"]
    if tree is None or sha256 is None:
        raise ConfigurationError(
            f"the parameters of run {key_text(key)} are not known, or not all: it is a project that was "
            "taken over and does not say them. Enter them with FaceRhythmParamSet.insert_new_params"
        )
    parameters = open_parameters_from_mapping(tree, fitted=False).parameters
    if not parameters.is_closed or parameters.sha256() != sha256:
        raise ConfigurationError(
            f"run_parameters of run {key_text(key)} do not give the digest they were stored with: the row "
            "was changed since, or written by another version of element-facerhythm. Delete the entry of "
            "FaceRhythmProcessing and populate again"
        )
    return parameters.stand_in

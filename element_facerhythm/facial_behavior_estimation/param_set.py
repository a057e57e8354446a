"""Parameter sets: stored once, never changed, and checked against their digest when they are used."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.columns import require_length
from element_facerhythm.errors import ConfigurationError, ParameterError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.facial_behavior_estimation.run_parameters import parameters_of_row
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.files.plain import plain_row, whole_number
from element_facerhythm.linking import active_link

if TYPE_CHECKING:
    from element_facerhythm.parameters import AnyParameters, OpenParameters


@schema
class FaceRhythmParamSet(dj.Lookup):
    """A set of analysis parameters; two sets with the same content cannot both be stored.

    A value may be `auto`: it is then fitted to the recording of each task. The fitted values are in a column
    of `FaceRhythmProcessing`.
    """

    definition = """
    # Analysis parameters
    paramset_id          : int32     # number of the set
    ---
    paramset_description : varchar(255) # what it is for
    parameters           : json      # complete tree; 'auto': fitted to the recording; null as `unknown` lists
    parameter_sha256     : char(64)  # digest of the canonical text of the parameters
    unique index (parameter_sha256)
    """

    @classmethod
    def insert_new_params(
        cls,
        paramset_id: int | None,
        description: str,
        parameters: "AnyParameters | Mapping[str, Any] | str | Path | None",
    ) -> int:
        """Store a parameter set, once.

        Parameters
        ----------
        paramset_id
            Number to store it under; None takes the number it has already, else the next free one.
        description
            What it is for.
        parameters
            Parameters, a mapping of face-rhythm's tree, or a JSON or YAML file; None for a set without
            values. A value that is missing, or is `auto`, is stored as `auto` where it depends on the camera,
            and as its default where it does not.

        Returns
        -------
        int
            The number that these parameters are stored under.

        Raises
        ------
        ParameterError
            A parameter is unknown or wrong, or the number (or the content) is stored already with
            another content (or number).
        """
        checked = as_open_parameters(parameters)
        require_length(cls, "paramset_description", description)
        if paramset_id is not None:
            paramset_id = whole_number("paramset_id", paramset_id)
        sha256 = checked.sha256()
        same_content = (cls() & {"parameter_sha256": sha256}).to_arrays("paramset_id")
        if len(same_content):
            stored_id = int(same_content[0])
            if paramset_id not in (None, stored_id):
                raise ParameterError(
                    f"these parameters are stored already as paramset_id {stored_id}; use that "
                    f"instead of {paramset_id}"
                )
            return stored_id
        if paramset_id is None:
            paramset_id = 1 + max(map(int, cls.to_arrays("paramset_id")), default=-1)
        elif cls() & {"paramset_id": paramset_id}:
            raise ParameterError(
                f"paramset_id {paramset_id} holds other parameters; a stored set is never changed, so "
                "take another number"
            )
        cls.insert1(
            {
                "paramset_id": paramset_id,
                "paramset_description": description,
                "parameters": json.loads(checked.canonical_json()),
                "parameter_sha256": sha256,
            }
        )
        return paramset_id

    @classmethod
    def insert_from_project(cls, directory: str | Path) -> int:
        """Store the parameters that a project directory was made with, once; null for what is not known.

        Parameters
        ----------
        directory
            The project directory, below one of the data directories.

        Returns
        -------
        int
            The number of the set. Where all is known it can be run with, else it goes with tasks that load
            this project.

        Raises
        ------
        ProjectError
            The directory is no project.
        """
        from element_facerhythm.io.project import Project
        from element_facerhythm.pipeline.results.recorded_parameters import parameters_of_project

        project = Project.open(directory, active_link().search_dirs())
        return cls.insert_new_params(
            None, f"as {project.directory.name} was made with"[:255], parameters_of_project(project)
        )

    @classmethod
    def insert_from_run(cls, key: Key) -> int:
        """Store the parameters that a run was made with, in which nothing is open any more, once.

        Parameters
        ----------
        key
            Primary key of an entry of `FaceRhythmProcessing`.

        Returns
        -------
        int
            The number of the set. A task of it repeats the run on the same recording exactly, and analyses
            any other one with the same numbers.

        Raises
        ------
        ConfigurationError
            There is no such run, its parameters are not known (a project that was taken over), or they are
            not those that were written.
        """
        parameters = parameters_of_row(key)
        key = plain_row(key)
        names = ", ".join(
            f"{name} {key[name]}"
            for name in (*VideoRecording.primary_key, "paramset_id", "roi_id")
            if name in key
        )
        return cls.insert_new_params(None, f"as the run of {names}"[:255], parameters)


def as_open_parameters(
    parameters: "AnyParameters | Mapping[str, Any] | str | Path | None",
) -> "OpenParameters":
    """Parameters from what a caller may give; ParameterError where they are wrong."""
    from element_facerhythm.parameters import (
        OpenParameters,
        Parameters,
        as_open,
        open_parameters_from_mapping,
        read_open_parameters,
    )

    if isinstance(parameters, (Parameters, OpenParameters)):
        return as_open(parameters)
    if isinstance(parameters, Mapping):
        return open_parameters_from_mapping(parameters).parameters
    return read_open_parameters(None if parameters is None else Path(parameters)).parameters


def parameters_as_entered(
    paramset_id: int, tree: Mapping[str, Any], sha256: str
) -> "OpenParameters":
    """Parameters of a stored set, once it is certain that they are those that were entered.

    Parameters
    ----------
    paramset_id
        Number of the set, for the message.
    tree, sha256
        Its columns.

    Raises
    ------
    ConfigurationError
        They do not have the digest that they were stored with.
    """
    from element_facerhythm.parameters import open_parameters_from_mapping

    # a stored set is complete: a value that it lacks is of another version, and must not be fitted
    parameters = open_parameters_from_mapping(tree, fitted=False).parameters
    if parameters.sha256() != sha256:
        raise ConfigurationError(
            f"parameter set {paramset_id} does not give the digest it was stored with: it was changed since, "
            "or written by another version of element-facerhythm; enter the parameters as a new set"
        )
    return parameters

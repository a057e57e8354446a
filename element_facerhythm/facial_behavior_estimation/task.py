"""What is to be done: parameter sets, and the tasks that join them with recordings and regions."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import ConfigurationError, ParameterError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.facial_behavior_estimation.roi import (
    FaceRhythmROI,  # noqa: F401  named in the definition
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.task_directories import (
    register_task_table,
    with_own_directories,
)
from element_facerhythm.linking import active_link, resolve_new_path
from element_facerhythm.pipeline.frame_range import frame_range

if TYPE_CHECKING:
    from element_facerhythm.parameters import AnyParameters, OpenParameters

TASK_MODES = ("load", "trigger")


@schema
class FaceRhythmParamSet(dj.Lookup):
    """A set of analysis parameters; two sets with the same content cannot both be stored.

    A value may be `auto`: it is then fitted to the recording of each task. What it became is a column of
    `FaceRhythmProcessing`.
    """

    definition = """
    # Analysis parameters
    paramset_id          : int32     # number of the set
    ---
    description          : varchar(255) # what it is for
    parameters           : json      # face-rhythm's parameter tree, complete; 'auto': fitted to the recording
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
            Parameters, a mapping of face-rhythm's tree, or a JSON or YAML file; None for a set that says
            nothing. What a mapping or a file does not say, or says is `auto`, and depends on the camera, is
            stored as `auto`; what does not depend on it gets its default.

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
                "description": description,
                "parameters": json.loads(checked.canonical_json()),
                "parameter_sha256": sha256,
            }
        )
        return paramset_id

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
        from element_facerhythm.facial_behavior_estimation.processing import parameters_of_row

        parameters = parameters_of_row(key)
        names = ", ".join(
            f"{name} {key[name]}" for name in FaceRhythmTask.primary_key if name in key
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
        They do not give the digest that they were stored with.
    """
    from element_facerhythm.parameters import open_parameters_from_mapping

    # a stored set says everything: what it does not say is of another version, and must not be fitted
    parameters = open_parameters_from_mapping(tree, fitted=False).parameters
    if parameters.sha256() != sha256:
        raise ConfigurationError(
            f"parameter set {paramset_id} does not give the digest it was stored with: it was changed since, "
            "or written by another version of element-facerhythm; enter the parameters as a new set"
        )
    return parameters


@schema
class FaceRhythmTask(dj.Manual):
    """A recording to process with a parameter set and regions of interest.

    `task_mode` is 'trigger' to run the analysis, 'load' to take a project directory that exists.
    """

    definition = """
    # Recordings paired with parameters and regions of interest
    -> VideoRecording
    -> FaceRhythmParamSet
    -> FaceRhythmROI
    ---
    task_mode='load'     : varchar(8)   # 'load': take an existing project directory; 'trigger': run
    output_dir=''        : varchar(512) # project directory, relative to the processed one; '': inferred
    frames=''            : varchar(40)  # part of the recording, 'A:B' (B not included); '': all
    task_description=''  : varchar(255) # remark
    """

    def insert(self, rows: Any, **kwargs: Any) -> None:
        """Insert tasks.

        Raises
        ------
        ConfigurationError
            A `task_mode` is neither 'load' nor 'trigger', or another task has the directory.
        RequestError
            `frames` is not of the form 'A:B'.
        """
        super().insert(checked_rows(type(self), rows, check_mode_of), **kwargs)

    @classmethod
    def insert_repetition(cls, key: Key) -> Key:
        """Enter a task that repeats a run exactly: its recording, regions, and parameters as they became.

        Parameters
        ----------
        key
            Primary key of an entry of `FaceRhythmProcessing`.

        Returns
        -------
        dict
            Primary key of the task; the run's own where nothing of its parameter set was open.

        Raises
        ------
        ConfigurationError
            As `FaceRhythmParamSet.insert_from_run`.
        """
        paramset_id = FaceRhythmParamSet.insert_from_run(key)
        task = {**{name: key[name] for name in cls.primary_key}, "paramset_id": paramset_id}
        if not (cls() & task):
            cls.insert1({**task, "task_mode": "trigger"})
        return task

    @classmethod
    def infer_output_dir(cls, key: Key, *, relative: bool = True, mkdir: bool = False) -> Path:
        """Project directory of a task whose `output_dir` is empty: made of its primary key.

        Parameters
        ----------
        key
            Primary key of the task (it need not be entered yet).
        relative
            Relative to the processed data directory, else absolute.
        mkdir
            Create it.
        """
        ids = (directory_name(name, key[name]) for name in ("paramset_id", "roi_id"))
        return directory_of(key, "_".join(ids), relative=relative, mkdir=mkdir)


register_task_table(FaceRhythmTask, lambda row: row.get("task_mode") == "trigger")


def checked_rows(table: Any, rows: Any, check: Callable[[Mapping[str, Any]], None]) -> Any:
    """Rows of a table of tasks as `insert` takes them, each that is a mapping looked at first."""
    if not isinstance(rows, (list, tuple, Iterator)):
        return rows
    rows = list(rows)
    for row in rows:
        if isinstance(row, Mapping):
            check(row)
    return with_own_directories(table, rows)


def check_mode_of(row: Mapping[str, Any]) -> None:
    """Raise unless the mode of a task's row is known, and its frames are a range."""
    check_task_mode(row.get("task_mode", "load"))
    frame_range(row.get("frames"))


def directory_of(key: Key, last: str, *, relative: bool, mkdir: bool) -> Path:
    """Directory `last` of a recording, below the processed data directory; see `infer_output_dir`."""
    recording = [directory_name(name, key[name]) for name in VideoRecording.primary_key]
    output_dir = Path(*recording, last)
    absolute = resolve_new_path(output_dir, active_link().processed_dir())
    if mkdir:
        absolute.mkdir(parents=True, exist_ok=True)
    return output_dir if relative else absolute


def check_task_mode(task_mode: Any) -> None:
    """Raise ConfigurationError unless the mode is known."""
    if task_mode not in TASK_MODES:
        raise ConfigurationError(
            f"task_mode {task_mode!r} is not known; expected 'load' (take an existing project "
            "directory) or 'trigger' (run the analysis)"
        )


def directory_name(name: str, value: Any) -> str:
    """Make `name-value` a directory name; a digest keeps apart what differs in odd characters only."""
    text = str(value)
    safe = re.sub(r"[^A-Za-z0-9.-]", "_", text)
    if safe != text:
        safe += f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return f"{name.removesuffix('_id')}-{safe}"

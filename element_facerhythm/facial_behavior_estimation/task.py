"""Tasks, which join recordings with parameter sets and regions."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.database.keys import key_of
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.facial_behavior_estimation.enter_once import enter_once
from element_facerhythm.facial_behavior_estimation.param_set import FaceRhythmParamSet
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.facial_behavior_estimation.roi import (
    FaceRhythmROI,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.task_directories import (
    inferred_directory,
    register_task_table,
    with_own_directories,
)
from element_facerhythm.files.plain import plain_row
from element_facerhythm.pipeline.run.frame_range import frame_range

TASK_MODES = ("load", "trigger")


@schema
class FaceRhythmTask(dj.Manual):
    """A recording to process with a parameter set and regions of interest.

    `task_mode` is 'trigger' to run the analysis, 'load' to take a project directory that exists. Where it is
    left out, a row with an `output_dir` loads, and one without runs.
    """

    definition = """
    # Recordings paired with parameters and regions of interest
    -> VideoRecording
    -> FaceRhythmParamSet
    -> FaceRhythmROI
    ---
    task_mode='trigger'  : varchar(8)   # 'trigger': run; 'load': take the project directory output_dir
    output_dir=''        : varchar(512) # project directory, relative to the processed one; '': inferred
    frames=''            : varchar(40)  # part of the recording, 'A:B' (B not included); '': all
    task_description=''  : varchar(255) # remark
    """

    def insert(self, rows: Any, **kwargs: Any) -> None:
        """Insert tasks.

        Parameters
        ----------
        rows, kwargs
            As DataJoint's `insert` takes them; what is left out of a row is filled in.

        Raises
        ------
        ConfigurationError
            A `task_mode` is neither 'load' nor 'trigger', another task has the directory, or the analysis
            is to run with parameters that are not all known.
        RequestError
            `frames` is not of the form 'A:B'.
        """
        super().insert(checked_rows(type(self), rows, _completed_row), **kwargs)

    @classmethod
    def generate(
        cls,
        key: Key,
        task_description: str = "",
        task_mode: str | None = None,
        *,
        paramset_id: int | None = None,
        roi_id: int | None = None,
        output_dir: str = "",
        frames: str = "",
    ) -> Key:
        """Enter a task for a recording, once; the same call again changes nothing.

        Parameters
        ----------
        key
            Primary key of the recording, with `paramset_id` and `roi_id` where they are not given below.
        task_description, task_mode, output_dir, frames
            As the columns; a mode of None loads where there is an `output_dir`, and runs where there is none.
        paramset_id, roi_id
            Parameter set and regions; the only ones that there are (of the recording), if left out.

        Returns
        -------
        dict
            Primary key of the task.

        Raises
        ------
        ConfigurationError
            The task is there with another content, a mode is not known, or it is not said which of several
            parameter sets or regions is meant.
        RequestError
            `frames` is not of the form 'A:B'.
        """
        key = plain_row(key, "the key of a task")
        recording = key_of(VideoRecording, key)
        chosen = (number_of(key, "paramset_id", paramset_id), number_of(key, "roi_id", roi_id))
        task = {
            **recording,
            "paramset_id": _the_one(FaceRhythmParamSet(), "paramset_id", chosen[0]),
            "roi_id": _the_one(FaceRhythmROI() & recording, "roi_id", chosen[1]),
        }
        row = {
            **task,
            **({} if task_mode is None else {"task_mode": task_mode}),
            "output_dir": output_dir,
            "frames": frames,
            "task_description": task_description,
        }
        enter_once(cls, _completed_row(row))
        return task

    @classmethod
    def insert_repetition(cls, key: Key) -> Key:
        """Enter a task that repeats a run exactly: its recording, regions, and parameters as fitted.

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
        key = key_of(cls, key)
        task = {**key, "paramset_id": FaceRhythmParamSet.insert_from_run(key)}
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
        relative, mkdir
            As of `directory_of`.
        """
        own = ("paramset_id", "roi_id")
        return inferred_directory(cls, key, own, relative=relative, mkdir=mkdir)


def _completed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Row of a task with its mode; raise unless it can be done: mode, frames and parameters."""
    from element_facerhythm.parameters.open import UNKNOWN

    own = with_task_mode(row, "task_mode", "output_dir")
    check_task_mode(own["task_mode"])
    frame_range(own.get("frames"))
    if own["task_mode"] != "trigger" or "paramset_id" not in own:
        return own
    stored = (FaceRhythmParamSet() & {"paramset_id": own["paramset_id"]}).to_dicts()
    if stored and UNKNOWN in stored[0]["parameters"]:
        raise ConfigurationError(
            f"parameter set {own['paramset_id']} is what is known of results that were made elsewhere "
            f"({stored[0]['paramset_description']}), and does not say everything: it goes with task_mode "
            "'load' alone. Enter parameters that say everything, to run the analysis"
        )
    return own


register_task_table(FaceRhythmTask, "output_dir", lambda row: row.get("task_mode") == "trigger")


def number_of(key: Mapping[str, Any], name: str, given: int | None) -> int | None:
    """Return the number that a key has, or that is given beside it; None where neither has one.

    Parameters
    ----------
    key
        Values by column.
    name
        The column of the number.
    given
        The number beside the key; None for none.

    Raises
    ------
    ConfigurationError
        They differ.
    """
    in_key = key.get(name)
    if in_key is not None and given is not None and int(in_key) != int(given):
        raise ConfigurationError(
            f"the key has {name} {in_key}, and {name}={given} is given: which?"
        )
    return given if in_key is None else int(in_key)


def _the_one(table: Any, name: str, given: int | None) -> int:
    """Return the number that is given, or the only one that the table has."""
    if given is not None:
        return given
    numbers = [int(number) for number in table.to_arrays(name)]
    if len(numbers) != 1:
        raise ConfigurationError(
            f"the task needs {name}: {len(numbers)} are entered that it could be "
            f"({', '.join(map(str, sorted(numbers))) or 'none'}); say which, in the key or as {name}=..."
        )
    return numbers[0]


def checked_rows(
    table: Any, rows: Any, complete: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Any:
    """Rows of a table of tasks as `insert` takes them; those with column names are completed and checked.

    Parameters
    ----------
    table
        The table class, registered by `register_task_table`.
    rows
        A data frame, a list, an iterator or an array of rows; anything else is returned as it is.
    complete
        Returns a row with what it leaves out, or raises where its task cannot be done.

    Raises
    ------
    RequestError
        A row is none; `complete` refuses it; or another task has its directory.
    """
    if hasattr(rows, "to_dict") and getattr(rows, "ndim", None) == 2:
        unnamed = rows.index.names == [None]
        rows = rows.reset_index(drop=unnamed).to_dict("records")  # a data frame
    if not isinstance(rows, (list, tuple, Iterator, np.ndarray)):
        return rows
    rows = [row if type(row) in (list, tuple) else plain_row(row, "a task") for row in rows]
    rows = [complete(row) if isinstance(row, Mapping) else row for row in rows]
    return with_own_directories(table, rows)


def with_task_mode(row: Mapping[str, Any], mode: str, directory: str) -> dict[str, Any]:
    """Row of a task with its mode: one that is left out is 'load' where the row has a directory.

    Parameters
    ----------
    row
        Values by column.
    mode, directory
        Names of the columns of the mode and of the directory.
    """
    return {mode: "load" if row.get(directory) else "trigger", **row}


def check_task_mode(task_mode: Any) -> None:
    """Raise ConfigurationError unless the mode is known."""
    if task_mode not in TASK_MODES:
        raise ConfigurationError(
            f"task_mode {task_mode!r} is not known; expected 'load' (take an existing project "
            "directory) or 'trigger' (run the analysis)"
        )

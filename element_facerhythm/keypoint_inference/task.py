"""Which model is to find keypoints in which recording."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from element_facerhythm.columns import require_length
from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.facial_behavior_estimation.task import (
    check_mode_of,
    checked_rows,
    directory_name,
    directory_of,
)
from element_facerhythm.facial_behavior_estimation.task_directories import register_task_table
from element_facerhythm.keypoint_inference.model import (
    KeypointModel,  # noqa: F401  named in the definition
)
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.linking import active_link, relative_to_roots


@schema
class KeypointInferenceTask(dj.Manual):
    """A recording to find keypoints in with a model.

    `task_mode` is 'trigger' to run facemap's network, 'load' to take what a tracker predicted.
    """

    definition = """
    # Recordings paired with models of keypoints
    -> VideoRecording
    -> KeypointModel
    ---
    task_mode='load'    : varchar(8)   # 'load': take predictions that exist; 'trigger': predict
    output_dir=''       : varchar(512) # directory of the result, relative to the processed one; '': inferred
    bbox=null           : json         # what the network sees: null all, 'auto', [x1, x2, y1, y2] or several
    load_options=null   : json         # how files are read where they leave it open; null: as they say
    task_description='' : varchar(255) # remark
    """

    class File(dj.Part):
        """Predictions to load: one file for the recording, or one for each of its videos."""

        definition = """
        # Files of predictions to load, in the order of file_id
        -> master
        file_id   : int32        # order in time
        ---
        file_path : varchar(512) # relative to a root or the processed data directory
        """

    def insert(self, rows: Any, **kwargs: Any) -> None:
        """Insert tasks; an error for an unknown `task_mode`, a malformed `bbox`, or a taken directory."""
        super().insert(checked_rows(type(self), rows, check_row), **kwargs)

    @classmethod
    def generate(
        cls,
        key: Key,
        model_id: int,
        *,
        task_mode: str = "trigger",
        bbox: Any = None,
        files: Sequence[str | Path] = (),
        output_dir: str = "",
        description: str = "",
        options: ReadingOptions | None = None,
    ) -> Key:
        """Enter a task for a recording, with the files to load; return its primary key.

        Parameters
        ----------
        key
            Primary key of the recording.
        model_id
            The model.
        task_mode, bbox, output_dir, description
            As the columns.
        files
            Predictions to load, in order; below a root or the processed data directory.
        options
            How they are to be read, where they leave it open.

        Raises
        ------
        KeypointError
            Files are given to a task that predicts, or none to one that loads.
        """
        if (task_mode == "load") != bool(files):
            raise KeypointError(
                f"task_mode {task_mode!r} with {len(files)} files of predictions; 'load' needs them, "
                "'trigger' predicts itself"
            )
        dirs = active_link().search_dirs()
        paths = [relative_to_roots(path, dirs) for path in files]
        for path in paths:
            require_length(cls.File, "file_path", path)
        task = {name: key[name] for name in VideoRecording.primary_key} | {"model_id": model_id}
        row = {
            **task,
            "task_mode": task_mode,
            "bbox": bbox,
            "output_dir": output_dir,
            "task_description": description,
            "load_options": None if options is None else options.to_json(),
        }
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            cls().insert([row])
            cls.File.insert(
                {**task, "file_id": index, "file_path": path} for index, path in enumerate(paths)
            )
        return task

    @classmethod
    def infer_output_dir(cls, key: Key, *, relative: bool = True, mkdir: bool = False) -> Path:
        """Directory of a task whose `output_dir` is empty: made of its primary key.

        Parameters
        ----------
        key
            Primary key of the task (it need not be entered yet).
        relative
            Relative to the processed data directory, else absolute.
        mkdir
            Create it.
        """
        last = f"keypoints_{directory_name('model_id', key['model_id'])}"
        return directory_of(key, last, relative=relative, mkdir=mkdir)


register_task_table(KeypointInferenceTask, lambda row: True)  # predictions that are loaded, too


def check_row(row: Mapping[str, Any]) -> None:
    """Raise an error for a row with an unknown mode, a malformed box, or options that are none."""
    check_mode_of(row)
    ReadingOptions.from_json(row.get("load_options"))
    parse_bbox(row.get("bbox"))


def parse_bbox(bbox: Any) -> Any:
    """Read what a `bbox` column says, as `pipeline.keypoints.BoxChoice`.

    Raises
    ------
    KeypointError
        It is none of null, 'auto', four whole numbers, or a list of four whole numbers each.
    """
    if bbox is None or bbox == "auto":
        return bbox
    if isinstance(bbox, (list, tuple)) and bbox:
        rows = [bbox] if not isinstance(bbox[0], (list, tuple)) else list(bbox)
        if all(
            isinstance(row, (list, tuple)) and len(row) == 4 and all(map(_is_whole, row))
            for row in rows
        ):
            return tuple(tuple(int(value) for value in row) for row in rows)
    raise KeypointError(
        f"bbox is {bbox!r}; expected null (the whole frame), 'auto', [x1, x2, y1, y2] in whole pixels, or a "
        "list of these with one for each video"
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)

"""Tasks of finding keypoints, which join recordings with models."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from element_facerhythm.database.columns import require_length
from element_facerhythm.database.keys import key_of
from element_facerhythm.errors import ConfigurationError, KeypointError, PathError
from element_facerhythm.facial_behavior_estimation.enter_once import enter_once
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    VideoRecording,
)
from element_facerhythm.facial_behavior_estimation.task import (
    check_task_mode,
    checked_rows,
    number_of,
    with_task_mode,
)
from element_facerhythm.facial_behavior_estimation.task_directories import (
    inferred_directory,
    register_task_table,
)
from element_facerhythm.files.plain import plain, plain_row
from element_facerhythm.keypoint_inference.facemap_result import FACEMAP_RESULT, facemap_result
from element_facerhythm.keypoint_inference.model import (
    KeypointModel,  # noqa: F401  named in the definition
)
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.linking import active_link, relative_to_roots
from element_facerhythm.linking.element_facemap_names import renamed_columns

FACEMAP_COLUMNS = renamed_columns("FacemapInferenceTask")
"""Element Facemap's names of columns, and those of this package."""


@schema
class KeypointInferenceTask(dj.Manual):
    """A recording to find keypoints in with a model.

    `inference_task_mode` is 'trigger' to run facemap's network, 'load' to take what a tracker predicted: the
    files that are entered, or facemap's own result in `inference_output_dir`. Where it is left out, a row
    with a directory loads, and one without predicts.
    """

    definition = """
    # Recordings paired with models of keypoints
    -> VideoRecording
    -> KeypointModel
    ---
    inference_task_mode='trigger' : varchar(8) # 'trigger': predict; 'load': take predictions that exist
    inference_output_dir='' : varchar(512) # directory of the result in the processed one; '': inferred
    bbox=null           : json         # what the network sees: null all, 'auto', [x1, x2, y1, y2] or several
    load_options=null   : json         # how files are read where they leave it open; null: as they say
    inference_task_description='' : varchar(255) # remark
    """

    class File(dj.Part):
        """Predictions to load: one file for the recording, or one for each of its videos."""

        definition = """
        # Files of predictions to load, in their order
        -> master
        prediction_file_id   : int32        # order in time
        ---
        prediction_file_path : varchar(512) # relative to a root or the processed data directory
        """

    def insert(self, rows: Any, **kwargs: Any) -> None:
        """Insert tasks.

        Parameters
        ----------
        rows, kwargs
            As DataJoint's `insert` takes them; Element Facemap's names of columns are taken, too.

        Raises
        ------
        ConfigurationError, KeypointError, PathError
            A mode is unknown, a `bbox` or option malformed, or a directory another task's or outside.
        """
        super().insert(checked_rows(type(self), rows, completed_row), **kwargs)

    @classmethod
    def generate(
        cls,
        key: Key,
        task_description: str | int = "",
        task_mode: str | None = None,
        bbox: Any = None,
        *,
        model_id: int | None = None,
        files: Sequence[str | Path] = (),
        output_dir: str | Path = "",
        options: ReadingOptions | None = None,
    ) -> Key:
        """Enter a task for a recording, with the files to load, once; the same call again changes nothing.

        Parameters
        ----------
        key
            Primary key of the recording, with `model_id` where it is not given below.
        task_description
            Remark. A number in its place is taken for `model_id`.
        task_mode, bbox
            As the columns. A mode of None loads where there is something to load, and predicts otherwise.
        model_id
            The model.
        files
            Predictions to load, in order; below a root or the processed data directory. Where none are given
            to a task that loads, facemap's own result in its directory is taken.
        output_dir
            As the column; an absolute path below a data directory is made relative.
        options
            How files are to be read, where they leave it open.

        Returns
        -------
        dict
            Primary key of the task.

        Raises
        ------
        KeypointError
            Files are given to a task that predicts, there is nothing to load for one that loads, or no model
            is named.
        ConfigurationError
            The task is there with another content.
        """
        key = plain_row(key, "the key of a task")
        if not isinstance(task_description, str):
            model_id = number_of({"model_id": task_description}, "model_id", model_id)
            task_description = ""
        model_id = number_of(key, "model_id", model_id)
        if model_id is None:
            raise KeypointError(f"the task for {dict(key)} names no model_id; give it in the key")
        task = key_of(cls, {**key, "model_id": model_id})
        place = relative_directory(output_dir)
        if task_mode is None and not files:
            task_mode = next(iter((cls() & task).to_arrays("inference_task_mode")), None)
        paths = _paths_to_load(task, task_mode, files, place)
        for path in paths:
            require_length(cls.File, "prediction_file_path", path)
        row = {
            **task,
            "inference_task_mode": task_mode or ("load" if paths else "trigger"),
            "bbox": plain(bbox) or None,
            "inference_output_dir": place,
            "inference_task_description": task_description,
            "load_options": None if options is None else options.to_json(),
        }
        row = completed_row(row)
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            is_new = enter_once(cls, row)
            entered = (cls.File() & task).to_arrays(
                "prediction_file_path", order_by="prediction_file_id"
            )
            if is_new:
                cls.File.insert(
                    {**task, "prediction_file_id": index, "prediction_file_path": path}
                    for index, path in enumerate(paths)
                )
            elif list(entered) != paths:
                raise ConfigurationError(
                    f"{cls.__name__} {task} is entered already with other files ({', '.join(entered)}, not "
                    f"{', '.join(paths)}); take another model, or delete that task with its results"
                )
        return task

    insert_facemap_inference_task = generate

    @classmethod
    def infer_output_dir(cls, key: Key, *, relative: bool = True, mkdir: bool = False) -> Path:
        """Directory of a task whose `inference_output_dir` is empty: made of its primary key.

        Parameters
        ----------
        key
            Primary key of the task (it need not be entered yet).
        relative, mkdir
            As of `directory_of`.
        """
        own = ("model_id",)
        return inferred_directory(cls, key, own, "keypoints_", relative=relative, mkdir=mkdir)


# predictions that are loaded are written, too
register_task_table(KeypointInferenceTask, "inference_output_dir", lambda row: True)


def completed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Row as it is inserted: with the column names of this package and its mode, and checked.

    Raises
    ------
    KeypointError, ConfigurationError
        Its mode is unknown, its box malformed, or its options are none.
    PathError
        Its directory is absolute, and lies below no data directory.
    """
    own = {FACEMAP_COLUMNS.get(name, name): value for name, value in row.items()}
    own["bbox"] = None if own.get("bbox") == [] else own.get("bbox")
    own["inference_output_dir"] = relative_directory(own.get("inference_output_dir") or "")
    own = with_task_mode(own, "inference_task_mode", "inference_output_dir")
    check_task_mode(own["inference_task_mode"])
    ReadingOptions.from_json(own.get("load_options"))
    parse_bbox(own["bbox"])
    return own


def relative_directory(given: str | Path) -> str:
    """Directory as the column has it: relative to the data directory that it lies below.

    Raises
    ------
    PathError
        It is absolute, and lies below none.
    """
    if not Path(given).is_absolute():
        return str(given) if str(given) not in ("", ".") else ""
    dirs = [directory.resolve() for directory in active_link().search_dirs()]
    place = Path(given).resolve()
    for directory in dirs:
        if place.is_relative_to(directory):
            return place.relative_to(directory).as_posix()
    raise PathError(
        f"{given} lies outside of the data directories ({', '.join(map(str, dirs))}); give one below them"
    )


def _paths_to_load(
    task: Key, task_mode: str | None, files: Sequence[str | Path], output_dir: str
) -> list[str]:
    """Relative paths of what a task is to load; facemap's result where no files are given."""
    if task_mode == "trigger" and files:
        raise KeypointError(
            f"task_mode 'trigger' with {len(files)} files of predictions; 'load' takes them, 'trigger' "
            "predicts itself"
        )
    dirs = active_link().search_dirs()
    found = files
    if not files and task_mode != "trigger":
        recording = VideoRecording.File() & {
            name: task[name] for name in VideoRecording.primary_key
        }
        videos = recording.to_arrays("file_path", order_by="file_id")
        found = facemap_result(task, output_dir, list(videos))
    if task_mode == "load" and not found:
        raise KeypointError(
            f"there is nothing to load for the task {task}: give files=[...], or an output_dir that holds "
            f"facemap's result (*{FACEMAP_RESULT}), or task_mode 'trigger' to predict"
        )
    paths = [relative_to_roots(path, dirs) for path in found]
    for path in paths:
        require_length(KeypointInferenceTask.File, "prediction_file_path", path)
    return paths


def parse_bbox(bbox: Any) -> Any:
    """Return the value of a `bbox` column as `pipeline.keypoints.BoxChoice`.

    Raises
    ------
    KeypointError
        It is none of null, 'auto', four whole numbers, or a list of four whole numbers each.
    """
    bbox = plain(bbox)
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

"""Register predictions of another tracker for a recording, populate what follows from them, and undo that."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.database.keys import key_of, key_text
from element_facerhythm.errors import FaceRhythmError, KeypointError, RequestError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.plain import plain_row
from element_facerhythm.ingest import Registered, one_transaction
from element_facerhythm.keypoint_inference.registration import (
    find_model,
    other_spellings,
    remove_predictions,
    require_columns,
    result_counts,
)
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.linking import active_link, relative_to_roots, resolve_new_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from element_facerhythm.keypoints.placement import Placement
    from element_facerhythm.keypoints.predictions import Predictions

__all__ = [
    "import_predictions",
    "populate_keypoints",
    "register_arrays",
    "register_predictions",
    "remove_predictions",
]

_NO_OPTIONS = ReadingOptions()


def register_predictions(
    recording: Mapping[str, Any],
    files: Sequence[Path],
    source_software: str,
    *,
    model_name: str,
    add_body_parts: bool = False,
    options: ReadingOptions = _NO_OPTIONS,
) -> Registered:
    """Enter a task that takes in predictions for a recording that is in the database already.

    Everything is checked before a row is written: the files are read whole, their rows assigned to the frames
    of the recording, and their names compared as the server compares them. The model is the one of this name
    and software that finds the same body parts; a new one is entered where there is none. The same call twice
    changes nothing.

    Parameters
    ----------
    recording
        Primary key of the recording.
    files
        One file for the recording, or one for each of its videos, in order.
    source_software
        Who wrote them; a name of `keypoints.formats.LOADED`.
    model_name
        Name of the model that predicted.
    add_body_parts
        Enter body parts that the database does not know.
    options
        How the files are to be read, where they leave it open.

    Returns
    -------
    Registered
        The key of the task, what is new, and what was guessed, filled or changed.

    Raises
    ------
    RequestError
        The recording is not there, a file is unreadable or does not fit it, a name is too long, two names
        are one to the server, or a body part is unknown; no model and no task was entered.
    """
    key = plain_row(recording)
    placement = _read(key, files, source_software, options)
    body_parts = placement.predictions.body_parts
    require_columns(placement.predictions, model_name, source_software)
    done = Registered(notes=list(placement.notes))
    paths = [path.resolve() for path in files]
    with one_transaction():
        model_id = find_model(model_name, source_software, body_parts)
        done.new_rows["KeypointModel"] = int(model_id is None)
        if model_id is None:
            done.notes += other_spellings(body_parts)
            model_id = kpi.KeypointModel.insert_new_model(
                None,
                model_name,
                body_parts=body_parts,
                source_software=source_software,
                add_body_parts=add_body_parts,
            )
        done.key = {**key, "model_id": model_id}
        done.new_rows["KeypointInferenceTask"] = 0
        if not _is_entered(done.key, paths, options, model_name):
            done.key = kpi.KeypointInferenceTask.generate(
                key, model_id, task_mode="load", files=paths, options=options
            )
            done.new_rows["KeypointInferenceTask"] = 1
        _require_place(done.key)
    return done


def register_arrays(
    recording: Mapping[str, Any],
    data: "Predictions | pd.DataFrame",
    *,
    model_name: str,
    source_software: str = "arrays",
    add_body_parts: bool = False,
    options: ReadingOptions = _NO_OPTIONS,
) -> Registered:
    """Enter tracks that are in memory for a recording that is in the database already.

    They are written as a file below the processed data directory, of which `register_predictions` enters a
    task; `populate_keypoints` takes them in.

    Parameters
    ----------
    recording
        Primary key of the recording.
    data
        Tracks as `Predictions` (arrays, with their frame numbers or times where they do not cover the
        recording), or a data frame laid out as DeepLabCut's: one row per frame, labelled by its number, and
        columns (scorer, bodyparts, coords) or (scorer, individuals, bodyparts, coords).
    model_name, add_body_parts, options
        As of `register_predictions`; options place rows and rename.
    source_software
        The tracker that predicted: any text.

    Examples
    --------
    >>> tracks = Predictions(positions, likelihood, ("nose", "jaw"))  # (T, 1, 2, 2) and (T, 1, 2)
    >>> done = register_arrays(key, tracks, model_name="mine", add_body_parts=True)  # doctest: +SKIP
    >>> populate_keypoints(done.key)  # doctest: +SKIP

    Raises
    ------
    RequestError
        As of `register_predictions`; the file is removed again.
    """
    from element_facerhythm.keypoints.labelled_table import predictions_of_dataframe
    from element_facerhythm.keypoints.placement import placed
    from element_facerhythm.keypoints.predictions import Predictions
    from element_facerhythm.keypoints.product import write_keypoints
    from element_facerhythm.keypoints.ranges import in_range

    key = plain_row(recording)
    lengths, rate_hz, times = _facts_of(key)
    if not isinstance(data, Predictions):
        data = predictions_of_dataframe(data, source_software, scorer=options.scorer)
    data = in_range(replace(data, source_software=source_software).renamed(options.rename))
    placement = placed(
        data,
        n_frames=sum(lengths),
        frame_rate_hz=rate_hz,
        source=f"{model_name} (in memory)",
        options=options,
        frame_times_s=times[0] if len(times) == 1 else None,
    )
    require_columns(placement.predictions, model_name, source_software)
    annotated = replace(
        placement.predictions, frame_rate_hz=placement.file_frame_rate_hz, notes=placement.notes
    )
    with _new_file(key, model_name, annotated, write_keypoints) as path:
        return register_predictions(
            key,
            [path],
            source_software,
            model_name=model_name,
            add_body_parts=add_body_parts,
        )


def import_predictions(
    recording: Mapping[str, Any],
    files: Sequence[Path],
    source_software: str,
    *,
    model_name: str,
    add_body_parts: bool = False,
    options: ReadingOptions = _NO_OPTIONS,
) -> tuple[Registered, dict[str, int]]:
    """Register predictions and take them in; where that fails, what was registered is removed again.

    Parameters
    ----------
    recording, files, source_software, model_name, add_body_parts, options
        As of `register_predictions`.

    Returns
    -------
    What `register_predictions` returns, and the number of rows that each table now holds for the task.

    Raises
    ------
    RequestError
        As of `register_predictions`.
    ProcessingError
        What was registered could not be taken in.
    """
    done = register_predictions(
        recording,
        files,
        source_software,
        model_name=model_name,
        add_body_parts=add_body_parts,
        options=options,
    )
    try:
        return done, populate_keypoints(done.key)
    except FaceRhythmError:
        if done.new_rows.get("KeypointInferenceTask"):
            remove_predictions(done.key, keep_models=not done.new_rows["KeypointModel"])
        raise


def populate_keypoints(key: Mapping[str, Any]) -> dict[str, int]:
    """Compute or load everything below a task; return how many rows each table now holds for it."""
    key = plain_row(key)
    recording = key_of(fbe.VideoRecording, key)
    fbe.RecordingInfo.populate(recording)
    for table in kpi.POPULATED:
        table.populate(dict(key))
    return result_counts(key)


def _facts_of(key: dict[str, Any]) -> tuple[list[int], float, tuple[Any, ...]]:
    """Frames of each video of a recording, its rate, and the times of its frames where they are uneven."""
    from element_facerhythm.facial_behavior_estimation.entered_files import (
        entered_files,
        require_same_content,
    )

    if not fbe.VideoRecording() & key:
        raise RequestError(
            f"recording {key_text(key)} is not in the database; enter it first, with `facerhythm ingest` or "
            "VideoRecording.insert1"
        )
    fbe.RecordingInfo.populate(key)
    require_same_content(key, entered_files(key))
    n_frames, rate_hz = (fbe.RecordingInfo() & key).fetch1("n_frames", "frame_rate_hz")
    of_files = (fbe.RecordingInfo.File() & key).to_dicts(order_by="file_id")
    lengths = [int(row["file_n_frames"]) for row in of_files] or [int(n_frames)]
    return lengths, float(rate_hz), tuple(row["file_frame_times"] for row in of_files)


def _read(
    key: dict[str, Any], files: Sequence[Path], source_software: str, options: ReadingOptions
) -> "Placement":
    from element_facerhythm.pipeline.keypoint_files import read_fitting

    lengths, rate_hz, times = _facts_of(key)
    dirs = active_link().search_dirs()
    for path in files:
        relative_to_roots(path.resolve(), dirs)
    return read_fitting(
        files,
        source_software,
        n_frames=lengths,
        frame_rate_hz=rate_hz,
        options=options,
        frame_times_s=times or None,
    )


def _is_entered(
    key: dict[str, Any], files: Sequence[Path], options: ReadingOptions, model_name: str
) -> bool:
    """Whether the same task is entered already; one of other files is refused."""
    rows = (kpi.KeypointInferenceTask() & key).to_dicts()
    if not rows:
        return False
    dirs = active_link().search_dirs()
    entered = (kpi.KeypointInferenceTask.File() & key).to_dicts(order_by="prediction_file_id")
    same_files = [row["prediction_file_path"] for row in entered] == [
        relative_to_roots(f, dirs) for f in files
    ]
    if (
        rows[0]["inference_task_mode"] == "load"
        and same_files
        and rows[0]["load_options"] == options.to_json()
    ):
        _require_same_content(key, files)
        return True
    raise KeypointError(
        f"model {model_name} has a task for {key_text(key)} already, of other files or options; give "
        "another model name, or remove it first with `facerhythm import remove-keypoints`"
    )


def _require_same_content(key: dict[str, Any], files: Sequence[Path]) -> None:
    """Refuse files that changed since they were taken in."""
    from element_facerhythm.keypoints.product import read_facts
    from element_facerhythm.linking import resolve_path

    for row in (kpi.KeypointInference() & key).to_dicts():
        path = resolve_path(row["keypoints_path"], active_link().search_dirs())
        taken = read_facts(path).get("fingerprint", {}).get("files")
        if taken is not None and taken != [file_sha256(file) for file in files]:
            raise KeypointError(
                f"{', '.join(file.name for file in files)} changed since it was taken in; remove that first "
                "with `facerhythm import remove-keypoints`, or give another model name"
            )


def _require_place(key: dict[str, Any]) -> None:
    """Refuse where the directory of the result cannot be written; checked before the rows are committed."""
    from element_facerhythm.facial_behavior_estimation.task_directories import owner_of
    from element_facerhythm.keypoints.product import PRODUCT_NAME
    from element_facerhythm.pipeline.run.directory import check_writable

    place = resolve_new_path(
        kpi.KeypointInferenceTask.infer_output_dir(key), active_link().processed_dir()
    )
    check_writable(place, files=(PRODUCT_NAME,), owner=owner_of(kpi.KeypointInferenceTask, key))


@contextmanager
def _new_file(
    key: dict[str, Any], model_name: str, predictions: "Predictions", write: Any
) -> "Iterator[Path]":
    """File of predictions in memory, named by its content; removed where what follows fails."""
    from element_facerhythm.facial_behavior_estimation.task_directories import directory_of

    digest = hashlib.sha256(repr((predictions.body_parts, predictions.individuals)).encode())
    for array in (predictions.positions, predictions.likelihood, *predictions.variables.values()):
        digest.update(array.tobytes())
    safe = re.sub(r"[^A-Za-z0-9.-]", "_", model_name)[:60]
    folder = directory_of(key, "predictions", relative=False, mkdir=True)
    path = folder / f"{safe}-{digest.hexdigest()[:16]}.h5"
    was_there = path.exists()
    if not was_there:
        write(path, predictions)
    try:
        yield path
    except BaseException:
        if not was_there:
            path.unlink(missing_ok=True)
        raise

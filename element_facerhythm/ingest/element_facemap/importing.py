"""Recordings, files, models and tasks of Element Facemap, entered in this package's tables once."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import ConfigurationError, FaceRhythmError, KeypointError, PathError
from element_facerhythm.facial_behavior_estimation import (
    FaceRhythmParamSet,
    FaceRhythmROI,
    FaceRhythmTask,
    VideoRecording,
)
from element_facerhythm.facial_behavior_estimation.enter_once import enter_once
from element_facerhythm.ingest.element_facemap.legacy import (
    LegacySchemas,
    LegacyTables,
    Row,
    find_schemas,
)
from element_facerhythm.ingest.element_facemap.values import (
    attachment,
    box_of,
    regions_of,
    unpacked,
)
from element_facerhythm.keypoint_inference import KeypointInferenceTask, KeypointModel
from element_facerhythm.keypoint_inference.facemap_result import facemap_result
from element_facerhythm.keypoint_inference.task import relative_directory
from element_facerhythm.keypoints.facemap_model import FACEMAP_BODY_PARTS, network_shape
from element_facerhythm.keypoints.weights_file import read_weights
from element_facerhythm.linking import active_link, expected_path

_SHOWN = 3


@dataclass
class Imported:
    """The result of an import.

    Attributes
    ----------
    schemas
        The schemas that were read.
    new_rows
        Rows that were new, by table.
    rows_there
        Rows that were there already, by table.
    notes
        What was changed, and what was left out and why.
    """

    schemas: LegacySchemas
    new_rows: dict[str, int] = field(default_factory=dict)
    rows_there: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, table: Any, is_new: bool, n_rows: int = 1) -> None:
        """Count rows of a table.

        Parameters
        ----------
        table
            The table class.
        is_new
            Whether they were entered now, or were there already.
        n_rows
            How many they are.
        """
        counts = self.new_rows if is_new else self.rows_there
        name = table.__qualname__
        counts[name] = counts.get(name, 0) + n_rows


def import_element_facemap(
    names: Sequence[str] = (), *, prefix: str | None = None, dry_run: bool = False
) -> Imported:
    """Copy recordings, files, models and tasks out of Element Facemap's schemas, all or nothing.

    The schemas are on the server that is configured, and only read. Sessions and cameras must be in the
    pipeline that this package's tables are activated with. Existing rows are kept, so the same call again
    changes nothing. Facts of recordings and results are not copied; they are populated here.

    Parameters
    ----------
    names, prefix
        Of the schemas, as `find_schemas`.
    dry_run
        Do all of it, and undo it: the result is what would be entered.

    Raises
    ------
    RequestError
        The schemas are not found, or hold what DataJoint 0.14 did not write.
    ConfigurationError
        Sessions or cameras have another key here, or are not entered; a recording is entered already with
        other files; or the account may not read the schemas.
    """
    connection = VideoRecording.connection
    tables = LegacyTables(connection, find_schemas(connection, names, prefix))
    _require_same_keys(tables)
    done = Imported(tables.schemas)
    with _transaction(connection, undo=dry_run):
        videos = _import_recordings(tables, done)
        models = _import_models(tables, done)
        _import_inference_tasks(tables, models, videos, done)
        _import_signal_tasks(tables, done)
    return done


@contextmanager
def _transaction(connection: Any, *, undo: bool) -> Iterator[None]:
    """Write all rows or none; none in any case with `undo`."""
    connection.start_transaction()
    try:
        yield
    except BaseException:
        connection.cancel_transaction()
        raise
    if undo:
        connection.cancel_transaction()
    else:
        connection.commit_transaction()


def _require_same_keys(tables: LegacyTables) -> None:
    """Refuse where sessions or cameras are identified by other columns than in the active pipeline."""
    link = active_link()
    camera: Any = link.device
    own = [name for name in VideoRecording.primary_key if name != "recording_id"]
    session_key = tables.session_key()
    if sorted(own) != sorted(session_key):
        raise ConfigurationError(
            f"sessions in {tables.schemas.recordings} have the key ({', '.join(session_key)}), and Session "
            f"of {link.name} has ({', '.join(own)}): import with the linking module of that pipeline"
        )
    device, their_device = list(camera.primary_key), tables.device_columns()
    if sorted(device) != sorted(their_device):
        raise ConfigurationError(
            f"cameras in {tables.schemas.recordings} have the key ({', '.join(their_device)}), and Device of "
            f"{link.name} has ({', '.join(device)}): import with the linking module of that pipeline"
        )


# ------------------------------------------------------------------ recordings


def _import_recordings(tables: LegacyTables, done: Imported) -> dict[tuple[Any, ...], list[str]]:
    """Enter recordings and their files; return the paths of each recording's files, in order."""
    rows, files = tables.recordings(), tables.files()
    link = active_link()
    _require_entered(link.session, rows)
    _require_entered(link.device, rows)
    paths: dict[tuple[Any, ...], list[str]] = {_values(row): [] for row in rows}
    entries: dict[tuple[Any, ...], list[Row]] = {_values(row): [] for row in rows}
    for row in sorted(files, key=lambda row: int(row["file_id"])):
        path = relative_directory(row["file_path"])
        paths[_values(row)].append(path)
        entries[_values(row)].append({"file_id": int(row["file_id"]), "file_path": path})
    for row in rows:
        key = _recording(row)
        done.count(VideoRecording, enter_once(VideoRecording, row))
        stored = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        held = [(int(entry["file_id"]), entry["file_path"]) for entry in stored]
        wanted = [(entry["file_id"], entry["file_path"]) for entry in entries[_values(row)]]
        if held and held != wanted:
            raise ConfigurationError(
                f"recording {key_text(key)} is entered already with other files "
                f"({', '.join(p for _, p in held)}; "
                f"there {', '.join(p for _, p in wanted) or 'none'}): enter this one under another number"
            )
        if not held:
            VideoRecording.File.insert({**key, **entry} for entry in entries[_values(row)])
        done.count(VideoRecording.File, not held, len(wanted))
    _note_missing_files([path for some in paths.values() for path in some], done)
    if rows:
        done.notes.append(
            "facts of recordings and results of facemap stay where they are; populate reads the videos anew"
        )
    return paths


def _require_entered(table: Any, rows: Sequence[Row]) -> None:
    """Refuse where a session or camera of a recording is not in the pipeline's table."""
    names = list(table.primary_key)
    entered = {tuple(row[name] for name in names) for row in table().proj().to_dicts()}
    wanted = dict.fromkeys(tuple(row[name] for name in names) for row in rows)
    missing = [dict(zip(names, values, strict=True)) for values in wanted if values not in entered]
    if missing:
        shown = ", ".join(str(key) for key in missing[:_SHOWN])
        raise ConfigurationError(
            f"{len(missing)} entries of {table.__name__} are missing in the pipeline {active_link().name}, "
            f"which recordings there refer to ({shown}{', ...' if len(missing) > _SHOWN else ''}): enter "
            "them, or import with the linking module whose table has them"
        )


def _note_missing_files(paths: Sequence[str], done: Imported) -> None:
    missing = [path for path in paths if not _is_here(path)]
    if missing:
        done.notes.append(
            f"{len(missing)} of {len(paths)} video files are not below the data directories of this machine "
            f"({missing[0]}): add Element Facemap's root directories to them where it computes"
        )


def _is_here(path: str) -> bool:
    try:
        return expected_path(path, active_link().search_dirs()).exists()
    except PathError:
        return False


# ------------------------------------------------------------------ models


def _import_models(tables: LegacyTables, done: Imported) -> dict[int, int]:
    """Enter models with their weights; return the number here of each model that could be entered."""
    numbers: dict[int, int] = {}
    parts: dict[int, set[str]] = {}
    for row in tables.model_parts():
        parts.setdefault(int(row["model_id"]), set()).add(str(row["body_part"]))
    attached = tables.weights_are_attached()
    with tempfile.TemporaryDirectory(prefix="facerhythm-weights-") as directory:
        for row in tables.models():
            number = int(row["model_id"])
            place = Path(directory, str(number))
            place.mkdir()
            try:
                path = _weights_there(tables, number, place, attached)
                numbers[number] = _import_model(row, parts.get(number, set()), path, done)
            except FaceRhythmError as error:
                done.notes.append(f"model {number} ({row['model_name']}) is left out: {error}")
    return numbers


def _weights_there(tables: LegacyTables, number: int, place: Path, attached: bool) -> Path | None:
    """Write the weights of a model to a file of the same name; None where it has none."""
    row = tables.model_file(number)
    if row is None:
        return None
    if not attached:
        raise KeypointError(
            "its weights are in a store of files, not in the database; enter them with "
            f"KeypointModel.insert_new_model({number}, ...), and import again"
        )
    name, content = attachment(row["model_file"], f"facemap_model__file of model {number}")
    path = place / name
    path.write_bytes(content)
    return path


def _import_model(row: Row, parts: set[str], path: Path | None, done: Imported) -> int:
    """Enter one model, or find it by its weights; return its number here."""
    found = _same_weights(int(row["model_id"]), path)
    if found is not None:
        done.count(KeypointModel, False)
        return found
    number = int(row["model_id"])
    body_parts = _in_order(number, parts, path)
    before = len(KeypointModel())
    texts = (str(row["model_name"]), str(row["model_description"]), path)
    wanted = number if not (KeypointModel() & {"model_id": number}) else None
    own = KeypointModel.insert_new_model(wanted, *texts, body_parts=body_parts, add_body_parts=True)
    is_new = len(KeypointModel()) > before
    if is_new and own != number:
        done.notes.append(
            f"model {number} there is model {own} here, where {number} is another one"
        )
    if is_new and parts != set(body_parts):
        done.notes.append(
            f"model {own} finds facemap's {len(body_parts)} body parts; there it was entered with "
            f"{len(parts)}, all that were known"
        )
    done.count(KeypointModel, is_new)
    return own


def _same_weights(number: int, path: Path | None) -> int | None:
    """Return the number of the model with these weights here; of several, the same number if it is one."""
    if path is None:
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = (KeypointModel.File() & {"model_sha256": digest}).to_arrays(
        "model_id", order_by="model_id"
    )
    same = [int(value) for value in found]
    return number if number in same else next(iter(same), None)


def _in_order(number: int, parts: set[str], path: Path | None) -> Sequence[str]:
    """Body parts in the order of a network's outputs, which Element Facemap does not keep."""
    n_outputs = len(parts) if path is None else network_shape(read_weights(path), path).n_outputs
    if n_outputs == len(FACEMAP_BODY_PARTS) and parts >= set(FACEMAP_BODY_PARTS):
        return FACEMAP_BODY_PARTS
    if path is None:  # its predictions are loaded by their names
        return sorted(parts)
    raise KeypointError(
        f"its network has {n_outputs} outputs, and in which order they are its body parts is not kept there "
        f"({', '.join(sorted(parts))}); enter the file with KeypointModel.insert_new_model({number}, ..., "
        "body_parts=[...]), and import again"
    )


# ------------------------------------------------------------------ tasks


def _import_inference_tasks(
    tables: LegacyTables,
    models: dict[int, int],
    videos: dict[tuple[Any, ...], list[str]],
    done: Imported,
) -> None:
    """Enter tasks of keypoints: those that predict, and those whose predictions are found here."""
    for row in tables.inference_tasks():
        where = f"FacemapInferenceTask {_recording(row) | {'model_id': row['model_id']}}"
        number = models.get(int(row["model_id"]))
        if number is None:
            done.notes.append(f"{where} is left out with its model")
            continue
        key = _recording(row) | {"model_id": number}
        files: list[Path] = []
        if row["task_mode"] == "load":
            files = _predictions(row, videos[_values(row)])
            if not files:
                done.notes.append(
                    f"{where} is left out: its predictions are not found in "
                    f"{row['facemap_inference_output_dir'] or 'a directory of its name'}, below the data "
                    "directories of this machine; import again where they are"
                )
                continue
        is_new = not (KeypointInferenceTask() & key)
        KeypointInferenceTask.generate(
            key,
            str(row["task_description"]),
            str(row["task_mode"]),
            box_of(unpacked(row["bbox"], f"bbox of {where}"), f"bbox of {where}"),
            files=files,
        )
        done.count(KeypointInferenceTask, is_new)
        done.count(KeypointInferenceTask.File, is_new, len(files))


def _predictions(row: Row, videos: Sequence[str]) -> list[Path]:
    try:
        directory = relative_directory(row["facemap_inference_output_dir"])
    except PathError:
        return []
    return facemap_result(row, directory, videos)


def _import_signal_tasks(tables: LegacyTables, done: Imported) -> None:
    """Enter tasks of facial rhythms for the regions of motion of Element Facemap's tasks."""
    for row in tables.signal_tasks():
        recording = _recording(row)
        where = f"FacemapTask {recording | {'facemap_task_id': row['facemap_task_id']}}"
        regions, others = regions_of(unpacked(row["facemap_params"], f"facemap_params of {where}"))
        if regions is None:
            done.notes.append(
                f"{where} is left out: its parameters hold no region of motion to seed points in; draw "
                "regions and enter a FaceRhythmTask"
            )
            continue
        if others:
            done.notes.append(
                f"{where}: regions that seed no points are left out ({', '.join(others)})"
            )
        n_regions = len(FaceRhythmROI() & recording)
        roi_id = FaceRhythmROI.find_roi_id(recording, regions)
        FaceRhythmROI.insert_rois({**recording, "roi_id": roi_id}, regions)
        done.count(FaceRhythmROI, len(FaceRhythmROI() & recording) > n_regions)
        paramset_id = FaceRhythmParamSet.insert_new_params(None, "fitted to the recording", None)
        task = {**recording, "paramset_id": paramset_id, "roi_id": roi_id}
        is_new = not (FaceRhythmTask() & task)
        if is_new:
            FaceRhythmTask.generate(task, str(row["task_description"]), "trigger")
            done.notes.append(
                f"{where} is a FaceRhythmTask of its regions here: another analysis, with parameters that "
                "are fitted to the recording"
            )
        done.count(FaceRhythmTask, is_new)


def _recording(row: Row) -> Row:
    return {name: row[name] for name in VideoRecording.primary_key}


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(_recording(row).values())

"""Register what another tracker predicted for a recording, and populate what follows from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from element_facerhythm.errors import KeypointError, RequestError
from element_facerhythm.ingest import Registered, one_transaction
from element_facerhythm.linking import active_link, relative_to_roots


def register_predictions(
    recording: Mapping[str, Any],
    files: Sequence[Path],
    source_software: str,
    *,
    model_name: str,
    add_body_parts: bool = False,
) -> Registered:
    """Enter a task that takes in predictions for a recording that is in the database already.

    The model is the one of this name and software that finds the same body parts; a new one is entered where
    there is none.

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

    Raises
    ------
    RequestError
        The recording is not there, a file is unreadable or does not fit it, or a body part is unknown;
        no model and no task was entered.
    """
    from element_facerhythm.pipeline.keypoints import read_fitting
    from element_facerhythm.workflow import facial_behavior_estimation as fbe
    from element_facerhythm.workflow import keypoint_inference as kpi

    key = dict(recording)
    if not fbe.VideoRecording() & key:
        raise RequestError(
            f"recording {key} is not in the database; enter it first, with `facerhythm ingest` or "
            "VideoRecording.insert1"
        )
    dirs = active_link().search_dirs()
    for path in files:
        relative_to_roots(path.resolve(), dirs)
    fbe.RecordingInfo.populate(key)
    n_frames, rate = (fbe.RecordingInfo() & key).fetch1("n_frames", "frame_rate_hz")
    of_files = (fbe.RecordingInfo.File() & key).to_dicts(order_by="file_id")
    lengths = [int(row["n_frames"]) for row in of_files] or [int(n_frames)]
    body_parts = read_fitting(
        files, source_software, n_frames=lengths, frame_rate_hz=float(rate)
    ).body_parts
    done = Registered()
    with one_transaction():
        model_id = _find_model(model_name, source_software, body_parts)
        done.new_rows["KeypointModel"] = int(model_id is None)
        if model_id is None:
            model_id = kpi.KeypointModel.insert_new_model(
                None,
                model_name,
                body_parts=body_parts,
                source_software=source_software,
                add_body_parts=add_body_parts,
            )
        if kpi.KeypointInferenceTask() & key & {"model_id": model_id}:
            raise KeypointError(
                f"model {model_name} has a task for {key} already; delete that, or give another model name"
            )
        done.key = kpi.KeypointInferenceTask.generate(
            key, model_id, task_mode="load", files=[path.resolve() for path in files]
        )
        done.new_rows["KeypointInferenceTask"] = 1
    return done


def populate_keypoints(key: Mapping[str, Any]) -> dict[str, int]:
    """Compute or load everything below a task; return how many rows each table now holds for it."""
    from element_facerhythm.workflow import facial_behavior_estimation as fbe
    from element_facerhythm.workflow import keypoint_inference as kpi

    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    fbe.RecordingInfo.populate(recording)
    for table in kpi.POPULATED:
        table.populate(dict(key))
    tables: dict[str, Any] = {
        "KeypointInference": kpi.KeypointInference,
        "KeypointInference.BodyPartPosition": kpi.KeypointInference.BodyPartPosition,
        "KeypointRhythm": kpi.KeypointRhythm,
        "KeypointRhythm.Pair": kpi.KeypointRhythm.Pair,
    }
    return {name: len(table() & dict(key)) for name, table in tables.items()}


def _find_model(name: str, source_software: str, body_parts: Sequence[str]) -> int | None:
    """Find the model of this name and software with the same body parts."""
    from element_facerhythm.workflow import keypoint_inference as kpi

    named = {"model_name": name, "source_software": source_software}
    for row in (kpi.KeypointModel() & named).to_dicts(order_by="model_id"):
        if set(kpi.KeypointModel.body_parts_of({"model_id": row["model_id"]})) == set(body_parts):
            return int(row["model_id"])
    return None

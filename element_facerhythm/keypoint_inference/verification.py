"""Whether the keypoints of a recording are still as they were entered."""

from functools import partial

from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import FaceRhythmError, KeypointError
from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
from element_facerhythm.facial_behavior_estimation.product_files import fetch_verified_file
from element_facerhythm.facial_behavior_estimation.recording import Key, RecordingInfo
from element_facerhythm.facial_behavior_estimation.row_comparison import compare_rows
from element_facerhythm.files.digest import file_change
from element_facerhythm.keypoint_inference.camera import Camera
from element_facerhythm.keypoint_inference.inference import (
    KeypointInference,
)
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoint_inference.rhythm import KeypointRhythm
from element_facerhythm.keypoint_inference.rows import track_rows, variable_rows
from element_facerhythm.keypoint_inference.space import Keypoint3D
from element_facerhythm.keypoint_inference.stored_weights import require_pieces
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask
from element_facerhythm.linking import active_link, expected_path, resolve_path
from element_facerhythm.pipeline.results.verify import Findings


def verify_keypoints(key: Key, findings: Findings) -> None:
    """Check the keypoints of one recording against their files.

    Parameters
    ----------
    key
        Primary key of a `VideoRecording`.
    findings
        Collects what was checked, and what is wrong.
    """
    for run in (KeypointInference() & key).proj().to_dicts():
        where = f"KeypointInference {key_text(run)}"
        _verify_weights(run, findings)
        path, sha256, size_bytes = (KeypointInference() & run).fetch1(
            "keypoints_path", "keypoints_sha256", "keypoints_size_bytes"
        )
        if findings.attempt(where, partial(fetch_verified_file, path, sha256, size_bytes)):
            _verify_tracks(run, path, sha256, findings)
    for result in (Keypoint3D() & key).to_dicts():
        own = {name: result[name] for name in Keypoint3D.primary_key}
        file = (result["space_path"], result["space_sha256"], result["space_size_bytes"])
        findings.attempt(f"Keypoint3D {key_text(own)}", partial(fetch_verified_file, *file))
        rig = {n: v for n, v in own.items() if n not in ("recording_id", "model_id")}
        n_cameras, n_views = len(Camera() & rig), len(Keypoint3D.View() & own)
        problem = (
            None
            if n_views == n_cameras == result["n_cameras"]
            else f"of {result['n_cameras']} cameras, {n_views} rows; {n_cameras} are calibrated now"
        )
        findings.check(f"Keypoint3D.View {key_text(own)}", problem)
    for pair in (KeypointRhythm() & key).to_dicts():
        own = {name: pair[name] for name in KeypointRhythm.primary_key}
        n_rows = len(KeypointRhythm.Pair() & own)
        problem = (
            None if n_rows == pair["n_pairs"] else f"{n_rows} rows, expected {pair['n_pairs']}"
        )
        findings.check(f"KeypointRhythm.Pair {key_text(own)}", problem)


def _verify_weights(run: Key, findings: Findings) -> None:
    """Compare the weights of a run's model with their digest, in the database and where they lie."""
    for row in (KeypointModel.File() & run).to_dicts():
        where, model = f"model {row['model_id']}", {"model_id": row["model_id"]}
        if KeypointModel.Weights() & model:
            check = partial(require_pieces, KeypointModel.Weights, model, row["model_sha256"])
            findings.attempt(f"KeypointModel.Weights of {where}", check)
        else:  # as of models that were entered before the database kept weights
            findings.notes.append(
                f"the database does not hold the weights of {where}: enter the same file again with "
                "KeypointModel.insert_new_model, where it can be read"
            )
        path = row["model_file_path"]
        if path and expected_path(path, active_link().search_dirs()).exists():
            file_check = partial(
                fetch_verified_file, path, row["model_sha256"], row["model_size_bytes"]
            )
            findings.attempt(f"KeypointModel.File of {where}", file_check)


def _verify_tracks(run: Key, path: str, sha256: str, findings: Findings) -> None:
    """Compare the rows of a run with its file, and the predictions that it was loaded from with it."""
    from element_facerhythm.pipeline.keypoint_run import record_of_file

    software = (KeypointInference() & run).fetch1("inference_software")
    rate, n_frames = (RecordingInfo() & run).fetch1("frame_rate_hz", "n_frames")
    try:
        lengths = [file.n_frames for file in entered_files(run)] or [int(n_frames)]
        record = record_of_file(
            fetch_verified_file(path, sha256),
            source_software=software,
            n_frames=lengths,
            frame_rate_hz=float(rate),
        )
    except FaceRhythmError as error:
        findings.check(f"KeypointInference {key_text(run)}", str(error))
        return
    problem = compare_rows(KeypointInference.BodyPartPosition, run, track_rows(record, path))
    findings.check(f"KeypointInference.BodyPartPosition {key_text(run)}", problem)
    problem = compare_rows(KeypointInference.Variable, run, variable_rows(record, path))
    findings.check(f"KeypointInference.Variable {key_text(run)}", problem)
    digests = record.source_sha256
    files = (KeypointInferenceTask.File() & run).to_dicts(order_by="prediction_file_id")
    for number, row in enumerate(files):
        where = f"KeypointInferenceTask.File {key_text(run)} file {row['prediction_file_id']}"
        expected = str(digests[number]) if number < len(digests) else ""
        findings.attempt(
            where, partial(_require_predictions, row["prediction_file_path"], expected)
        )


def _require_predictions(path: str, sha256: str) -> None:
    place = resolve_path(path, active_link().search_dirs())
    change = file_change(place, sha256)
    if change is not None:
        raise KeypointError(f"{place} is not the file of predictions that was loaded: {change}")

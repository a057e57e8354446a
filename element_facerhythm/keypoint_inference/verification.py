"""Whether the keypoints of a recording are still as they were entered."""

from functools import partial

from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import FaceRhythmError, KeypointError
from element_facerhythm.facial_behavior_estimation.product_files import unchanged_file
from element_facerhythm.facial_behavior_estimation.recording import Key, RecordingInfo
from element_facerhythm.facial_behavior_estimation.row_comparison import compare_rows
from element_facerhythm.keypoint_inference.inference import (
    KeypointInference,
)
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoint_inference.rhythm import KeypointRhythm
from element_facerhythm.keypoint_inference.rows import track_rows, variable_rows
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.pipeline.verify import Findings


def verify_keypoints(key: Key, findings: Findings) -> None:
    """Check the keypoints of one recording against their files.

    Parameters
    ----------
    key
        Primary key of a `VideoRecording`.
    findings
        Told what was checked, and what is wrong.
    """
    for run in (KeypointInference() & key).proj().to_dicts():
        where = f"KeypointInference {run}"
        for weights in (KeypointModel.File() & run).to_dicts():
            check = partial(unchanged_file, weights["file_path"], weights["sha256"])
            findings.attempt(f"KeypointModel.File {weights['model_id']}", check)
        path, sha256 = (KeypointInference() & run).fetch1("file_path", "sha256")
        if findings.attempt(where, partial(unchanged_file, path, sha256)):
            _verify_tracks(run, path, sha256, findings)
    for pair in (KeypointRhythm() & key).to_dicts():
        own = {name: pair[name] for name in KeypointRhythm.primary_key}
        n_rows = len(KeypointRhythm.Pair() & own)
        problem = (
            None if n_rows == pair["n_pairs"] else f"{n_rows} rows, expected {pair['n_pairs']}"
        )
        findings.check(f"KeypointRhythm.Pair {own}", problem)


def _verify_tracks(run: Key, path: str, sha256: str, findings: Findings) -> None:
    """Compare the rows of a run with its file, and the predictions that it was loaded from with it."""
    from element_facerhythm.pipeline.keypoints import record_of_file

    software = (KeypointInference() & run).fetch1("source_software")
    rate, n_frames = (RecordingInfo() & run).fetch1("frame_rate_hz", "n_frames")
    lengths = [n for *_, n in RecordingInfo.entered_videos(run)] or [int(n_frames)]
    try:
        record = record_of_file(
            unchanged_file(path, sha256),
            source_software=software,
            n_frames=lengths,
            frame_rate_hz=float(rate),
        )
    except FaceRhythmError as error:
        findings.check(f"KeypointInference {run}", str(error))
        return
    problem = compare_rows(KeypointInference.BodyPartPosition, run, track_rows(record, path))
    findings.check(f"KeypointInference.BodyPartPosition {run}", problem)
    problem = compare_rows(KeypointInference.Variable, run, variable_rows(record, path))
    findings.check(f"KeypointInference.Variable {run}", problem)
    digests = record.source_sha256
    files = (KeypointInferenceTask.File() & run).to_dicts(order_by="file_id")
    for number, row in enumerate(files):
        where = f"KeypointInferenceTask.File {run} file {row['file_id']}"
        expected = digests[number] if number < len(digests) else ""
        findings.attempt(where, partial(_require_predictions, row["file_path"], expected))


def _require_predictions(path: str, sha256: str) -> None:
    place = resolve_path(path, active_link().search_dirs())
    if file_sha256(place) != sha256:
        raise KeypointError(f"{place} is not the file of predictions that was loaded")

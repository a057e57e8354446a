"""Facts of the session of a run of keypoints, for file formats that require them."""

from dataclasses import replace

from element_facerhythm.database.keys import restriction_of
from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.session_facts import facts_of_recording
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoints.nwb_export import NwbFacts


def facts_of_run(key: Key) -> tuple[NwbFacts, list[str]]:
    """Facts of the session that a run belongs to, and remarks on them; see `facts_of_recording`.

    Raises
    ------
    KeypointError
        The key leaves no run, or several.
    """
    found = (KeypointInference() & restriction_of(KeypointInference, key)).keys()
    if len(found) != 1:
        raise KeypointError(f"{key} leaves {len(found)} entries of KeypointInference; expected one")
    run = dict(found[0])
    facts, notes = facts_of_recording(run)
    return (
        replace(
            facts,
            identifier="_".join(f"{value}" for value in run.values()),
            scorer=(KeypointModel() & run).fetch1("model_name"),
        ),
        notes,
    )

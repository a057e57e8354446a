"""Queries of the tables for registering predictions, and for undoing that."""

from collections.abc import Mapping, Sequence
from typing import Any

from element_facerhythm.database.columns import require_distinct, require_length, stored_spelling
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import KeypointError, RequestError
from element_facerhythm.files.plain import plain_row
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import ENTERED_WITH, BodyPart, KeypointModel
from element_facerhythm.keypoint_inference.rhythm import KeypointRhythm
from element_facerhythm.keypoint_inference.space import Keypoint3D
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask
from element_facerhythm.keypoints.predictions import Predictions


def remove_predictions(key: Mapping[str, Any], *, keep_models: bool = False) -> dict[str, int]:
    """Remove tasks that load predictions, with all that was computed from them.

    A model that has no task left and no file of weights goes, too, and the body parts that were entered
    with it and that no other model finds. Files stay.

    Parameters
    ----------
    key
        Restriction of `KeypointInferenceTask`, such as a recording and a `model_id`, or a `model_name`.
    keep_models
        Leave models and body parts where they are.

    Returns
    -------
    Rows that were removed, by table.

    Raises
    ------
    KeypointError
        There is no such task, or one of them predicts instead of loading.
    """
    restriction = plain_row(key)
    if not {*KeypointInferenceTask.primary_key, "model_name"} & set(restriction):
        raise KeypointError(
            f"{key_text(restriction)} names no task of keypoints, and would leave all of them"
        )
    tasks = KeypointInferenceTask() & restriction
    if "model_name" in restriction:
        tasks = tasks & (KeypointModel() & {"model_name": restriction["model_name"]}).proj()
    rows = tasks.to_dicts()
    if not rows:
        raise KeypointError(
            f"there is no task of keypoints for {key_text(restriction)}; `facerhythm status` counts them"
        )
    predicting = [row["model_id"] for row in rows if row["inference_task_mode"] != "load"]
    if predicting:
        raise KeypointError(
            f"the task of model {predicting[0]} predicts, it loads nothing; delete it by "
            "KeypointInferenceTask.delete()"
        )
    before = {"KeypointInferenceTask": len(rows)}
    for row in rows:
        task = {name: row[name] for name in KeypointInferenceTask.primary_key}
        for name, count in result_counts(task).items():
            before[name] = before.get(name, 0) + count
        # positions in space are of several recordings, and go with the keypoints of any of them
        (KeypointInferenceTask() & task).delete(prompt=False, part_integrity="cascade")
    models = set() if keep_models else {int(row["model_id"]) for row in rows}
    before["KeypointModel"] = sum(map(_remove_unused_model, models))
    return before


def result_counts(key: Mapping[str, Any]) -> dict[str, int]:
    """Count the rows that were computed from a task."""
    tables: dict[str, Any] = {
        "KeypointInference": KeypointInference,
        "KeypointInference.BodyPartPosition": KeypointInference.BodyPartPosition,
        "KeypointInference.Variable": KeypointInference.Variable,
        "KeypointRhythm": KeypointRhythm,
        "KeypointRhythm.Pair": KeypointRhythm.Pair,
        "Keypoint3D": Keypoint3D,
        "Keypoint3D.Position": Keypoint3D.Position,
    }
    return {name: len(table() & dict(key)) for name, table in tables.items()}


def require_columns(predictions: Predictions, model_name: str, source_software: str) -> None:
    """Refuse names that a column cannot hold, or that the server takes for one.

    Parameters
    ----------
    predictions
        Its body parts, individuals and variables are checked.
    model_name, source_software
        Of the model that predicted.

    Raises
    ------
    RequestError
        The message names the name, and how to rename it.
    """
    tracks, variables = KeypointInference.BodyPartPosition, KeypointInference.Variable
    named = (
        (BodyPart, "body_part", predictions.body_parts),
        (tracks, "individual", predictions.individuals),
        (variables, "variable", tuple(predictions.variables)),
        (KeypointModel, "model_name", (model_name,)),
        (KeypointModel, "source_software", (source_software,)),
    )
    for table, attribute, names in named:
        for name in names:
            try:
                require_length(table, attribute, name)
            except RequestError as error:
                raise RequestError(f"{error} (--rename OLD=NEW for a name in the file)") from error
        require_distinct(table, attribute, names)


def other_spellings(body_parts: Sequence[str]) -> list[str]:
    """Remark on names that the database has in another spelling, and takes for the same."""
    found = {part: stored_spelling(BodyPart, "body_part", part) for part in body_parts}
    return [
        f"body part {part!r} is {known!r} in the database, whose server takes the two for one; "
        "the model keeps its own spelling"
        for part, known in found.items()
        if known is not None and known != part
    ]


def find_model(name: str, source_software: str, body_parts: Sequence[str]) -> int | None:
    """Return the number of the model of this name and software with the same body parts, if there is one.

    Parameters
    ----------
    name, source_software
        As `KeypointModel` has them.
    body_parts
        In any order.
    """
    named = {"model_name": name, "source_software": source_software}
    for row in (KeypointModel() & named).to_dicts(order_by="model_id"):
        if set(KeypointModel.body_parts_of({"model_id": row["model_id"]})) == set(body_parts):
            return int(row["model_id"])
    return None


def _remove_unused_model(model_id: int) -> int:
    """Remove a model without tasks and weights, and body parts that were entered with it alone."""
    key = {"model_id": model_id}
    if KeypointInferenceTask() & key or KeypointModel.File() & key:
        return 0
    name = (KeypointModel() & key).fetch1("model_name")
    parts = KeypointModel.body_parts_of(key)
    (KeypointModel() & key).delete(prompt=False)
    for part in parts:
        entered = (BodyPart() & {"body_part": part}).to_dicts()
        with_it = [
            row for row in entered if row["body_part_description"] == f"{ENTERED_WITH}{name}"
        ]
        if with_it and not KeypointModel.BodyPart() & {"body_part": part}:
            (BodyPart() & {"body_part": part}).delete(prompt=False)
    return 1

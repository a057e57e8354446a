"""The HDF5 file of a recording's keypoints, laid out as facemap lays out its own.

One group per scorer, in it one per body part with `x`, `y` (`z`) and `likelihood`, each (T,), so that
facemap opens the file of a single individual. Where there are several, each has a group of its own
below the scorer. Names, order and source stand in an attribute of the root group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.errors import KeypointError, ProjectError
from element_facerhythm.io.content_digest import seal
from element_facerhythm.io.h5 import (
    atomic_h5,
    read_text_attribute,
    write_text_attribute,
    write_tree,
)
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.keypoints.predictions import DEFAULT_INDIVIDUAL, SPACE, Predictions
from element_facerhythm.text_files import parse_json

PRODUCT_NAME = "Keypoints.h5"
ATTRIBUTE = "facerhythm_keypoints"
FACEMAP_SCORER = "Facemap"
_MAX_NAMES = 2000
_ADVICE = "predict or load the keypoints again"


def track_name(predictions: Predictions, individual: str, body_part: str) -> str:
    """Name of the group that holds a track."""
    scorer = predictions.source_software or FACEMAP_SCORER
    if len(predictions.individuals) == 1:
        return f"{scorer}/{body_part}"
    return f"{scorer}/{individual}/{body_part}"


def write_keypoints(
    path: Path, predictions: Predictions, facts: Mapping[str, Any] | None = None
) -> None:
    """Write predictions, whole or not at all.

    Parameters
    ----------
    path
        The file.
    predictions
        Whose file it becomes.
    facts
        What else is known of the run; JSON values.

    Raises
    ------
    KeypointError
        A name holds a slash, which parts the names of groups.
    """
    for name in (*predictions.body_parts, *predictions.individuals):
        if "/" in name:
            raise KeypointError(
                f"{name!r} holds '/', which cannot stand in a name of an HDF5 file; rename it in the "
                "predictions"
            )
    about = {
        "body_parts": predictions.body_parts,
        "individuals": predictions.individuals,
        "source_software": predictions.source_software,
        "frame_rate_hz": predictions.frame_rate_hz,
        "facts": dict(facts or {}),
    }
    with atomic_h5(path) as file:
        write_text_attribute(file, ATTRIBUTE, json.dumps(about))
        for (_, _, name), columns in _tracks(predictions):
            write_tree(file.create_group(name, track_order=True), columns)
        seal(file)


def read_facts(path: Path) -> dict[str, Any]:
    """Read what `write_keypoints` was told of the run; empty for a file of facemap's.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    """
    with open_h5(path, _ADVICE) as file:
        about = _about(file)
    return {} if about is None else dict(about["facts"])


def read_keypoints(path: Path) -> Predictions:
    """Read predictions from our own file, or from facemap's `_FacemapPose.h5`.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    KeypointError
        It is an HDF5 file of something else.
    """
    with open_h5(path, _ADVICE) as file:
        about = _about(file) or _as_facemap_wrote(file)
        body_parts, individuals = tuple(about["body_parts"]), tuple(about["individuals"])
        scorer = file.group(about["source_software"] or FACEMAP_SCORER)
        owners = [scorer.group(name) for name in individuals] if len(individuals) > 1 else [scorer]
        tracks = [[_columns(owner.group(part)) for part in body_parts] for owner in owners]
    if len({np.shape(track) for of_one in tracks for track in of_one}) != 1:
        raise ProjectError(f"{path}: tracks differ in length or in their columns; {_ADVICE}")
    values = np.moveaxis(np.array(tracks), 3, 0)  # (T, I, K, D + 1)
    return Predictions(
        values[..., :-1],
        values[..., -1],
        body_parts,
        individuals,
        about["source_software"],
        about["frame_rate_hz"],
    )


def _tracks(
    predictions: Predictions,
) -> Iterator[tuple[tuple[str, str, str], dict[str, np.ndarray]]]:
    for i, individual in enumerate(predictions.individuals):
        for k, body_part in enumerate(predictions.body_parts):
            columns = {
                axis: predictions.positions[:, i, k, d]
                for d, axis in enumerate(SPACE[: predictions.n_dimensions])
            }
            columns["likelihood"] = predictions.likelihood[:, i, k]
            yield (individual, body_part, track_name(predictions, individual, body_part)), columns


def _about(file: H5Group) -> dict[str, Any] | None:
    """Names, source and facts as `write_keypoints` left them; None in a file of facemap's."""
    text = read_text_attribute(file, ATTRIBUTE)
    if text is None:
        return None
    try:
        about = parse_json(text)
        names = [*about["body_parts"], *about["individuals"], about["source_software"]]
        rate = about["frame_rate_hz"]
        sound = (
            all(isinstance(name, str) for name in names)
            and 0 < len(names) - 1 <= _MAX_NAMES
            and isinstance(about["facts"], dict)
            and (rate is None or isinstance(rate, (int, float)))
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise ProjectError(
            f"{file.path}: its attribute {ATTRIBUTE} is not what is written; {_ADVICE}"
        )
    return dict(about)


def _columns(group: H5Group) -> list[np.ndarray]:
    """Columns x, y (z) and likelihood of a track, of one length."""
    columns = [group.dataset(axis) for axis in (*SPACE, "likelihood") if axis in group]
    if len({column.shape for column in columns}) != 1:
        group.refuse("has columns that differ in length")
    return [column.numbers(1) for column in columns]


def _as_facemap_wrote(file: H5Group) -> dict[str, Any]:
    """Names in facemap's own file: body parts are groups below `Facemap`, in the order of their names."""
    group = file.find(FACEMAP_SCORER)
    parts = group.names()[: _MAX_NAMES + 1] if isinstance(group, H5Group) else []
    whole = isinstance(group, H5Group) and all(
        f"{part}/{column}" in group for part in parts for column in ("x", "y", "likelihood")
    )
    if not 0 < len(parts) <= _MAX_NAMES or not whole:
        raise KeypointError(
            f"{file.path} holds no keypoints of facemap's (a group 'Facemap' with x, y and likelihood for "
            "each body part); name the software that wrote it"
        )
    return {
        "body_parts": parts,
        "individuals": [DEFAULT_INDIVIDUAL],
        "source_software": FACEMAP_SCORER,
        "frame_rate_hz": None,
    }

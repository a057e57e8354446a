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

import h5py
import numpy as np

from element_facerhythm.errors import KeypointError, ProjectError
from element_facerhythm.io.h5 import (
    atomic_h5,
    open_h5,
    read_text_attribute,
    write_text_attribute,
    write_tree,
)
from element_facerhythm.keypoints.predictions import DEFAULT_INDIVIDUAL, SPACE, Predictions

PRODUCT_NAME = "Keypoints.h5"
ATTRIBUTE = "facerhythm_keypoints"
FACEMAP_SCORER = "Facemap"
_MEND = "predict or load the keypoints again"


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


def read_facts(path: Path) -> dict[str, Any]:
    """Read what `write_keypoints` was told of the run; empty for a file of facemap's.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    """
    with open_h5(path, _MEND) as file:
        text = read_text_attribute(file, ATTRIBUTE)
    return {} if text is None else dict(json.loads(text)["facts"])


def read_keypoints(path: Path) -> Predictions:
    """Read predictions from our own file, or from facemap's `_FacemapPose.h5`.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    KeypointError
        It is an HDF5 file of something else.
    """
    with open_h5(path, _MEND) as file:
        text = read_text_attribute(file, ATTRIBUTE)
        about = json.loads(text) if text is not None else _as_facemap_wrote(file, path)
        body_parts, individuals = tuple(about["body_parts"]), tuple(about["individuals"])
        scorer = about["source_software"] or FACEMAP_SCORER
        group = file[scorer]
        tracks = [
            [_columns(group, path, individual, part, len(individuals)) for part in body_parts]
            for individual in individuals
        ]
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


def _columns(
    scorer: h5py.Group, path: Path, individual: str, body_part: str, n_individuals: int
) -> list[np.ndarray]:
    group = scorer[individual][body_part] if n_individuals > 1 else scorer[body_part]
    names = [axis for axis in SPACE if axis in group]
    lengths = {len(group[name]) for name in (*names, "likelihood")}
    if len(lengths) != 1:
        raise ProjectError(f"{path}: the columns of {body_part} differ in length; {_MEND}")
    return [group[name][()] for name in (*names, "likelihood")]


def _as_facemap_wrote(file: h5py.File, path: Path) -> dict[str, Any]:
    """Names in facemap's own file: body parts are groups below `Facemap`, in the order of their names."""
    group = file.get(FACEMAP_SCORER)
    parts = [] if not isinstance(group, h5py.Group) else list(group)
    whole = all(
        isinstance(group[part], h5py.Group) and {"x", "y", "likelihood"} <= set(group[part])
        for part in parts
    )
    if not parts or not whole:
        raise KeypointError(
            f"{path} holds no keypoints of facemap's (a group 'Facemap' with x, y and likelihood for each "
            "body part); name the software that wrote it"
        )
    return {
        "body_parts": parts,
        "individuals": [DEFAULT_INDIVIDUAL],
        "source_software": FACEMAP_SCORER,
        "frame_rate_hz": None,
    }

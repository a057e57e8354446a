"""The HDF5 file of a recording's keypoints, laid out as facemap lays out its own.

One group per scorer, in it one per body part with `x`, `y` (`z`) and `likelihood`, each (T,), so that
facemap opens the file of a single individual. Where there are several, each has a group of its own
below the scorer. Variables lie beside them, under their own names. What cannot stand in the name of a
group is written as `%2F` (a slash), `%25` (`%`) and `%2E` (a dot alone). Names, order and source stand in an
attribute of the root group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from element_facerhythm.errors import KeypointError, ProjectError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.content_digest import seal
from element_facerhythm.io.h5 import (
    atomic_h5,
    read_text_attribute,
    write_text_attribute,
    write_tree,
)
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.keypoints.placement import from_first_frame
from element_facerhythm.keypoints.predictions import (
    DEFAULT_INDIVIDUAL,
    LIKELIHOOD,
    SPACE,
    Predictions,
)

PRODUCT_NAME = "Keypoints.h5"
ATTRIBUTE = "facerhythm_keypoints"
FACEMAP_SCORER = "Facemap"
_MAX_NAMES = 2000
_ADVICE = "predict or load the keypoints again"


def track_name(predictions: Predictions, individual: str, body_part: str) -> str:
    """Name of the group that holds a track.

    Parameters
    ----------
    predictions
        Their software is the first part of the name; where they are of several individuals, the second is the
        individual.
    individual, body_part
        The track.
    """
    scorer = member_name(predictions.source_software or FACEMAP_SCORER)
    if len(predictions.individuals) == 1:
        return f"{scorer}/{member_name(body_part)}"
    return f"{scorer}/{member_name(individual)}/{member_name(body_part)}"


def member_name(name: str) -> str:
    """Name as a member of an HDF5 group can have it: no slash, and no dot alone; one to one."""
    plain = name.replace("%", "%25").replace("/", "%2F")
    return plain.replace(".", "%2E") if plain in (".", "..") else plain


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
    """
    with atomic_h5(path) as file:
        write_tracks(file, predictions, facts)
        seal(file)


def write_tracks(
    file: h5py.File, predictions: Predictions, facts: Mapping[str, Any] | None = None
) -> None:
    """Write predictions into a file that may hold other things as well; the caller seals it.

    Parameters
    ----------
    file
        Open for writing.
    predictions, facts
        As of `write_keypoints`.
    """
    predictions = from_first_frame(predictions)
    about = {
        "body_parts": predictions.body_parts,
        "individuals": predictions.individuals,
        "source_software": predictions.source_software,
        "frame_rate_hz": predictions.frame_rate_hz,
        "variables": list(predictions.variables),
        "absent": sorted(predictions.absent),
        "n_filled": predictions.n_filled,
        "notes": predictions.notes,
        "log": predictions.log,
        "facts": dict(facts or {}),
    }
    write_text_attribute(file, ATTRIBUTE, json.dumps(about))
    for (_, _, name), columns in _tracks(predictions):
        write_tree(file.create_group(name, track_order=True), columns)


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts of the run that `write_keypoints` stored; empty for a file of facemap's.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    """
    with open_h5(path, _ADVICE) as file:
        about = _about(file)
    return {} if about is None else dict(about["facts"])


def read_keypoints(path: Path) -> Predictions:
    """Read predictions from this package's file, or from facemap's `_FacemapPose.h5`.

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
        source = about["source_software"]
        variables = tuple(about["variables"])
        absent = frozenset((i, k) for i, k in about["absent"])
        member = member_name if about.get("escaped", True) else str
        scorer = file.group(member(source or FACEMAP_SCORER))
        tracks = {}
        for i in individuals:
            owner = scorer.group(member(i)) if len(individuals) > 1 else scorer
            for k in body_parts:
                if (i, k) not in absent:
                    tracks[i, k] = _columns(owner.group(member(k)), variables)
    if not tracks or len({np.shape(track) for track in tracks.values()}) != 1:
        raise ProjectError(f"{path}: tracks differ in length or in their columns; {_ADVICE}")
    some = next(iter(tracks.values()))
    empty = [np.full(len(some[0]), np.nan)] * len(some)
    every = [[tracks.get((i, k), empty) for k in body_parts] for i in individuals]
    values: np.ndarray = np.moveaxis(np.array(every), 3, 0)  # (T, I, K, columns)
    n_axes = len(some) - 1 - len(variables)
    return Predictions(
        values[..., :n_axes],
        values[..., n_axes],
        body_parts,
        individuals,
        source,
        about["frame_rate_hz"],
        {name: values[..., n_axes + 1 + n] for n, name in enumerate(variables)},
        absent=absent,
        n_filled=about["n_filled"],
        notes=tuple(about["notes"]),
        log=about.get("log", ""),
    )


def is_product(path: Path) -> bool:
    """Whether a file is one that `write_keypoints` wrote, whatever else it may be called.

    Raises
    ------
    ProjectError
        It is no HDF5 file, or a damaged one.
    """
    with open_h5(path, _ADVICE) as file:
        return file.attribute_bytes(ATTRIBUTE) is not None


def _tracks(
    predictions: Predictions,
) -> Iterator[tuple[tuple[str, str, str], dict[str, np.ndarray]]]:
    for individual, body_part in predictions.tracks():
        i, k = predictions.individuals.index(individual), predictions.body_parts.index(body_part)
        columns = {
            axis: predictions.positions[:, i, k, d]
            for d, axis in enumerate(SPACE[: predictions.n_dimensions])
        }
        columns[LIKELIHOOD] = predictions.likelihood[:, i, k]
        for name, values in predictions.variables.items():
            columns[member_name(name)] = values[:, i, k]
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
        about.setdefault("variables", [])
        about.setdefault("absent", [])
        about.setdefault("n_filled", 0)
        about.setdefault("notes", [])
        pairs = [name for pair in about["absent"] for name in pair]
        names += [*about["variables"], *pairs, *about["notes"], about.get("log", "")]
        sound = (
            all(isinstance(name, str) for name in names)
            and 0 < len(about["body_parts"]) <= _MAX_NAMES
            and 0 < len(about["individuals"]) <= _MAX_NAMES
            and len(about["variables"]) <= _MAX_NAMES
            and isinstance(about["n_filled"], int)
            and all(len(pair) == 2 for pair in about["absent"])
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


def _columns(group: H5Group, variables: Sequence[str]) -> list[np.ndarray]:
    """Columns x, y (z), likelihood and variables of a track, of one length."""
    columns = [group.dataset(axis) for axis in (*SPACE, LIKELIHOOD) if axis in group]
    if len(columns) < 3 or columns[-1].name.rpartition("/")[2] != LIKELIHOOD:
        group.refuse("lacks one of the columns x, y and likelihood")
    columns += [group.dataset(member_name(name)) for name in variables]
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
        "variables": [],
        "absent": [],
        "n_filled": 0,
        "notes": [],
        "escaped": False,
    }

"""Predictions, written for other tools: every file whole, and none replaced unasked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.names import short_name
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.h5 import atomic_h5, write_tree
from element_facerhythm.keypoints.dataset import to_movement, variable_name
from element_facerhythm.keypoints.nwb_export import NwbFacts, nwb_name, require_facts, write_nwb
from element_facerhythm.keypoints.placement import from_first_frame
from element_facerhythm.keypoints.predictions import Predictions, shown_names

SAVED: dict[str, tuple[str, ...]] = {
    "dlc": (".h5", ".csv"),
    "sleap": (".h5",),
    "lightningpose": (".csv",),
    "nwb": (".nwb",),
    "netcdf": (".nc",),
}
"""What can be written, and the endings of its files."""

_SINGLY = ("lightningpose", "nwb")
_WITH_VARIABLES = ("lightningpose", "netcdf")
_IN_SPACE = ("netcdf",)
_SCORER = "facerhythm"
_DLC_KEY = "df_with_missing"
_UNSAFE = frozenset('/\\:*?"<>|%')
_NO_FACTS = NwbFacts()


def write_predictions(
    predictions: Predictions,
    path: Path,
    to: str,
    *,
    facts: NwbFacts = _NO_FACTS,
    overwrite: bool = True,
) -> tuple[Path, ...]:
    """Write predictions for another tool; what a format does not keep is said by `left_out`.

    Parameters
    ----------
    predictions
        What to write.
    path
        The file. LightningPose and NWB keep one individual per file: where there are several, each gets
        a file with its name before the ending.
    to
        The format; a name of `SAVED`.
    facts
        What an NWB file says of the session.
    overwrite
        Whether files that are there are replaced; without it, one that is there leaves all unwritten.

    Returns
    -------
    Files that were written, in the order of the individuals.

    Raises
    ------
    KeypointError
        The format or the ending is unknown, the format cannot hold positions in space, a file is there, or
        an NWB file would have to invent a fact.
    ConfigurationError
        movement (for netCDF) or pynwb is not installed.
    """
    if to not in SAVED:
        raise KeypointError(f"format {to!r} is not known; expected one of {', '.join(SAVED)}")
    if path.suffix.lower() not in SAVED[to]:
        raise KeypointError(
            f"{path} does not end like a file of format {to}; expected {' or '.join(SAVED[to])}"
        )
    if predictions.n_dimensions == 3 and to not in _IN_SPACE:
        raise KeypointError(
            f"format {to} holds positions in the frame with their likelihoods; these are positions in "
            "space: write them as netcdf"
        )
    predictions = from_first_frame(predictions)
    if to == "nwb":
        require_facts(facts, predictions)
    n_animals = len(predictions.individuals)
    singly = to in _SINGLY and n_animals > 1
    targets = files_of(path, predictions.individuals) if singly else (path,)
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        names = ", ".join(map(str, there[:3])) + (" and more" if len(there) > 3 else "")
        raise KeypointError(
            f"{names} exists; give --overwrite to replace it, or another name with -o"
        )
    parts = (
        [predictions.of_individual(i) for i in predictions.individuals] if singly else [predictions]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, part in zip(targets, parts, strict=True):
        if to == "sleap":
            _write_sleap(part, place)
            continue
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch, atomic_path(place) as whole:
            written = Path(scratch, f"one{path.suffix.lower()}")
            if to == "nwb":
                write_nwb(part, written, facts, n_animals)
            elif to == "netcdf":
                _write_netcdf(part, written)
            else:
                _write_labelled(part, written, with_variables=to in _WITH_VARIABLES)
            written.replace(whole)
    return targets


def files_of(path: Path, individuals: Sequence[str]) -> tuple[Path, ...]:
    """Files of single individuals: their names before the ending, as a file system can have them.

    What cannot stand in the name of a file becomes a line below; names that are alike then, also where
    case does not count, are numbered.

    Parameters
    ----------
    path
        The file that all of them would share.
    individuals
        Their names; the files are in the same order.
    """
    found: list[str] = []
    for name in individuals:
        plain = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in name).strip(". ")
        plain = plain[:100] or "_"
        new, number = plain, 2
        while new.casefold() in {other.casefold() for other in found}:
            new, number = f"{plain}_{number}", number + 1
        found.append(new)
    return tuple(path.with_name(short_name(f"{path.stem}_{name}", path.suffix)) for name in found)


def left_out(predictions: Predictions, to: str) -> tuple[str, ...]:
    """Return what of predictions a format does not keep, or changes: a sentence for each.

    Parameters
    ----------
    predictions
        What is to be written.
    to
        The format; a name of `SAVED`.
    """
    notes = []
    if predictions.variables and to not in _WITH_VARIABLES:
        notes.append(
            f"{to} keeps no variables: {shown_names(list(predictions.variables))} left out"
        )
    if predictions.absent and to in ("netcdf", "sleap"):
        pairs = sorted("/".join(pair) for pair in predictions.absent)
        notes.append(f"{to} gives every individual all body parts: {shown_names(pairs)} are NaN")
    renamed = [name for name in predictions.variables if variable_name(name) != name]
    if to == "netcdf" and renamed:
        notes.append(f"variables get another name, without '/': {shown_names(renamed)}")
    if to == "lightningpose" and len(predictions.individuals) > 1:
        notes.append("the files of lightningpose name no individual; their own names do")
    if to == "nwb":
        names = (*predictions.body_parts, *predictions.individuals)
        changed = [name for name in names if nwb_name(name) != name]
        if changed:
            notes.append(f"'/' and ':' become '_' in the names of series: {shown_names(changed)}")
        if len(predictions.individuals) > 1:
            notes.append(
                "nothing says which of several animals is the session's subject: each file has the tracker's "
                "name of its animal as subject"
            )
    if to in ("dlc", "lightningpose", "sleap") and predictions.frame_rate_hz is not None:
        notes.append(f"{to} keeps no frame rate ({predictions.frame_rate_hz:g}/s)")
    return tuple(notes)


def _write_labelled(predictions: Predictions, path: Path, *, with_variables: bool) -> None:
    """Write a table with DeepLabCut's labels."""
    scorer = predictions.source_software or _SCORER
    table = predictions.to_dataframe(predictions.body_parts, scorer, with_variables=with_variables)
    if path.suffix == ".csv":
        table.to_csv(path)
    else:
        table.to_hdf(path, key=_DLC_KEY, mode="w")


def _write_sleap(predictions: Predictions, path: Path) -> None:
    """Write SLEAP's analysis file, with a row for every frame."""
    seen = ~np.isnan(predictions.positions).any(axis=3)  # (T, I, K)
    with np.errstate(invalid="ignore"):
        n_seen = seen.sum(axis=2)
        scores = np.where(
            n_seen > 0, np.nansum(predictions.likelihood, axis=2) / np.maximum(n_seen, 1), np.nan
        )
    tree = {
        "tracks": np.ascontiguousarray(predictions.positions.transpose(1, 3, 2, 0)),
        "track_occupancy": (n_seen > 0).astype(np.uint8),
        "point_scores": np.ascontiguousarray(predictions.likelihood.transpose(1, 2, 0)),
        "instance_scores": np.ascontiguousarray(scores.T),
        "tracking_scores": np.full(scores.T.shape, np.nan),
        "track_names": list(predictions.individuals),
        "node_names": list(predictions.body_parts),
        "edge_names": np.empty((0, 2), dtype="S1"),
        "edge_inds": np.empty((0, 2), dtype=np.int64),
        "labels_path": "",
        "video_path": "",
        "video_ind": np.int64(0),
        "provenance": "{}",
    }
    with atomic_h5(path) as file:
        write_tree(file, tree)


def _write_netcdf(predictions: Predictions, path: Path) -> None:
    dataset = to_movement(predictions)
    plain = {name: value for name, value in dataset.attrs.items() if value is not None}
    dataset.drop_attrs(deep=False).assign_attrs(plain).to_netcdf(path, engine="h5netcdf")

"""Values of existing rows that SQL cannot compute."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.linking import active_link, resolve_path

logger = logging.getLogger(__name__)


def parameter_sets(table: Any) -> Iterator[dict[str, Any]]:
    """Yield parameter sets with the whole tree of this version, as `FaceRhythmParamSet` holds them.

    A set that does not have the digest it was stored with is left as it is, and logged: what it was is not
    known.
    """
    from element_facerhythm.errors import ParameterError
    from element_facerhythm.parameters import open_parameters_from_mapping
    from element_facerhythm.parameters.stored import give_digest

    for row in table().to_dicts(order_by="paramset_id"):
        stored, sha256 = row["parameters"], row["parameter_sha256"]
        try:
            parameters = open_parameters_from_mapping(stored, fitted=False).parameters
        except ParameterError as error:
            logger.warning("parameter set %s is left as it is: %s", row["paramset_id"], error)
            continue
        if parameters.sha256() == sha256:
            continue
        if not give_digest(parameters, stored, sha256):
            logger.warning(
                "parameter set %s does not give the digest it was stored with, and is left as it is: it was "
                "changed by hand, and tasks of it will be refused",
                row["paramset_id"],
            )
            continue
        yield {
            "paramset_id": row["paramset_id"],
            "parameters": json.loads(parameters.canonical_json()),
            "parameter_sha256": parameters.sha256(),
        }


def window_times(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the seconds of the windows of each video that has none, of `FacialRhythm.Video`."""
    results = table.master()
    for row in (table() & "window_times_s IS NULL").to_dicts():
        rate_hz = (results & {name: row[name] for name in results.primary_key}).fetch1(
            "analysis_frame_rate_hz"
        )
        key = {name: row[name] for name in table.primary_key}
        yield {**key, "window_times_s": np.asarray(row["window_centres"], np.float64) / rate_hz}


def individual_order(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the place of each animal in its run, of `KeypointInference.BodyPartPosition`."""
    run = table.master.primary_key
    rows = (table() & "individual_index IS NULL").proj().to_dicts(order_by=(*run, "individual"))
    for key, of_run in groupby(rows, key=lambda row: {name: row[name] for name in run}):
        tracks = list(of_run)
        order = _order_in_file(table.master(), key, {row["individual"] for row in tracks})
        for row in tracks:
            yield {**row, "individual_index": order.index(row["individual"])}


def _order_in_file(runs: Any, key: Mapping[str, Any], names: set[str]) -> list[str]:
    """Animals of a run in the order of its file of tracks, which is that of the tracker; else by name."""
    from element_facerhythm.files.digest import file_sha256
    from element_facerhythm.keypoints.product import read_keypoints

    path, sha256 = (runs & key).fetch1("keypoints_path", "keypoints_sha256")
    if len(names) == 1:
        return list(names)
    try:
        place = resolve_path(path, active_link().search_dirs())
        found = list(read_keypoints(place).individuals)
        if file_sha256(place) == sha256 and set(found) >= names:
            return found
        reason = f"{place} is not the one that was entered"
    except (FaceRhythmError, OSError) as error:
        reason = str(error)
    logger.warning("animals of run %s are put in the order of their names: %s", dict(key), reason)
    return sorted(names)

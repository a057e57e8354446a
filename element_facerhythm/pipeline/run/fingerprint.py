"""What makes a product valid: the stage's version, its parameters, and what it was made from.

A fingerprint is kept verbatim and compared by equality, so that a difference can be named.
What changes speed alone (device, threads, memory) is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import Rois
from element_facerhythm.parameters import Parameters, describe_difference
from element_facerhythm.parameters.signals import DECOMPOSED
from element_facerhythm.pipeline.records import SIGNAL_STAGE, STAGES

if TYPE_CHECKING:
    from element_facerhythm.pipeline.run.sequences import TrackedSequence, VideoPart
    from element_facerhythm.video import VideoMetadata
    from element_facerhythm.video.clock import Clock

Fingerprint = dict[str, Any]

STAGE_VERSIONS: dict[str, int] = {
    "dataset": 1,
    "rois": 1,
    "point_tracking": 4,
    "spectral_analysis": 2,
    "decomposition": 2,
}
"""Raised by hand, with a line in the changelog, when the numbers of a stage change."""

ANCHORED_VERSION = 2
"""Raised likewise when the numbers of anchored tracking change and those of the flow do not."""

SIGNALS_VERSION = 1
"""Raised likewise when the numbers of the signals of the whole face change."""

UPSTREAM: dict[str, str | None] = {
    **dict(zip(STAGES, (None, *STAGES[:-1]), strict=True)),
    SIGNAL_STAGE: None,
}
"""The stage whose product each stage is made from."""

LEVELS = "levels"
"""Entry of tracking's fingerprint that describes the videos and is no parameter."""

_MAX_FREEZE_VALUES = 2000


def stage_fingerprints(
    sequences: Sequence[TrackedSequence], rois: Rois, parameters: Parameters, frame_rate_hz: float
) -> dict[str, Fingerprint]:
    """Fingerprint of every stage.

    Parameters
    ----------
    sequences
        What is tracked: videos with their digests, and their clocks.
    rois
        Regions.
    parameters
        Closed ones: nothing in them is still to be fitted.
    frame_rate_hz
        Rate that the recording is analysed with.
    """
    levels = sequences[0].parts[0].video.levels
    own_parameters = stage_parameters(parameters, frame_rate_hz)
    if levels is not None:  # video of 8 bits has none, and keeps its fingerprint
        own_parameters["point_tracking"][LEVELS] = [levels.low, levels.high]
    own_inputs: dict[str, dict[str, Any]] = {
        "dataset": {"videos": [_part(part) for sequence in sequences for part in sequence.parts]},
        "rois": {"rois_sha256": rois_sha256(rois)},
        "spectral_analysis": {"clock": [_clock(sequence.clock) for sequence in sequences]},
    }
    fingerprints: dict[str, Fingerprint] = {}
    for stage in STAGES:
        upstream = UPSTREAM[stage]
        inputs = {} if upstream is None else {upstream: fingerprints[upstream]}
        fingerprints[stage] = {
            "stage_version": STAGE_VERSIONS[stage],
            "parameters": own_parameters[stage],
            "inputs": {**inputs, **own_inputs.get(stage, {})},
        }
    return fingerprints


def stage_parameters(parameters: Parameters, frame_rate_hz: float) -> dict[str, dict[str, Any]]:
    """Return what each stage computes with, as its fingerprint spells it.

    Parameters
    ----------
    parameters
        Of the run.
    frame_rate_hz
        Rate that the recording is analysed with.
    """
    return {
        "dataset": {},
        "rois": {"point_spacing": parameters.ROIs.make_rois.point_spacing},
        "point_tracking": _tracking(parameters),
        "spectral_analysis": _spectral(parameters, parameters.spectral_rate_hz(frame_rate_hz)),
        "decomposition": _decomposition(parameters),
    }


def signals_fingerprint(
    sequences: Sequence[TrackedSequence], rois: Rois, parameters: Parameters
) -> Fingerprint:
    """Fingerprint of the signals of the whole face; nothing that only concerns the tracking is in it.

    Parameters
    ----------
    sequences
        Whose frames are measured; their gaps count.
    rois
        Polygons with their names and kinds.
    parameters
        Closed ones.
    """
    wanted = parameters.to_tree()["FacialSignal"]
    asks_for_svd = not set(DECOMPOSED).isdisjoint(wanted["signals"])
    used = {k: v for k, v in wanted.items() if asks_for_svd or k in ("signals", "bin_px")}
    levels = sequences[0].parts[0].video.levels
    regions = {
        role: [[polygon.tolist() for polygon in polygons], *labels]
        for role, polygons, labels in (
            ("points", rois.seed_polygons, [[x.name, x.kind] for x in rois.seed_labels]),
            ("signals", rois.signal_polygons, [[x.name, x.kind] for x in rois.signal_labels]),
            ("exclude", rois.exclude_polygons, []),
        )
    }
    gaps = [[gap.after_frame for gap in sequence.clock.gaps] for sequence in sequences]
    return {
        "stage_version": SIGNALS_VERSION,
        "parameters": used if levels is None else {**used, LEVELS: [levels.low, levels.high]},
        "inputs": {
            "videos": [_part(part) for sequence in sequences for part in sequence.parts],
            "regions_sha256": hashlib.sha256(json.dumps(regions).encode()).hexdigest(),
            "frames_before_gaps": _short([frame for found in gaps for frame in [*found, -1]]),
        },
    }


def stage_version(stage: str) -> int:
    """Version of a stage's computation, the optional one among them."""
    return SIGNALS_VERSION if stage == SIGNAL_STAGE else STAGE_VERSIONS[stage]


def _part(part: VideoPart) -> dict[str, Any]:
    video = part.video
    facts = {
        "size_bytes": video.size_bytes,
        "n_frames": video.n_frames,
        "sha256": video.sha256,
        **_turn(video),
    }
    whole = part.n_frames == video.n_frames
    return facts if whole else {**facts, "frames": [part.first, part.stop]}


def _clock(clock: Clock) -> dict[str, Any]:
    """Return what decides where samples lie."""
    return {
        "source": clock.source,
        "n_gaps": len(clock.gaps),
        "is_even": clock.is_even,
        "times_sha256": times_sha256(clock.times_s),
    }


def times_sha256(times_s: NDArray[np.float64]) -> str:
    """Digest of the times of frames (T,) since the first of them, to the microsecond."""
    times = np.round(times_s - times_s[0], 6)
    return hashlib.sha256(times.astype("<f8").tobytes()).hexdigest()


def explain_difference(stage: str, stored: Fingerprint, wanted: Fingerprint) -> tuple[str, ...]:
    """Lines such as ``point_tracking.winSize: [20, 20] -> [15, 15]``; empty where equal.

    A difference that lies further up has the name of the stage that it belongs to.

    Parameters
    ----------
    stage
        Name of the stage.
    stored, wanted
        Fingerprint of the product, and of the run that is asked for.
    """
    upstream = UPSTREAM[stage]
    lines = (
        []
        if upstream is None
        else [
            *explain_difference(
                upstream,
                stored.get("inputs", {}).get(upstream, {}),
                wanted["inputs"][upstream],
            )
        ]
    )
    own = [_without(tree, upstream) for tree in (stored, wanted)]
    return (*lines, *(f"{stage}.{line}" for line in describe_difference(*own)))


def rois_sha256(rois: Rois) -> str:
    """Digest of what the regions hold: polygons, points and masks, each with its shape."""
    digest = hashlib.sha256()
    parts: list[tuple[str, Any]] = [
        *(("points", np.asarray(polygon, np.float64)) for polygon in rois.seed_polygons),
        *(("mask", np.asarray(polygon, np.float64)) for polygon in rois.mask_polygons),
        *(("exclude", np.asarray(polygon, np.float64)) for polygon in rois.exclude_polygons),
        *(("signals", np.asarray(polygon, np.float64)) for polygon in rois.signal_polygons),
        ("point_positions", rois.point_positions),
        ("seed_mask", rois.seed_mask),
        ("visible_mask", rois.visible_mask),
    ]
    for name, array in parts:
        if array is not None:
            values = np.ascontiguousarray(array)
            digest.update(f"{name} {values.dtype.str} {values.shape};".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()


def _turn(video: VideoMetadata) -> dict[str, Any]:
    """Rotation of the frames; empty for upright ones, which keep their fingerprint."""
    if not video.rotation_deg and not video.is_flipped:
        return {}
    return {"rotation_deg": video.rotation_deg, "is_flipped": video.is_flipped}


def _without(tree: Fingerprint, upstream: str | None) -> dict[str, Any]:
    """Flatten a fingerprint to its stage's own entries."""
    inputs = {k: v for k, v in tree.get("inputs", {}).items() if k != upstream}
    version = {"stage_version": tree["stage_version"]} if "stage_version" in tree else {}
    return {**version, **tree.get("parameters", {}), **inputs}


def _tracking(parameters: Parameters) -> dict[str, Any]:
    tracker = parameters.to_tree()["PointTracker"]
    flow = tracker["params_optical_flow"]
    if tracker["method"] == "anchored":
        return {
            "method": "anchored",
            "method_version": ANCHORED_VERSION,
            "contiguous": tracker["contiguous"],
            **tracker["params_anchored"],
            "mesh_n_neighbors": flow["mesh_n_neighbors"],
            "threshold_displacement": tracker["params_outlier_handling"]["threshold_displacement"],
            "frames_freeze": _short(tracker["frames_freeze"]),
        }
    return {
        "contiguous": tracker["contiguous"],
        "mesh_rigidity": flow["mesh_rigidity"],
        "mesh_n_neighbors": flow["mesh_n_neighbors"],
        "relaxation": flow["relaxation"],
        **flow["kwargs_method"],
        "params_clahe": tracker["params_clahe"],
        **tracker["params_outlier_handling"],
        "frames_freeze": _short(tracker["frames_freeze"]),
        "relaxation_during_freeze_frames": tracker["relaxation_during_freeze_frames"],
        "rewind": parameters.rules.rewind,
        "refine": flow["refine"],
        "frames_per_block": tracker["frames_per_block"],
    }


def _short(values: list[Any] | None) -> Any:
    """Long lists by digest: a fingerprint is meant to be read."""
    if values is None or len(values) <= _MAX_FREEZE_VALUES:
        return values
    text = ",".join(map(str, values))
    return {"n_values": len(values), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _spectral(parameters: Parameters, frame_rate_hz: float) -> dict[str, Any]:
    analyzer = parameters.to_tree()["VQT_Analyzer"]
    vqt = {k: v for k, v in analyzer["params_VQT"].items() if k not in {"Fs_sample", "filters"}}
    if not vqt["take_abs"]:
        vqt |= {"averaging": "exact", "complex_average": parameters.rules.complex_average}
    rest = {key: value for key, value in analyzer.items() if key != "params_VQT"}
    return {"frame_rate_hz": frame_rate_hz, **vqt, **rest}


def _decomposition(parameters: Parameters) -> dict[str, Any]:
    tca = parameters.to_tree()["TCA"]
    method = {k: v for k, v in tca["fit"]["params_method"].items() if k != "random_state"}
    return {
        "seed": parameters.seed,
        "rearrange_data": tca["rearrange_data"],
        "normalize_data": tca["normalize_data"],
        "method": tca["fit"]["method"],
        "solver": parameters.rules.solver,
        **method,
        "rearrange_factors": tca["rearrange_factors"],
    }

"""What makes a product valid: the stage's version, its parameters, and what it was made from.

A fingerprint is kept verbatim and compared by equality, so that a difference can be told by name.
What changes speed alone (device, block sizes) is not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.core.rois import Rois
from element_facerhythm.parameters import Parameters, describe_difference
from element_facerhythm.pipeline.records import STAGES

if TYPE_CHECKING:
    from element_facerhythm.pipeline.sequences import TrackedSequence, VideoPart
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

UPSTREAM: dict[str, str | None] = dict(zip(STAGES, (None, *STAGES[:-1]), strict=True))
"""The stage whose product each stage is made from."""

_MAX_FREEZE_VALUES = 2000


def stage_fingerprints(
    sequences: Sequence[TrackedSequence], rois: Rois, parameters: Parameters, frame_rate_hz: float
) -> dict[str, Fingerprint]:
    """Fingerprint of every stage for this recording, analysed with this frame rate."""
    levels = sequences[0].parts[0].video.levels
    stage_parameters: dict[str, dict[str, Any]] = {
        "dataset": {},
        "rois": {"point_spacing": parameters.ROIs.make_rois.point_spacing},
        # video of 8 bits has none, and keeps its fingerprint
        "point_tracking": {
            **_tracking(parameters),
            **({} if levels is None else {"levels": [levels.low, levels.high]}),
        },
        "spectral_analysis": _spectral(parameters, parameters.spectral_rate_hz(frame_rate_hz)),
        "decomposition": _decomposition(parameters),
    }
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
            "parameters": stage_parameters[stage],
            "inputs": {**inputs, **own_inputs.get(stage, {})},
        }
    return fingerprints


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
    """Say what decides where samples lie."""
    times = np.round(clock.times_s - clock.times_s[0], 6)
    return {
        "source": clock.source,
        "n_gaps": len(clock.gaps),
        "is_even": clock.is_even,
        "times_sha256": hashlib.sha256(times.astype("<f8").tobytes()).hexdigest(),
    }


def explain_difference(stage: str, stored: Fingerprint, wanted: Fingerprint) -> tuple[str, ...]:
    """Lines such as ``point_tracking.winSize: [20, 20] -> [15, 15]``; empty where equal.

    A difference that lies further up is told under the name of the stage that it belongs to.
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
    """How frames are turned; nothing for those that stand upright, which keep their fingerprint."""
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
        "rewind": rewind_rule(parameters),
        "refine": refines(parameters),
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
    average = {"averaging": averaging(parameters)}
    if not vqt["take_abs"]:
        average = {"averaging": "exact", "complex_average": complex_average(parameters)}
    rest = {key: value for key, value in analyzer.items() if key != "params_VQT"}
    return {"frame_rate_hz": frame_rate_hz, **vqt, **average, **rest}


def _decomposition(parameters: Parameters) -> dict[str, Any]:
    tca = parameters.to_tree()["TCA"]
    method = {k: v for k, v in tca["fit"]["params_method"].items() if k != "random_state"}
    return {
        "seed": parameters.seed,
        "rearrange_data": tca["rearrange_data"],
        "normalize_data": tca["normalize_data"],
        "method": tca["fit"]["method"],
        "solver": decomposition_solver(parameters),
        **method,
        "rearrange_factors": tca["rearrange_factors"],
    }


def rewind_rule(parameters: Parameters) -> Any:
    """Which rule tracking follows after a violation."""
    return "face-rhythm" if parameters.compat == "face-rhythm" else "correct"


def refines(parameters: Parameters) -> bool:
    """Whether matches are improved on frames that are not equalised."""
    flow = parameters.PointTracker.params_optical_flow
    return flow.refine and parameters.compat != "face-rhythm"


def decomposition_solver(parameters: Parameters) -> Any:
    """Who fits: ours where it can, or always tensorly."""
    return "tensorly" if parameters.compat == "face-rhythm" else "auto"


def averaging(parameters: Parameters) -> Any:
    """Whether amplitudes are averaged over every frame."""
    if parameters.compat == "face-rhythm":
        return "exact"
    return parameters.VQT_Analyzer.params_VQT.averaging


def complex_average(parameters: Parameters) -> Any:
    """How complex spectrograms are averaged in time."""
    return "face-rhythm" if parameters.compat == "face-rhythm" else "linear"

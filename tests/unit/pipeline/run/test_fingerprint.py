"""Every parameter that changes numbers changes a fingerprint: no product is reused that others made."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from element_facerhythm.core.rois import Rois
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline.records import SIGNAL_STAGE
from element_facerhythm.pipeline.run.fingerprint import signals_fingerprint, stage_parameters
from element_facerhythm.video.clock import even_clock

STAGE_OF_SECTION = {
    "ROIs": "rois",
    "PointTracker": "point_tracking",
    "VQT_Analyzer": "spectral_analysis",
    "TCA": "decomposition",
    "FacialSignal": SIGNAL_STAGE,
}
ELSEWHERE = {
    "project.random_seed": "the seed of the decomposition's fingerprint",
    "TCA.fit.params_method.random_state": "the seed of the decomposition's fingerprint",
    "VQT_Analyzer.params_VQT.Fs_sample": "frame_rate_hz of the spectral fingerprint, where it counts",
    "Dataset_videos.frame_rate_clamp": "frame_rate_hz of the spectral fingerprint",
    "Dataset_videos.contiguous": "a remark: PointTracker.contiguous decides",
    "VQT_Analyzer.params_VQT.filters": "made of the others",
    "compat": "its rules: rewind, complex_average, solver",
}
"""Parameters that no stage's fingerprint has under their own names, and where they are in it."""


def leaves(tree: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def signals_in_the_fingerprint() -> set[str]:
    """Names of parameters in the fingerprint of the stage that runs where signals are asked for."""
    clock = even_clock(10, 100.0, "given")
    video = SimpleNamespace(
        size_bytes=1, n_frames=10, sha256="0", rotation_deg=0, is_flipped=False, levels=None
    )
    part = SimpleNamespace(video=video, n_frames=10, first=0, stop=10)
    sequence = SimpleNamespace(parts=(part,), clock=clock)
    asked = parameters_from_mapping({"FacialSignal": {"signals": ["svd"]}}).parameters
    return set(signals_fingerprint([sequence], Rois(), asked)["parameters"])  # type: ignore[list-item]


def test_every_parameter_is_in_the_fingerprint_of_its_stage() -> None:
    flow = parameters_from_mapping({"PointTracker": {"method": "flow"}}).parameters
    hashed: dict[str, set[str]] = {}
    for parameters in (Parameters(), flow):  # each method has what it uses
        for stage, own in stage_parameters(parameters, 100.0).items():
            hashed.setdefault(stage, set()).update(n.rpartition(".")[2] for n in leaves(own))
    hashed[SIGNAL_STAGE] = signals_in_the_fingerprint()
    lacking = {
        name
        for name in leaves(Parameters().to_tree())
        if not name.startswith("Quality.")  # how results are judged, not how they are computed
        and name.rpartition(".")[2]
        not in hashed.get(STAGE_OF_SECTION.get(name.split(".")[0], ""), ())
    }
    assert lacking == set(ELSEWHERE)

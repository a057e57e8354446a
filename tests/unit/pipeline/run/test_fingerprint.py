"""Every parameter that changes numbers changes a fingerprint: no product is reused that others made."""

from collections.abc import Iterator
from typing import Any

from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline.run.fingerprint import stage_parameters

STAGE_OF_SECTION = {
    "ROIs": "rois",
    "PointTracker": "point_tracking",
    "VQT_Analyzer": "spectral_analysis",
    "TCA": "decomposition",
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


def test_every_parameter_is_in_the_fingerprint_of_its_stage() -> None:
    anchored = parameters_from_mapping({"PointTracker": {"method": "anchored"}}).parameters
    hashed: dict[str, set[str]] = {}
    for parameters in (Parameters(), anchored):  # each method has what it uses
        for stage, own in stage_parameters(parameters, 100.0).items():
            hashed.setdefault(stage, set()).update(n.rpartition(".")[2] for n in leaves(own))
    lacking = {
        name
        for name in leaves(Parameters().to_tree())
        if not name.startswith("Quality.")  # how results are judged, not how they are computed
        and name.rpartition(".")[2]
        not in hashed.get(STAGE_OF_SECTION.get(name.split(".")[0], ""), ())
    }
    assert lacking == set(ELSEWHERE)

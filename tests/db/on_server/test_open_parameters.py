"""One parameter set for cameras of any rate: what was open, what it became, and a run that repeats it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError

Key = dict[str, Any]
RATES_HZ = (60.0, 30.0)


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """What a person says: coarse points, three components; the rest is open, one value by name."""
    return {
        "ROIs": {"make_rois": {"point_spacing": 12}},
        "VQT_Analyzer": {"params_VQT": {"F_max": "auto", "n_freq_bins": 10}},
        "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 20}}},
    }


@pytest.fixture(scope="module")
def runs(given: dict[str, Any], workflow: ModuleType, fbe: ModuleType, root_dir: Path) -> list[Key]:
    """Keys of two recordings, at 60 and at 30 frames/s, that were run with one set."""
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.demo.synthetic import make_scene_video
    from element_facerhythm.ingest import SessionChoice, register_videos
    from element_facerhythm.parameters import open_parameters_from_mapping
    from tests.db.on_server.conftest import ROIS

    rois = Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"]))
    keys = []
    for session_id, rate_hz in enumerate(RATES_HZ):
        video = root_dir / f"camera{rate_hz:g}.mp4"
        make_scene_video(
            video, n_frames=int(2 * rate_hz), frame_rate_hz=rate_hz, width_px=160, height_px=120
        )
        registered = register_videos(
            SessionChoice.numbered("mouse5", session_id),
            [video],
            rois,
            open_parameters_from_mapping(given).parameters,
        )
        fitted = {value.name: value.value for value in registered.parameters_fitted}
        assert fitted["VQT_Analyzer.params_VQT.F_max"] == 0.4 * rate_hz
        keys.append(registered.key)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate({"subject": "mouse5"})
    return keys


def test_one_set_serves_both_and_each_row_says_what_it_became(
    runs: list[Key], given: dict[str, Any], fbe: ModuleType
) -> None:
    from element_facerhythm.parameters import parameters_from_mapping

    assert runs[0]["paramset_id"] == runs[1]["paramset_id"]
    stored = (fbe.FaceRhythmParamSet & runs[0]).fetch1("parameters")
    assert stored["VQT_Analyzer"]["params_VQT"]["F_max"] == "auto"
    assert stored["TCA"]["fit"]["params_method"]["rank"] == 3
    assert fbe.FaceRhythmParamSet.insert_new_params(None, "again", given) == runs[0]["paramset_id"]
    for key, rate_hz in zip(runs, RATES_HZ, strict=True):
        row = (fbe.FaceRhythmProcessing & key).fetch1()
        vqt = row["run_parameters"]["VQT_Analyzer"]["params_VQT"]
        assert (vqt["F_max"], vqt["Fs_sample"], vqt["F_min"]) == (0.4 * rate_hz, rate_hz, 4.0)
        assert "auto" not in json.dumps(row["run_parameters"])
        closed = parameters_from_mapping(row["run_parameters"]).parameters
        assert row["run_parameter_sha256"] == closed.sha256()
        reasons = {fitted["name"]: fitted for fitted in row["parameters_fitted"]}
        assert "TCA.fit.params_method.rank" not in reasons  # it was typed
        assert reasons["VQT_Analyzer.params_VQT.F_max"]["value"] == vqt["F_max"]
        assert f"{rate_hz:g} frames/s" in reasons["VQT_Analyzer.params_VQT.F_max"]["reason"]
        frequencies = (fbe.FacialRhythm.Frequency & key).to_arrays("frequency_hz")
        assert max(map(float, frequencies)) == pytest.approx(0.4 * rate_hz, rel=1e-5)


def test_a_task_of_a_run_repeats_it_exactly(runs: list[Key], fbe: ModuleType) -> None:
    key = runs[1]
    again = fbe.FaceRhythmTask.insert_repetition(key)
    assert again["paramset_id"] != key["paramset_id"]
    assert fbe.FaceRhythmTask.insert_repetition(key) == again
    assert fbe.FaceRhythmParamSet.insert_from_run(key) == again["paramset_id"]
    fbe.FaceRhythmProcessing.populate(again)
    fbe.FacialRhythm.populate(again)
    first, second = ((fbe.FaceRhythmProcessing & k).fetch1() for k in (key, again))
    assert second["run_parameter_sha256"] == first["run_parameter_sha256"]
    assert second["parameters_fitted"] == []  # nothing was open
    assert second["project_dir"] != first["project_dir"]
    names = ("component_index", "weight", "peak_frequency_hz", "centroid_x_px")
    rows = (
        np.array((fbe.FacialRhythm.Component & k).to_arrays(*names), dtype=float)
        for k in (key, again)
    )
    assert np.array_equal(*rows)
    assert fbe.FaceRhythmTask.insert_repetition(again) == again


def test_a_project_that_is_taken_over_brings_its_parameters_and_reasons(
    runs: list[Key], fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    source = (fbe.FaceRhythmProcessing & runs[0]).fetch1("project_dir")
    shutil.copytree(processed_dir / source, root_dir / "fitted")
    choice = SessionChoice.numbered("mouse5", 7)
    key = register_project(choice, Project.open(root_dir / "fitted")).key
    populate(key)
    names = ("run_parameters", "run_parameter_sha256", "parameters_fitted")
    loaded, run = ((fbe.FaceRhythmProcessing & k).fetch1(*names) for k in (key, runs[0]))
    assert loaded == run
    assert (fbe.FaceRhythmParamSet & key).fetch1("parameters") == run[0]

    (root_dir / "fitted" / "run.json").write_text("{}")
    (fbe.FaceRhythmProcessing & key).delete(prompt=False)
    fbe.FaceRhythmProcessing.populate(key)
    row = (fbe.FaceRhythmProcessing & key).fetch1()
    assert (row["run_parameters"], row["run_parameter_sha256"]) == (None, None)
    assert row["parameters_fitted"] == []
    assert any("run.json does not say with what parameters" in note for note in row["notes"])
    with pytest.raises(ConfigurationError, match="are not known"):
        fbe.FaceRhythmParamSet.insert_from_run(key)
    (fbe.VideoRecording & key).delete(prompt=False)  # later tests find nothing to do


def test_verify_compares_what_became_with_what_was_asked_for(
    runs: list[Key], fbe: ModuleType, facerhythm: Callable[..., Any]
) -> None:
    def faults() -> list[str]:
        where = "subject = 'mouse5' AND session_id = 0"
        found = json.loads(facerhythm("verify", "--where", where, "--recompute", "--json").out)
        return [fault["problem"] for fault in found["faults"]]

    assert faults() == []
    row = (fbe.FaceRhythmProcessing & runs[0]).fetch1()
    tree = json.loads(json.dumps(row["run_parameters"]))
    tree["TCA"]["fit"]["params_method"]["rank"] = 2
    fbe.FaceRhythmProcessing.update1({**row, "run_parameters": tree})
    try:
        assert any("run_parameters of run" in problem for problem in faults())
        with pytest.raises(ConfigurationError, match="do not give the digest"):
            fbe.FaceRhythmParamSet.insert_from_run(runs[0])
    finally:
        fbe.FaceRhythmProcessing.update1(row)

    row = (fbe.FaceRhythmParamSet & runs[0]).fetch1()
    from element_facerhythm.parameters import open_parameters_from_mapping

    other = open_parameters_from_mapping(
        {**row["parameters"], "project": {"random_seed": 3}}
    ).parameters
    changed = {"parameters": other.to_tree(), "parameter_sha256": other.sha256()}
    fbe.FaceRhythmParamSet.update1({**row, **changed})
    try:
        assert any("other parameters than parameter set" in problem for problem in faults())
    finally:
        fbe.FaceRhythmParamSet.update1(row)
    assert faults() == []

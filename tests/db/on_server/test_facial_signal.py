"""Signals of regions in the tables: rows say what the arrays say."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

from tests.contract import test_load_mode
from tests.contract.test_load_mode import T, write_project
from tests.db.on_server.conftest import N_FRAMES, PARAMETERS, ROIS
from tests.signal_files import KINDS, N_BLINKS, NAMES, signal_arrays, write_signals

pytestmark = pytest.mark.slow

Key = dict[str, Any]


def register(fbe: ModuleType, project: Path, session_id: int) -> Key:
    from element_facerhythm.ingest import SessionChoice, register_project
    from element_facerhythm.io.project import Project

    choice = SessionChoice.numbered("mouse7", session_id)
    return register_project(choice, Project.open(project)).key


def test_rows_are_the_arrays_own_numbers(measured: Key, fbe: ModuleType) -> None:
    arrays = signal_arrays(N_FRAMES)
    row = (fbe.FacialSignal & measured).fetch1()
    assert (row["n_signal_frames"], row["n_signal_regions"]) == (N_FRAMES, len(KINDS))
    assert (row["signal_source"], row["signal_notes"]) == ("unknown", [])
    regions = (fbe.FacialSignal.Region & measured).to_dicts(order_by="roi_no")
    assert [(r["region_name"], r["signal_kind"]) for r in regions] == list(
        zip(NAMES, KINDS, strict=True)
    )
    assert all((r["xrange"], r["xrange_bin"]) == ([2, 21], None) for r in regions)
    for i, region in enumerate(regions[:2]):
        motion = arrays[f"regions/{i}/motion"]
        assert np.array_equal(region["motion"], motion, equal_nan=True)
        numbers = [region[f"motion_{name}"] for name in ("mean", "sd", "max")]
        expected = [np.nanmean(motion), np.nanstd(motion), np.nanmax(motion)]
        assert numbers == pytest.approx(expected, rel=1e-5)
        assert region["n_motion_frames"] == N_FRAMES - 2
        assert (region["motion_svd_error"], region["motion_total_variance"]) == (0.25, 200)
        svd = f"regions/{i}/motion_svd"
        assert np.array_equal(region["motion_projections"], arrays[f"{svd}/projection"])
        components = (fbe.FacialSignal.MotionSVD & measured & {"roi_no": i}).to_dicts(
            order_by="component_id"
        )
        assert len(components) == region["n_motion_components"] == 3
        for n, component in enumerate(components):
            assert component["singular_value"] == arrays[f"{svd}/singular_values"][n]
            assert component["share_of_variance"] == arrays[f"{svd}/share_of_variance"][n]
            assert np.array_equal(component["motmask"], arrays[f"{svd}/mask"][n])
            assert np.array_equal(component["projection"], arrays[f"{svd}/projection"][:, n])
    movie = (fbe.FacialSignal.MovieSVD & measured).to_dicts(order_by="KEY")
    assert [(m["roi_no"], m["movie_component_id"]) for m in movie] == [(0, 0), (0, 1), (0, 2)]
    last = arrays["regions/0/movie_svd/projection"][:, 2]
    assert np.array_equal(movie[2]["movie_projection"], last)


def test_pupils_blinks_and_running_are_counted(measured: Key, fbe: ModuleType) -> None:
    arrays = signal_arrays(N_FRAMES)
    pupil = (fbe.FacialSignal.Pupil & measured).fetch1()
    area = arrays["regions/2/area"]
    seen = area[np.nan_to_num(area) > 0]
    numbers = [pupil[f"pupil_area_{name}_px2"] for name in ("median", "min", "max")]
    assert numbers == pytest.approx([np.median(seen), seen.min(), seen.max()])
    assert pupil["pupil_fraction"] == pytest.approx(1 - 4 / N_FRAMES)
    assert np.array_equal(pupil["pupil_centre"], arrays["regions/2/centre"])
    blink = (fbe.FacialSignal.Blink & measured).fetch1()
    assert (blink["roi_no"], blink["n_blinks"]) == (3, N_BLINKS)
    assert blink["blink_fraction"] == pytest.approx(3 * N_BLINKS / (N_FRAMES - 1))
    running = (fbe.FacialSignal.Running & measured).fetch1()
    speed = np.linalg.norm(arrays["regions/4/running"], axis=1)
    assert running["running_speed_mean_px"] == pytest.approx(speed.mean())
    summary = (fbe.FacialSignal.Summary & measured).fetch1()
    assert (summary["sbin"], summary["signal_video_frames"]) == (4, [N_FRAMES])
    assert np.array_equal(summary["avgframe"], arrays["summary/mean_frame"])


def test_pairs_are_those_of_the_files(
    fbe: ModuleType, root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy.stats import false_discovery_control

    from element_facerhythm.ingest import populate
    from element_facerhythm.pipeline.results.signal_coupling import couple_signals

    n_frames, n_windows = 1200, 600
    monkeypatch.setattr(test_load_mode, "T", n_frames)
    monkeypatch.setattr(test_load_mode, "W", n_windows)
    project = write_project(root_dir / "long")
    write_signals(project / "analysis_files" / "FacialSignal.h5", n_frames)
    key = register(fbe, project, 3)
    populate(key)
    found = {
        (p.model_key, p.component_index, p.region_index, p.trace, p.trace_component): p
        for p in couple_signals(project)
    }
    rows = (fbe.SignalRhythm.Pair & key).to_dicts()
    n_components = len(fbe.FacialRhythm.Component & key)
    # two energies, a pupil, a lid, a wheel, and three vectors of each of three decompositions
    assert len(rows) == len(found) == n_components * 14
    names = ("model_key", "component_index", "roi_no", "coupled_trace", "coupled_component")
    for row in rows:
        pair = found[tuple(row[name] for name in names)]
        assert row["signal_correlation"] == pytest.approx(pair.coupling.correlation)
        assert row["signal_lag_s"] == pytest.approx(pair.coupling.lag_s)
    p_values = [row["signal_p_value"] for row in rows]
    assert min(p_values) > 0 and len(set(p_values)) > 5
    expected = false_discovery_control(p_values)
    assert [row["signal_q_value"] for row in rows] == pytest.approx(list(expected))


def test_a_run_without_signals_is_not_due(processed: Key, measured: Key, fbe: ModuleType) -> None:
    from element_facerhythm.fleet.key_counts import count_keys

    counts = count_keys(fbe.FacialSignal)
    assert (counts.done, counts.pending, counts.failed) == (len(fbe.FacialSignal()), 0, 0)
    fbe.FacialSignal.populate(processed)
    assert not fbe.FacialSignal & processed
    assert not fbe.FacialSignal().key_source & processed
    assert len(fbe.FacialRhythm().key_source & [processed, measured]) == 2


def test_verify_finds_rows_that_were_changed(
    measured: Key, fbe: ModuleType, workflow: ModuleType
) -> None:
    from element_facerhythm.facial_behavior_estimation.verification import verify_recording
    from element_facerhythm.pipeline.results.verify import Findings

    recording = {name: measured[name] for name in fbe.VideoRecording.primary_key}
    findings = Findings()
    verify_recording(recording, findings)
    assert findings.faults == [] and findings.n_checks > 20
    key = (fbe.FacialSignal.Pupil & measured).fetch1("KEY")
    before = (fbe.FacialSignal.Pupil & key).fetch1("pupil_area_median_px2")
    fbe.FacialSignal.Pupil.update1({**key, "pupil_area_median_px2": before + 1})
    findings = Findings()
    verify_recording(recording, findings)
    fbe.FacialSignal.Pupil.update1({**key, "pupil_area_median_px2": before})
    ((where, problem),) = [(fault.where, fault.problem) for fault in findings.faults]
    assert where.startswith("FacialSignal.Pupil") and "another pupil_area_median_px2" in problem


@pytest.mark.parametrize("left_out", ["regions/2/area", "regions/1/motion_svd/mask", "summary"])
def test_any_dataset_may_be_absent(left_out: str, fbe: ModuleType, root_dir: Path) -> None:
    from element_facerhythm.ingest import populate

    number = 10 + len(left_out)
    project = write_project(root_dir / f"lacking-{number}")
    place = project / "analysis_files" / "FacialSignal.h5"
    write_signals(place, T)
    with h5py.File(place, "r+") as file:
        del file[left_out]
    key = register(fbe, project, number)
    assert populate(key)["FacialSignal.Region"] == len(KINDS)
    pupil = (fbe.FacialSignal.Pupil & key).fetch1()
    assert (pupil["pupil_area_median_px2"] is None) == (left_out == "regions/2/area")
    notes = (fbe.FacialSignal & key).fetch1("signal_notes")
    assert notes == (["no area is stored of region left eye"] if "area" in left_out else [])
    masks = (fbe.FacialSignal.MotionSVD & key & {"roi_no": 1}).to_dicts()
    assert [m["motmask"] is None for m in masks] == [left_out.endswith("mask")] * 3
    assert len(fbe.FacialSignal.Summary & key) == (left_out != "summary")


def test_signals_of_another_length_and_damaged_ones_are_refused(
    fbe: ModuleType, root_dir: Path
) -> None:
    from element_facerhythm.errors import ProjectError

    project = write_project(root_dir / "other signals")
    place = project / "analysis_files" / "FacialSignal.h5"
    write_signals(place, T + 1)
    key = register(fbe, project, 5)
    with pytest.raises(ProjectError, match=rf"has {T + 1} frames, PointTracker.h5 beside it {T}"):
        fbe.FaceRhythmProcessing.populate(key)
    write_signals(place, T)
    with h5py.File(place, "r+") as file:
        del file["regions/3/opening"]
        file["regions/3/opening"] = np.zeros(T - 3)
    with pytest.raises(ProjectError, match="arrays of different numbers of frames"):
        fbe.FaceRhythmProcessing.populate(key)
    write_signals(place, T)
    fbe.FaceRhythmProcessing.populate(key)
    write_signals(place, T, seed=1)  # after the run was entered
    with pytest.raises(ProjectError, match="not what was entered"):
        fbe.FacialSignal.populate(key)
    assert not fbe.FacialSignal & key
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    shutil.rmtree(project)


def test_a_task_whose_parameters_ask_for_signals_measures_them(
    fbe: ModuleType, videos: list[Path], processed_dir: Path
) -> None:
    from element_facerhythm.core.rois import RegionLabel, Rois
    from element_facerhythm.ingest import SessionChoice, populate, register_videos
    from element_facerhythm.io.stored_signals import read_signals
    from element_facerhythm.parameters import parameters_from_mapping

    tree = {
        **PARAMETERS,
        "FacialSignal": {"signals": ["motion", "svd", "pupil"], "n_components": 4},
    }
    rois = Rois(
        seed_polygons=(np.array(ROIS["points"][0], float),),
        signal_polygons=(np.array([[60.0, 50], [90, 50], [90, 80], [60, 80]]),),
        signal_labels=(RegionLabel("left eye", "pupil"),),
    )
    choice = SessionChoice.numbered("mouse7", 40)
    parameters = parameters_from_mapping(tree).parameters
    key = register_videos(choice, videos, rois, parameters).key
    counts = populate(key)
    assert (counts["FacialSignal"], counts["SignalRhythm"]) == (1, 1)
    assert (fbe.FacialSignal & key).fetch1("signal_source").startswith("element-facerhythm")
    project = processed_dir / (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    stored = read_signals(project / "analysis_files" / "FacialSignal.h5")
    rows = (fbe.FacialSignal.Region & key).to_dicts(order_by="roi_no")
    assert [row["region_name"] for row in rows] == [region.name for region in stored.regions]
    for row, region in zip(rows, stored.regions, strict=True):
        if region.kind == "motion":
            motion = np.asarray(region.arrays["motion"], float)
            assert row["motion_mean"] == pytest.approx(np.nanmean(motion), rel=1e-5)
            assert row["motion_svd_error"] == pytest.approx(region.svd["motion_svd"].relative_error)
            values = (fbe.FacialSignal.MotionSVD & key & {"roi_no": row["roi_no"]}).to_arrays(
                "singular_value", order_by="component_id"
            )
            assert np.allclose(values.astype(float), region.svd["motion_svd"].singular_values)
    assert len(fbe.FacialSignal.Pupil & key) == 1
    assert (fbe.FacialSignal.Summary & key).fetch1("signal_video_frames") == [90, 90]
    stages = set((fbe.FaceRhythmProcessing.Stage & key).to_arrays("stage"))
    assert {"facial_signal", "decomposition"} <= stages

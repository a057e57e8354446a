"""Whole runs on a short rendered recording."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.core.tracking import make_mesh, track_points
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import (
    STAGES,
    NullProgress,
    RunRequest,
    load_project,
    plan_run,
    run_project,
    summarise_project,
)
from element_facerhythm.video import iterate_gray_frames
from tests.tracking_settings import settings_with


@pytest.fixture(scope="module")
def finished(recording, tmp_path_factory):
    return run_project(recording.request(tmp_path_factory.mktemp("run") / "project"))


def test_a_run_writes_the_five_products_and_reports_them(finished, recording):
    assert [stage.name for stage in finished.stages] == list(STAGES)
    assert not any(stage.reused for stage in finished.stages)
    assert [product.path.name for product in finished.products] == [
        "Dataset_videos.h5",
        "ROIs.h5",
        "PointTracker.h5",
        "VQT_Analyzer.h5",
        "TCA.h5",
    ]
    assert all(p.size_bytes == p.path.stat().st_size for p in finished.products)
    assert finished.device == "cpu"
    assert {"element-facerhythm", "python", "torch", "numpy", "opencv", "tensorly"} <= set(
        finished.versions
    )
    assert finished.videos[0].path == recording.videos[0]
    entries = {path.name for path in finished.project_dir.rglob("*") if path.is_file()}
    assert not [name for name in entries if name.endswith(".part")]
    assert {"config.yaml", "run_info.json", "run.json"} <= entries


def test_summary_agrees_with_the_arrays_it_sums_up(finished):
    summary = summarise_project(finished.project_dir)
    project = Project.open(finished.project_dir)
    points = np.asarray(project.tracking(0).points, dtype=np.float64)
    distance = np.linalg.norm(points - project.point_positions, axis=2)
    path = np.linalg.norm(np.diff(points, axis=0), axis=2).sum(axis=0)
    assert summary.n_points == points.shape[1]
    np.testing.assert_allclose(
        [p.rms_displacement_px for p in summary.points], np.sqrt((distance**2).mean(axis=0))
    )
    np.testing.assert_allclose([p.max_displacement_px for p in summary.points], distance.max(0))
    np.testing.assert_allclose([p.path_length_px for p in summary.points], path)
    np.testing.assert_allclose([p.mean_speed_px_s for p in summary.points], path / (90 / 60))
    model = summary.models[0]
    assert 0 < model.relative_error < 1
    assert model.explained_variance <= 1
    assert len(model.components) == 2
    assert {f.dimension for f in model.factors} == {"(xy points)", "frequency", "time"}


def test_load_mode_gives_the_same_products_without_computing(finished):
    loaded = load_project(finished.project_dir)
    assert loaded.products == finished.products
    assert loaded.layout == finished.layout == "element-facerhythm 1"
    assert loaded.videos is None
    assert [s.seconds for s in loaded.stages] == [s.seconds for s in finished.stages]
    assert loaded.versions == finished.versions


def test_a_second_run_reuses_every_stage_and_changes_no_product(finished, recording):
    request = recording.request(finished.project_dir)
    assert plan_run(request).reused == STAGES
    again = run_project(request)
    assert all(stage.reused for stage in again.stages)
    assert again.products == finished.products


def test_progress_is_told_in_total_counts(recording, tmp_path):
    told: dict[str, list[int]] = {}
    totals: dict[str, int | None] = {}

    class Recorder(NullProgress):
        def stage(self, name, total, unit):
            totals[name] = total
            recorder = told.setdefault(name, [])

            class Context:
                def __enter__(self):
                    return recorder.append

                def __exit__(self, *error):
                    return None

            return Context()

    run_project(recording.request(tmp_path / "p", videos=recording.videos), progress=Recorder())
    assert list(told) == list(STAGES)
    assert totals["point_tracking"] == told["point_tracking"][-1] == 160
    assert told["point_tracking"] == sorted(told["point_tracking"])
    assert told["spectral_analysis"][-1] == totals["spectral_analysis"]
    assert told["decomposition"][-1] <= totals["decomposition"]


def test_two_videos_joined_in_the_decomposition_come_apart_again(
    recording, parameters_with, tmp_path
):
    parameters = parameters_with(
        TCA={
            "rearrange_data": {
                "name_dim_dictElements": "trials",
                "method_handling_dictElements": "concatenate",
            },
            "fit": {"params_method": {"rank": 2, "n_iter_max": 5}},
            "rearrange_factors": {"undo_concat_dictElements": True},
        }
    )
    request = recording.request(tmp_path / "p", videos=recording.videos, parameters=parameters)
    summary = summarise_project(run_project(request).project_dir)
    assert [v.file_name for v in summary.videos] == ["first.mp4", "second.mp4"]
    (model,) = summary.models
    times = {(f.component_index, f.video_index): f for f in model.factors if f.dimension == "time"}
    assert set(times) == {(0, 0), (1, 0), (0, 1), (1, 1)}
    for video in summary.videos:
        assert len(times[0, video.video_index].loadings) == video.n_windows


def test_separate_models_belong_to_their_videos(recording, tmp_path):
    record = run_project(recording.request(tmp_path / "p", videos=recording.videos))
    summary = summarise_project(record.project_dir)
    assert [m.model_key for m in summary.models] == ["0", "1"]
    for index, model in enumerate(summary.models):
        owners = {f.video_index for f in model.factors if f.dimension == "time"}
        assert owners == {index}


def test_contiguous_tracks_on_over_the_border_of_two_files(recording, parameters_with, tmp_path):
    tracker = {
        "method": "flow",
        "contiguous": True,
        "params_clahe": None,
        "params_optical_flow": {"relaxation": 0.1, "kwargs_method": {"winSize": [11, 11]}},
    }
    parameters = parameters_with(PointTracker=tracker)
    request = recording.request(tmp_path / "p", videos=recording.videos, parameters=parameters)
    record = run_project(request)
    project = Project.open(record.project_dir)
    assert project.n_frames == (160,)
    assert project.video_names == ("first.mp4 .. second.mp4",)
    frames = [f for path in recording.videos for f in iterate_gray_frames(path)]
    flow = parameters.PointTracker.params_optical_flow
    expected = track_points(
        lambda start: iter(frames[start:]),
        160,
        project.point_positions,
        settings_with(
            window_px=(11, 11),
            criteria=(3, 2, 0.03),
            mesh_rigidity=flow.mesh_rigidity,
            relaxation=0.1,
            displacement_threshold_px=150.0,
            n_frames_halted_before=10,
            n_frames_halted_after=10,
            refine=True,
        ),
        mesh=make_mesh(project.point_positions, n_neighbors=flow.mesh_n_neighbors),
        visible_mask=project.rois().visible_mask,
    )
    np.testing.assert_array_equal(np.asarray(project.tracking(0).points), expected.points)


@pytest.mark.parametrize("method", ["anchored", "flow"])
def test_frozen_frames_are_counted_through_the_recording(
    recording, parameters_with, tmp_path, method
):
    tracker = {
        "method": method,
        "frames_freeze": [95, 96, 97],
        "relaxation_during_freeze_frames": False,
        "params_clahe": None,
    }
    request = recording.request(
        tmp_path / "p", videos=recording.videos, parameters=parameters_with(PointTracker=tracker)
    )
    project = Project.open(run_project(request).project_dir)
    still = [
        np.flatnonzero((np.diff(np.asarray(project.tracking(i).points), axis=0) == 0).all((1, 2)))
        for i in (0, 1)
    ]
    # Frame 95 of the recording is frame 5 of the second video; differences end one frame later.
    assert set(still[1] + 1) >= {5, 6, 7}
    assert not {5, 6, 7} & set(still[0] + 1)


def test_complex_spectrograms_are_stored_and_decomposed(recording, parameters_with, tmp_path):
    parameters = parameters_with(
        VQT_Analyzer={
            "params_VQT": {
                "Q_lowF": 2,
                "Q_highF": 4,
                "F_min": 5,
                "F_max": 25,
                "n_freq_bins": 6,
                "take_abs": False,
            }
        },
        TCA={
            "rearrange_data": {"concat_complexDim": True},
            "fit": {"method": "CP", "params_method": {"rank": 2, "n_iter_max": 3}},
            "rearrange_factors": {"undo_concat_complexDim": True},
        },
    )
    record = run_project(recording.request(tmp_path / "p", parameters=parameters))
    assert Project.open(record.project_dir).spectrogram(0).dtype == np.complex64
    dimensions = {f.dimension for f in summarise_project(record.project_dir).models[0].factors}
    assert {"time (real)", "time (imaginary)"} <= dimensions


def test_the_same_request_gives_the_same_numbers(finished, recording, tmp_path):
    second = run_project(recording.request(tmp_path / "p"))
    for name in ("PointTracker", "VQT_Analyzer", "TCA"):
        files = [
            h5py.File(r.project_dir / "analysis_files" / f"{name}.h5") for r in (finished, second)
        ]
        with files[0] as a, files[1] as b:
            datasets: list[str] = []
            a.visititems(lambda n, o, d=datasets: d.append(n) if hasattr(o, "dtype") else None)
            for dataset in datasets:
                np.testing.assert_array_equal(a[dataset][()], b[dataset][()], err_msg=dataset)


def test_rois_and_parameters_reach_the_index(finished, recording):
    index = json.loads((finished.project_dir / "run.json").read_text())
    assert index["parameters_sha256"] == recording.parameters.sha256()
    assert list(index["stages"]) == list(STAGES)
    assert index["stages"]["rois"]["fingerprint"]["parameters"] == {"point_spacing": 14}


def test_rois_written_by_a_run_seed_another_run_alike(finished, recording, tmp_path):
    rois = finished.project_dir / "analysis_files" / "ROIs.h5"
    again = run_project(recording.request(tmp_path / "p", rois=Path(rois)))
    first, second = (Project.open(r.project_dir) for r in (finished, again))
    np.testing.assert_array_equal(first.point_positions, second.point_positions)
    assert len(second.rois().mask_polygons) == len(recording.rois.mask_polygons)
    np.testing.assert_array_equal(
        np.asarray(first.tracking(0).points), np.asarray(second.tracking(0).points)
    )


def test_a_request_of_mappings_texts_and_numpys_numbers_is_the_same(recording, tmp_path):
    tree = recording.parameters.to_tree()
    vqt = tree["VQT_Analyzer"]["params_VQT"]
    vqt["F_min"], vqt["n_freq_bins"] = np.float64(vqt["F_min"]), np.int32(vqt["n_freq_bins"])
    tree["PointTracker"]["contiguous"] = np.bool_(tree["PointTracker"]["contiguous"])
    polygons = {"points": [np.asarray(polygon) for polygon in recording.rois.seed_polygons]}
    given = RunRequest(
        str(recording.videos[0]),
        polygons,
        tree,
        str(tmp_path / "project"),
        device="cpu",
        frames=(np.int64(0), np.int16(80)),
        frame_rate_hz=np.float32(60),
    )
    record = run_project(given)
    rois = replace(recording.rois, mask_polygons=())
    plain = recording.request(tmp_path / "project", rois=rois, frames=(0, 80), frame_rate_hz=60.0)
    assert [stage.reused for stage in run_project(plain).stages] == [True] * 5
    assert record.parameters == run_project(plain).parameters
    with pytest.raises(RequestError, match=r"frames is 1\.5"):
        recording.request(tmp_path / "other", frames=(0, 1.5))

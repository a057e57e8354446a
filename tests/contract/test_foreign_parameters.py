"""Parameters of face-rhythm's projects: what config.yaml and the products say, and null for the rest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_config, write_config
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import open_parameters_from_mapping
from element_facerhythm.parameters.open import value_at
from element_facerhythm.pipeline import load_project
from element_facerhythm.pipeline.results.load import load_project_of
from element_facerhythm.pipeline.results.recorded_parameters import (
    executed_parameters,
    parameters_of_project,
    require_parameters,
)
from element_facerhythm.pipeline.results.recording_match import (
    EnteredRecording,
    EnteredVideo,
    require_recording,
)
from element_facerhythm.pipeline.run.roi_match import require_rois
from tests.contract.test_load_mode import HEIGHT, WIDTH, F, R, T, write_project

REMAINING = {
    "PointTracker": {
        "contiguous": False,
        "params_optical_flow": {
            "method": "lucas_kanade",
            "mesh_rigidity": 0.005,
            "mesh_n_neighbors": 2,
            "relaxation": 0.5,
            "kwargs_method": {"winSize": [15, 15], "maxLevel": 2, "criteria": [3, 10, 0.03]},
        },
        "params_outlier_handling": {
            "threshold_displacement": 18, "framesHalted_before": 5, "framesHalted_after": 5,
        },
        "frames_freeze": False,
        "relaxation_during_freeze_frames": True,
    },
    "VQT_Analyzer": {
        "params_VQT": {
            "Fs_sample": 60, "Q_lowF": 1.5, "Q_highF": 8, "F_min": 2, "F_max": 8, "n_freq_bins": F,
            "window_type": "hann", "symmetry": "center", "taper_asymmetric": True,
            "downsample_factor": 1, "padding": "valid", "fft_conv": True, "take_abs": True,
            "filters": None, "plot_pref": False,
        },
        "batch_size": 10,
        "normalization_factor": 0.99, "spectrogram_exponent": 1.0, "one_over_f_exponent": 1.0,
    },
    "TCA": {
        "mean_subtract": False, "std_divide": False, "method": "CP_NN_HALS", "backend": "pytorch",
        "params_method": {
            "rank": R, "n_iter_max": 100, "init": "svd", "svd": "truncated_svd", "tol": 1e-7,
            "random_state": None, "verbose": False,
        },
    },
}  # fmt: skip
UNSAID = {
    "project.random_seed",
    "PointTracker.params_anchored.n_reference_frames",
    "PointTracker.params_anchored.window_px",
    "PointTracker.params_clahe",
    "TCA.normalize_data.dim_name",
    "TCA.rearrange_data.name_dim_array_window",
    "TCA.rearrange_data.name_dim_concat_complexDim",
    *(
        f"TCA.fit.params_method.{name}"
        for name in (
            "exact", "nn_modes", "sparsity_coefficients", "fixed_modes", "cvg_criterion", "n_samples",
        )
    ),
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A project of two videos, with the whole of what 0.3 writes into config.yaml."""
    place = write_project(tmp_path / "p", "0.3", n_videos=2)
    change(place, lambda config: config.update(REMAINING))
    return place


def change(directory: Path, alter: Callable[[dict[str, Any]], Any]) -> None:
    config = read_config(directory / "config.yaml")
    alter(config)
    write_config(directory / "config.yaml", config)


def test_what_it_says_is_taken_and_the_rest_is_null(directory: Path) -> None:
    record = load_project(directory)
    parameters = record.parameters
    assert parameters is not None
    assert set(parameters.unknown_names) == UNSAID
    tree = parameters.to_tree()
    expected = {
        "compat": "face-rhythm",
        "ROIs.make_rois.point_spacing": 5,
        "PointTracker.params_optical_flow.relaxation": 0.5,
        "PointTracker.params_optical_flow.refine": False,
        "PointTracker.frames_freeze": None,
        "VQT_Analyzer.params_VQT.averaging": "exact",
        "VQT_Analyzer.params_VQT.F_max": 8,
        "TCA.fit.params_method.rank": R,
        "TCA.fit.params_method.n_restarts": 1,
        "TCA.rearrange_data.method_handling_dictElements": "concatenate",
        "TCA.rearrange_data.name_dim_dictElements": "trials",
        "TCA.rearrange_data.name_dim_concat_dictElements": "time",
        "TCA.rearrange_data.names_dims_concat_array": [["xy", "points"]],
        "TCA.rearrange_data.idx_windows": None,
        "TCA.rearrange_factors.undo_concat_dictElements": True,
        "TCA.rearrange_factors.undo_concat_complexDim": False,
    }
    assert {name: value_at(tree, name) for name in expected} == expected
    assert all(value_at(tree, name) is None for name in UNSAID)
    assert any("parameters that nothing records, null here: project" in n for n in record.notes)
    assert {product.layout for product in record.products} == {"face-rhythm 0.3"}


@pytest.mark.parametrize("release", ["0.1", "0.2", "0.3"])
def test_a_release_that_says_little_leaves_much_null(tmp_path: Path, release: str) -> None:
    """`config.yaml` as each of them writes it where its caller gave next to nothing."""
    known = parameters_of_project(Project.open(write_project(tmp_path / "p", release)))
    tree, unknown = known.to_tree(), set(known.unknown_names)
    assert unknown > UNSAID
    assert {"VQT_Analyzer.params_VQT.F_max", "TCA.fit.params_method.tol"} < unknown
    assert tree["VQT_Analyzer"]["params_VQT"]["take_abs"] is True  # `return_complex: false`
    assert tree["PointTracker"]["params_optical_flow"]["kwargs_method"]["winSize"] == [15, 15]
    exponent = "VQT_Analyzer.one_over_f_exponent"
    assert (exponent in unknown) == (release == "0.1")
    freeze = "PointTracker.frames_freeze"
    assert (freeze in unknown) == (release != "0.3")


def test_two_projects_that_say_the_same_are_not_the_same(tmp_path: Path) -> None:
    """Equal digests would mean equal numbers."""
    projects = [write_project(tmp_path / name, n_videos=1) for name in "ab"]
    assert len({parameters_of_project(Project.open(p)).sha256() for p in projects}) == 1
    with h5py.File(projects[1] / "analysis_files" / "PointTracker.h5", "r+") as file:
        file["points_tracked/0"][7, 1] += 0.3
    assert len({parameters_of_project(Project.open(p)).sha256() for p in projects}) == 2


CONTRADICTIONS: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "rank": (
        lambda c: c["TCA"]["params_method"].update(rank=9),
        "rank 9, and the product has 2", "TCA.fit.params_method.n_iter_max",
    ),
    "bins": (
        lambda c: c["VQT_Analyzer"]["params_VQT"].update(n_freq_bins=30),
        "n_freq_bins 30, and the product has 3", "VQT_Analyzer.params_VQT.Q_lowF",
    ),
    "frequencies": (
        lambda c: c["VQT_Analyzer"]["params_VQT"].update(F_max=50.0),
        "F_max 50, and the product has 8", "VQT_Analyzer.normalization_factor",
    ),
    "windows": (
        lambda c: c["VQT_Analyzer"]["params_VQT"].update(downsample_factor=4),
        "downsample_factor 4, and the product has 1", "VQT_Analyzer.params_VQT.F_min",
    ),
    "neighbours": (
        lambda c: c["PointTracker"]["params_optical_flow"].update(mesh_n_neighbors=3),
        "mesh_n_neighbors 3, and the product has 2", "PointTracker.params_optical_flow.relaxation",
    ),
    "one sequence": (
        lambda c: c["PointTracker"].update(contiguous=True),
        "1 sequences of 2 videos, and the product has 2", "PointTracker.contiguous",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_section_that_its_product_contradicts_is_not_taken(what: str, directory: Path) -> None:
    alter, message, lost = CONTRADICTIONS[what]
    change(directory, alter)
    executed = executed_parameters(Project.open(directory))
    assert any(f"({message}): its section" in note for note in executed.notes), executed.notes
    assert executed.parameters is not None
    assert lost in executed.parameters.unknown_names


@pytest.mark.parametrize(
    ("alter", "lost"),
    [
        (lambda c: c["PointTracker"].update(frames_freeze=True), "PointTracker.frames_freeze"),
        (lambda c: c["TCA"].update(method="ConstrainedCP"), "TCA.fit.method"),
        (
            lambda c: c["VQT_Analyzer"]["params_VQT"].update(Q_lowF="two"),
            "VQT_Analyzer.params_VQT.Q_lowF",
        ),
        (lambda c: c.pop("Dataset_videos"), "Dataset_videos.frame_rate_clamp"),
    ],
)
def test_what_cannot_be_known_of_it_is_null(
    directory: Path, alter: Callable[[dict[str, Any]], Any], lost: str
) -> None:
    change(directory, alter)
    executed = executed_parameters(Project.open(directory))
    assert executed.parameters is not None
    assert lost in executed.parameters.unknown_names
    assert value_at(executed.parameters.to_tree(), lost) is None
    assert any(lost in note for note in executed.notes)


def test_parameters_of_a_task_that_contradict_it_are_refused(directory: Path) -> None:
    project = Project.open(directory)
    known = parameters_of_project(project)
    assert require_parameters(project, known, known) == ()
    sparse = open_parameters_from_mapping(
        {"compat": "face-rhythm", "TCA": {"fit": {"params_method": {"rank": R}}}}
    ).parameters
    with pytest.raises(ProjectError, match=r"relaxation: 0\.0015 -> 0\.5"):
        require_parameters(project, sparse, known)
    said = without_nulls(known.to_tree())
    del said["unknown"]
    said["project"] = {"random_seed": 4}
    full = open_parameters_from_mapping(said, fitted=False).parameters
    (note,) = require_parameters(project, full, known)
    assert "not recorded and so not compared" in note
    assert all(name in note for name in UNSAID)


def without_nulls(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


@pytest.fixture
def entered() -> EnteredRecording:
    return EnteredRecording(
        width_px=WIDTH,
        height_px=HEIGHT,
        frame_rate_hz=60.0,
        header_frame_rate_hz=60.0,
        rate_source="stamps",
        n_frames=2 * T,
        videos=tuple(EnteredVideo(f"cam_{i}.avi", T, f"{i}" * 64) for i in range(2)),
    )


def named(entered: EnteredRecording, *names: str) -> EnteredRecording:
    videos = [replace(video, name=name) for video, name in zip(entered.videos, names, strict=False)]
    return replace(entered, videos=tuple(videos))


ALTERED: dict[str, tuple[Callable[[EnteredRecording], EnteredRecording], str]] = {
    "name": (lambda e: named(e, "cam_0.avi", "cam_7.avi"), "cam_1.avi in the project, cam_0.avi"),
    "order": (lambda e: named(e, "cam_1.avi", "cam_0.avi"), "its videos have other names"),
    "width": (lambda e: replace(e, width_px=31), "the recording 31 x 20 px"),
    "height": (lambda e: replace(e, height_px=21), "the recording 30 x 21 px"),
    "rate": (
        lambda e: replace(e, frame_rate_hz=30.0, header_frame_rate_hz=30.0),
        "60.0 Hz, the recording's 30 Hz",
    ),
    "frames": (
        lambda e: replace(
            e, videos=(replace(e.videos[0], n_frames=T + 1), replace(e.videos[1], n_frames=T - 1))
        ),
        "50, 50 tracked frames, the recording has 51, 49",
    ),
    "one video": (lambda e: replace(e, videos=e.videos[:1], n_frames=T), "tracked frames"),
    "part": (lambda e: replace(e, frames=(0, T)), "the task asks for 50"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_each_fact_of_another_recording_is_refused(
    what: str, directory: Path, entered: EnteredRecording
) -> None:
    alter, message = ALTERED[what]
    with pytest.raises(ProjectError, match=message):
        require_recording(Project.open(directory), alter(entered))


def test_what_the_layout_does_not_record_is_told(
    directory: Path, entered: EnteredRecording
) -> None:
    project = Project.open(directory)
    notes = require_recording(project, entered)
    assert any("does not record the frames of each video" in note for note in notes)
    assert any("records no digests of its videos" in note for note in notes)
    notes = require_recording(project, replace(entered, frame_rate_hz=58.0))
    by_header = "the header claims, 60 Hz, and the frames come at 58 Hz"
    assert any(by_header in note for note in notes)


def test_a_clamped_rate_is_that_of_the_config(directory: Path, entered: EnteredRecording) -> None:
    change(directory, lambda c: c["Dataset_videos"].update(frame_rate_clamp=60.0))
    slower = replace(entered, frame_rate_hz=30.0, header_frame_rate_hz=30.0)
    notes = require_recording(Project.open(directory), slower)
    assert any("does not record that of its videos" in note for note in notes)
    change(directory, lambda c: c["Dataset_videos"].update(frame_rate_clamp=50.0))
    with pytest.raises(ProjectError, match=r"config\.yaml clamps to 50\.0 Hz"):
        require_recording(Project.open(directory), slower)


def test_regions_are_compared_by_points_or_by_pixels(directory: Path) -> None:
    project = Project.open(directory)
    known = parameters_of_project(project)
    own = project.rois()
    assert require_rois(project, own, known) == ()
    frame = Rois(seed_mask=np.ones((HEIGHT, WIDTH), bool))
    (note,) = require_rois(project, frame, known)
    assert "every point lies within" in note
    cut = np.ones((HEIGHT, WIDTH), bool)
    cut[:, :8] = False
    for message, rois in {
        "differ in what is where points are seeded": Rois(seed_mask=cut),
        "points lie up to": Rois(point_positions=project.point_positions + 2),
        "it has 4 points, the task's regions 3": Rois(point_positions=project.point_positions[1:]),
        "visible to the tracker": Rois(seed_mask=np.ones((HEIGHT, WIDTH), bool), visible_mask=cut),
    }.items():
        with pytest.raises(ProjectError, match=message):
            require_rois(project, rois, known)


def test_products_with_other_points_than_the_regions_are_refused(directory: Path) -> None:
    with h5py.File(directory / "analysis_files" / "ROIs.h5", "r+") as file:
        file["point_positions"][0] += 1
    with pytest.raises(ProjectError, match=r"ROIs\.h5 and PointTracker\.h5 hold the points at"):
        load_project(directory)


@pytest.mark.reference
def test_the_real_project_is_of_its_own_video(reference_data: Path) -> None:
    from element_facerhythm.video import probe_video

    (path,) = (reference_data / "video").iterdir()
    video = probe_video(path)
    entered = EnteredRecording(
        video.width_px, video.height_px, video.frame_rate_hz, video.header_frame_rate_hz,
        video.clock.source, video.n_frames, (EnteredVideo(path.name, video.n_frames, video.sha256),),
    )  # fmt: skip
    project = Project.open(reference_data / "project")
    known = parameters_of_project(project)
    assert set(known.unknown_names) == UNSAID | {"ROIs.make_rois.point_spacing"}
    record = load_project_of(
        project.directory, (), recording=entered, rois=project.rois(), parameters=known
    )
    assert record.parameters == known
    other = replace(entered, videos=(replace(entered.videos[0], name="other.mp4"),))
    with pytest.raises(ProjectError, match=r"other names: test_vid_300\.mp4 in the project"):
        require_recording(project, other)

"""A small finished project of two videos, made once for all figure tests."""

import pytest

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project

PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 6}},
    "PointTracker": {
        "params_clahe": None,
        "params_optical_flow": {"relaxation": 0.05},
        "params_outlier_handling": {
            "threshold_displacement": 3.0,
            "framesHalted_before": 2,
            "framesHalted_after": 3,
        },
    },
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2,
            "Q_highF": 4,
            "F_min": 2.0,
            "F_max": 20.0,
            "n_freq_bins": 12,
            "downsample_factor": 4,
        }
    },
    "TCA": {
        "rearrange_data": {
            "name_dim_dictElements": "videos",
            "method_handling_dictElements": "concatenate",
        },
        "fit": {"params_method": {"rank": 3, "n_iter_max": 30}},
        "rearrange_factors": {"undo_concat_dictElements": True},
    },
}


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    directory = tmp_path_factory.mktemp("figures")
    videos = []
    for index, n_frames in enumerate((140, 110)):
        video = directory / f"part{index}.mp4"
        scene = make_scene_video(video, n_frames=n_frames, width_px=160, height_px=120, seed=index)
        videos.append(video)
    run_project(
        RunRequest(
            videos=tuple(videos),
            rois=scene.rois,
            parameters=parameters_from_mapping(PARAMETERS).parameters,
            project_dir=directory / "project",
            device="cpu",
        )
    )
    return Project.open(directory / "project")

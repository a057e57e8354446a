"""Make videos, and enter them into the configured database: ROOT N_RECORDINGS N_RESTARTS [--run].

With `--run` they are computed without a database in place of being entered. A decomposition from many starts
takes long, and can be stopped at any of its iterations.
"""

import sys
from pathlib import Path

import numpy as np

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import Parameters, parameters_from_mapping

ROIS = Rois(seed_polygons=(np.array([[40, 40], [120, 40], [120, 90], [40, 90]], float),))


def choose_parameters(n_restarts: int) -> Parameters:
    method = {"rank": 3, "n_iter_max": 100, "tol": 0.0, "n_restarts": n_restarts}
    bins = {"Q_lowF": 2.0, "Q_highF": 4.0, "F_min": 3.0, "F_max": 25.0, "n_freq_bins": 10}
    tree = {
        "ROIs": {"make_rois": {"point_spacing": 12}},
        "PointTracker": {"params_optical_flow": {"mesh_n_neighbors": 6}},
        "VQT_Analyzer": {"params_VQT": bins},
        "TCA": {"fit": {"params_method": method}},
    }
    return parameters_from_mapping(tree).parameters


def compute(video: Path, parameters: Parameters) -> None:
    from element_facerhythm.pipeline import RunRequest, run_project

    run_project(RunRequest((video,), ROIS, parameters, video.with_suffix("")))


def enter(video: Path, session_id: int, parameters: Parameters) -> None:
    from element_facerhythm import workflow  # noqa: F401  activates the tables
    from element_facerhythm.ingest import SessionChoice, register_videos

    register_videos(SessionChoice.numbered("mouse1", session_id), [video], ROIS, parameters)


def main(root: Path, n_recordings: int, n_restarts: int, run: bool) -> None:
    parameters = choose_parameters(n_restarts)
    for number in range(1, n_recordings + 1):
        video = root / f"video{number}.mp4"
        size = {"width_px": 160, "height_px": 120}
        make_scene_video(video, n_frames=90, **size, frame_rate_hz=60.0, seed=number)
        if run:
            compute(video, parameters)
        else:
            enter(video, number, parameters)


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "--run" in sys.argv)

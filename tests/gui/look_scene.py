"""A project whose video says in every frame which one it is."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic.render import write_gray_video
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project
from tests.timed_scene import pictures

N_FRAMES, FIRST = 420, 20
WIDTH, HEIGHT, RATE_HZ = 160, 144, 60.0
N_BITS, BIT_PX = 10, 16
ROI = np.array([[40.0, 34.0], [120.0, 34.0], [120.0, 110.0], [40.0, 110.0]])
PARAMETERS: dict[str, Any] = {
    "ROIs": {"make_rois": {"point_spacing": 14}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2, "Q_highF": 4, "F_min": 3, "F_max": 20, "n_freq_bins": 12, "downsample_factor": 4,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 20}}},
    "FacialSignal": {"signals": ["motion"], "bin_px": 4},
}  # fmt: skip


def coded(frame: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """The frame with its number as a row of black and white squares along its lower edge."""
    shown = np.full((HEIGHT, WIDTH), 128, np.uint8)
    shown[: frame.shape[0]] = frame
    for bit in range(N_BITS):
        shown[HEIGHT - BIT_PX :, bit * BIT_PX : (bit + 1) * BIT_PX] = (
            235 if number >> bit & 1 else 20
        )
    return shown


def make_project(folder: Path) -> Path:
    """Write a video, and analyse its frames from `FIRST` on."""
    video = folder / "mouse.mp4"
    times = [n / RATE_HZ for n in range(N_FRAMES)]
    frames = (coded(frame, n) for n, frame in enumerate(pictures(times)))
    write_gray_video(video, frames, frame_rate_hz=RATE_HZ)
    request = RunRequest(
        videos=(video,),
        rois=Rois(seed_polygons=(ROI,)),
        parameters=parameters_from_mapping(PARAMETERS).parameters,
        project_dir=folder / "project",
        device="cpu",
        frames=(FIRST, N_FRAMES),
    )
    return run_project(request).project_dir

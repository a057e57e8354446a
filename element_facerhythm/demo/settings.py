"""Parameters that the demo analyses with, and why they are what they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from element_facerhythm.core.rois import PlacedRois, Rois
    from element_facerhythm.parameters import Parameters
    from element_facerhythm.video import VideoMetadata

SCENE_RELAXATION = 0.02
_ROBUST_RELAXATION = 0.5
_N_POINTS_WANTED = 250


def scene_parameters() -> Parameters:
    """Return parameters for the synthetic scene.

    `relaxation` is 0.02 rather than face-rhythm's 0.5: a track then forgets with a time constant of
    50 frames (0.8 s), so that rhythms above 1 Hz keep their amplitude and can be compared with the
    truth, while drift does not pile up. No CLAHE: the scene is bright and textured. The threshold is
    twice the largest planted displacement, so that what is flagged is the paw.
    """
    return _parameters(
        spacing_px=7,
        relaxation=SCENE_RELAXATION,
        frequency_range_hz=(1.5, 25.0),
        downsample_factor=6,
        displacement_threshold_px=6.0,
        rank=4,
        clahe=None,
    )


def video_parameters(video: VideoMetadata, rois: Rois) -> Parameters:
    """Return parameters that fit any video: frequencies from what its rate and length allow.

    `relaxation` is 0.5: a track remembers two frames. That damps slow motion, and holds where the
    animal also walks or shifts, which a longer memory does not; for a still head, try less.
    """
    rate_hz, duration_s = video.frame_rate_hz, video.duration_s
    highest_hz = min(60.0, 0.4 * rate_hz)
    lowest_hz = min(max(1.0, 8.0 / duration_s), highest_hz / 3)
    return _parameters(
        spacing_px=_spacing_px(video, rois),
        relaxation=_ROBUST_RELAXATION,
        frequency_range_hz=(round(lowest_hz, 3), round(highest_hz, 3)),
        downsample_factor=max(1, min(round(rate_hz / 12), video.n_frames // 150)),
        displacement_threshold_px=round(0.06 * max(video.width_px, video.height_px), 1),
        rank=5,
        clahe={"clipLimit": 40.0, "tileGridSize": [150, 150]},
    )


def _spacing_px(video: VideoMetadata, rois: Rois) -> int:
    """Distance between seed points that gives about 250 of them."""
    placed = _place(video, rois, spacing_px=5)
    return max(5, round(math.sqrt(placed.seed_mask.sum() / _N_POINTS_WANTED)))


def _place(video: VideoMetadata, rois: Rois, *, spacing_px: int) -> PlacedRois:
    from element_facerhythm.core.rois import place_rois

    size = {"height_px": video.height_px, "width_px": video.width_px}
    return place_rois(rois, **size, spacing_px=spacing_px)


def _parameters(
    *,
    spacing_px: int,
    relaxation: float,
    frequency_range_hz: tuple[float, float],
    downsample_factor: int,
    displacement_threshold_px: float,
    rank: int,
    clahe: dict[str, Any] | None,
) -> Parameters:
    from element_facerhythm.parameters import parameters_from_mapping

    low_hz, high_hz = frequency_range_hz
    tree: dict[str, Any] = {
        "ROIs": {"make_rois": {"point_spacing": spacing_px}},
        "PointTracker": {
            "params_optical_flow": {
                "mesh_rigidity": 0.005,
                "relaxation": relaxation,
                "kwargs_method": {"winSize": [15, 15], "maxLevel": 2, "criteria": [3, 10, 0.03]},
            },
            "params_clahe": clahe,
            "params_outlier_handling": {
                "threshold_displacement": displacement_threshold_px,
                "framesHalted_before": 5,
                "framesHalted_after": 5,
            },
        },
        "VQT_Analyzer": {
            "params_VQT": {
                "Q_lowF": 2.0,
                "Q_highF": 8.0,
                "F_min": low_hz,
                "F_max": high_hz,
                "n_freq_bins": 36,
                "downsample_factor": downsample_factor,
            },
            "normalization_factor": 0.5,
            "one_over_f_exponent": 0.5,
        },
        "TCA": {
            "rearrange_data": {
                "name_dim_dictElements": "videos",
                "method_handling_dictElements": "concatenate",
            },
            "fit": {
                "method": "CP_NN_HALS",
                "params_method": {"rank": rank, "n_iter_max": 100, "init": "svd", "tol": 1e-6},
            },
            "rearrange_factors": {"undo_concat_dictElements": True},
        },
    }
    return parameters_from_mapping(tree).parameters

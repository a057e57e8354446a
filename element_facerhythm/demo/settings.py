"""Parameters of the demo's own scene, and why they are what they are; those of other videos are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from element_facerhythm.parameters import Parameters

SCENE_RELAXATION = 0.02


def scene_parameters() -> Parameters:
    """Return parameters for the synthetic scene.

    `relaxation` is 0.02 rather than face-rhythm's 0.5: a track then forgets with a time constant of
    50 frames (0.8 s), so that rhythms above 1 Hz keep their amplitude and can be compared with the
    truth, while drift does not pile up. No CLAHE: the scene is bright and textured. The threshold is
    twice the largest planted displacement, so that what is flagged is the paw.
    """
    from element_facerhythm.parameters import parameters_from_mapping

    tree: dict[str, Any] = {
        "ROIs": {"make_rois": {"point_spacing": 7}},
        "PointTracker": {
            "params_optical_flow": {
                "mesh_rigidity": 0.005,
                "relaxation": SCENE_RELAXATION,
                "kwargs_method": {"winSize": [15, 15], "maxLevel": 2, "criteria": [3, 10, 0.03]},
            },
            "params_clahe": None,
            "params_outlier_handling": {
                "threshold_displacement": 6.0,
                "framesHalted_before": 5,
                "framesHalted_after": 5,
            },
        },
        "VQT_Analyzer": {
            "params_VQT": {
                "Q_lowF": 2.0,
                "Q_highF": 8.0,
                "F_min": 1.5,
                "F_max": 25.0,
                "n_freq_bins": 36,
                "downsample_factor": 6,
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
                "params_method": {"rank": 4, "n_iter_max": 100, "init": "svd", "tol": 1e-6},
            },
            "rearrange_factors": {"undo_concat_dictElements": True},
        },
    }
    return parameters_from_mapping(tree).parameters

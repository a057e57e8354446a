"""Parameters of the demo's own scene, and why they are what they are; those of other videos are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from element_facerhythm.parameters import Parameters


def scene_parameters() -> Parameters:
    """Return parameters for the synthetic scene.

    Points are not looked for further away than twice the largest planted displacement.
    """
    from element_facerhythm.parameters import parameters_from_mapping

    tree: dict[str, Any] = {
        "ROIs": {"make_rois": {"point_spacing": 7}},
        "PointTracker": {"params_outlier_handling": {"threshold_displacement": 6.0}},
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

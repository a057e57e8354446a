"""What the accuracy benchmark runs: scenes that differ from a base in one factor, and parameters."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from benchmarks.planted import PlantedScene, movement

HOLDOUT_SEED_OFFSET = 2000
"""Added to every seed by ``--holdout``: scenes on which no default was ever tried."""

_VQT: dict[str, Any] = {
    "params_VQT": {
        "Fs_sample": 100.0,
        "Q_lowF": 1.3,
        "Q_highF": 6.0,
        "F_min": 0.45,
        "F_max": 40.0,
        "n_freq_bins": 36,
        "window_type": "hann",
        "symmetry": "center",
        "taper_asymmetric": True,
        "downsample_factor": 5,
        "padding": "valid",
        "fft_conv": True,
        "fast_length": True,
        "take_abs": True,
        "filters": None,
        "plot_pref": False,
    },
    "batch_size": 10,
    "normalization_factor": 0.95,
    "spectrogram_exponent": 1.0,
    "one_over_f_exponent": 0.5,
}
_TCA: dict[str, Any] = {
    "rearrange_data": {
        "names_dims_array": ["xy", "points", "frequency", "time"],
        "names_dims_concat_array": [["xy", "points"]],
        "concat_complexDim": False,
        "name_dim_concat_complexDim": "time",
        "name_dim_dictElements": "trials",
        "method_handling_dictElements": "concatenate",
        "name_dim_concat_dictElements": "time",
        "idx_windows": None,
        "name_dim_array_window": "time",
    },
    "normalize_data": {"mean_subtract": False, "std_divide": False, "dim_name": "time"},
    "fit": {
        "method": "CP_NN_HALS",
        "params_method": {
            "rank": 3,
            "n_iter_max": 200,
            "init": "svd",
            "svd": "truncated_svd",
            "tol": 1e-9,
            "random_state": None,
            "verbose": False,
        },
    },
    "rearrange_factors": {"undo_concat_complexDim": False, "undo_concat_dictElements": True},
}


def tracker_section(*, window_px: int, criteria: list[float], relaxation: float) -> dict[str, Any]:
    """face-rhythm's default parameter file with another flow."""
    return {
        "contiguous": False,
        "params_optical_flow": {
            "method": "lucas_kanade",
            "mesh_rigidity": 0.025,
            "mesh_n_neighbors": 8,
            "relaxation": relaxation,
            "kwargs_method": {
                "winSize": [window_px, window_px],
                "maxLevel": 2,
                "criteria": criteria,
            },
        },
        "params_clahe": {"clipLimit": 40.0, "tileGridSize": [150, 150]},
        "params_outlier_handling": {
            "threshold_displacement": 150,
            "framesHalted_before": 10,
            "framesHalted_after": 10,
        },
        "frames_freeze": None,
        "relaxation_during_freeze_frames": True,
    }


PARAMETER_SETS: dict[str, dict[str, Any]] = {
    "relaxed": tracker_section(window_px=15, criteria=[3, 10, 0.03], relaxation=0.5),
    "bare": tracker_section(window_px=20, criteria=[3, 2, 0.03], relaxation=0.0015),
    "drift": tracker_section(window_px=15, criteria=[3, 10, 0.03], relaxation=0.0),
}
"""``relaxed``: window 15, 10 iterations, relaxation 0.5; ``bare``: face-rhythm's defaults as they are;
``drift``: as the first, without relaxation, so that errors add up."""


def tca_section(*, rank: int) -> dict[str, Any]:
    """Non-negative CP of one tensor per recording, started from singular vectors."""
    section = copy.deepcopy(_TCA)
    section["fit"]["params_method"]["rank"] = rank
    return section


def parameters_of(set_name: str, *, with_components: bool = False) -> dict[str, Any]:
    """Parameter tree of a set, as both packages read it."""
    tree = {"PointTracker": PARAMETER_SETS[set_name], "VQT_Analyzer": _VQT, "TCA": _TCA}
    tree = copy.deepcopy(tree)
    if with_components:
        # Without normalisation over frequencies planted components add up.
        tree["VQT_Analyzer"]["normalization_factor"] = 0.0
        tree["VQT_Analyzer"]["params_VQT"] |= {"Q_lowF": 2.0, "F_min": 1.5, "downsample_factor": 10}
    return tree


def flow_cells(seed_offset: int = 0) -> dict[str, PlantedScene]:
    """Scenes with one movement; all but the last differ from ``base`` in one thing."""

    def scene(hz: float = 3.0, px: float = 2.0, **changes: Any) -> PlantedScene:
        return PlantedScene((movement(hz, px),), seed=101 + seed_offset, **changes)

    base = scene()
    large = movement(3.0, 4.0, center_px=(320.0, 240.0), sigma_px=(140.0, 110.0))
    return {
        "base": base,
        "amplitude 0.5 px": scene(px=0.5),
        "amplitude 6 px": scene(px=6.0),
        "0.5 Hz": scene(hz=0.5),
        "10 Hz": scene(hz=10.0),
        "noise 0": replace(base, noise_sd=0.0),
        "noise 10": replace(base, noise_sd=10.0),
        "lossless": replace(base, codec="ffv1"),
        "crf 30": replace(base, codec="h264-30"),
        "slow flicker": replace(base, flicker_fraction=0.1, flicker_hz=0.7),
        "fast flicker": replace(base, flicker_fraction=0.1, flicker_hz=17.0),
        "occlusion": replace(base, with_bar=True),
        "dark": replace(base, light=0.2),
        "dark, lossless": replace(base, light=0.2, codec="ffv1"),
        "darker": replace(base, light=0.1),
        "640 x 480": replace(base, sources=(large,), width_px=640, height_px=480, spacing_px=32),
        "clean": replace(base, noise_sd=0.0, codec="ffv1"),
        "fast, noisy, crf 30": scene(hz=10.0, px=6.0, noise_sd=10.0, codec="h264-30"),
        "noise 10, flicker, bar": replace(
            base, noise_sd=10.0, flicker_fraction=0.1, flicker_hz=17.0, with_bar=True
        ),
    }


def field_cells(seed_offset: int = 0) -> dict[str, PlantedScene]:
    """Scenes of what happens in laboratories: to the light, the camera, and the clock."""
    base = PlantedScene((movement(3.0, 2.0),), seed=301 + seed_offset)
    step = ((0, 1.0), (120, 1.0), (121, 0.5), (240, 0.5), (340, 1.0))
    return {
        "flicker 20 %": replace(base, flicker_fraction=0.2, flicker_hz=37.0),
        "mains bands 20 %": replace(base, bands_fraction=0.2, bands_hz=120.0),
        "exposure": replace(base, exposure=step),
        "light off": replace(base, off_frames=(180, 230)),
        "camera bump": replace(base, bump=(200, 7.0, -4.0)),
        "16 bits": replace(base, codec="ffv1-16"),
        # long enough for a filter on either side
        "pause": replace(base, timing="pause", n_frames=2 * base.n_frames),
        "two rates": replace(base, timing="two rates"),
        "dropped frames": replace(base, timing="dropped", n_frames=3 * base.n_frames),
    }


def component_cells(seed_offset: int = 0) -> dict[str, PlantedScene]:
    """Scenes with three movements, each with its own place, frequency and bouts."""
    sources = (
        movement(
            3.0,
            2.5,
            center_px=(105.0, 95.0),
            sigma_px=(34.0, 28.0),
            active_s=((0.8, 4.2), (8.0, 10.8)),
        ),
        movement(
            6.0,
            2.0,
            direction=(-0.6, 0.8),
            center_px=(215.0, 100.0),
            sigma_px=(34.0, 28.0),
            active_s=((2.8, 6.4), (9.4, 11.4)),
        ),
        movement(
            11.0,
            1.5,
            direction=(0.0, 1.0),
            center_px=(160.0, 160.0),
            sigma_px=(36.0, 26.0),
            active_s=((1.2, 2.4), (5.2, 8.6)),
        ),
    )
    base = PlantedScene(sources, seed=201 + seed_offset, n_frames=1200)
    return {
        "components": base,
        "components, noise 10, crf 30": replace(base, noise_sd=10.0, codec="h264-30"),
    }

"""Arguments of the core's functions that follow from the parameters alone."""

from __future__ import annotations

from typing import Any

from element_facerhythm.core.spectral import FilterBank, make_filter_bank
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline.fingerprint import (
    averaging,
    complex_average,
    decomposition_solver,
    refines,
    rewind_rule,
)


def tracking_options(parameters: Parameters) -> dict[str, Any]:
    """Arguments of `track_points` that follow from the parameters alone."""
    tracker = parameters.PointTracker
    flow, outliers = tracker.params_optical_flow, tracker.params_outlier_handling
    clahe = tracker.params_clahe
    return {
        "window_px": flow.kwargs_method.winSize,
        "max_level": flow.kwargs_method.maxLevel,
        "criteria": flow.kwargs_method.criteria,
        "mesh_rigidity": flow.mesh_rigidity,
        "relaxation": flow.relaxation,
        "clahe_clip_limit": 0.0 if clahe is None else clahe.clipLimit,
        "clahe_tile_grid": None if clahe is None else clahe.tileGridSize,
        "displacement_threshold_px": outliers.threshold_displacement,
        "n_frames_halted_before": outliers.framesHalted_before,
        "n_frames_halted_after": outliers.framesHalted_after,
        "relaxation_during_freeze": tracker.relaxation_during_freeze_frames,
        "rewind": rewind_rule(parameters),
        "refine": refines(parameters),
    }


def filter_bank(parameters: Parameters, frame_rate_hz: float) -> FilterBank:
    """Make the filters for traces of this rate."""
    vqt = parameters.VQT_Analyzer.params_VQT
    return make_filter_bank(
        frame_rate_hz=frame_rate_hz,
        q_low=vqt.Q_lowF,
        q_high=vqt.Q_highF,
        freq_min_hz=vqt.F_min,
        freq_max_hz=vqt.F_max,
        n_freq_bins=vqt.n_freq_bins,
        window_type=vqt.window_type,
        symmetry=vqt.symmetry,
        taper_asymmetric=vqt.taper_asymmetric,
    )


def spectral_options(parameters: Parameters) -> dict[str, Any]:
    """Arguments of `point_spectrograms`, filters apart."""
    analyzer = parameters.VQT_Analyzer
    return {
        "downsample_factor": analyzer.params_VQT.downsample_factor,
        "padding": analyzer.params_VQT.padding,
        "take_abs": analyzer.params_VQT.take_abs,
        "averaging": averaging(parameters),
        "complex_average": complex_average(parameters),
        "normalization_factor": analyzer.normalization_factor,
        "spectrogram_exponent": analyzer.spectrogram_exponent,
        "one_over_f_exponent": analyzer.one_over_f_exponent,
    }


def decomposition_options(parameters: Parameters) -> dict[str, Any]:
    """Arguments of `decompose`."""
    tca = parameters.TCA
    data, normalize, fit = tca.rearrange_data, tca.normalize_data, tca.fit
    return {
        "names_dims_array": data.names_dims_array,
        "names_dims_concat_array": data.names_dims_concat_array,
        "concat_complex_dim": data.concat_complexDim,
        "name_dim_concat_complex_dim": data.name_dim_concat_complexDim,
        "name_dim_dict_elements": data.name_dim_dictElements,
        "method_handling_dict_elements": data.method_handling_dictElements,
        "name_dim_concat_dict_elements": data.name_dim_concat_dictElements,
        "idx_windows": data.idx_windows,
        "name_dim_array_window": data.name_dim_array_window,
        "mean_subtract": normalize.mean_subtract,
        "std_divide": normalize.std_divide,
        "normalize_dim": normalize.dim_name,
        "method": fit.method,
        "rank": fit.params_method.rank,
        "seed": parameters.seed,
        "solver": decomposition_solver(parameters),
        "undo_concat_complex": tca.rearrange_factors.undo_concat_complexDim,
        "undo_concat_elements": tca.rearrange_factors.undo_concat_dictElements,
        **fit.options(),
    }

"""Settings of the core that follow from the parameters: built here and nowhere else."""

from __future__ import annotations

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.decomposition import AxisPlan, FitSettings, TensorScaling
from element_facerhythm.core.spectral import (
    FilterBank,
    Normalisation,
    TransformOptions,
    make_filter_bank,
)
from element_facerhythm.core.tracking import (
    ClaheSettings,
    Mesh,
    PointDynamics,
    TrackingSettings,
    flow_settings,
    make_mesh,
)
from element_facerhythm.core.tracking.anchored import AnchoredSettings
from element_facerhythm.core.tracking.lucas_kanade import Backend
from element_facerhythm.parameters import Parameters


def tracking_settings(parameters: Parameters) -> TrackingSettings:
    """Return the settings of `track_points` and `track_videos`."""
    tracker = parameters.PointTracker
    flow, outliers = tracker.params_optical_flow, tracker.params_outlier_handling
    clahe, lucas_kanade = tracker.params_clahe, flow.kwargs_method
    return TrackingSettings(
        flow=flow_settings(lucas_kanade.winSize, lucas_kanade.maxLevel, lucas_kanade.criteria),
        clahe=None if clahe is None else ClaheSettings(clahe.clipLimit, clahe.tileGridSize),
        dynamics=PointDynamics(
            mesh_rigidity=flow.mesh_rigidity,
            relaxation=flow.relaxation,
            displacement_threshold_px=outliers.threshold_displacement,
            n_frames_halted_before=outliers.framesHalted_before,
            n_frames_halted_after=outliers.framesHalted_after,
            relaxation_during_freeze=tracker.relaxation_during_freeze_frames,
            rewind=parameters.rules.rewind,
        ),
        refine=flow.refine,
    )


def anchored_settings(parameters: Parameters) -> AnchoredSettings | None:
    """Return the settings of `track_anchored`; None where points follow the optical flow."""
    tracker = parameters.PointTracker
    if tracker.method != "anchored":
        return None
    return AnchoredSettings(
        window_px=tracker.params_anchored.window_px,
        n_reference_frames=tracker.params_anchored.n_reference_frames,
        displacement_threshold_px=tracker.params_outlier_handling.threshold_displacement,
    )


def tracking_mesh(parameters: Parameters, point_positions: Points) -> Mesh:
    """Join every point to its nearest neighbours.

    Parameters
    ----------
    parameters
        Say how many.
    point_positions
        (P, 2) float32 positions at rest, in pixels (x, y).
    """
    n_neighbors = parameters.PointTracker.params_optical_flow.mesh_n_neighbors
    return make_mesh(point_positions, n_neighbors=n_neighbors)


def tracking_backend(parameters: Parameters) -> Backend:
    """Return the library that computes the flow."""
    return "opencv" if parameters.rules.tracks_by_opencv else "compiled"


def tracking_device(parameters: Parameters, device: str) -> str:
    """Return the device that tracks points where the other stages compute on `device`.

    Parameters
    ----------
    parameters
        Say how points are tracked: by optical flow on the CPU.
    device
        `cpu` or `cuda[:N]`.
    """
    return device if parameters.PointTracker.method == "anchored" else "cpu"


def filter_bank(parameters: Parameters, frame_rate_hz: float) -> FilterBank:
    """Make the filters.

    Parameters
    ----------
    parameters
        Frequencies, quality factors, window.
    frame_rate_hz
        Frames per second of the traces.

    Raises
    ------
    ParameterError
        The filters are impossible at this rate, see `make_filter_bank`.
    """
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


def transform_options(parameters: Parameters) -> TransformOptions:
    """Return the options of the variable-Q transform."""
    vqt = parameters.VQT_Analyzer.params_VQT
    return TransformOptions(
        downsample_factor=vqt.downsample_factor,
        padding=vqt.padding,
        take_abs=vqt.take_abs,
        averaging=vqt.averaging,
        complex_average=parameters.rules.complex_average,
    )


def normalisation(parameters: Parameters) -> Normalisation:
    """Return the normalisation of the spectrograms."""
    analyzer = parameters.VQT_Analyzer
    return Normalisation(
        factor=analyzer.normalization_factor,
        spectrogram_exponent=analyzer.spectrogram_exponent,
        one_over_f_exponent=analyzer.one_over_f_exponent,
    )


def axis_plan(parameters: Parameters) -> AxisPlan:
    """Return how spectrograms become the tensors that are decomposed, and what of it is undone."""
    data, undone = parameters.TCA.rearrange_data, parameters.TCA.rearrange_factors
    return AxisPlan(
        names=data.names_dims_array,
        pairs=data.names_dims_concat_array,
        complex_into=data.name_dim_concat_complexDim if data.concat_complexDim else None,
        element_axis=data.name_dim_dictElements,
        method=data.method_handling_dictElements,
        concatenate_along=data.name_dim_concat_dictElements,
        windows=data.idx_windows,
        window_axis=data.name_dim_array_window,
        undo_join=undone.undo_concat_dictElements,
        undo_complex=undone.undo_concat_complexDim,
    )


def tensor_scaling(parameters: Parameters) -> TensorScaling:
    """Return what is done to the tensors before the fit."""
    wanted = parameters.TCA.normalize_data
    return TensorScaling(wanted.mean_subtract, wanted.std_divide, wanted.dim_name)


def fit_settings(parameters: Parameters) -> FitSettings:
    """Return what is fitted to the tensors, and how."""
    fit = parameters.TCA.fit
    return FitSettings(
        method=fit.method,
        rank=fit.params_method.rank,
        seed=parameters.seed,
        solver=parameters.rules.solver,
        **fit.options(),
    )

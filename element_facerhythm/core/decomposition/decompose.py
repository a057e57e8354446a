"""From the spectrograms of several videos to ordered components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from element_facerhythm.core.decomposition.axes import AxisPlan
from element_facerhythm.core.decomposition.cp import fit_cp
from element_facerhythm.core.decomposition.model import CpModel, Decomposition
from element_facerhythm.core.decomposition.prepare import RESIDENT_BYTES, prepare_tensors
from element_facerhythm.core.decomposition.quality import model_from_factors, order_components
from element_facerhythm.core.decomposition.settings import AS_IT_IS, FitSettings, TensorScaling
from element_facerhythm.core.decomposition.undo import undo_factors
from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch


def decompose(
    spectrograms: Mapping[str, Any],
    plan: AxisPlan,
    settings: FitSettings,
    scaling: TensorScaling = AS_IT_IS,
    *,
    device: str | torch.device = "cpu",
    resident_bytes: int = RESIDENT_BYTES,
    on_iteration: Callable[[int], None] | None = None,
) -> Decomposition:
    """Decompose spectrograms into components.

    Parameters
    ----------
    spectrograms
        Per video, an array with the axes `plan.names`, in memory or read in slices (anything
        with `shape` and `dtype` that slices like an array); complex ones enter as magnitudes
        unless the plan folds their real and imaginary parts into an axis.
    plan
        How tensors are made of them, and what of it is undone in `Decomposition.factors_rearranged`.
    settings
        What is fitted, and how.
    scaling
        What is done to the tensors before.
    device
        Where to compute.
    resident_bytes
        Tensors up to this size are held in memory, larger ones read again at each pass (tensorly
        needs them in memory whatever their size). Changes no number.
    on_iteration
        Called with the iterations done so far; counts on through all tensors.

    Returns
    -------
    Decomposition
        Models with components in descending order of squared correlation and unit weights.

    Raises
    ------
    ParameterError
        A name or a shape does not fit, there is no such device; raised before any fit.
    ProcessingError
        A spectrogram has NaN or infinite values, or is zero everywhere; the fit failed.
    """
    place = resolve_device(device) if isinstance(device, str) else device
    prepared = prepare_tensors(spectrograms, plan, scaling, resident_bytes=resident_bytes)
    models: dict[str, CpModel] = {}
    n_before = 0

    def report(n_done: int) -> None:
        if on_iteration is not None:
            on_iteration(n_before + n_done)

    for key, tensor in prepared.tensors.items():
        fit = fit_cp(tensor, prepared.sums[key], settings, device=place, on_iteration=report)
        fit.factors[0] = fit.factors[0] * fit.weights  # so that the factors alone reconstruct
        model = model_from_factors(
            tensor,
            tensor.names,
            dict(zip(tensor.names, fit.factors, strict=True)),
            sums=prepared.sums[key],
            n_iterations=fit.n_iterations,
            stability=fit.stability,
        )
        models[key] = order_components(model)
        n_before += fit.n_iterations
    rearranged = prepared.rearranged
    factors = {key: model.factors for key, model in models.items()}
    undone, names_after = undo_factors(rearranged, factors)
    return Decomposition(
        models=models,
        names_before=rearranged.names,
        names_after=names_after,
        element_axis_before=rearranged.element_axis_before,
        element_axis=plan.element_axis,
        element_names=rearranged.element_names,
        factors_rearranged=undone,
    )


def evaluate_factors(
    spectrograms: Mapping[str, Any],
    plan: AxisPlan,
    factors: Mapping[str, Mapping[str, npt.ArrayLike]],
    weights: Mapping[str, npt.ArrayLike] | None = None,
    scaling: TensorScaling = AS_IT_IS,
) -> dict[str, CpModel]:
    """Models of a finished decomposition, read from a project, with how well they fit.

    Components keep their order.

    Parameters
    ----------
    spectrograms
        Per video, an array with the axes `plan.names`, in the project's order.
    plan
        As in the run that made the factors; `AxisPlan.from_names` where only the names of the axes are
        known, which is all that face-rhythm stores.
    factors
        Per tensor, per axis name, (n, R) loadings (the group ``factors`` of TCA.h5).
    weights
        Per tensor, (R,) weights; ones where None.
    scaling
        As in the run that made the factors.

    Returns
    -------
    Models by the keys of `factors`.

    Raises
    ------
    ParameterError
        The factors do not fit the spectrograms (for example because only windows of the videos
        were decomposed, which face-rhythm does not record).
    ProcessingError
        A spectrogram has NaN or infinite values.
    """
    prepared = prepare_tensors(spectrograms, plan, scaling)
    if set(factors) != set(prepared.tensors):
        raise ParameterError(
            f"there are factors for {sorted(factors)}; expected {sorted(prepared.tensors)}."
        )
    return {
        key: model_from_factors(
            tensor,
            tensor.names,
            factors[key],
            None if weights is None else weights[key],
            sums=prepared.sums[key],
        )
        for key, tensor in prepared.tensors.items()
    }

"""From the spectrograms of several videos to ordered components."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from element_facerhythm.core.decomposition.axes import (
    SPECTROGRAM_AXES,
    AxisPlan,
    ElementMethod,
)
from element_facerhythm.core.decomposition.cp import (
    Backend,
    CpRequest,
    Method,
    Solver,
    check_request,
    fit_cp,
)
from element_facerhythm.core.decomposition.model import CpModel, Decomposition
from element_facerhythm.core.decomposition.prepare import (
    RESIDENT_BYTES,
    Prepared,
    prepare_tensors,
)
from element_facerhythm.core.decomposition.quality import model_from_factors, order_components
from element_facerhythm.core.decomposition.rearrange import Rearranged
from element_facerhythm.core.decomposition.undo import check_undo, undo_factors
from element_facerhythm.errors import ParameterError


def decompose(
    spectrograms: Mapping[str, Any],
    *,
    names_dims_array: Sequence[str] = SPECTROGRAM_AXES,
    names_dims_concat_array: Sequence[Sequence[str]] = (),
    concat_complex_dim: bool = False,
    name_dim_concat_complex_dim: str = "time",
    name_dim_dict_elements: str,
    method_handling_dict_elements: ElementMethod,
    name_dim_concat_dict_elements: str = "time",
    idx_windows: Sequence[Sequence[int] | None] | None = None,
    name_dim_array_window: str = "time",
    mean_subtract: bool = False,
    std_divide: bool = False,
    normalize_dim: str = "time",
    method: Method,
    rank: int,
    seed: int,
    solver: Solver = "auto",
    backend: Backend = "auto",
    device: Any = "cpu",
    resident_bytes: int = RESIDENT_BYTES,
    undo_concat_complex: bool = False,
    undo_concat_elements: bool = False,
    on_iteration: Callable[[int], None] | None = None,
    **options: Any,
) -> Decomposition:
    """Decompose spectrograms into components.

    Parameters
    ----------
    spectrograms
        Per video, an array with the axes `names_dims_array`, in memory or read in slices (anything
        with `shape` and `dtype` that slices like an array); complex ones enter as magnitudes
        unless `concat_complex_dim` is set.
    names_dims_array, names_dims_concat_array, concat_complex_dim, name_dim_concat_complex_dim,
    name_dim_dict_elements, method_handling_dict_elements, name_dim_concat_dict_elements,
    idx_windows, name_dim_array_window
        How tensors are made: face-rhythm's ``rearrange_data``; see `AxisPlan`.
    mean_subtract, std_divide, normalize_dim
        Subtract the mean, divide by the standard deviation (n - 1) along an axis of the tensor.
    method
        ``CP_NN_HALS``, ``CP``, ``RandomizedCP`` or ``ConstrainedCP``, tensorly's names.
    rank
        Number of components R.
    seed
        Of every random choice; the same seed gives the same components on the same machine.
    solver
        ``"auto"``: ours for ``CP_NN_HALS`` and ``CP``, tensorly's for other methods and for options
        that only tensorly has (``exact``, ``fixed_modes``, ``sparsity_coefficients``, ``l2_reg``,
        ``orthogonalise``, ``linesearch``). ``"tensorly"``: always tensorly's.
    backend, device
        Where to compute. `backend` is tensorly's: ``"auto"`` is numpy on the CPU (2 to 5 times as
        fast as torch there) and pytorch on a GPU.
    resident_bytes
        Tensors up to this size are held in memory, larger ones read again at each pass (tensorly
        needs them in memory whatever their size). Changes no number.
    undo_concat_complex, undo_concat_elements
        Which foldings to undo in `Decomposition.factors_rearranged`.
    on_iteration
        Called with the iterations done so far; counts on through all tensors.
    options
        Other options, as in face-rhythm's ``params_method``: ``n_iter_max``, ``init``, ``svd``,
        ``tol``, ``sparsity_coefficients``, ``fixed_modes``, ``nn_modes``, ``exact``,
        ``cvg_criterion``, ``n_samples`` ..., and ``n_restarts``. Our solver reads ``n_iter_max``
        (200), ``tol`` (1e-9), ``init`` (``random``), ``nn_modes`` and ``n_restarts`` (8), see
        `fit_fast`; what is left out is tensorly's default where tensorly fits.

    Returns
    -------
    Decomposition
        Models with components in descending order of explained variance and unit weights.

    Raises
    ------
    ParameterError
        A name, option or shape does not fit; raised before any fit.
    ProcessingError
        A spectrogram has NaN or infinite values, or is zero everywhere; the fit failed.
    """
    request = check_request(
        method=method,
        rank=rank,
        seed=seed,
        options=options,
        backend=backend,
        device=device,
        solver=solver,
    )
    plan = AxisPlan(
        names=tuple(names_dims_array),
        pairs=tuple(_pair(pair) for pair in names_dims_concat_array),
        complex_into=name_dim_concat_complex_dim if concat_complex_dim else None,
        element_axis=name_dim_dict_elements,
        method=method_handling_dict_elements,
        concatenate_along=name_dim_concat_dict_elements,
        windows=None if idx_windows is None else tuple(_window(w) for w in idx_windows),
        window_axis=name_dim_array_window,
    )
    check_undo(
        plan, undo_concat_elements=undo_concat_elements, undo_concat_complex=undo_concat_complex
    )
    prepared = prepare_tensors(
        spectrograms,
        plan,
        mean_subtract=mean_subtract,
        std_divide=std_divide,
        normalize_dim=normalize_dim,
        resident_bytes=resident_bytes,
    )
    models = _fit_models(prepared, request, on_iteration or (lambda n_done: None))
    return _decomposition(prepared.rearranged, models, undo_concat_elements, undo_concat_complex)


def evaluate_factors(
    spectrograms: Mapping[str, Any],
    *,
    names: Sequence[str],
    name_dim_dict_elements: str,
    factors: Mapping[str, Mapping[str, npt.ArrayLike]],
    weights: Mapping[str, npt.ArrayLike] | None = None,
    mean_subtract: bool = False,
    std_divide: bool = False,
    normalize_dim: str = "time",
    names_dims_array: Sequence[str] = SPECTROGRAM_AXES,
) -> dict[str, CpModel]:
    """Models of a finished decomposition, read from a project, with how well they fit.

    The tensor is rebuilt from the spectrograms by the axis names alone, which is all that
    face-rhythm stores. Components keep their order.

    Parameters
    ----------
    spectrograms
        Per video, (2, P, F, W), in the project's order.
    names
        Axis names as decomposed (``names_dims_array_preDecomp``).
    name_dim_dict_elements
        What the videos are called (``name_dim_dictElements``).
    factors
        Per tensor, per axis name, (n, R) loadings (the group ``factors`` of TCA.h5).
    weights
        Per tensor, (R,) weights; ones where None.
    mean_subtract, std_divide, normalize_dim
        As in the run that made the factors.
    names_dims_array
        What the axes of the spectrograms are called.

    Raises
    ------
    ParameterError
        The factors do not fit the spectrograms (for example because only windows of the videos
        were decomposed, which face-rhythm does not record).
    """
    plan = AxisPlan.from_names(
        names, element_axis=name_dim_dict_elements, array_names=names_dims_array
    )
    prepared = prepare_tensors(
        spectrograms,
        plan,
        mean_subtract=mean_subtract,
        std_divide=std_divide,
        normalize_dim=normalize_dim,
    )
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


def _fit_models(
    prepared: Prepared, request: CpRequest, on_iteration: Callable[[int], None]
) -> dict[str, CpModel]:
    models: dict[str, CpModel] = {}
    n_before = 0

    def report(n_done: int) -> None:
        on_iteration(n_before + n_done)

    for key, tensor in prepared.tensors.items():
        sums = prepared.sums[key]
        fit = fit_cp(tensor, sums, request, report)
        fit.factors[0] = fit.factors[0] * fit.weights  # so that the factors alone reconstruct
        model = model_from_factors(
            tensor,
            tensor.names,
            dict(zip(tensor.names, fit.factors, strict=True)),
            sums=sums,
            n_iterations=fit.n_iterations,
            stability=fit.stability,
        )
        models[key] = order_components(model)
        n_before += fit.n_iterations or 0
    return models


def _pair(names: Sequence[str]) -> tuple[str, str]:
    if isinstance(names, str) or len(names) != 2:
        raise ParameterError(
            f"names_dims_concat_array has the entry {names!r}; expected two axis names."
        )
    return names[0], names[1]


def _window(window: Sequence[int] | None) -> tuple[int, int] | None:
    if window is None:
        return None
    if len(window) != 2:
        raise ParameterError(f"idx_windows has the entry {window!r}; expected [first, last].")
    return int(window[0]), int(window[1])


def _decomposition(
    rearranged: Rearranged, models: dict[str, CpModel], undo_elements: bool, undo_complex: bool
) -> Decomposition:
    nested, names_after = undo_factors(
        rearranged,
        {key: model.factors for key, model in models.items()},
        undo_concat_elements=undo_elements,
        undo_concat_complex=undo_complex,
    )
    return Decomposition(
        models=models,
        names_before=rearranged.names,
        names_after=names_after,
        element_axis_before=rearranged.element_axis_before,
        element_axis=rearranged.plan.element_axis,
        element_names=rearranged.element_names,
        factors_rearranged=nested,
    )

"""CP decompositions: which options there are, who fits, and one interface to both solvers.

``CP_NN_HALS`` and ``CP`` are fitted by this package (`fast_cp`). The other methods, options that
only tensorly has, and ``solver="tensorly"`` go to tensorly's estimators (`tensorly_cp`).
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from element_facerhythm.core.decomposition.block_tensor import BlockTensor
from element_facerhythm.core.decomposition.fast_cp import DEFAULT_TOL, fit_fast
from element_facerhythm.core.decomposition.model import FloatArray
from element_facerhythm.core.decomposition.quality import TensorSums, require_signal
from element_facerhythm.core.decomposition.tensorly_cp import fit_tensorly
from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import ParameterError, ProcessingError

logger = logging.getLogger(__name__)

Method = Literal["CP_NN_HALS", "CP", "RandomizedCP", "ConstrainedCP"]
Backend = Literal["auto", "pytorch", "numpy"]
Solver = Literal["auto", "tensorly"]

_COMMON = frozenset({"n_iter_max", "init", "svd"})
_CONSTRAINTS = frozenset(
    {
        "non_negative",
        "l1_reg",
        "group_lasso",
        "l2_reg",
        "l2_square_reg",
        "unimodality",
        "normalize",
        "simplex",
        "normalized_sparsity",
        "soft_sparsity",
        "smoothness",
        "monotonicity",
        "hard_sparsity",
    }
)
# Options that a parameter file may set: those of tensorly's estimators, and n_restarts.
METHOD_OPTIONS: Mapping[str, frozenset[str]] = {
    "CP_NN_HALS": _COMMON
    | {"tol", "sparsity_coefficients", "fixed_modes", "nn_modes", "exact", "cvg_criterion"}
    | {"n_restarts"},
    "CP": _COMMON
    | {"tol", "cvg_criterion", "fixed_modes", "l2_reg", "orthogonalise", "linesearch"}
    | {"n_restarts"},
    "RandomizedCP": _COMMON | {"tol", "n_samples", "max_stagnation", "sampling", "n_samples_fit"},
    "ConstrainedCP": _COMMON
    | {"tol", "tol_outer", "tol_inner", "n_iter_max_inner", "cvg_criterion", "fixed_modes"}
    | _CONSTRAINTS,
}
_BACKENDS = ("auto", "pytorch", "numpy")
_ALL_OPTIONS = frozenset().union(*METHOD_OPTIONS.values())
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "init": ("svd", "random"),
    "svd": ("truncated_svd", "symeig_svd", "randomized_svd"),
    "cvg_criterion": ("abs_rec_error", "rec_error"),
}
_SOLVERS = ("auto", "tensorly")
# What our own solver does not do; where one of these is set, tensorly fits.
_TENSORLY_ONLY = frozenset(
    {"sparsity_coefficients", "fixed_modes", "exact", "l2_reg", "orthogonalise", "linesearch"}
)


@dataclass(frozen=True)
class CpFit:
    """Loadings per axis (n, R), weights (R,), the iterations that the fit took, and stability.

    `stability` is (R,) (see `component_stability`), or None where there was one start.
    """

    factors: list[FloatArray]
    weights: FloatArray
    n_iterations: int | None
    stability: FloatArray | None = None


@dataclass(frozen=True)
class CpRequest:
    """A checked request: what to fit and how.

    Attributes
    ----------
    solver
        ``"fast"`` for ours, or ``"tensorly"``.
    method
        Name of tensorly's estimator.
    rank
        Number of components.
    seed
        Of every random choice.
    options
        Keyword arguments of the estimator, other than those above.
    backend, device
        Where to compute; the backend is tensorly's.
    """

    solver: str
    method: str
    rank: int
    seed: int
    options: Mapping[str, Any]
    backend: str
    device: Any


def check_request(
    *,
    method: str,
    rank: int,
    seed: int,
    options: Mapping[str, Any],
    backend: str,
    device: Any,
    solver: str = "auto",
) -> CpRequest:
    """Check everything that can be checked without the tensor.

    ``verbose`` is accepted and ignored; ``random_state``, where it is not None, is the seed;
    options of other methods are accepted as long as they are None.

    Raises
    ------
    ParameterError
        Unknown method, option, backend or choice; impossible rank or number of iterations.
    """
    if method not in METHOD_OPTIONS:
        raise ParameterError(f"method is {method!r}; expected one of {', '.join(METHOD_OPTIONS)}.")
    if backend not in _BACKENDS:
        raise ParameterError(f"backend is {backend!r}; expected one of {', '.join(_BACKENDS)}.")
    if solver not in _SOLVERS:
        raise ParameterError(f"solver is {solver!r}; expected one of {', '.join(_SOLVERS)}.")
    given = {key: value for key, value in options.items() if key != "verbose"}
    random_state = given.pop("random_state", None)
    seed = seed if random_state is None else random_state
    for key, value in list(given.items()):
        _check_option(method, key, value)
        if key not in METHOD_OPTIONS[method]:
            del given[key]
    _check_count("rank", rank)
    _check_count("n_iter_max", given.get("n_iter_max", 1))
    _check_count("n_restarts", given.get("n_restarts", 1))
    _check_count("random_state (seed)", seed, least=0)
    if method == "RandomizedCP" and (given.get("n_samples") or 0) < rank:
        raise ParameterError(
            f"RandomizedCP has n_samples = {given.get('n_samples')}; expected a number well above "
            f"the rank ({rank})."
        )
    if method == "ConstrainedCP" and (tol := given.pop("tol", None)) is not None:
        given.setdefault("tol_outer", tol)
    resolved = resolve_device(device) if isinstance(device, str) else device
    if backend == "auto":
        backend = default_backend(resolved)
    if solver == "auto":
        solver = own_solver(method, given)
    return CpRequest(solver, method, int(rank), int(seed), given, backend, resolved)


def own_solver(method: str, options: Mapping[str, Any]) -> str:
    """``"fast"`` where our own solver can do what is asked, else ``"tensorly"``."""
    unusual = any(options.get(key) for key in _TENSORLY_ONLY)
    return "fast" if method in ("CP_NN_HALS", "CP") and not unusual else "tensorly"


def default_backend(device: Any) -> str:
    """Name of tensorly's backend that ``"auto"`` takes on a `torch.device`."""
    return "numpy" if device.type == "cpu" else "pytorch"


def _check_option(method: str, key: str, value: Any) -> None:
    if key not in METHOD_OPTIONS[method] and (key not in _ALL_OPTIONS or value is not None):
        known = sorted(METHOD_OPTIONS[method] | {"rank", "random_state", "verbose"})
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}."
        raise ParameterError(f"{key!r} is no option of {method}; {hint}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise ParameterError(f"{key} is {value!r}; expected one of {', '.join(_CHOICES[key])}.")
    if key.startswith("tol") and value is not None and not (np.isfinite(value) and value >= 0):
        raise ParameterError(f"{key} is {value!r}; expected a number of at least 0, or null.")


def _check_count(name: str, value: Any, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(f"{name} is {value!r}; expected a whole number of at least {least}.")


def largest_rank(shape: tuple[int, ...]) -> int:
    """Components with which any tensor of this shape is reproduced exactly.

    That is the product of all axes but the longest; more components cannot mean anything.
    """
    return int(np.prod(shape) // max(shape))


def fit_cp(
    tensor: BlockTensor,
    sums: TensorSums,
    request: CpRequest,
    on_iteration: Callable[[int], None] | None = None,
) -> CpFit:
    """Fit one tensor.

    Parameters
    ----------
    tensor
        Real tensor without NaN or infinite values; computed in float32.
    sums
        Of the tensor.
    request
        From `check_request`.
    on_iteration
        Called with the number of iterations done.

    Raises
    ------
    ParameterError
        The rank is above what the tensor's shape allows.
    ProcessingError
        The tensor is zero everywhere, or the fit gave loadings that are not finite.
    """
    if request.rank > largest_rank(tensor.shape):
        raise ParameterError(
            f"rank is {request.rank}, but any tensor of shape {tensor.shape} is reproduced exactly "
            f"with {largest_rank(tensor.shape)} components; lower rank."
        )
    if tensor.ndim - 1 in (request.options.get("fixed_modes") or ()):
        raise ParameterError(
            f"fixed_modes names the last axis ({tensor.ndim - 1}), from which tensorly computes its "
            "error; fix other axes only."
        )
    require_signal(sums)
    nonnegative = _nonnegative_axes(request, tensor.ndim)
    if any(nonnegative) and sums.minimum < 0:
        logger.warning(
            "CP_NN_HALS fits non-negative components to a tensor with negative values (complex or "
            "mean-subtracted spectrograms); the method 'CP' has no such limit."
        )
    report = on_iteration or (lambda n_done: None)
    if request.solver == "tensorly":
        fit = CpFit(*fit_tensorly(np.asarray(tensor), request, report))
    else:
        fit = _fit_fast(tensor, sums, request, nonnegative, report)
    if not all(np.isfinite(array).all() for array in (fit.weights, *fit.factors)):
        raise ProcessingError(
            f"{request.method} ended with loadings that are not finite; try another init, a lower "
            "rank, or another method."
        )
    return fit


def _fit_fast(
    tensor: BlockTensor,
    sums: TensorSums,
    request: CpRequest,
    nonnegative: list[bool],
    report: Callable[[int], None],
) -> CpFit:
    wanted = ("n_iter_max", "tol", "init", "n_restarts")
    options = {key: value for key, value in request.options.items() if key in wanted}
    options["tol"] = options.get("tol", DEFAULT_TOL) or 0.0
    fit = fit_fast(
        tensor,
        rank=request.rank,
        nonnegative=nonnegative,
        norm_square=sums.square,
        seed=request.seed,
        device=request.device,
        on_iteration=report,
        **options,
    )
    weights = np.ones(request.rank, np.float32)
    return CpFit(fit.factors, weights, fit.n_iterations, fit.stability)


def _nonnegative_axes(request: CpRequest, n_axes: int) -> list[bool]:
    """Per axis, whether loadings must not be negative."""
    if request.method != "CP_NN_HALS":
        return [False] * n_axes
    axes = request.options.get("nn_modes", "all")
    if axes == "all":
        return [True] * n_axes
    return [axis in (axes or ()) for axis in range(n_axes)]

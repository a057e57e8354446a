"""CP decompositions through tensorly: options, seeds, progress.

tensorly's own estimators do the arithmetic. Around them: options are checked before any work,
every random choice comes from one seed, tensorly's backend is switched for this thread only, and
the singular vectors that initialise a fit come from Gram matrices (the same vectors as a full SVD
of the unfolded tensor, which at 1920 x 55 x 676 takes longer than the fit).
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.model import FloatArray
from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import ParameterError, ProcessingError

logger = logging.getLogger(__name__)

Method = Literal["CP_NN_HALS", "CP", "RandomizedCP", "ConstrainedCP"]
Backend = Literal["auto", "pytorch", "numpy"]

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
# Options of tensorly's estimators that a parameter file may set.
METHOD_OPTIONS: Mapping[str, frozenset[str]] = {
    "CP_NN_HALS": _COMMON
    | {"tol", "sparsity_coefficients", "fixed_modes", "nn_modes", "exact", "cvg_criterion"},
    "CP": _COMMON
    | {"tol", "cvg_criterion", "fixed_modes", "l2_reg", "orthogonalise", "linesearch"},
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
# Columns of an unfolded tensor that are converted to float64 at a time.
_COLUMNS_PER_BLOCK = 2**14


@dataclass(frozen=True)
class CpFit:
    """Loadings per axis (n, R), weights (R,) and the iterations that the fit took."""

    factors: list[FloatArray]
    weights: FloatArray
    n_iterations: int | None


@dataclass(frozen=True)
class CpRequest:
    """A checked request: what to fit and how.

    Attributes
    ----------
    method
        Name of tensorly's estimator.
    rank
        Number of components.
    seed
        Of every random choice.
    options
        Keyword arguments of the estimator, other than those above.
    backend, device
        Where tensorly computes.
    """

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
    given = {key: value for key, value in options.items() if key != "verbose"}
    random_state = given.pop("random_state", None)
    seed = seed if random_state is None else random_state
    for key, value in list(given.items()):
        _check_option(method, key, value)
        if key not in METHOD_OPTIONS[method]:
            del given[key]
    _check_count("rank", rank)
    _check_count("n_iter_max", given.get("n_iter_max", 1))
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
    return CpRequest(method, int(rank), int(seed), given, backend, resolved)


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
    tensor: npt.NDArray[Any],
    request: CpRequest,
    on_iteration: Callable[[int], None] | None = None,
) -> CpFit:
    """Fit one tensor.

    Parameters
    ----------
    tensor
        Real tensor without NaN or infinite values; computed in float32.
    request
        From `check_request`.
    on_iteration
        Called with the number of iterations done (for ``ConstrainedCP`` only at the end: it keeps
        its state to itself).

    Raises
    ------
    ParameterError
        The rank is above what the tensor's shape allows.
    ProcessingError
        The fit gave loadings that are not finite.
    """
    import tensorly as tl

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
    if request.method == "CP_NN_HALS" and request.options.get("nn_modes", "all") is not None:
        _warn_negative(tensor)
    report = on_iteration or (lambda n_done: None)
    with tl.backend_context(request.backend, local_threadsafe=True):
        data = tl.tensor(np.ascontiguousarray(tensor, dtype=np.float32), **_context(request))
        fitted, n_iterations = _FITTERS[request.method](data, request, report)
        weights = np.asarray(tl.to_numpy(fitted.weights))
        factors = [np.asarray(tl.to_numpy(factor)) for factor in fitted.factors]
    if not all(np.isfinite(array).all() for array in (weights, *factors)):
        raise ProcessingError(
            f"{request.method} ended with loadings that are not finite; try another init, a lower "
            "rank, or another method."
        )
    return CpFit(factors, weights, n_iterations)


def _warn_negative(tensor: npt.NDArray[Any]) -> None:
    if float(tensor.min()) < 0:
        logger.warning(
            "CP_NN_HALS fits non-negative components to a tensor with negative values (complex or "
            "mean-subtracted spectrograms); the method 'CP' has no such limit."
        )


def _context(request: CpRequest) -> dict[str, Any]:
    if request.backend == "numpy":
        return {}
    if request.method == "ConstrainedCP" and request.device.type != "cpu":
        # Its dual variables are made on the CPU whatever the data's device.
        logger.warning("tensorly's ConstrainedCP computes on the CPU only; doing so.")
        return {"device": "cpu"}
    return {"device": request.device}


def _estimator(request: CpRequest, **changes: Any) -> Any:
    import tensorly.decomposition

    # Lists of its own, since tensorly changes those that it is given.
    options: dict[str, Any] = {
        key: list(value) if isinstance(value, list | tuple) else value
        for key, value in request.options.items()
    }
    options = {"random_state": request.seed, **options, **changes}
    if options.get("svd", "truncated_svd") != "randomized_svd":
        options["svd"] = leading_singular_vectors
    return getattr(tensorly.decomposition, request.method)(rank=request.rank, **options)


def _fit_in_steps(data: Any, request: CpRequest, report: Callable[[int], None]) -> tuple[Any, int]:
    """Run one iteration at a time, each starting where the last one ended.

    The arithmetic and the stopping rule are tensorly's. HALS has no callback there, and the one
    of ALS builds the whole reconstruction first.
    """
    whole = _estimator(request)
    keep_sign = whole.cvg_criterion == "rec_error"
    fitted, previous = None, np.inf
    for iteration in range(1, whole.n_iter_max + 1):
        start: dict[str, Any] = {} if fitted is None else {"init": (fitted.weights, fitted.factors)}
        # Any tolerance will do: it only makes tensorly compute the error.
        step = _estimator(request, n_iter_max=1, tol=1.0, **start)
        fitted = step.fit_transform(data)
        error = float(step.errors_[-1])
        report(iteration)
        decrease = previous - error
        if whole.tol and (decrease if keep_sign else abs(decrease)) < whole.tol:
            break
        previous = error
    return fitted, iteration


def _fit_als(data: Any, request: CpRequest, report: Callable[[int], None]) -> tuple[Any, int]:
    """Orthogonalisation and line search look further back than one iteration."""
    remembers = request.options.get("orthogonalise") or request.options.get("linesearch")
    return (_fit_with_callback if remembers else _fit_in_steps)(data, request, report)


def _fit_with_callback(
    data: Any, request: CpRequest, report: Callable[[int], None]
) -> tuple[Any, int]:
    n_done = -1

    def count(*_: Any) -> None:
        nonlocal n_done
        n_done += 1  # tensorly's first call precedes the first iteration
        report(n_done)

    fitted = _estimator(request, callback=count).fit_transform(data)
    return fitted, n_done


def _fit_constrained(
    data: Any, request: CpRequest, report: Callable[[int], None]
) -> tuple[Any, int]:
    estimator = _estimator(request)
    fitted = estimator.fit_transform(data)
    report(len(estimator.errors_))
    return fitted, len(estimator.errors_)


_FITTERS: Mapping[str, Callable[[Any, CpRequest, Callable[[int], None]], tuple[Any, int]]] = {
    "CP_NN_HALS": _fit_in_steps,
    "CP": _fit_als,
    "RandomizedCP": _fit_with_callback,
    "ConstrainedCP": _fit_constrained,
}


def leading_singular_vectors(
    matrix: Any, n_eigenvecs: int | None = None, **_: Any
) -> tuple[Any, Any, Any]:
    """Leading left and right singular vectors of a matrix, through its smaller Gram matrix.

    Has the signature that tensorly asks of an SVD function. The Gram matrix and its eigenvectors
    are float64, so that leading vectors are as exact as those of a float32 SVD.

    Parameters
    ----------
    matrix
        (m, n) torch tensor or numpy array.
    n_eigenvecs
        Number of vectors k, at most ``min(m, n)``, which is the default.

    Returns
    -------
    Left vectors (m, k), singular values (k,) descending, right vectors (k, n), of the same kind.
    """
    import torch

    if isinstance(matrix, np.ndarray):
        left, values, right = leading_singular_vectors(torch.as_tensor(matrix), n_eigenvecs)
        return left.numpy(), values.numpy(), right.numpy()
    if matrix.shape[0] > matrix.shape[1]:
        right, values, left = leading_singular_vectors(matrix.T, n_eigenvecs)
        return left.T, values, right.T
    gram = sum(
        block @ block.T
        for block in (part.double() for part in torch.split(matrix, _COLUMNS_PER_BLOCK, dim=1))
    )
    n_kept = min(n_eigenvecs or matrix.shape[0], matrix.shape[0])
    left = torch.linalg.eigh(gram)[1].flip(1)[:, :n_kept].to(matrix.dtype)
    right = left.T @ matrix
    values = torch.linalg.norm(right, dim=1)
    # A vanishing singular value leaves its right vector undetermined: any unit vector will do.
    vanishing = values <= torch.finfo(matrix.dtype).eps * values.max()
    right[vanishing] = 1.0
    return left, values, right / torch.linalg.norm(right, dim=1, keepdim=True)

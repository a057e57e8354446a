"""CP decompositions through tensorly: its own estimators, one iteration at a time.

Around tensorly's arithmetic: every random choice comes from one seed, its backend is switched for
this thread only, and the singular vectors that initialise a fit come from Gram matrices (the same
vectors as a full SVD of the unfolded tensor, which at 1920 x 55 x 676 takes longer than the fit).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.model import FloatArray
from element_facerhythm.core.decomposition.settings import FitSettings

if TYPE_CHECKING:
    import torch

Backend = Literal["pytorch", "numpy"]

# Columns of an unfolded tensor that are converted to float64 at a time.
_COLUMNS_PER_BLOCK = 2**14


def default_backend(device: str) -> Backend:
    """Name of tensorly's backend for a device: on a CPU, numpy is 2 to 5 times as fast as torch."""
    return "numpy" if device == "cpu" else "pytorch"


def fit_tensorly(
    tensor: npt.NDArray[Any],
    settings: FitSettings,
    device: torch.device,
    on_iteration: Callable[[int], None],
    backend: Backend | None = None,
) -> tuple[list[FloatArray], FloatArray, int]:
    """Fit with tensorly.

    Parameters
    ----------
    tensor
        Real and finite, of any number of axes; computed in float32.
    settings
        What to fit; its `solver` is ignored.
    device
        Where pytorch computes.
    on_iteration
        Called with the number of iterations done.
    backend
        tensorly's; the `default_backend` of the device where None.

    Returns
    -------
    Loadings per axis (n, R), weights (R,), and the iterations that the fit took.
    """
    import tensorly as tl

    chosen = backend or default_backend(device.type)
    with tl.backend_context(chosen, local_threadsafe=True):
        place = {} if chosen == "numpy" else {"device": device}
        data = tl.tensor(np.ascontiguousarray(tensor, dtype=np.float32), **place)
        fitted, n_iterations = _FITTERS[settings.method](data, settings, on_iteration)
        weights = np.asarray(tl.to_numpy(fitted.weights))
        factors = [np.asarray(tl.to_numpy(factor)) for factor in fitted.factors]
    return factors, weights, n_iterations


def _estimator(settings: FitSettings, **changes: Any) -> Any:
    import tensorly.decomposition

    # Lists of its own, since tensorly changes those that it is given.
    options: dict[str, Any] = {
        key: list(value) if isinstance(value, list | tuple) else value
        for key, value in settings.options.items()
        if key != "n_restarts"
    }
    options = {"random_state": settings.seed, **options, **changes}
    if options.get("svd", "truncated_svd") != "randomized_svd":
        options["svd"] = leading_singular_vectors
    return getattr(tensorly.decomposition, settings.method)(rank=settings.rank, **options)


def _fit_in_steps(
    data: Any, settings: FitSettings, report: Callable[[int], None]
) -> tuple[Any, int]:
    """Run one iteration at a time, each starting where the last one ended.

    The arithmetic and the stopping rule are tensorly's. HALS has no callback there, and the one
    of ALS builds the whole reconstruction first.
    """
    whole = _estimator(settings)
    keep_sign = whole.cvg_criterion == "rec_error"
    fitted, previous = None, np.inf
    for iteration in range(1, whole.n_iter_max + 1):
        start: dict[str, Any] = {} if fitted is None else {"init": (fitted.weights, fitted.factors)}
        # Any tolerance will do: it only makes tensorly compute the error.
        step = _estimator(settings, n_iter_max=1, tol=1.0, **start)
        fitted = step.fit_transform(data)
        error = float(step.errors_[-1])
        report(iteration)
        decrease = previous - error
        if whole.tol and (decrease if keep_sign else abs(decrease)) < whole.tol:
            break
        previous = error
    return fitted, iteration


def _fit_with_callback(
    data: Any, settings: FitSettings, report: Callable[[int], None]
) -> tuple[Any, int]:
    n_done = -1

    def count(*_: Any) -> None:
        nonlocal n_done
        n_done += 1  # tensorly's first call precedes the first iteration
        report(n_done)

    fitted = _estimator(settings, callback=count).fit_transform(data)
    return fitted, n_done


_FITTERS: Mapping[str, Callable[[Any, FitSettings, Callable[[int], None]], tuple[Any, int]]] = {
    "CP_NN_HALS": _fit_in_steps,
    "CP": _fit_in_steps,
    "RandomizedCP": _fit_with_callback,
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

"""What a decomposition is asked for besides its axes: how tensors are normalised, what is fitted and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.decomposition import (
    METHOD_OPTIONS,
    ParamsMethod,
    has_enough_samples,
)

Method = Literal["CP_NN_HALS", "CP", "RandomizedCP"]
Solver = Literal["auto", "tensorly"]

_DEFAULT = ParamsMethod()
"""Defaults are written there alone."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "method": tuple(METHOD_OPTIONS),
    "solver": ("auto", "tensorly"),
    "init": ("svd", "random"),
    "svd": ("truncated_svd", "symeig_svd", "randomized_svd"),
    "cvg_criterion": ("abs_rec_error", "rec_error"),
}
_COUNTS = {"rank": 1, "seed": 0, "n_iter_max": 1, "n_restarts": 1}
"""Whole numbers, and the least that each may be."""
_TENSORLY_ONLY = ("exact", "sparsity_coefficients", "fixed_modes")
"""Options that this package's solver does not have; where one of these is set, tensorly fits."""


@dataclass(frozen=True)
class TensorScaling:
    """What is done to the tensor along one of its axes before the fit.

    Attributes
    ----------
    mean_subtract
        Subtract the mean.
    std_divide
        Divide by the standard deviation (n - 1).
    axis
        Along which, by its name or that of a part of it.
    """

    mean_subtract: bool = False
    std_divide: bool = False
    axis: str = "time"


AS_IT_IS = TensorScaling()
"""Nothing is done to the tensor."""


@dataclass(frozen=True)
class FitSettings:
    """What is fitted, and how. Options of other methods keep their defaults.

    Attributes
    ----------
    method
        ``CP_NN_HALS``, ``CP`` or ``RandomizedCP``, tensorly's names.
    rank
        Number of components R.
    seed
        Of every random choice; the same seed gives the same components on the same machine.
    solver
        ``"auto"``: this package's for ``CP_NN_HALS`` and ``CP``, tensorly's for ``RandomizedCP`` and where
        `exact`, `fixed_modes` or `sparsity_coefficients` is set. ``"tensorly"``: always tensorly's.
    n_iter_max
        Largest number of iterations; this package's solver counts those over the compressed tensor.
    init
        Where the first start begins, ``"random"`` or ``"svd"``.
    svd
        How tensorly computes its starting point with init ``"svd"``.
    tol
        A fit ends when an iteration lowers the relative error by less.
    n_restarts
        Starts of this package's solver; the best fit is kept.
    exact
        tensorly's: solve each non-negative step exactly.
    nn_modes
        Axes, by number, whose loadings are not negative, or ``"all"``.
    sparsity_coefficients
        tensorly's: sparsity asked of each axis.
    fixed_modes
        tensorly's: axes whose starting loadings stay.
    cvg_criterion
        tensorly's: compare errors by size (``"abs_rec_error"``) or with their sign (``"rec_error"``).
    n_samples
        Of ``RandomizedCP``: entries sampled per step, more than components.

    Raises
    ------
    ParameterError
        A choice is unknown, a number impossible, or an option none of the method's.
    """

    method: Method
    rank: int
    seed: int
    solver: Solver = "auto"
    n_iter_max: int = _DEFAULT.n_iter_max
    init: Literal["random", "svd"] = _DEFAULT.init
    svd: Literal["truncated_svd", "randomized_svd", "symeig_svd"] = _DEFAULT.svd
    tol: float = _DEFAULT.tol
    n_restarts: int = _DEFAULT.n_restarts
    exact: bool = _DEFAULT.exact
    nn_modes: Literal["all"] | tuple[int, ...] | None = _DEFAULT.nn_modes
    sparsity_coefficients: tuple[float | None, ...] | None = _DEFAULT.sparsity_coefficients
    fixed_modes: tuple[int, ...] | None = _DEFAULT.fixed_modes
    cvg_criterion: Literal["abs_rec_error", "rec_error"] = _DEFAULT.cvg_criterion
    n_samples: int | None = _DEFAULT.n_samples

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ParameterError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ParameterError(
                    f"{name} is {value!r}; expected a whole number of at least {least}."
                )
        if not (np.isfinite(self.tol) and self.tol >= 0):
            raise ParameterError(f"tol is {self.tol!r}; expected a number of at least 0.")
        own = METHOD_OPTIONS[self.method]
        for name in set().union(*METHOD_OPTIONS.values()).difference(own):
            if getattr(self, name) != getattr(_DEFAULT, name):
                raise ParameterError(
                    f"{name!r} is no option of {self.method}, which has {', '.join(own)}; leave it out."
                )
        if not has_enough_samples(self.method, self.n_samples, self.rank):
            raise ParameterError(
                f"RandomizedCP has n_samples = {self.n_samples}; expected a number above the rank, "
                f"{self.rank}."
            )

    @property
    def uses_tensorly(self) -> bool:
        """Whether tensorly fits, and not this package's solver."""
        asked = self.solver == "tensorly" or self.method == "RandomizedCP"
        return asked or any(getattr(self, name) for name in _TENSORLY_ONLY)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the method by name."""
        return {name: getattr(self, name) for name in METHOD_OPTIONS[self.method]}

    def nonnegative_axes(self, n_axes: int) -> list[bool]:
        """Per axis of a tensor with so many of them, whether loadings must not be negative."""
        if self.method != "CP_NN_HALS":
            return [False] * n_axes
        if self.nn_modes == "all":
            return [True] * n_axes
        return [axis in (self.nn_modes or ()) for axis in range(n_axes)]

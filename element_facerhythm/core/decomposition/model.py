"""What a decomposition is: the components of one tensor, and all that a run produced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CpModel:
    """A sum of rank-one components: ``X ~ sum_r weights[r] * outer(factors[a][:, r] for axis a)``.

    Attributes
    ----------
    names
        Axis names of the tensor as decomposed, e.g. ``("(xy points)", "frequency",
        "(time trials)")``.
    factors
        Per axis name, (n, R) loadings. What this package fits has unit `weights`, so the factors
        alone reconstruct the tensor.
    weights
        (R,) factors of the components.
    explained_variance
        (R,) what `explained_variance_total` drops by when a component is left out and the others
        stay as they are: ``(||X - X_hat + C_r||^2 - ||X - X_hat||^2) / ||X||^2``, with ``C_r`` the
        weighted component. Of components without negative numbers these never add up to more than the
        total (see `quality`); negative where a component makes the fit worse.
    squared_correlation
        (R,) squared correlation between tensor and component, 0 to 1: the share of the variance
        about the mean that the component explains alone, shifted and scaled to fit best. Components
        overlap, so these add up to no total.
    relative_error
        ``||X - X_hat|| / ||X||`` of the whole model as it stands.
    r_squared
        ``1 - var(X - X_hat) / var(X)``, variances about the mean.
    n_iterations
        Iterations that the fit took; None where unknown (read from a file).
    stability
        (R,) how well each component is found again from other starts: the mean over restarts of
        the congruence (0 to 1) with its match; None where there was one start, or none is known.
    """

    names: tuple[str, ...]
    factors: dict[str, FloatArray]
    weights: FloatArray
    explained_variance: FloatArray
    squared_correlation: FloatArray
    relative_error: float
    r_squared: float
    n_iterations: int | None = None
    stability: FloatArray | None = None

    @property
    def explained_variance_total(self) -> float:
        """``1 - ||X - X_hat||^2 / ||X||^2``; NaN where the error is not known."""
        return 1 - self.relative_error**2

    @property
    def stability_total(self) -> float:
        """Mean of `stability` over the components; NaN where it is not known."""
        return float("nan") if self.stability is None else float(np.mean(self.stability))

    @property
    def rank(self) -> int:
        """Number of components R."""
        return int(self.weights.shape[0])

    @property
    def component_weights(self) -> FloatArray:
        """(R,) norm of every component as a tensor: weight times the norms of its loadings."""
        norms = [
            np.linalg.norm(self.factors[name].astype(np.float64), axis=0) for name in self.names
        ]
        weights: FloatArray = np.abs(self.weights.astype(np.float64)) * np.prod(norms, axis=0)
        return weights


@dataclass(frozen=True)
class Decomposition:
    """Everything that a decomposition produced, under face-rhythm's names.

    Attributes
    ----------
    models
        ``{"0": model}``, or one per video where videos were decomposed separately.
    names_before
        Axis names as decomposed (``names_dims_array_preDecomp``).
    names_after
        Axis names once foldings are undone (``names_dims_array``).
    element_axis_before, element_axis
        ``name_dim_dictElements_preDecomp`` and ``name_dim_dictElements``.
    element_names
        Names of the videos, in order.
    factors_rearranged
        Loadings once foldings are undone; per model a mapping of axis name to (n, R), and where
        videos were put end to end, under the name of the element axis, a mapping such as
        ``{"time_0": (n_0, R), "time_1": (n_1, R)}``.
    """

    models: dict[str, CpModel]
    names_before: tuple[str, ...]
    names_after: tuple[str, ...]
    element_axis_before: str
    element_axis: str
    element_names: tuple[str, ...]
    factors_rearranged: dict[str, Any]

    @property
    def run_data(self) -> dict[str, Any]:
        """The tree that face-rhythm writes as TCA.h5."""
        return {
            "factors": {key: dict(model.factors) for key, model in self.models.items()},
            "factors_rearranged": self.factors_rearranged,
            "name_dim_dictElements": self.element_axis,
            "name_dim_dictElements_preDecomp": self.element_axis_before,
            "names_dims_array": list(self.names_after),
            "names_dims_array_preDecomp": list(self.names_before),
        }

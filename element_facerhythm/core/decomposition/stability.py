"""How well components are found again from other starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array


def component_stability(
    reference: Sequence[npt.ArrayLike], others: Sequence[Sequence[npt.ArrayLike]]
) -> Float64Array | None:
    """Mean congruence of each component with its match in other fits of the same tensor.

    Components of two fits are paired so that the sum of congruences is largest; the congruence of a
    pair is the product over axes of the cosine between loadings, 1 where they agree up to scale.

    Parameters
    ----------
    reference
        Per axis, (n, R) loadings.
    others
        The same of other fits, of the same rank.

    Returns
    -------
    (R,) values from 0 (never found again) to 1 (found from every start); None without other fits.

    References
    ----------
    A. H. Williams et al., Neuron 98 (2018) 1099, who choose the number of components by it.
    """
    if not others:
        return None
    from scipy.optimize import linear_sum_assignment

    found = []
    for other in others:
        matrix = congruence(reference, other)
        rows, columns = linear_sum_assignment(-matrix)
        found.append(matrix[rows, columns])
    return np.asarray(np.mean(found, axis=0))


def congruence(first: Sequence[npt.ArrayLike], second: Sequence[npt.ArrayLike]) -> Float64Array:
    """Return how alike the components of two models are.

    Parameters
    ----------
    first, second
        Per axis, (n, R1) and (n, R2) loadings.

    Returns
    -------
    (R1, R2) products over axes of the absolute cosines between loadings: 1 where two agree up to scale and
    sign, 0 with a component that vanishes.
    """
    product: Float64Array = np.ones(())
    for a, b in zip(first, second, strict=True):
        product = product * np.abs(unit_columns(a).T @ unit_columns(b))
    return product


def unit_columns(matrix: npt.ArrayLike) -> Float64Array:
    """Columns scaled to norm 1; a zero column stays."""
    columns = np.asarray(matrix, dtype=np.float64)
    norms = np.linalg.norm(columns, axis=0)
    return columns / np.where(norms > 0, norms, 1.0)

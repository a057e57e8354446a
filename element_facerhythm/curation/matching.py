"""Components of another fit that look like those that were curated: a suggestion, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.stability import congruence
from element_facerhythm.errors import RequestError

LEAST_CONGRUENCE = 0.8
"""Below it, components are not suggested to be the same; 1 where loadings agree up to scale and sign."""


@dataclass(frozen=True)
class Suggestion:
    """Two components that may be the same.

    Attributes
    ----------
    component_index
        Number of the component that was curated.
    suggested_index
        Number of the component of the other fit.
    congruence
        Product of the cosines between their loadings over points and over frequencies, 0 to 1.
    """

    component_index: int
    suggested_index: int
    congruence: float


def suggest_matches(
    curated: Sequence[npt.ArrayLike],
    other: Sequence[npt.ArrayLike],
    least: float = LEAST_CONGRUENCE,
) -> tuple[Suggestion, ...]:
    """Pair components of two fits so that the sum of congruences is largest; those that are alike are told.

    Nothing is carried over: a person looks at the pairs, and decides.

    Parameters
    ----------
    curated
        Loadings of the components that were curated: over points (and directions), (n, R), and over
        frequencies, (F, R).
    other
        The same of the other fit, with R' components; n and F are the same.
    least
        Congruence from which a pair is suggested.

    Raises
    ------
    RequestError
        The two are of other points or frequencies.
    """
    from scipy.optimize import linear_sum_assignment

    shapes = [[np.shape(axis)[0] for axis in fit] for fit in (curated, other)]
    if shapes[0] != shapes[1]:
        raise RequestError(
            f"the components have loadings over {_lengths(shapes[0])} in one fit and over "
            f"{_lengths(shapes[1])} in the other: they cannot be compared"
        )
    # of complex loadings the magnitudes: their phases depend on when the recording starts
    alike = congruence([np.abs(axis) if np.iscomplexobj(axis) else axis for axis in curated],
                       [np.abs(axis) if np.iscomplexobj(axis) else axis for axis in other])  # fmt: skip
    pairs = zip(*linear_sum_assignment(-alike), strict=True)
    return tuple(
        Suggestion(int(one), int(two), float(alike[one, two]))
        for one, two in pairs
        if alike[one, two] >= least
    )


def _lengths(shape: Sequence[int]) -> str:
    return " and ".join(f"{n:,}" for n in shape)

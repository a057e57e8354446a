"""Unfold the axes of a decomposition: which parts are folded into one, and their order in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import AXES, COMPLEX_AXIS, axis_parts

Loadings = npt.NDArray[Any]


def element_part(name: str) -> str | None:
    """Return what the videos are called, in the name of an axis that they are joined along; else None."""
    parts = axis_parts(name)
    own = [part for part in parts if part not in (*AXES, COMPLEX_AXIS)]
    return own[0] if own and len(parts) > 1 else None


def is_element_axis(name: str) -> bool:
    """Whether an axis is that of the videos."""
    return len(axis_parts(name)) == 1 and name not in (*AXES, COMPLEX_AXIS)


def without_element(name: str) -> str:
    """Name of a joined axis in one video: ``(time trials)`` -> ``time``."""
    element = element_part(name)
    return name if element is None else name[1:-1].removesuffix(f" {element}")


def unfold_axis(
    name: str, loadings: Loadings, wanted: Sequence[str], sizes: Mapping[str, int]
) -> Loadings:
    """Return loadings along some of the axes folded into one; magnitudes are summed over the others.

    Parameters
    ----------
    name
        Of the axis, as ``(xy points)``.
    loadings
        (n, R) along it.
    wanted
        Which of its parts, in the order that is wanted.
    sizes
        Length of each part; one part may be unknown, that of time or of the videos.

    Returns
    -------
    Array with one axis for each of `wanted`, then R; complex where the complex axis was folded in.

    Raises
    ------
    ParameterError
        The loadings do not fit the lengths.
    """
    parts, unfolded = _all_parts(name, loadings, sizes)
    if set(parts) > set(wanted):
        return summed_powers(name, loadings, wanted, sizes)
    return unfolded.transpose(*(parts.index(part) for part in wanted), len(parts))


def summed_powers(
    name: str,
    loadings: Loadings,
    wanted: Sequence[str],
    sizes: Mapping[str, int],
    *,
    power: int = 1,
) -> Float64Array:
    """Return sums of powers of magnitudes along some of the axes folded into one, over the others.

    Parameters
    ----------
    name, loadings, wanted, sizes
        As of `unfold_axis`.
    power
        1 for magnitudes, 2 for their squares.

    Returns
    -------
    Array with one axis for each of `wanted`, then R, summed in float64.

    Raises
    ------
    ParameterError
        The loadings do not fit the lengths.
    """
    exact = loadings.astype(np.result_type(loadings, np.float64))
    parts, unfolded = _all_parts(name, exact, sizes)
    others = tuple(i for i, part in enumerate(parts) if part not in wanted)
    summed = (np.abs(unfolded) ** power).sum(axis=others)
    kept = [part for part in parts if part in wanted]
    return np.asarray(summed.transpose(*(kept.index(part) for part in wanted), len(kept)))


def n_unknown(name: str, sizes: Mapping[str, int]) -> int:
    """Count the parts of an axis whose lengths are not known.

    Parameters
    ----------
    name
        Of the axis.
    sizes
        Length of each part that is known.

    Returns
    -------
    Number of parts, the complex one apart.
    """
    return len({*axis_parts(name)} - {*sizes, COMPLEX_AXIS})


def _all_parts(
    name: str, loadings: Loadings, sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], Loadings]:
    """Name the parts of an axis, outermost first, complex one apart, and return (*lengths, R) loadings."""
    parts, rank = list(axis_parts(name)), loadings.shape[1]
    if COMPLEX_AXIS in parts:  # always innermost
        parts.remove(COMPLEX_AXIS)
        loadings = loadings[0::2] + 1j * loadings[1::2]
    element = element_part(name)
    if element is not None:  # videos are joined block by block, whatever their place in the name
        parts = [element, *(part for part in parts if part != element)]
    lengths = [sizes.get(part, -1) for part in parts]
    known = int(np.prod([length for length in lengths if length > 0]))
    fits = len(loadings) == known or (-1 in lengths and len(loadings) % known == 0)
    if lengths.count(-1) > 1 or not fits:
        known_lengths = ", ".join(f"{part} {sizes[part]}" for part in parts if part in sizes)
        raise ParameterError(
            f"axis {name!r} has {len(loadings)} loadings, which do not fit its parts ({known_lengths})."
        )
    return tuple(parts), loadings.reshape(*lengths, rank)

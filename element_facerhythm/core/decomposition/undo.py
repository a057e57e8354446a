"""Undo the foldings of `axes.rearrange` on the loadings of a decomposition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from element_facerhythm.core.decomposition.axes import JOINT_KEY, Folding
from element_facerhythm.core.decomposition.rearrange import Rearranged
from element_facerhythm.parameters.axes import COMPLEX_AXIS, has_parts


def undo_factors(
    rearranged: Rearranged, factors: Mapping[str, Mapping[str, npt.NDArray[Any]]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return loadings per video, and complex again, as face-rhythm's `rearrange_factors` does.

    Parameters
    ----------
    rearranged
        The tensors that were decomposed; their plan says what is undone.
    factors
        Per tensor, per axis name, (n, R) loadings.

    Returns
    -------
    The loadings, where a joined axis is cut with one array per video: ``{"trials": {"time_0": (n_0, R),
    ...}}``, and the axis names that they now have.
    """
    plan = rearranged.plan
    nested: dict[str, Any] = {key: dict(arrays) for key, arrays in factors.items()}
    names = list(rearranged.names)
    if plan.undo_join:
        axis = plan.joint_axis
        pieces = _cut(rearranged, nested[JOINT_KEY].pop(names[axis]))
        names[axis] = plan.array_names[axis]
        nested[JOINT_KEY][plan.element_axis] = {
            f"{names[axis]}_{element}": piece for element, piece in pieces.items()
        }
    if plan.undo_complex:
        folding = plan.foldings[-1]
        nested = _join_complex(nested, folding)
        names = [name.replace(folding.name, folding.outer) for name in names]
    return nested, tuple(names)


def _cut(rearranged: Rearranged, joint: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    pieces, start = {}, 0
    for name, length in zip(rearranged.element_names, rearranged.joint_lengths(), strict=True):
        pieces[name] = joint[start : start + length]
        start += length
    return pieces


def _join_complex(tree: Mapping[str, Any], folding: Folding) -> dict[str, Any]:
    """Real and imaginary rows alternate along any axis that the complex one is folded into."""
    joined: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            joined[name] = _join_complex(value, folding)
        elif has_parts(name, COMPLEX_AXIS):
            # "(time complex)_0" -> "time_0"; "((time complex) trials)" -> "(time trials)"
            joined[name.replace(folding.name, folding.outer)] = value[0::2] + 1j * value[1::2]
        else:
            joined[name] = value
    return joined

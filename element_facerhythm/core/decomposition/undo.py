"""Undo the foldings of `axes.rearrange` on the loadings of a decomposition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from element_facerhythm.core.decomposition.axes import JOINT_KEY, AxisPlan, Folding
from element_facerhythm.core.decomposition.rearrange import Rearranged
from element_facerhythm.errors import ParameterError


def check_undo(plan: AxisPlan, *, undo_concat_elements: bool, undo_concat_complex: bool) -> None:
    """Raise `ParameterError` where something is to be undone that `plan` does not do."""
    if undo_concat_elements and plan.method != "concatenate":
        raise ParameterError(
            "undo_concat_dictElements is true but method_handling_dictElements is "
            f"{plan.method!r}; set the first to false or the second to 'concatenate'."
        )
    if undo_concat_complex and plan.complex_into is None:
        raise ParameterError(
            "undo_concat_complexDim is true but concat_complexDim is false; set both alike."
        )


def undo_factors(
    rearranged: Rearranged,
    factors: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    *,
    undo_concat_elements: bool,
    undo_concat_complex: bool,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give loadings per video, and complex again, as face-rhythm's `rearrange_factors` does.

    Parameters
    ----------
    rearranged
        The tensors that were decomposed.
    factors
        Per tensor, per axis name, (n, R) loadings.
    undo_concat_elements
        Cut the joint axis into one array per video: ``{"trials": {"time_0": (n_0, R), ...}}``.
    undo_concat_complex
        Join real and imaginary rows into complex loadings.

    Returns
    -------
    The nested loadings, and the axis names that they now have.
    """
    check_undo(
        rearranged.plan,
        undo_concat_elements=undo_concat_elements,
        undo_concat_complex=undo_concat_complex,
    )
    nested: dict[str, Any] = {key: dict(arrays) for key, arrays in factors.items()}
    names = list(rearranged.names)
    if undo_concat_elements:
        axis = rearranged.plan.joint_axis
        pieces = _cut(rearranged, nested[JOINT_KEY].pop(names[axis]))
        names[axis] = rearranged.plan.array_names[axis]
        nested[JOINT_KEY][rearranged.plan.element_axis] = {
            f"{names[axis]}_{element}": piece for element, piece in pieces.items()
        }
    if undo_concat_complex:
        folding = rearranged.plan.foldings[-1]
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
    """Real and imaginary rows alternate along any axis whose name holds the folding's name."""
    joined: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            joined[name] = _join_complex(value, folding)
        elif folding.name in name:
            # "(time complex)_0" -> "time_0"; "((time complex) trials)" -> "(time trials)"
            joined[name.replace(folding.name, folding.outer)] = value[0::2] + 1j * value[1::2]
        else:
            joined[name] = value
    return joined

"""Named axes of the tensor that is decomposed, and the exact way back.

Spectrograms of several videos are arrays with named axes, by default (xy, points, frequency,
time). Before a decomposition, axes may be folded into one another; the folded axis is named after
its parts with the outer part first, so that ``(xy points)`` has all points of x, then all of y:

- pairs of array axes, in the order given: ``[xy, points] -> (xy points)``;
- the complex axis (real, imaginary), innermost: ``time -> (time complex)``;
- the videos themselves (the "dict elements"): end to end along an axis (``(time trials)``), as a
  new first axis (``trials``), or not at all (one tensor per video).

How axes are named and found by their names is described in `parameters.axes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import (
    AXES,
    COMPLEX_AXIS,
    find_axis,
    folded_name,
    is_plain_axis,
)

ElementMethod = Literal["concatenate", "stack", "separate"]
Pair = tuple[str, str]
Window = tuple[int, int]


@dataclass(frozen=True)
class Folding:
    """Axis `outer` folded into the axis `inner`, giving the axis `name`."""

    outer: str
    inner: str

    @property
    def name(self) -> str:
        """Name of the folded axis."""
        return folded_name(self.outer, self.inner)


# Key under which face-rhythm keeps the one tensor made of all videos.
JOINT_KEY = "0"
_METHODS = ("concatenate", "stack", "separate")


@dataclass(frozen=True)
class AxisPlan:
    """How arrays become tensors, and which of it is undone in the loadings.

    The first are face-rhythm's `rearrange_data`, the last two its `rearrange_factors`.

    Attributes
    ----------
    names
        Axis names of each array, in order.
    pairs
        Pairs ``(outer, inner)`` to fold, applied in order; a pair may name an axis folded before.
    complex_into
        Axis that takes up the complex axis; None leaves arrays as they are.
    element_axis
        What the videos are called (``trials``).
    method
        ``"concatenate"``, ``"stack"`` or ``"separate"``.
    concatenate_along
        Axis along which videos are put end to end (only for ``"concatenate"``). A part of a
        folded axis stands for the whole of it.
    windows
        Per video, first and last index kept along `window_axis` (both included), or None.
    window_axis
        Array axis that `windows` counts along.
    undo_join
        Cut the loadings of the axis that videos were joined along into one array per video.
    undo_complex
        Join the real and imaginary rows of loadings into complex ones.

    Raises
    ------
    ParameterError
        A name is none, or unknown, or stands twice; something is to be undone that is not done.
    """

    names: tuple[str, ...] = AXES
    pairs: tuple[Pair, ...] = ()
    complex_into: str | None = None
    element_axis: str = "trials"
    method: ElementMethod = "separate"
    concatenate_along: str = "time"
    windows: tuple[Window | None, ...] | None = None
    window_axis: str = "time"
    undo_join: bool = False
    undo_complex: bool = False

    def __post_init__(self) -> None:
        for name in (*self.names, self.element_axis):
            if not is_plain_axis(name):
                raise ParameterError(
                    f"{name!r} is no axis name; expected text without spaces, slashes, parentheses."
                )
        known = (*self.names, self.element_axis, COMPLEX_AXIS)
        if len(set(known)) < len(known):
            raise ParameterError(f"axis names {', '.join(known)} are not all different.")
        if self.method not in _METHODS:
            raise ParameterError(
                f"method_handling_dictElements is {self.method!r}; expected one of "
                f"{', '.join(_METHODS)}."
            )
        _, names = self._fold_names()  # raises where a name is unknown
        if self.method == "concatenate":
            resolve_axis(self.concatenate_along, names)
        if self.windows is not None and self.window_axis not in self.names:
            raise ParameterError(
                f"name_dim_array_window is {self.window_axis!r}; expected one of "
                f"{', '.join(self.names)}."
            )
        self._check_undone()

    def _check_undone(self) -> None:
        if self.undo_join and self.method != "concatenate":
            raise ParameterError(
                "undo_concat_dictElements is true but method_handling_dictElements is "
                f"{self.method!r}; set the first to false or the second to 'concatenate'."
            )
        if self.undo_complex and self.complex_into is None:
            raise ParameterError(
                "undo_concat_complexDim is true but concat_complexDim is false; set both alike."
            )

    @classmethod
    def from_names(
        cls,
        names: Sequence[str],
        *,
        element_axis: str,
        array_names: Sequence[str] = AXES,
    ) -> AxisPlan:
        """Recover the plan from the axis names of a finished decomposition.

        Parameters
        ----------
        names
            Axis names as decomposed (face-rhythm's ``names_dims_array_preDecomp``).
        element_axis
            What the videos are called (``name_dim_dictElements``).
        array_names
            Axis names of the spectrograms; their order is their layout.

        Returns
        -------
        AxisPlan
            With all windows, and nothing undone: neither is in the names.

        Raises
        ------
        ParameterError
            The names cannot have come from arrays with these axes.
        """
        pairs: list[Pair] = []
        complex_into: str | None = None
        method: ElementMethod = "separate"
        along = "time"
        for name in names:
            if name == element_axis:
                method = "stack"
            for folding in _parse_foldings(name):
                if folding.inner == element_axis:
                    method, along = "concatenate", folding.outer
                elif folding.inner == COMPLEX_AXIS:
                    complex_into = folding.outer
                else:
                    pairs.append((folding.outer, folding.inner))
        plan = cls(tuple(array_names), tuple(pairs), complex_into, element_axis, method, along)
        if plan.tensor_names != tuple(names):
            raise ParameterError(
                f"axes {list(names)} cannot be made of arrays with axes {list(array_names)}; "
                f"expected {list(plan.tensor_names)}."
            )
        return plan

    def _fold_names(self) -> tuple[tuple[Folding, ...], tuple[str, ...]]:
        """Every folding inside an array, the complex axis last, and the names that result."""
        names = list(self.names)
        foldings = []
        for pair in self.pairs:
            if isinstance(pair, str) or len(pair) != 2:
                raise ParameterError(
                    f"names_dims_concat_array has the entry {pair!r}; expected two axis names."
                )
            outer, inner = pair
            folding = Folding(resolve_axis(outer, names), resolve_axis(inner, names))
            if folding.outer == folding.inner:
                raise ParameterError(f"axis {folding.outer!r} cannot be folded into itself.")
            names[names.index(folding.inner)] = folding.name
            names.remove(folding.outer)
            foldings.append(folding)
        if self.complex_into is not None:
            folding = Folding(resolve_axis(self.complex_into, names), COMPLEX_AXIS)
            names[names.index(folding.outer)] = folding.name
            foldings.append(folding)
        return tuple(foldings), tuple(names)

    @property
    def foldings(self) -> tuple[Folding, ...]:
        """Foldings inside one video's array, in the order in which they are made."""
        return self._fold_names()[0]

    @property
    def array_names(self) -> tuple[str, ...]:
        """Axis names of one video's array once its own axes are folded."""
        return self._fold_names()[1]

    @property
    def joint_axis(self) -> int:
        """Index of the axis along which videos are put end to end."""
        return self.array_names.index(resolve_axis(self.concatenate_along, self.array_names))

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """Axis names of the tensor that is decomposed."""
        names = list(self.array_names)
        if self.method == "concatenate":
            names[self.joint_axis] = folded_name(names[self.joint_axis], self.element_axis)
        if self.method == "stack":
            names.insert(0, self.element_axis)
        return tuple(names)


def resolve_axis(name: str, names: Sequence[str]) -> str:
    """Find an axis by its own name, or by that of a part of it; see `find_axis`.

    Parameters
    ----------
    name
        Of an axis, plain or folded.
    names
        Axes to choose from.

    Returns
    -------
    Its own name.

    Raises
    ------
    ParameterError
        There is no such axis, or several.
    """
    found = find_axis(name, names)
    if found is None:
        raise ParameterError(f"there is no axis {name!r}; the axes are {', '.join(names)}.")
    return found


def _parse_foldings(name: str) -> list[Folding]:
    """List what was folded to make `name`, innermost first: ``((a b) c)`` -> a b, then (a b) c."""
    if not name.startswith("("):
        return []
    inside, depth = name[1:-1], 0
    for position, character in enumerate(inside):
        depth += (character == "(") - (character == ")")
        if character == " " and depth == 0:
            last = Folding(inside[:position], inside[position + 1 :])
            return [*_parse_foldings(last.outer), *_parse_foldings(last.inner), last]
    raise ParameterError(f"{name!r} is no axis name; expected something like '(xy points)'.")

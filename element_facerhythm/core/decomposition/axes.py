"""Named axes of the tensor that is decomposed, and the exact way back.

Spectrograms of several videos are arrays with named axes, by default (xy, points, frequency,
time). Before a decomposition, axes may be folded into one another; the folded axis is named after
its parts with the outer part first, so that ``(xy points)`` has all points of x, then all of y:

- pairs of array axes, in the order given: ``[xy, points] -> (xy points)``;
- the complex axis (real, imaginary), innermost: ``time -> (time complex)``;
- the videos themselves (the "dict elements"): end to end along an axis (``(time trials)``), as a
  new first axis (``trials``), or not at all (one tensor per video).

Names are compared whole, part by part: ``time`` never matches ``timepoint``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from element_facerhythm.errors import ParameterError

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
        return f"({self.outer} {self.inner})"


SPECTROGRAM_AXES = ("xy", "points", "frequency", "time")
COMPLEX_AXIS = "complex"
# Key under which face-rhythm keeps the one tensor made of all videos.
JOINT_KEY = "0"
_METHODS = ("concatenate", "stack", "separate")


@dataclass(frozen=True)
class AxisPlan:
    """How arrays become tensors; names as in face-rhythm's `rearrange_data`.

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
    """

    names: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()
    complex_into: str | None = None
    element_axis: str = "trials"
    method: ElementMethod = "separate"
    concatenate_along: str = "time"
    windows: tuple[Window | None, ...] | None = None
    window_axis: str = "time"

    def __post_init__(self) -> None:
        for name in (*self.names, self.element_axis):
            if not name or set(name) & set("() /"):
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

    @classmethod
    def from_names(
        cls,
        names: Sequence[str],
        *,
        element_axis: str,
        array_names: Sequence[str] = SPECTROGRAM_AXES,
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
        for outer, inner in self.pairs:
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
            names[self.joint_axis] = f"({names[self.joint_axis]} {self.element_axis})"
        if self.method == "stack":
            names.insert(0, self.element_axis)
        return tuple(names)


def axis_parts(name: str) -> tuple[str, ...]:
    """Names of the array axes folded into `name`, outermost first."""
    return tuple(name.replace("(", " ").replace(")", " ").split())


def resolve_axis(name: str, names: Sequence[str]) -> str:
    """`name` itself where it is among `names`, else the one folded axis that it is part of."""
    if name in names:
        return name
    holders = [candidate for candidate in names if name in axis_parts(candidate)]
    if len(holders) != 1:
        raise ParameterError(f"there is no axis {name!r}; the axes are {', '.join(names)}.")
    return holders[0]


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


@dataclass(frozen=True)
class Rearranged:
    """Tensors ready to decompose.

    Attributes
    ----------
    plan
        How they were made.
    tensors
        One per decomposition: ``{"0": tensor}``, or one per video for ``"separate"``.
    element_names
        Names of the videos, in order.
    element_shapes
        Shape of every video's array after windowing, before folding.
    """

    plan: AxisPlan
    tensors: dict[str, npt.NDArray[Any]]
    element_names: tuple[str, ...]
    element_shapes: tuple[tuple[int, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Axis names of the tensors."""
        return self.plan.tensor_names

    @property
    def element_axis_before(self) -> str:
        """What face-rhythm stores as ``name_dim_dictElements_preDecomp``."""
        return self.plan.element_axis if self.plan.method == "separate" else JOINT_KEY

    def joint_lengths(self) -> tuple[int, ...]:
        """Rows of every video along the joint axis."""
        parts = axis_parts(self.plan.array_names[self.plan.joint_axis])
        sizes = [dict(zip(self.plan.names, shape, strict=True)) for shape in self.element_shapes]
        return tuple(
            int(np.prod([2 if part == COMPLEX_AXIS else size[part] for part in parts]))
            for size in sizes
        )

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Turn tensors (these, or their reconstruction) back into one array per video."""
        plan = self.plan
        if plan.method == "concatenate":
            cuts = np.cumsum(self.joint_lengths())[:-1]
            arrays = np.split(tensors[JOINT_KEY], cuts, axis=plan.joint_axis)
        elif plan.method == "stack":
            arrays = list(tensors[JOINT_KEY])
        else:
            arrays = [tensors[name] for name in self.element_names]
        return {
            name: _unfold(array, plan, shape)
            for name, array, shape in zip(
                self.element_names, arrays, self.element_shapes, strict=True
            )
        }


def rearrange(arrays: Mapping[str, npt.ArrayLike], plan: AxisPlan) -> Rearranged:
    """Make the tensors that `plan` describes.

    Parameters
    ----------
    arrays
        One array per video with axes `plan.names`, real or complex. Complex arrays enter as
        magnitudes where the plan has no place for the complex axis, as in face-rhythm's pipeline.
    plan
        What to fold.

    Raises
    ------
    ParameterError
        Arrays and plan do not fit: number of axes, sizes, windows, complex axis of real data.
    """
    if not arrays:
        raise ParameterError("there is no spectrogram to decompose; expected at least one video.")
    _check_windows(plan, len(arrays))
    windowed = {
        name: _window(_checked_array(name, array, plan), plan, index, name)
        for index, (name, array) in enumerate(arrays.items())
    }
    folded = [_fold(array, plan) for array in windowed.values()]
    names, shapes = tuple(windowed), tuple(array.shape for array in windowed.values())
    if plan.method == "separate":
        tensors = dict(zip(names, folded, strict=True))
    else:
        _check_sizes(names, folded, plan)
        if plan.method == "concatenate":
            tensors = {JOINT_KEY: np.concatenate(folded, axis=plan.joint_axis)}
        else:
            tensors = {JOINT_KEY: np.stack(folded)}
    return Rearranged(plan, tensors, names, shapes)


def _checked_array(name: str, array: npt.ArrayLike, plan: AxisPlan) -> npt.NDArray[Any]:
    values = np.asarray(array)
    if values.ndim != len(plan.names):
        raise ParameterError(
            f"the spectrogram of video {name!r} has {values.ndim} axes; expected "
            f"{len(plan.names)}: {', '.join(plan.names)}."
        )
    is_complex = np.iscomplexobj(values)
    if plan.complex_into is not None and not is_complex:
        raise ParameterError(
            f"the spectrogram of video {name!r} is real, so there is no complex axis to fold into "
            f"{plan.complex_into!r}; set concat_complexDim to false, or take_abs to false."
        )
    return np.abs(values) if is_complex and plan.complex_into is None else values


def _check_windows(plan: AxisPlan, n_elements: int) -> None:
    if plan.windows is not None and len(plan.windows) != n_elements:
        raise ParameterError(
            f"idx_windows has {len(plan.windows)} entries for {n_elements} videos; expected one "
            "each (null keeps the whole video)."
        )


def _window(array: npt.NDArray[Any], plan: AxisPlan, index: int, name: str) -> npt.NDArray[Any]:
    window = None if plan.windows is None else plan.windows[index]
    if window is None:
        return array
    axis = plan.names.index(plan.window_axis)
    first, last = window
    if not 0 <= first <= last < array.shape[axis]:
        raise ParameterError(
            f"idx_windows of video {name!r} is [{first}, {last}]; expected first <= last within "
            f"0 ... {array.shape[axis] - 1} along {plan.window_axis!r} (both included)."
        )
    return array[(slice(None),) * axis + (slice(first, last + 1),)]


def _check_sizes(names: tuple[str, ...], arrays: list[npt.NDArray[Any]], plan: AxisPlan) -> None:
    free = plan.joint_axis if plan.method == "concatenate" else None
    for name, array in zip(names, arrays, strict=True):
        for axis, axis_name in enumerate(plan.array_names):
            if axis != free and array.shape[axis] != arrays[0].shape[axis]:
                raise ParameterError(
                    f"video {name!r} has {array.shape[axis]} entries along {axis_name!r} and "
                    f"video {names[0]!r} has {arrays[0].shape[axis]}; to {plan.method} videos "
                    "these must be equal (use method_handling_dictElements 'separate')."
                )


def _fold(array: npt.NDArray[Any], plan: AxisPlan) -> npt.NDArray[Any]:
    names = list(plan.names)
    if plan.complex_into is not None:
        array = np.stack([array.real, array.imag], axis=-1)
        names.append(COMPLEX_AXIS)
    for folding in plan.foldings:
        i, j = names.index(folding.outer), names.index(folding.inner)
        # A pair takes the inner axis's place; the complex axis joins the outer one in its place.
        place = i if folding.inner == COMPLEX_AXIS else (j if i > j else j - 1)
        array = np.moveaxis(array, (i, j), (-2, -1))
        array = array.reshape(*array.shape[:-2], -1)
        array = np.moveaxis(array, -1, place)
        names = [name for name in names if name not in (folding.outer, folding.inner)]
        names.insert(place, folding.name)
    return array


def _unfold(array: npt.NDArray[Any], plan: AxisPlan, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    sizes = dict(zip(plan.names, shape, strict=True)) | {COMPLEX_AXIS: 2}
    names = list(plan.array_names)
    for folding in reversed(plan.foldings):
        place = names.index(folding.name)
        n_inner = int(np.prod([sizes[part] for part in axis_parts(folding.inner)]))
        array = array.reshape(*array.shape[:place], -1, n_inner, *array.shape[place + 1 :])
        names[place : place + 1] = [folding.outer, folding.inner]
    if plan.complex_into is not None:
        array = np.moveaxis(array, names.index(COMPLEX_AXIS), -1)
        names.remove(COMPLEX_AXIS)
        array = array[..., 0] + 1j * array[..., 1]
    return np.transpose(array, [names.index(name) for name in plan.names])

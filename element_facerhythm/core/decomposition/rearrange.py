"""Make the tensors that an `AxisPlan` describes, without reading the arrays, and undo it exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.axes import JOINT_KEY, AxisPlan, Window
from element_facerhythm.core.decomposition.block_tensor import BlockTensor
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import COMPLEX_AXIS, axis_parts, has_parts


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
    tensors: dict[str, BlockTensor]
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
        axis = self.plan.joint_axis
        return tuple(_folded_shape(self.plan, shape)[axis] for shape in self.element_shapes)

    def restore(self, tensors: Mapping[str, npt.ArrayLike]) -> dict[str, npt.NDArray[Any]]:
        """Turn tensors (these, or their reconstruction) back into one array per video."""
        plan = self.plan
        if plan.method == "concatenate":
            cuts = np.cumsum(self.joint_lengths())[:-1]
            arrays = np.split(np.asarray(tensors[JOINT_KEY]), cuts, axis=plan.joint_axis)
        elif plan.method == "stack":
            arrays = list(np.asarray(tensors[JOINT_KEY]))
        else:
            arrays = [np.asarray(tensors[name]) for name in self.element_names]
        return {
            name: _unfold(array, plan, shape)
            for name, array, shape in zip(
                self.element_names, arrays, self.element_shapes, strict=True
            )
        }


def rearrange(arrays: Mapping[str, Any], plan: AxisPlan) -> Rearranged:
    """Make the tensors that `plan` describes; nothing is read from `arrays` yet.

    Parameters
    ----------
    arrays
        One array per video with axes `plan.names`, real or complex; anything with `shape` and
        `dtype` that slices like an array will do, in memory or in a file. Complex arrays enter as
        magnitudes where the plan has no place for the complex axis, as in face-rhythm's pipeline.
    plan
        What to fold.

    Returns
    -------
    Rearranged
        The tensors, to be read in blocks.

    Raises
    ------
    ParameterError
        Arrays and plan do not fit: number of axes, sizes, windows, complex axis of real data.
    """
    if not arrays:
        raise ParameterError("there is no spectrogram to decompose; expected at least one video.")
    _check_windows(plan, len(arrays))
    windows = plan.windows or (None,) * len(arrays)
    parts = {
        name: _Part.of(name, array, plan, window)
        for (name, array), window in zip(arrays.items(), windows, strict=True)
    }
    if plan.method == "separate":
        tensors = {name: _join([part], plan) for name, part in parts.items()}
    else:
        _check_sizes(parts, plan)
        tensors = {JOINT_KEY: _join(list(parts.values()), plan)}
    return Rearranged(plan, tensors, tuple(parts), tuple(part.shape for part in parts.values()))


@dataclass(frozen=True)
class _Part:
    """What one video adds to a tensor: an array that is read in slices, and where it begins."""

    array: Any
    plan: AxisPlan
    first: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, array: Any, plan: AxisPlan, window: Window | None) -> _Part:
        values = array if hasattr(array, "shape") and hasattr(array, "dtype") else np.asarray(array)
        if len(values.shape) != len(plan.names):
            raise ParameterError(
                f"the spectrogram of video {name!r} has {len(values.shape)} axes; expected "
                f"{len(plan.names)}: {', '.join(plan.names)}."
            )
        if plan.complex_into is not None and np.dtype(values.dtype).kind != "c":
            raise ParameterError(
                f"the spectrogram of video {name!r} is real, so there is no complex axis to fold "
                f"into {plan.complex_into!r}; set concat_complexDim to false, or take_abs to false."
            )
        first, shape = [0] * len(values.shape), list(values.shape)
        if window is not None:
            axis = plan.names.index(plan.window_axis)
            _check_window(name, window, plan, shape[axis])
            first[axis], shape[axis] = window[0], window[1] - window[0] + 1
        return cls(values, plan, tuple(first), tuple(shape))

    @property
    def folded_shape(self) -> tuple[int, ...]:
        """Shape after folding."""
        return _folded_shape(self.plan, self.shape)

    def read(self, slices: Mapping[str, slice]) -> npt.NDArray[Any]:
        """Fold the slices of the named array axes, and all of the others."""
        index = []
        for name, first, length in zip(self.plan.names, self.first, self.shape, strict=True):
            part = slices.get(name, slice(0, length))
            index.append(slice(first + part.start, first + part.stop))
        values = np.asarray(self.array[tuple(index)])
        if np.iscomplexobj(values) and self.plan.complex_into is None:
            values = np.abs(values)
        return _fold(values, self.plan)


def _join(parts: Sequence[_Part], plan: AxisPlan) -> BlockTensor:
    """One tensor of the parts, read along an axis that all of them share."""
    shape = list(parts[0].folded_shape)
    stacked = plan.method == "stack"
    if plan.method == "concatenate":
        shape[plan.joint_axis] = sum(part.folded_shape[plan.joint_axis] for part in parts)
    if len(shape) + stacked < 2:
        raise ParameterError(
            f"all axes are folded into one, {plan.array_names[0]!r}; a decomposition needs two."
        )
    axis = _row_axis(plan, shape)
    row_parts = axis_parts(plan.array_names[axis])
    sizes = dict(zip(plan.names, parts[0].shape, strict=True)) | {COMPLEX_AXIS: 2}

    def read_rows(start: int, stop: int) -> npt.NDArray[Any]:
        pieces = []
        for run in _runs(start, stop, [sizes[part] for part in row_parts]):
            slices = dict(zip(row_parts, run, strict=True))
            inner = slices.pop(COMPLEX_AXIS, slice(None))
            arrays = [part.read(slices) for part in parts]
            if stacked:
                rows = np.moveaxis(np.stack(arrays), axis + 1, 0)
            else:
                rows = np.moveaxis(_concatenated(arrays, plan), axis, 0)
            whole = inner == slice(0, 2) or inner == slice(None)
            pieces.append(rows if whole else rows[inner])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    full = (len(parts), *shape) if stacked else tuple(shape)
    return BlockTensor(plan.tensor_names, full, axis + stacked, read_rows)


def _concatenated(arrays: list[npt.NDArray[Any]], plan: AxisPlan) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=plan.joint_axis)


def _row_axis(plan: AxisPlan, shape: Sequence[int]) -> int:
    """Choose the longest folded axis that videos share and that does not scatter reads.

    A slice of the arrays' last axis lies scattered over a file; it is taken only where there is no
    other. Where videos are put end to end, the joint axis cannot be it.
    """
    axes = [
        axis
        for axis in range(len(shape))
        if plan.method != "concatenate" or axis != plan.joint_axis
    ]
    last = plan.names[-1]
    return max(
        axes,
        key=lambda axis: (not has_parts(plan.array_names[axis], last), shape[axis], -axis),
    )


def _runs(start: int, stop: int, sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut the range of a folded axis into blocks that are slices of its parts, outermost first."""
    if len(sizes) == 1:
        yield (slice(start, stop),)
        return
    n_inner = int(np.prod(sizes[1:]))
    while start < stop:
        outer, offset = divmod(start, n_inner)
        if offset == 0 and stop - start >= n_inner:
            n_outer = (stop - start) // n_inner
            yield (slice(outer, outer + n_outer), *(slice(0, size) for size in sizes[1:]))
            start += n_outer * n_inner
        else:
            end = min(n_inner, offset + stop - start)
            for inner in _runs(offset, end, sizes[1:]):
                yield (slice(outer, outer + 1), *inner)
            start += end - offset


def _folded_shape(plan: AxisPlan, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = dict(zip(plan.names, shape, strict=True)) | {COMPLEX_AXIS: 2}
    return tuple(
        int(np.prod([sizes[part] for part in axis_parts(name)])) for name in plan.array_names
    )


def _check_windows(plan: AxisPlan, n_elements: int) -> None:
    if plan.windows is not None and len(plan.windows) != n_elements:
        raise ParameterError(
            f"idx_windows has {len(plan.windows)} entries for {n_elements} videos; expected one "
            "each (null keeps the whole video)."
        )


def _check_window(name: str, window: Window, plan: AxisPlan, length: int) -> None:
    first, last = window
    if not 0 <= first <= last < length:
        raise ParameterError(
            f"idx_windows of video {name!r} is [{first}, {last}]; expected first <= last within "
            f"0 ... {length - 1} along {plan.window_axis!r} (both included)."
        )


def _check_sizes(parts: Mapping[str, _Part], plan: AxisPlan) -> None:
    free = plan.joint_axis if plan.method == "concatenate" else None
    first_name, first = next((name, part.folded_shape) for name, part in parts.items())
    for name, part in parts.items():
        for axis, axis_name in enumerate(plan.array_names):
            if axis != free and part.folded_shape[axis] != first[axis]:
                raise ParameterError(
                    f"video {name!r} has {part.folded_shape[axis]} entries along {axis_name!r} and "
                    f"video {first_name!r} has {first[axis]}; to {plan.method} videos "
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

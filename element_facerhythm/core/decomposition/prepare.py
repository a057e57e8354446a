"""From spectrograms to tensors that can be fitted: rearranged, checked, normalised, block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.axes import AxisPlan, resolve_axis
from element_facerhythm.core.decomposition.block_tensor import BlockTensor
from element_facerhythm.core.decomposition.quality import TensorSums, tensor_sums
from element_facerhythm.core.decomposition.rearrange import Rearranged, rearrange
from element_facerhythm.core.decomposition.settings import AS_IT_IS, TensorScaling
from element_facerhythm.errors import ProcessingError

RESIDENT_BYTES = 2**29
"""Tensors up to this size are held in memory."""


@dataclass(frozen=True)
class Prepared:
    """Finite tensors ready to fit, by key, with their sums."""

    rearranged: Rearranged
    sums: dict[str, TensorSums]

    @property
    def tensors(self) -> dict[str, BlockTensor]:
        """The tensors by key."""
        return self.rearranged.tensors


def prepare_tensors(
    spectrograms: Mapping[str, Any],
    plan: AxisPlan,
    scaling: TensorScaling = AS_IT_IS,
    *,
    resident_bytes: int = RESIDENT_BYTES,
) -> Prepared:
    """Rearrange finite spectrograms and normalise the tensors.

    Parameters
    ----------
    spectrograms
        Per video, an array with the axes `plan.names`, in memory or read in slices; see `rearrange`.
    plan
        How tensors are made of them.
    scaling
        What is done to the tensors.
    resident_bytes
        Tensors up to this size are held in memory, larger ones are read again at each pass. Changes no
        number.

    Returns
    -------
    Prepared
        The tensors, and their sums.

    Raises
    ------
    ParameterError
        A name or a shape does not fit.
    ProcessingError
        A spectrogram has NaN or infinite values, or does not vary where it is to be divided by its
        standard deviation.
    """
    axis = None
    if scaling.mean_subtract or scaling.std_divide:
        axis = plan.tensor_names.index(resolve_axis(scaling.axis, plan.tensor_names))
    rearranged = rearrange(spectrograms, plan)
    in_memory = all(
        isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in spectrograms.values()
    )
    tensors = {
        key: tensor.load() if not in_memory and tensor.nbytes <= resident_bytes else tensor
        for key, tensor in rearranged.tensors.items()
    }
    sums = {key: tensor_sums(tensor) for key, tensor in tensors.items()}
    if not all(np.isfinite(s.square) for s in sums.values()):
        _raise_not_finite(spectrograms, plan)
    if axis is not None:
        tensors = {key: _normalised(tensor, axis, scaling) for key, tensor in tensors.items()}
        sums = {key: tensor_sums(tensor) for key, tensor in tensors.items()}
    return Prepared(replace(rearranged, tensors=tensors), sums)


def _raise_not_finite(spectrograms: Mapping[str, Any], plan: AxisPlan) -> None:
    """Report where the first value is that is not finite."""
    for name, array in spectrograms.items():
        n_bad, first = 0, None
        for start in range(array.shape[0]):
            bad = np.argwhere(~np.isfinite(np.asarray(array[start : start + 1])))
            n_bad += len(bad)
            if first is None and len(bad):
                first = bad[0] + np.array([start, *([0] * (len(array.shape) - 1))])
        if first is not None:
            place = ", ".join(
                f"{'frame' if axis == 'time' else axis} {i}"
                for axis, i in zip(plan.names, first, strict=True)
            )
            raise ProcessingError(
                f"the spectrogram of video {name!r} has {n_bad} values that are not finite, the "
                f"first at {place}; compute the spectrograms again."
            )
    raise ProcessingError("the spectrograms have values too large to be squared; rescale them.")


def _normalised(tensor: BlockTensor, axis: int, wanted: TensorScaling) -> BlockTensor:
    """Subtract the mean, divide by the standard deviation (n - 1) along an axis, as rows are read."""
    place = tensor.axis_order.index(axis)
    length = tensor.shape[axis]
    mean = _summed(tensor, place, lambda start, rows: rows) / length
    scale: Float64Array = np.ones(())
    if wanted.std_divide:

        def squares(start: int, rows: Float64Array) -> Float64Array:
            return np.asarray((rows - _rows_of(mean, place, start, len(rows))) ** 2)

        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.sqrt(_summed(tensor, place, squares) / np.float64(length - 1))
        if not (scale > 0).all():
            n_flat = int((~(scale > 0)).sum())
            raise ProcessingError(
                f"{n_flat} of {scale.size} traces do not vary along {wanted.axis!r}, so they "
                "cannot be divided by their standard deviation; set std_divide to false."
            )

    def change(start: int, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        values = rows.astype(np.float32)
        if wanted.mean_subtract:
            values -= _rows_of(mean, place, start, len(rows)).astype(np.float32)
        if wanted.std_divide:
            values /= _rows_of(scale, place, start, len(rows)).astype(np.float32)
        return values

    return tensor.map_rows(change)


def _summed(
    tensor: BlockTensor, place: int, change: Callable[[int, Float64Array], Float64Array]
) -> Float64Array:
    """Sum changed rows along an axis of the blocks; the axis stays, with length 1."""
    shape = list(tensor.block_shape)
    shape[place] = 1
    total = np.zeros(shape)
    for start, rows in tensor.blocks():
        share = change(start, rows.astype(np.float64)).sum(axis=place, keepdims=True)
        if place == 0:
            total += share
        else:
            total[start : start + len(rows)] = share
    return total


def _rows_of(statistic: Float64Array, place: int, start: int, n_rows: int) -> Float64Array:
    return statistic if place == 0 else statistic[start : start + n_rows]

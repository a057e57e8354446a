"""Whether likelihoods and positions lie in the ranges of trackers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.keypoints.predictions import Predictions, UnsoundPredictions, shown_names

SCORES_ABOVE_ONE = frozenset({"SLEAP"})
"""Trackers whose scores are peaks of a map, which may exceed one."""
_ROUNDING = 1e-4
_FAR_PX = 1e6


def in_range(predictions: Predictions) -> Predictions:
    """Return predictions whose numbers are in range, with a remark where some were changed.

    A likelihood that misses 0 or 1 by rounding is set to it. One of SLEAP's may exceed 1: it is kept, and
    noted.

    Raises
    ------
    UnsoundPredictions
        A likelihood lies outside of 0 to 1, or a position is infinite or no position in a frame.
    """
    likelihood = predictions.likelihood
    notes = []
    with np.errstate(invalid="ignore"):
        off = (likelihood < 0) | (likelihood > 1)
        wrong = (likelihood < -_ROUNDING) | (likelihood > 1 + _ROUNDING)
    if {predictions.source_software, predictions.predicted_by} & SCORES_ABOVE_ONE:
        above = wrong & (likelihood > 1) & np.isfinite(likelihood)
        if above.any():
            notes.append(
                f"{int(above.sum())} of {likelihood.size} scores exceed 1 (up to "
                f"{likelihood[above].max():g}), as peaks of SLEAP's maps may; they are kept"
            )
        off, wrong = off & ~above, wrong & ~above
    if wrong.any():
        _refuse(predictions, wrong, likelihood, "likelihood", "a number from 0 to 1, or none")
    if off.any():
        likelihood = np.where(off, np.clip(likelihood, 0, 1), likelihood)
        notes.append(
            f"{int(off.sum())} likelihoods miss 0 or 1 by less than {_ROUNDING:g}: set to it"
        )
    for d, axis in enumerate("xyz"[: predictions.n_dimensions]):
        values = predictions.positions[..., d]
        wrong = np.isinf(values)
        if predictions.n_dimensions == 2:
            with np.errstate(invalid="ignore"):
                wrong = wrong | (np.abs(values) > _FAR_PX)
        if wrong.any():
            _refuse(
                predictions,
                wrong,
                values,
                axis,
                "a position in the frame, or none (an empty cell)",
            )
    if not notes:
        return predictions
    return replace(predictions, likelihood=likelihood, notes=(*predictions.notes, *notes))


def outside_note(predictions: Predictions, width_px: int, height_px: int) -> tuple[str, ...]:
    """Remark on positions that lie outside of the frame; none where all lie inside, or are in space.

    Parameters
    ----------
    predictions
        Positions in pixels; the middle of the first pixel is at 0.
    width_px, height_px
        Size of the frame.
    """
    if predictions.n_dimensions != 2:
        return ()
    x, y = predictions.positions[..., 0], predictions.positions[..., 1]
    with np.errstate(invalid="ignore"):
        outside = (x < -0.5) | (y < -0.5) | (x > width_px - 0.5) | (y > height_px - 0.5)
    if not outside.any():
        return ()
    return (
        f"{int(outside.sum())} of {int((~np.isnan(x)).sum())} positions lie outside of the frame of "
        f"{width_px} x {height_px} px; they are kept",
    )


def _refuse(
    predictions: Predictions,
    wrong: NDArray[np.bool_],
    values: NDArray[Any],
    what: str,
    expected: str,
) -> None:
    t, i, k = (int(index) for index in np.argwhere(wrong)[0])
    numbers = predictions.frame_numbers
    where = f"row {t}" if numbers is None else f"frame {int(numbers[t])}"
    prefix = f"{predictions.individuals[i]}/" if len(predictions.individuals) > 1 else ""
    name = shown_names([prefix + predictions.body_parts[k]])
    more = f", and {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
    raise UnsoundPredictions(
        f"{what} {values[t, i, k]:g} of {name} in {where}{more}; expected {expected}"
    )

"""Loadings of a model, separated by video, whatever axes it was made over.

The same component is stored in many forms: x and y folded into the points or not, the videos end to end, on
an axis of their own or each by itself, complex numbers folded into time. What is said of components (their
numbers, maps, spectra and time courses) is computed from `Factors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.unfold import (
    Loadings,
    element_part,
    is_element_axis,
    n_unknown,
    summed_powers,
    unfold_axis,
    without_element,
)
from element_facerhythm.parameters.axes import TIME, has_parts


@dataclass(frozen=True, eq=False)
class Factors:
    """Loadings of all components of one model.

    Attributes
    ----------
    shared
        Axis name to (n, R) loadings that are of all videos alike.
    by_video
        Number of the video to axis name to (n, R) loadings that are of this video.
    video_order
        Numbers of the videos as they lie along an axis of their own.
    """

    shared: Mapping[str, Loadings]
    by_video: Mapping[int, Mapping[str, Loadings]]
    video_order: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[tuple[int | None, str, Loadings]]:
        """Yield number of the video (None: shared), axis name and loadings of every factor."""
        yield from ((None, name, loadings) for name, loadings in self.shared.items())
        for video, factors in self.by_video.items():
            yield from ((video, name, loadings) for name, loadings in factors.items())

    @property
    def axes(self) -> str:
        """Names of all axes, for messages."""
        return ", ".join(dict.fromkeys(name for _, name, _ in self)) or "no axes"

    def along(self, parts: Sequence[str], sizes: Mapping[str, int]) -> Loadings | None:
        """Return loadings along parts of one axis.

        Parameters
        ----------
        parts
            Names of the parts.
        sizes
            Length of each part that is known.

        Returns
        -------
        Array with one axis for each of `parts`, then R, as stored. Where other parts are folded into the same
        axis, or each video has its own, sums of magnitudes. None where no axis holds all of `parts`.

        Raises
        ------
        ParameterError
            The loadings do not fit the lengths.
        """
        shared, own = self._holders(parts)
        if shared is not None:
            return unfold_axis(*shared, parts, sizes)
        summed = [summed_powers(*found, parts, sizes) for found in own]
        return np.sum(summed, axis=0) if summed else None

    def strengths(
        self, part: str, sizes: Mapping[str, int], *, power: int = 1
    ) -> Float64Array | None:
        """Return how strong components are along a part of an axis, whatever the signs of their loadings.

        Parameters
        ----------
        part
            Name of the part.
        sizes
            Length of each part that is known, this one among them.
        power
            1 for magnitudes, 2 for their squares.

        Returns
        -------
        (n, R) sums over all that is folded into the same axis, and over all videos that have their own. None
        where no axis holds `part`, or where several parts of it have lengths that are not known.

        Raises
        ------
        ParameterError
            The loadings do not fit the lengths.
        """
        shared, own = self._holders((part,))
        found = own if shared is None else [shared]
        if not found or any(n_unknown(name, sizes) > 1 for name, _ in found):
            return None
        return np.sum([summed_powers(*one, (part,), sizes, power=power) for one in found], axis=0)

    def _holders(
        self, parts: Sequence[str]
    ) -> tuple[tuple[str, Loadings] | None, list[tuple[str, Loadings]]]:
        """Return the shared axis that all of `parts` are folded into, and that of each video."""
        by_video = (holder(factors, parts) for factors in self.by_video.values())
        return holder(self.shared, parts), [found for found in by_video if found is not None]


def holder(factors: Mapping[str, Loadings], parts: Sequence[str]) -> tuple[str, Loadings] | None:
    """Find the axis that some parts are folded into.

    Parameters
    ----------
    factors
        Axis name to (n, R) loadings.
    parts
        Names of the parts.

    Returns
    -------
    Its name and its loadings; None where there is none.
    """
    return next((item for item in factors.items() if has_parts(item[0], *parts)), None)


def split_by_video(
    rearranged: Mapping[str, Loadings],
    n_windows: Mapping[int, int],
    video_order: Sequence[int],
    *,
    own_video: int | None = None,
) -> Factors:
    """Separate what belongs to one video: its part of a joined axis, or the time of a model of its own.

    An axis that does not fit the windows stays as it is, with the shared ones.

    Parameters
    ----------
    rearranged
        Axis name to (n, R) loadings.
    n_windows
        Windows of each video that the model was fitted to.
    video_order
        Videos in the order in which they were joined.
    own_video
        The one video that the model is of; None where it is of all.

    Returns
    -------
    Factors
        Views of the loadings.
    """
    shared: dict[str, Loadings] = {}
    by_video: dict[int, dict[str, Loadings]] = {}
    for name, loadings in rearranged.items():
        pieces = _pieces(name, loadings, rearranged, n_windows, video_order, own_video)
        if not pieces:
            shared[name] = loadings
        for video, (own_name, piece) in pieces.items():
            by_video.setdefault(video, {})[own_name] = piece
    return Factors(shared, by_video, tuple(video_order))


def _pieces(
    name: str,
    loadings: Loadings,
    rearranged: Mapping[str, Loadings],
    n_windows: Mapping[int, int],
    video_order: Sequence[int],
    own_video: int | None,
) -> dict[int, tuple[str, Loadings]]:
    """Return name and loadings of each video's part of an axis of time; none where all videos share one."""
    if not has_parts(name, TIME) or any(map(is_element_axis, rearranged)):
        return {}
    if own_video is not None:
        return {own_video: (without_element(name), loadings)}
    if element_part(name) is None:
        return {}
    per_window, rest = divmod(len(loadings), sum(n_windows[video] for video in video_order))
    if rest or not per_window:
        return {}
    cuts = np.cumsum([n_windows[video] * per_window for video in video_order])[:-1]
    pieces = np.split(loadings, cuts)
    return {
        video: (without_element(name), piece)
        for video, piece in zip(video_order, pieces, strict=True)
    }

"""Maps of sessions on one lattice of places, and spectra on one axis of frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import RequestError

_PER_OCTAVE = 24  # finer than the filters of any sensible bank
_MOST_NODES = 20_000
_INSIDE, _REACH = 0.75, 1.5  # spacings from the nearest point: a lattice has nodes, a map is known


@dataclass(frozen=True, eq=False)
class SessionComponents:
    """Components of one decomposition of one session, in pixels of a frame that all sessions share.

    Attributes
    ----------
    session
        Name of the session; no two have the same.
    positions_px
        (P, 2) where its points were seeded, in the pixels of the reference.
    maps
        (D, P, R) magnitudes of loadings of R components by direction, x and y; D is 1 where directions are
        not separated.
    frequencies_hz
        (F,) centre frequencies, ascending.
    spectra
        (F, R) magnitudes of loadings.
    """

    session: str
    positions_px: Float64Array
    maps: Float64Array
    frequencies_hz: Float64Array
    spectra: Float64Array

    @property
    def rank(self) -> int:
        """Number of components R."""
        return self.spectra.shape[1]


@dataclass(frozen=True, eq=False)
class OnCommonAxes:
    """The same components along axes that all sessions share.

    Attributes
    ----------
    session
        Name of the session.
    places
        (n, R) along directions and nodes of the lattice.
    spectra
        (m, R) along frequencies, equally spaced by octaves.
    """

    session: str
    places: Float64Array
    spectra: Float64Array


def on_common_axes(sessions: Sequence[SessionComponents]) -> tuple[OnCommonAxes, ...]:
    """Interpolate maps and spectra of several sessions so that they can be compared number by number.

    The lattice covers the points of all sessions, as far apart as those of the session with the densest ones.
    Maps are interpolated linearly between the points of their own session. Where a session has no point
    within one and a half spacings, or no frequency, its components count as nothing there: what one session
    did not look at is no agreement.

    Parameters
    ----------
    sessions
        Registered sessions. Directions are compared only where all of them separate x and y. Maps are of
        magnitudes, which have no sign and so cannot be turned: under a turned camera they stay along x and y
        of their own picture, which lowers the agreement by at most the cosine of the angle.

    Returns
    -------
    One for each session, in their order.

    Raises
    ------
    RequestError
        The frequencies of two sessions do not overlap, or a session has no point.
    """
    for one in sessions:
        if not len(one.positions_px):
            raise RequestError(f"{one.session} has no points: there is no map to compare")
    axis = _common_frequencies(sessions)
    nodes = _lattice(sessions)
    with_directions = all(len(one.maps) == 2 for one in sessions)
    return tuple(
        OnCommonAxes(
            one.session,
            _at_nodes(one, nodes, with_directions),
            np.stack(
                [
                    np.interp(np.log2(axis), np.log2(one.frequencies_hz), column, left=0, right=0)
                    for column in one.spectra.T
                ],
                axis=1,
            ),
        )
        for one in sessions
    )


def _common_frequencies(sessions: Sequence[SessionComponents]) -> Float64Array:
    """Frequencies that cover the axes of all sessions, equally spaced by octaves."""
    lowest = {one.session: float(one.frequencies_hz[0]) for one in sessions}
    highest = {one.session: float(one.frequencies_hz[-1]) for one in sessions}
    above, below = max(lowest, key=lambda s: lowest[s]), min(highest, key=lambda s: highest[s])
    if not lowest[above] < highest[below]:
        raise RequestError(
            f"{above} has frequencies from {lowest[above]:g} Hz, and {below} up to {highest[below]:g} Hz: "
            "their spectra have nothing in common; run one of them again with the other's F_min and F_max"
        )
    low, high = np.log2(min(lowest.values())), np.log2(max(highest.values()))
    return np.asarray(2.0 ** np.linspace(low, high, max(2, round((high - low) * _PER_OCTAVE) + 1)))


def spacing_px(positions_px: Float64Array) -> float:
    """Median distance of points (P, 2) to their nearest neighbours; 1 for a single point."""
    from scipy.spatial import cKDTree

    if len(positions_px) < 2:
        return 1.0
    distances, _ = cKDTree(positions_px).query(positions_px, k=2)
    return max(float(np.median(distances[:, 1])), 1e-3)


def _lattice(sessions: Sequence[SessionComponents]) -> Float64Array:
    """(n, 2) nodes of a square lattice where any session has points."""
    from scipy.spatial import cKDTree

    low = np.min([one.positions_px.min(axis=0) for one in sessions], axis=0)
    high = np.max([one.positions_px.max(axis=0) for one in sessions], axis=0)
    step = min(spacing_px(one.positions_px) for one in sessions)
    step = max(step, float(np.sqrt(np.prod(np.maximum(high - low, 1.0)) / _MOST_NODES)))
    along = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    nodes = np.stack(np.meshgrid(*along), axis=-1).reshape(-1, 2)
    is_inside = [
        cKDTree(one.positions_px).query(nodes)[0] <= _INSIDE * spacing_px(one.positions_px)
        for one in sessions
    ]
    return nodes[np.any(is_inside, axis=0)]


def _at_nodes(one: SessionComponents, nodes: Float64Array, with_directions: bool) -> Float64Array:
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError, cKDTree

    maps = one.maps if with_directions else np.linalg.norm(one.maps, axis=0, keepdims=True)
    by_point = np.moveaxis(maps, 0, 1).reshape(len(one.positions_px), -1)  # (P, D R)
    distances, nearest = cKDTree(one.positions_px).query(nodes)
    values = by_point[nearest]
    try:
        between = LinearNDInterpolator(one.positions_px, by_point)(nodes)
    except QhullError:  # fewer than three points, or all on a line
        between = np.full_like(values, np.nan)
    values = np.where(np.isfinite(between), between, values)
    values[distances > _REACH * spacing_px(one.positions_px)] = 0.0
    shaped = values.reshape(len(nodes), len(maps), one.rank)
    return np.moveaxis(shaped, 1, 0).reshape(-1, one.rank)

"""Maps of what is the same component in several sessions, side by side, and their spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.sessions.common_axes import SessionComponents
from element_facerhythm.core.sessions.identities import Identity
from element_facerhythm.figures.component_maps import dot_size_pt, draw_map, map_aspect, map_scale
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    INK,
    QUIET,
    log_frequency_axis,
    new_figure,
    tidy,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SESSIONS, MOST_IDENTITIES = 10, 16
"""Of more sessions the first are drawn, and of more identities those of most sessions."""
_MAP_IN, _SPECTRUM_IN = 2.1, 2.6


def session_map_figure(
    identities: Sequence[Identity],
    components: Mapping[str, SessionComponents],
    images: Mapping[str, GrayFrame],
    congruences: Mapping[tuple[str, int], float],
) -> Figure:
    """Draw a row for each identity: its map in each session over that session's picture, and all its spectra.

    Parameters
    ----------
    identities
        At least one.
    components
        Of each session, by its name, in the pixels of the session itself.
    images
        (H, W) picture of each session.
    congruences
        By session and component, its mean congruence with the other members; NaN for one that is alone.

    Returns
    -------
    Figure
        Maps are scaled to the largest loading of their component; the number in brackets is its congruence.
        A session that has no such component says so in its place.
    """
    sessions = list(components)[:MOST_SESSIONS]
    drawn = sorted(identities, key=lambda one: (-len(one.members), one.number))[:MOST_IDENTITIES]
    first = components[sessions[0]]
    aspect = map_aspect(first.positions_px.astype(np.float32), images[sessions[0]].shape)
    size = _MAP_IN * len(sessions) + _SPECTRUM_IN, (_MAP_IN * aspect + 0.25) * len(drawn) + 1.2
    figure = new_figure(*size)
    ratios = [*[_MAP_IN] * len(sessions), _SPECTRUM_IN]
    grid = figure.subplots(len(drawn), len(ratios), width_ratios=ratios, squeeze=False)
    used = []
    for row, identity in zip(grid, drawn, strict=True):
        of_session = dict(identity.members)
        for axes, session in zip(row, sessions, strict=False):
            if session not in of_session:
                _say_absent(axes)
                continue
            member = session, of_session[session]
            _draw_member(axes, member, components[session], images[session], congruences[member])
            used.append((axes, session))
        _draw_spectra(row[-1], identity, components, sessions)
        row[0].text(-0.06, 0.5, f"identity {identity.number}", rotation=90, ha="right", va="center",
                    transform=row[0].transAxes, fontsize=FONT_SIZE, color=INK)  # fmt: skip
    for axes, session in zip(grid[0], sessions, strict=False):
        axes.annotate(session, (0, 1), xytext=(0, 20), xycoords="axes fraction", color=INK,
                      textcoords="offset points", fontsize=FONT_SIZE + 1, fontweight="bold")  # fmt: skip
    grid[-1, -1].set_xlabel("frequency (Hz)", fontsize=FONT_SIZE, color=INK)
    if used:
        axes, session = used[0]
        map_scale(figure, [axes for axes, _ in used],
                  _dot_pt(components[session], images[session]), largest="of its component")  # fmt: skip
    _tell_left_out(figure, len(components) - len(sessions), len(identities) - len(drawn))
    return figure


def _dot_pt(components: SessionComponents, image: GrayFrame) -> float:
    positions = components.positions_px.astype(np.float32)
    return dot_size_pt(positions, image.shape, _MAP_IN * 72)


def _draw_member(
    axes: Axes,
    member: tuple[str, int],
    components: SessionComponents,
    image: GrayFrame,
    congruence: float,
) -> None:
    shares = components.maps[:, :, member[1]]
    largest = float(np.linalg.norm(shares, axis=0).max()) or 1.0
    positions = components.positions_px.astype(np.float32)
    draw_map(axes, shares / largest, positions, image, size_pt=_dot_pt(components, image))
    alike = "" if np.isnan(congruence) else f" ({congruence:.2f})"
    title(axes, f"component {member[1]}{alike}")


def _say_absent(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "not found", ha="center", va="center", color=QUIET, fontsize=FONT_SIZE,
              transform=axes.transAxes)  # fmt: skip


def _draw_spectra(
    axes: Axes,
    identity: Identity,
    components: Mapping[str, SessionComponents],
    sessions: Sequence[str],
) -> None:
    tidy(axes)
    for place, session in enumerate(sessions):
        index = dict(identity.members).get(session)
        if index is None:
            continue
        spectrum = components[session].spectra[:, index]
        axes.plot(
            components[session].frequencies_hz, spectrum / (float(spectrum.max()) or 1.0),
            color=COLOURS[place % len(COLOURS)], label=session, linewidth=1.2,
        )  # fmt: skip
    ends = [f for s in sessions for f in components[s].frequencies_hz[[0, -1]]]
    log_frequency_axis(axes, np.array(ends), which="x")
    axes.set_xlabel("")
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 1])
    if axes.lines:
        axes.legend(fontsize=FONT_SIZE - 2, frameon=False, loc="best")


def _tell_left_out(figure: Figure, n_sessions: int, n_identities: int) -> None:
    told = [f"{n_sessions} more sessions"] * (n_sessions > 0)
    told += [f"{n_identities} more identities"] * (n_identities > 0)
    if told:
        figure.suptitle(f"not drawn: {' and '.join(told)}", x=0.01, ha="left", fontsize=FONT_SIZE,
                        color=QUIET)  # fmt: skip

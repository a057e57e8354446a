"""Names of axes: those of a spectrogram, and those that others were folded into.

A folded axis is named after its parts, the outer part first: ``(xy points)``. Names are compared whole,
part by part: ``time`` is no part of ``timepoint``.
"""

from __future__ import annotations

from collections.abc import Sequence

XY, POINTS, FREQUENCY, TIME = AXES = ("xy", "points", "frequency", "time")
"""Axes of a spectrogram, in the order in which the product stores them."""

COMPLEX_AXIS = "complex"
"""Axis of real and imaginary parts."""


def is_plain_axis(name: str) -> bool:
    """Whether a text can name an axis that nothing is folded into."""
    return bool(name) and not set(name) & set("() /")


def folded_name(outer: str, inner: str) -> str:
    """Name of an axis that another one was folded into.

    Parameters
    ----------
    outer, inner
        The axis that was folded, and the one that took it up.
    """
    return f"({outer} {inner})"


def axis_parts(name: str) -> tuple[str, ...]:
    """Names of the plain axes that an axis is folded of, outermost first."""
    return tuple(name.replace("(", " ").replace(")", " ").split())


def has_parts(name: str, *parts: str) -> bool:
    """Whether some plain axes are among those that an axis is folded of.

    Parameters
    ----------
    name
        Of the axis.
    parts
        Names of plain axes.
    """
    return set(parts) <= set(axis_parts(name))


def find_axis(name: str, names: Sequence[str]) -> str | None:
    """Find an axis by its own name, or by that of a part of it.

    Parameters
    ----------
    name
        Of an axis, plain or folded.
    names
        Axes to choose from.

    Returns
    -------
    `name` itself where it is among `names`, else the one of them that it is a part of; None where there is
    no such axis, or several.
    """
    if name in names:
        return name
    holders = [candidate for candidate in names if has_parts(candidate, name)]
    return holders[0] if len(holders) == 1 else None

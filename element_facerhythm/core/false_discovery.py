"""Shares of false discoveries among many tests at once (Benjamini and Hochberg 1995)."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats


def q_values(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Smallest false discovery rate at which each of several tests is called a discovery.

    Parameters
    ----------
    p_values
        Of all tests, 0 to 1; a None takes no part, and stays one.
    """
    known = [p for p in p_values if p is not None]
    found = iter(stats.false_discovery_control(known) if known else ())
    return tuple(None if p is None else float(next(found)) for p in p_values)

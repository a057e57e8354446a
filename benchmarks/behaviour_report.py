"""Tables on signals of the whole face, rhythms and their bouts, and days of one animal."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.common import read_result
from benchmarks.scale_report import markdown


def signals_table() -> str | None:
    """Time, memory and agreement of signals, beside facemap and beside the tracking."""
    result = read_result("signals")
    if result is None:
        return None
    n_frames, names = result["n_frames"], result["peak_rss_mb"]
    times = [
        [name, f"{n_frames / result['timings'][name]['median_s']:,.0f}", f"{names[name]:,.0f} MB"]
        for name in names
    ]
    agreement = [
        [
            who,
            f"{found['median_distance_px']:.2f} px",
            f"{found['median_area_error']:.1%}",
            f"{found['found_where_open']:.0%}",
            f"{found['pupil_said_in_blinks']:.0%}",
        ]
        for who, found in result["pupil"].items()
    ]
    headings = [
        "pupil",
        "off, median",
        "area, median error",
        "found, eye open",
        "said to be there, eye closed",
    ]
    return "\n\n".join(
        [
            markdown(["", "frames/s", "peak memory"], times),
            markdown(headings, agreement),
        ]
    )


def behaviour_table() -> str | None:
    """Errors of phase, frequency and bouts, of each planted rhythm in each scene."""
    result = read_result("behaviour")
    if result is None:
        return None
    rows = [
        [
            row["scene"],
            row["rhythm"],
            f"{row['amplitude_px']:.2f} px",
            f"{row['known_fraction']:.0%}",
            f"{row['phase_error_deg']:.1f}°",
            f"{row['frequency_error']:.2%}",
            f"{row['n_right']} of {row['n_planted']} ({row['n_found']})",
            f"{row['onset_error_cycles']:.2f}, {row['largest_onset_error_cycles']:.2f}",
        ]
        for row in result["rows"]
    ]
    headings = [
        "scene", "rhythm", "amplitude", "frames known", "phase", "frequency",
        "bouts right of planted (found)", "onset: median, largest (cycles)",
    ]  # fmt: skip
    return markdown(headings, rows)


def days_table() -> str | None:
    """How many components of an animal's days were recognised, and how far pictures and regions are off."""
    result = read_result("days")
    if result is None:
        return None
    rows = [
        [
            str(one["seed"]),
            f"{one['n_planted'] - one['n_not_found']} of {one['n_planted']}",
            f"{one['n_right']} of {one['n_compared']}",
            f"{min(one['congruence'].values()):.2f}",
            f"{max(one['registration_px']):.2f} px",
            f"{max(one['regions_px']):.2f} px",
        ]
        for one in result["animals"]
    ]
    headings = [
        "animal", "rhythms found by the fits", "recognised rightly", "smallest congruence of a rhythm",
        "registration, largest error", "regions, largest error",
    ]  # fmt: skip
    caption = (
        "Counted for each planted rhythm and every two days: right is one identity where it is there on "
        "both, and no partner where it is there on one. Errors are the largest over all days and places.\n\n"
    )
    return caption + markdown(headings, rows)


BEHAVIOUR_SECTIONS: dict[str, Callable[[], str | None]] = {
    "signals": signals_table,
    "behaviour": behaviour_table,
    "days": days_table,
}

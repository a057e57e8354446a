"""Prints the table of targets; with ``--docs`` writes tables and plots of all results into the documentation.

``docs/reference/benchmarks.md``, ``docs/explanation/accuracy.md`` and ``docs/scale.md`` hold pairs of
comments, ``begin NAME`` and ``end NAME``; what stands between them is written here, so that no figure is
typed by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import scaling, spectral
from benchmarks.accuracy import FLOOR, MEASURES, OWN_TRUTHS, compared, counterpart, ratio
from benchmarks.behaviour_report import BEHAVIOUR_SECTIONS
from benchmarks.common import REPOSITORY_DIR, RESULTS_DIR, read_result
from benchmarks.memory import plot as plot_memory
from benchmarks.scale_report import SCALE_SECTIONS, markdown
from benchmarks.targets import outcomes

DOCS = REPOSITORY_DIR / "docs"
PAGES = (
    DOCS / "reference" / "benchmarks.md",
    DOCS / "explanation" / "accuracy.md",
    DOCS / "scale.md",
    DOCS / "how-to" / "days.md",
)
_MOST_WORSE = 8
SCALING_PLOT, ACCURACY_PLOT = "benchmark-scaling.png", "benchmark-accuracy.png"
MEMORY_PLOT, SPECTRAL_PLOT = "memory.png", "spectral.png"
HEADINGS = {
    "median_px": "median error (px)",
    "p95_px": "95th percentile (px)",
    "drift_px": "drift (px in 1,000 frames)",
    "frequency_percent_of_bin": "frequency error (% of a bin)",
    "incongruence": "1 − congruence of components",
}


def main() -> None:
    """Print the targets, and write the documentation where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="write tables and plots into docs/")
    options = parser.parse_args()
    _print_table(["target", "goal", "measured", ""], [outcome.cells() for outcome in outcomes()])
    if options.docs:
        for page in PAGES:
            print(f"{fill(page)} tables were written into {page.relative_to(REPOSITORY_DIR)}")
        for path in draw():
            print(f"drawn: {path.relative_to(REPOSITORY_DIR)}")


def fill(page: Path) -> int:
    """Replace what stands between the markers of a page; return how many places were filled."""
    if not page.exists():
        return 0
    text, n_filled = page.read_text(), 0
    for name, make in SECTIONS.items():
        content = make()
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if content is not None and pattern.search(text):
            text = pattern.sub(lambda found, new=content: f"{found[1]}\n{new}\n\n{found[2]}", text)
            n_filled += 1
    page.write_text(text)
    return n_filled


def draw() -> list[Path]:
    """Draw the plots whose results are there."""
    drawn = []
    grown = read_result("scaling")
    if grown is not None:
        drawn.append(scaling.plot(grown, DOCS / "images" / SCALING_PLOT))
    transformed = read_result("spectral")
    if transformed is not None:
        drawn.append(spectral.plot(transformed, DOCS / "images" / SPECTRAL_PLOT))
    lengths = read_result("memory")
    if lengths is not None:
        drawn.append(plot_memory(lengths["runs"], DOCS / "images" / MEMORY_PLOT))
    measured = read_result("accuracy")
    if measured is not None:
        drawn.append(plot_accuracy(measured, DOCS / "images" / ACCURACY_PLOT))
    return drawn


def plot_accuracy(result: Mapping[str, Any], path: Path) -> Path:
    """Draw endpoint errors of both, scene by scene, one panel a parameter set."""
    from element_facerhythm.figures.style import new_figure, save_figure, title

    sets = list(dict.fromkeys(row["set"] for row in result["rows"]))
    cells = list(dict.fromkeys(row["cell"] for row in result["rows"]))[::-1]
    figure = new_figure(1.6 + 2.6 * len(sets), 1.1 + 0.24 * len(cells))
    panels = figure.subplots(1, len(sets), squeeze=False, sharey=True)[0]
    for axes, set_name in zip(panels, sets, strict=True):
        rows = [row for row in result["rows"] if row["set"] == set_name]
        _draw_errors(axes, rows, cells, result["variants"][0])
        title(axes, set_name)
    panels[0].set_yticks(range(len(cells)), cells)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=2, loc="outside upper right")
    panels[len(sets) // 2].set_xlabel(
        "endpoint error (px): dots are medians, bars 95th percentiles"
    )
    return save_figure(figure, path)


def _draw_errors(axes: Any, rows: list[dict[str, Any]], cells: list[str], variant: str) -> None:
    from element_facerhythm.figures.style import COLOURS, tidy

    places = [cells.index(row["cell"]) for row in rows]
    for name, colour, label in (
        (counterpart(variant), COLOURS[1], "face-rhythm"),
        (variant, COLOURS[0], "ours"),
    ):
        medians, p95s = ([row[name][key] for row in rows] for key in ("median_px", "p95_px"))
        axes.plot(medians, places, "o", color=colour, markersize=4.5, label=label)
        axes.plot(p95s, places, "|", color=colour, markersize=9, markeredgewidth=1.6)
    axes.set_xscale("log")
    scaling.plain_ticks(axes.xaxis)
    tidy(axes, grid=True)


def targets_table() -> str | None:
    """All targets with what was measured."""
    rows = [outcome.cells() for outcome in outcomes()]
    return markdown(["target", "goal", "measured", ""], rows)


def machine_table() -> str | None:
    """Hardware, versions and commands behind the results."""
    rows = []
    for path in sorted(RESULTS_DIR.glob("*.json")):
        result = read_result(path.stem)
        machine = (result or {}).get("machine")
        if machine is None:
            continue
        device = machine["gpu"] or f"{machine['cpu']}, {machine['n_usable_cores']} cores"
        memory, day = f"{machine['memory_gb']} GB", machine["taken_at_utc"][:10]
        command, load = f"`{machine['command']}`", str(machine["load_average"][0])
        rows.append([path.stem, device, memory, day, machine["git_commit"] or "", command, load])
    headings = ["result", "machine", "memory", "taken", "commit", "command", "load"]
    return markdown(headings, rows) if rows else None


def speed_table(result_name: str, part: str | None) -> Callable[[], str | None]:
    """Return what makes the table of one speed benchmark."""

    def make() -> str | None:
        result = read_result(result_name)
        if result is None or (part is not None and part not in result):
            return None
        measured = result if part is None else result[part]
        rows = []
        rounds = max(timing["n"] for timing in measured["timings"].values())
        for name, timing in measured["timings"].items():
            facts = measured.get("facts", {}).get(name, {})
            memory = f"{facts['peak_rss_mb']:,.0f} MB" if "peak_rss_mb" in facts else ""
            speed = f"{measured['n_frames'] / timing['median_s']:,.1f}"
            spread = f"{timing['min_s']:.1f} to {timing['max_s']:.1f}"
            times = f" ({timing['n']} x)" if timing["n"] < rounds else ""
            rows.append([name + times, f"{timing['median_s']:.1f}", spread, speed, memory])
        points = f"{measured['n_points']} points, " if "n_points" in measured else ""
        caption = f"{measured['n_frames']:,} frames, {points}median of {rounds}.\n\n"
        return caption + markdown(["", "seconds", "range", "frames/s", "peak memory"], rows)

    return make


def accuracy_table(result_name: str) -> Callable[[], str | None]:
    """Return what makes the table of one accuracy result."""

    def make() -> str | None:
        result = read_result(result_name)
        if result is None:
            return None
        variant = result["variants"][0]
        rows = []
        for row in result["rows"]:
            cells = [row["set"], row["cell"]]
            for name in MEASURES:
                if not compared(row, name):
                    cells.append("")
                    continue
                theirs, ours = row[counterpart(variant)][name], row[variant][name]
                cells.append(f"{theirs:.3f} → {ours:.3f} ({ratio(ours, theirs, name):.2f})")
            rows.append(cells)
        return markdown(["parameters", "scene", *HEADINGS.values()], rows)

    return make


def accuracy_summary(result_name: str, of: str | None = None) -> Callable[[], str | None]:
    """Return what makes the sentence about all cells, of a summary or of the first variant's."""

    def make() -> str | None:
        result = read_result(result_name)
        if result is None:
            return None
        summary = result["summary"][of or result["variants"][0]]
        parts = ", ".join(
            f"{HEADINGS[name]} {value:.2f}" for name, value in summary["ratio_by_measure"].items()
        )
        shown = summary["worse"][:_MOST_WORSE]
        worse = "; ".join(shown) or "none"
        if len(shown) < summary["n_worse"]:
            worse += f" and {summary['n_worse'] - len(shown)} more"
        return (
            f"Geometric mean of ours over theirs: tracking errors {summary['overall_error_ratio']:.2f} "
            f"({parts}). {summary['n_compared']} comparisons, ours is worse in {summary['n_worse']}: "
            f"{worse}."
        )

    return make


def agreement_table() -> str | None:
    """Distances between tracks at face-rhythm's parameters and face-rhythm's own."""
    result = read_result("tracking")
    if result is None:
        return None
    keys = ("median_px", "p99_px", "max_px")
    rows = [
        [name, *(f"{d[key]:.2g}" for key in keys), "yes" if d["identical"] else "no"]
        for name, d in result["textured"]["agreement"].items()
    ]
    headings = ["distance from face-rhythm, tuned (px)", "median", "99th percentile", "largest"]
    return markdown([*headings, "bit-identical"], rows)


def dic_table() -> str | None:
    """Errors of anchored tracking and of digital image correlation, cell by cell, and what they take."""
    result = read_result("dic")
    if result is None:
        return None
    kinds = result["summary"]
    who = list(next(iter(kinds.values())))
    rows = [[row["cell"], *(_errors_of(row[name]) for name in who)] for row in result["rows"]]
    rows += [
        [f"**all {kind}** (geometric mean)", *(_errors_of(means[name]) for name in who)]
        for kind, means in kinds.items()
    ]
    for kind, means in kinds.items():
        times = [f"{1000 * means[name]['cpu_s_per_frame']:.0f} ms" for name in who]
        rows.append([f"processor time a frame, {kind}", *times])
    points = sorted({row["n_points"] for row in result["rows"]})
    caption = (
        f"{result['peer']}. {result['n_frames']} frames, {points[0]} to {points[-1]} points, subsets of "
        f"{result['subset_px']} px; median / 95th percentile of the error (px), points that "
        "were not found left out.\n\n"
    )
    return caption + markdown(["picture, motion, noise (gray levels)", *who], rows)


def _errors_of(measured: Mapping[str, float]) -> str:
    left_out = measured.get("not_found", 0)
    text = f"{measured['median_px']:.3f} / {measured['p95_px']:.3f}"
    return f"{text} ({100 * left_out:.0f} % left out)" if left_out >= 0.005 else text


def scaling_table() -> str | None:
    """Seconds and memory at every size."""
    result = read_result("scaling")
    if result is None:
        return None
    rows = []
    for name in ("frames", "points", "videos"):
        measured = result.get(name)
        if measured is None:
            continue
        for size, seconds, memory in zip(
            measured["sizes"], measured["seconds"], measured["peak_rss_mb"], strict=True
        ):
            rows.append([f"{size:,} {name}", f"{seconds:.1f}", f"{memory:,.0f} MB", "", ""])
        exponents = (measured["exponent_time"], measured["exponent_memory"])
        rows[-1][3:] = [f"{value:.2f}" for value in exponents]
    return markdown(["", "seconds", "peak memory", "exponent of time", "of memory"], rows)


def picture(result_name: str, file_name: str, says: str) -> Callable[[], str | None]:
    """Return what makes the link to a plot, once its result is there."""
    return lambda: None if read_result(result_name) is None else f"![{says}](../images/{file_name})"


def floors() -> str:
    """List what is added to both sides of a ratio."""
    return ", ".join(f"{HEADINGS[name]}: {value:g}" for name, value in FLOOR.items()) + "."


SECTIONS: dict[str, Callable[[], str | None]] = {
    "targets": targets_table,
    "machines": machine_table,
    "tracking textured": speed_table("tracking", "textured"),
    "tracking violating": speed_table("tracking", "violating"),
    "whole": speed_table("whole", None),
    "short": speed_table("short", None),
    "keypoints": speed_table("keypoints", None),
    "movies": speed_table("movies", None),
    "dic": dic_table,
    **BEHAVIOUR_SECTIONS,
    "accuracy": accuracy_table("accuracy"),
    "accuracy summary": accuracy_summary("accuracy"),
    "accuracy own truths": accuracy_summary("accuracy", OWN_TRUTHS),
    "accuracy flow": accuracy_summary("accuracy", "flow"),
    "accuracy holdout": accuracy_table("accuracy_holdout"),
    "accuracy holdout summary": accuracy_summary("accuracy_holdout"),
    "accuracy field": accuracy_table("accuracy_field"),
    "accuracy field summary": accuracy_summary("accuracy_field"),
    "floors": floors,
    "tracking agreement": agreement_table,
    "scaling": scaling_table,
    "scaling plot": picture(
        "scaling", SCALING_PLOT, "Time and memory of tracking against frames, points and videos"
    ),
    "accuracy plot": picture(
        "accuracy", ACCURACY_PLOT, "Endpoint errors of both packages in every scene"
    ),
    **SCALE_SECTIONS,
}


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [headings, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(headings))]
    for row in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main()

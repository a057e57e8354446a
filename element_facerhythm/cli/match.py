"""`facerhythm match`: which component of one session is which of the animal's other sessions."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.session_matches import SessionMatches

LeastOption = Annotated[
    float | None,
    typer.Option("--least", help="Congruence below which nothing is matched (default: 0.75)."),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        help="Project that the others are registered to (default: the first in the order of the names).",
        metavar="DIR",
    ),
]
MatchModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Decomposition, where each video has its own (default: the only one)."),
]  # fmt: skip


def match(
    directories: Annotated[
        list[Path], typer.Argument(help="Projects of one animal, two or more.", metavar="DIR...")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV file for the table.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Image of the maps side by side: png, svg or pdf."),
    ] = None,
    reference: ReferenceOption = None,
    model: MatchModelOption = None,
    least: LeastOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which components of an animal's sessions are the same, by place and spectrum.

    Pictures are registered first, as the camera may have moved. Components that appear or vanish are matched
    with nothing. The order of the projects changes nothing. A session whose picture does not align is told
    and left out, and the exit code is 3.

    Example: `facerhythm match monday-project tuesday-project friday-project --figure days.png`
    """
    for path in (output, figure):
        require_place(path, overwrite=overwrite)
    with quiet_stdout(), progress_bars() as progress:
        from element_facerhythm.core.sessions.matching import LEAST_CONGRUENCE
        from element_facerhythm.pipeline.results.session_matches import match_projects

        found = match_projects(
            directories,
            model_key=model,
            reference=reference,
            least=LEAST_CONGRUENCE if least is None else least,
            progress=progress,
        )
        if output is not None:
            rows = [asdict(row) for row in found.rows]
            write_rows(output, rows, list(rows[0]))
        if figure is not None:
            draw(found, figure)
    if as_json:
        print_json(
            {
                "reference": found.reference,
                "sessions": registration_rows(found),
                "components": found.rows,
                "pairs": found.pairs,
                "refused": found.refused,
                "output": output,
                "figure": figure,
            }
        )
    else:
        show(found)
    if found.refused:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def registration_rows(found: "SessionMatches") -> list[dict[str, Any]]:
    """Return of each session where it lies and how its picture was registered, with plain values."""
    rows = []
    for one in found.registrations:
        alignment = one.alignment
        rows.append(
            {
                "session": one.session,
                "project_dir": found.pictures[one.session].directory,
                "matrix": None if alignment is None else alignment.matrix,
                "correlation": None if alignment is None else alignment.correlation,
                "residual_px": None if alignment is None else alignment.residual_px,
                "refused": one.refused or None,
            }
        )
    return rows


def show(found: "SessionMatches") -> None:
    """Print identities, what is matched with nothing, and how pictures were registered."""
    columns = ("identity", "session", "component", "congruence", "peak (Hz)", "x (px)", "y (px)")
    matched = [row for row in found.rows if row.n_sessions > 1]
    rows = [
        (row.identity, row.session, row.component_index, f"{row.congruence:.2f}",
         f"{row.peak_frequency_hz:.3g}", f"{row.centroid_x_px:.0f}", f"{row.centroid_y_px:.0f}")
        for row in matched
    ]  # fmt: skip
    print_table("", columns, rows, right=(columns[0], *columns[2:]))
    alone = [row for row in found.rows if row.n_sessions == 1]
    print_lines([
        *((f"in {row.session} alone", f"component {row.component_index}, {row.peak_frequency_hz:.3g} Hz")
          for row in alone),
        *((f"registered: {one.session}",
           f"correlation {one.alignment.correlation:.2f}, residual {one.alignment.residual_px:.2f} px")
          for one in found.registrations
          if one.alignment is not None and not one.refused and one.session != found.reference),
        ("reference", found.reference),
        *((f"left out: {session}", why) for session, why in found.refused.items()),
    ])  # fmt: skip


def draw(found: "SessionMatches", path: Path) -> None:
    """Draw the sessions that were compared."""
    from element_facerhythm.figures.session_maps import session_map_figure
    from element_facerhythm.figures.style import save_figure

    compared = [name for name in found.pictures if name not in found.refused]
    drawn = session_map_figure(
        found.identities,
        {name: found.pictures[name].components for name in compared},
        {name: found.pictures[name].image for name in compared},
        {(row.session, row.component_index): row.congruence for row in found.rows},
    )
    save_figure(drawn, path)


def write_rows(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV, whole or not at all; NaN as an empty cell. Nothing but the header without rows."""
    from element_facerhythm.io.atomic import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            )

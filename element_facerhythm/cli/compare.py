"""`facerhythm compare`: components of many projects between conditions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.events import interval, number, require_places
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.condition_comparison import Comparison

DesignArgument = Annotated[
    Path,
    typer.Argument(
        help="CSV: project, animal, condition; component and label if wanted.", metavar="DESIGN"
    ),
]
QuantityOption = Annotated[
    list[str] | None,
    typer.Option(
        help="bouts, fraction, amplitude or frequency; may be given again (default: bouts)."
    ),
]
ReferenceOption = Annotated[
    str | None, typer.Option(help="Condition to compare with (default: that of the first row).")
]
ComponentOption = Annotated[
    list[str] | None,
    typer.Option(help="Name of a component; may be given again (default: all of the design)."),
]
HighPxOption = Annotated[
    float | None,
    typer.Option(help="A bout reaches this amplitude in px, in place of a share of the strong."),
]
PermutationsOption = Annotated[
    int, typer.Option(help="Ways to deal conditions, for p; all where there are fewer.")
]
DrawsOption = Annotated[int, typer.Option(help="How often animals are drawn, for the interval.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all random numbers.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="CSV to write: a row for each comparison.", metavar="FILE"),
]
SessionsOption = Annotated[
    Path | None,
    typer.Option(help="CSV to write: the numbers of each session.", metavar="FILE"),
]


def compare(
    design: DesignArgument,
    quantity: QuantityOption = None,
    reference: ReferenceOption = None,
    component: ComponentOption = None,
    high_px: HighPxOption = None,
    permutations: PermutationsOption = 10_000,
    draws: DrawsOption = 10_000,
    seed: SeedOption = 0,
    output: OutputOption = None,
    sessions: SessionsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare components between conditions, with sessions within animals: difference, interval, p, q.

    Animals count, not sessions. Each is in both conditions, or each in one of them. Nothing is written but
    what `-o` and `--sessions` ask for.

    Example: `facerhythm compare design.csv --quantity bouts --quantity amplitude --reference saline`
    """
    from element_facerhythm.core.group_comparison import GroupSettings
    from element_facerhythm.core.rhythm.bouts import BoutSettings
    from element_facerhythm.io.table_file import write_table
    from element_facerhythm.pipeline.results.condition_comparison import (
        DIFFERENCE_COLUMNS,
        SESSION_COLUMNS,
        compare_projects,
        read_design,
    )

    settings = GroupSettings(n_bootstrap=draws, n_permutations=permutations, seed=seed)
    places = [path for path in (output, sessions) if path is not None]
    require_places(places)
    with quiet_stdout(), progress_bars() as progress:
        rows = read_design(design)
        n_projects = len({row.project for row in rows})
        with progress.stage("follow", n_projects, "projects") as advance:
            found = compare_projects(
                rows, quantity or ("bouts",), reference=reference, labels=component or (),
                settings=settings, bouts=BoutSettings(high_px=high_px), advance=advance,
            )  # fmt: skip
        if output is not None:
            write_table(output, DIFFERENCE_COLUMNS, (one.as_row for one in found.compared))
        if sessions is not None:
            write_table(sessions, SESSION_COLUMNS, (one.as_row for one in found.sessions))
    if as_json:
        print_json(
            {
                "comparisons": [one.as_row for one in found.compared],
                "sessions": [one.as_row for one in found.sessions],
                "files": places,
                "notes": found.notes,
            }
        )
        return
    show(found)
    print_lines([*(("written", path) for path in places), *(("note", n) for n in found.notes)])


def show(found: "Comparison") -> None:
    """Print a line for each comparison."""
    columns = (
        "component",
        "quantity",
        "conditions",
        "means",
        "difference",
        "interval",
        "p",
        "q",
        "animals",
    )
    lines = []
    for one in found.compared:
        d = one.difference
        animals = f"{d.n_reference_animals}, {d.n_condition_animals}"
        lines.append(
            (
                one.label, one.quantity, f"{d.reference}, {d.condition}",
                f"{d.reference_mean:.3g}, {d.condition_mean:.3g}", f"{d.difference:+.3g}",
                interval(d.low, d.high), f"{d.p_value:.2g}", number(one.q_value, ".2g"),
                f"{d.n_reference_animals} (paired)" if d.is_paired else animals,
            )
        )  # fmt: skip
    print_table("conditions: the second less the first", columns, lines, right=columns[3:])

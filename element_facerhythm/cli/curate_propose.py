"""`facerhythm curate propose`: labels of one session proposed for the animal's others."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.match import (
    LeastOption,
    MatchModelOption,
    ReferenceOption,
    write_rows,
)
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
    from element_facerhythm.pipeline.results.label_proposals import ProjectProposals


def propose(
    directories: Annotated[
        list[Path], typer.Argument(help="Projects that labels are wanted for.", metavar="DIR...")
    ],
    sources: Annotated[
        list[Path],
        typer.Option(
            "--from", help="Curated project of the same animal; again for more.", metavar="DIR"
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV file for the proposals.")
    ] = None,
    reference: ReferenceOption = None,
    model: MatchModelOption = None,
    least: LeastOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose names and verdicts of curated projects for components of others; none is taken by itself.

    Components are matched as `facerhythm match` does. Each proposal has its congruence and the command that
    takes it. Where curated projects say different things, all of it is proposed, and marked. A project whose
    picture does not align is told and left out, and the exit code is 3.

    Example: `facerhythm curate propose --from monday-project tuesday-project friday-project`
    """
    require_place(output, overwrite=overwrite)
    with quiet_stdout(), progress_bars() as progress:
        from element_facerhythm.core.sessions.matching import LEAST_CONGRUENCE
        from element_facerhythm.pipeline.results.label_proposals import propose_for_projects

        found = propose_for_projects(
            directories,
            sources,
            model_key=model,
            reference=reference,
            least=LEAST_CONGRUENCE if least is None else least,
            progress=progress,
        )
        rows = proposal_rows(found)
        if output is not None:
            write_rows(output, rows, COLUMNS)
    refused = found.matches.refused
    if as_json:
        print_json({"proposals": rows, "refused": refused, "notes": found.notes, "output": output})
    else:
        show(rows, found)
    if refused:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


COLUMNS = (
    "session", "component_index", "verdict", "name", "like_session", "like_index", "congruence",
    "n_alike", "is_contested", "command",
)  # fmt: skip


def proposal_rows(found: "ProjectProposals") -> list[dict[str, Any]]:
    """Return the proposals with plain values, each with the command that takes it."""
    rows = []
    for one in found.proposals:
        picture = found.matches.pictures[one.session]
        words = [
            "facerhythm",
            "curate",
            "set",
            picture.directory,
            "--component",
            one.component_index,
        ]
        words += ["--model", picture.model_key] if picture.model_key != "0" else []
        words += ["--verdict", one.verdict] if one.verdict != "undecided" else []
        words += ["--name", one.name] if one.name else []
        rows.append({**asdict(one), "command": shlex.join(map(str, words))})
    return rows


def show(rows: list[dict[str, Any]], found: "ProjectProposals") -> None:
    """Print the proposals, and the commands that take them."""
    columns = ("session", "component", "verdict", "name", "like", "congruence", "")
    print_table(
        "",
        columns,
        [
            (row["session"], row["component_index"], row["verdict"], row["name"],
             f"{row['like_session']}: {row['like_index']}", f"{row['congruence']:.2f}",
             "contested" if row["is_contested"] else "")
            for row in rows
        ],
        right=("component", "congruence"),
    )  # fmt: skip
    for row in rows:
        typer.echo(row["command"])
    lines = [] if rows else [("result", "no undecided component is like a labelled one")]
    print_lines([
        *lines,
        *([("next", "nothing was decided; look at the components, and enter the lines that you agree with")]
          if rows else []),
        *(("note", note) for note in found.notes),
        *((f"left out: {session}", why) for session, why in found.matches.refused.items()),
    ])  # fmt: skip

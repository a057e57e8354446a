"""`facerhythm aggregate`: results of many projects in one place, under names of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.index import on_disk
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.errors import RequestError


def aggregate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="An index, or projects and directories that hold some.", metavar="INDEX|DIR"
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Directory to gather in.", metavar="DIR")
    ],
    name: Annotated[
        str,
        typer.Option(
            help="Format of the names: fields of the index, uuid, directory, parent, video."
        ),
    ] = "{directory}",
    pattern: Annotated[
        str | None, typer.Option(help="What the path below DIR says, as '{subject}/{session}/*'.")
    ] = None,
    max_violations: Annotated[
        float | None,
        typer.Option(
            "--max-violations", min=0, max=1, help="Leave out results with a larger share."
        ),
    ] = None,
    not_red: Annotated[
        bool,
        typer.Option("--not-red", help="Leave out results of which a check of quality is red."),
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links instead of copies (the same file system).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be gathered, and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Gather finished projects under names of your own, with a table of all components and a manifest.

    Each becomes a project directory of its own; `components.csv` has a row for each component of all of them,
    `manifest.yaml` the digest of every file. What is unfinished, damaged or beyond the limits is left out and
    told. Two projects of one name, or a name that is taken, are refused before anything is written.

    Example: `facerhythm aggregate facerhythm-index.yaml -o gathered --name '{subject}_{session}' --dry-run`
    """
    from element_facerhythm.pipeline.exchange.aggregate import (
        Selection,
        gather,
        plan_gathering,
        require_free,
    )
    from element_facerhythm.pipeline.exchange.index import build_index, read_index

    if output.exists() and not output.is_dir():
        raise RequestError(f"{output} is a file; expected a directory to gather in")
    is_index = len(sources) == 1 and sources[0].is_file()
    if is_index and pattern is not None:
        raise RequestError("an index has the names already; --pattern is for directories")
    with quiet_stdout(), progress_bars() as progress:
        before = read_index(sources[0]) if is_index else None
        if before is None:
            projects, _ = on_disk(sources, pattern)
        else:
            projects = [(entry.path, entry.names) for entry in before.entries]
        with progress.stage("look", len(projects), "projects") as advance:
            index = build_index(projects, before, advance=advance)
        planned = plan_gathering(index, Selection(name, max_violations, not_red))
        chosen = [one for one in planned if not one.left_out]
        if dry_run:
            require_free(chosen, output)
        else:
            with progress.stage("gather", len(chosen), "projects") as advance:
                gather(planned, output, link=link, advance=advance)
    rows = [(one.name or one.entry.path, one.left_out or "gathered") for one in planned]
    if as_json:
        gathered = [{"name": o.name, "path": o.entry.path, "uuid": o.entry.uuid} for o in chosen]
        left_out = [{"path": o.entry.path, "reason": o.left_out} for o in planned if o.left_out]
        print_json(
            {"directory": output, "dry_run": dry_run, "gathered": gathered, "left_out": left_out,
             "notes": index.notes}
        )  # fmt: skip
        return
    if dry_run:
        rows = [(what, "would be gathered" if done == "gathered" else done) for what, done in rows]
    print_table("", ("project", "what"), rows)
    print_lines([("directory", output), *(("note", note) for note in index.notes)])

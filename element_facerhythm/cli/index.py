"""`facerhythm index`: one YAML file over many projects."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import (
    JsonOption,
    WhereOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.pipeline.exchange.index import Index

app = typer.Typer(help="Write and show an index of many projects.", no_args_is_help=True)

Found = list[tuple[Path, Mapping[str, str]]]
"""Project directories, each with what its recording is called."""


@app.command(cls=DatabaseCommand)
def build(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Projects, or directories that hold some, at any depth.", metavar="DIR"
        ),
    ] = None,
    from_database: Annotated[
        bool, typer.Option("--from-database", help="Results of the configured database instead.")
    ] = False,
    where: WhereOption = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="What the path below DIR says, as '{subject}/{session}/*' (see `facerhythm watch`)."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The index.", metavar="FILE")
    ] = Path("facerhythm-index.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write an index: uuid, names, group, completion, parameters' digest and numbers of each project.

    face-rhythm's own projects are taken, too. The column `group` is for you to edit: an index that is written
    again keeps the groups of the projects that were in it.

    Example: `facerhythm index build results --pattern '{subject}/{session}'`
    """
    from element_facerhythm.pipeline.exchange.index import build_index, read_index, write_index

    require_place(output)
    if bool(directories) == from_database or (from_database and pattern is not None):
        raise RequestError(
            "give directories (and what their paths say with --pattern), or --from-database, and not both"
        )
    if where is not None and not from_database:
        raise RequestError("--where chooses rows of the database; give it with --from-database")
    with quiet_stdout(), progress_bars() as progress:
        before = read_index(output) if output.exists() else None
        found, roots = on_disk(directories, pattern) if directories else in_database(where)
        with progress.stage("index", len(found), "projects") as advance:
            index = build_index(found, before, roots, advance)
        write_index(output, index)
    if as_json:
        print_json({"file": output, **as_plain(index)})
        return
    show_table(index)
    print_lines([("written", output), *(("note", note) for note in index.notes)])


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="The index.", metavar="FILE")] = Path(
        "facerhythm-index.yaml"
    ),
    as_json: JsonOption = False,
) -> None:
    """Show an index as a table.

    Example: `facerhythm index show`
    """
    from element_facerhythm.pipeline.exchange.index import read_index

    if not file.is_file():
        raise RequestError(f"{file} does not exist; `facerhythm index build` writes it")
    index = read_index(file)
    if as_json:
        print_json(as_plain(index))
        return
    show_table(index)
    print_lines([("note", note) for note in index.notes])


def on_disk(directories: list[Path], pattern: str | None) -> tuple[Found, list[Path]]:
    """Find projects in directories.

    Parameters
    ----------
    directories
        Projects, or directories to search.
    pattern
        Of their paths; None where the paths say nothing.

    Raises
    ------
    RequestError
        There is none, or the path of one is none of the pattern.
    """
    from element_facerhythm.files.path_pattern import PathPattern
    from element_facerhythm.pipeline.exchange.index import find_projects, named_by

    known = None if pattern is None else PathPattern(pattern)
    found: Found = []
    for top in dict.fromkeys(directories):
        for directory in find_projects(top):
            found.append((directory, {} if known is None else named_by(known, top, directory)))
    if not found:
        listed = ", ".join(map(str, directories))
        raise RequestError(f"no project directory is at or below {listed}")
    return found, []


def in_database(where: str | None) -> tuple[Found, list[Path]]:
    """Project directories of the results in the configured database, on this machine.

    Parameters
    ----------
    where
        Condition on the recordings; None takes all.
    """
    from element_facerhythm.cli.database_access import pipeline_to_read
    from element_facerhythm.cli.figures import chosen_runs
    from element_facerhythm.cli.key_options import key_texts

    pipeline_to_read()
    from element_facerhythm.facial_behavior_estimation.run_directory import present_run
    from element_facerhythm.linking import active_link

    runs = chosen_runs(key_texts(None, None, None, None), where)
    named: Found = [
        (present_run(run), {name: str(value) for name, value in run.items()}) for run in runs
    ]
    return named, list(active_link().search_dirs())


def as_plain(index: "Index") -> dict[str, object]:
    """Return an index for JSON."""
    return {"projects": [vars(entry) for entry in index.entries], "notes": index.notes}


def show_table(index: "Index") -> None:
    """Print an index as a table."""
    named = list(dict.fromkeys(name for entry in index.entries for name in entry.names))
    numbers = ("n_frames", "n_points", "n_components")
    rows = [
        (
            entry.path.name,
            *(entry.names.get(name, "") for name in named),
            entry.group,
            entry.state,
            *(entry.facts.get(name, "") for name in numbers),
            entry.facts.get("verdict", ""),
        )
        for entry in index.entries
    ]
    columns = ("project", *named, "group", "state", *numbers, "quality")
    print_table("", columns, rows, right=numbers)

"""`facerhythm gc`: list or remove what no row refers to."""

from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_table,
    quiet_stdout,
)
from element_facerhythm.files.sizes import human_size

if TYPE_CHECKING:
    from element_facerhythm.admin.garbage import GarbageReport


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what was found.")] = False,
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than",
            metavar="HOURS",
            min=0.0,
            max=1e6,
            help="Remove nothing younger than so many hours; 0 only where no worker runs.",
        ),
    ] = 24.0,
    allow_deleting_all: Annotated[
        bool,
        typer.Option("--all", help="Remove also where rows refer to nothing that is there."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List objects and project directories that no row refers to any more; remove them with --delete.

    Searches the object store, where one is configured, and the processed data directory of this machine. It
    may run while workers do.

    Example: `facerhythm gc --older-than 48`
    """  # fmt: skip
    from element_facerhythm.cli.database_access import pipeline_to_read

    with quiet_stdout():
        pipeline_to_read()
        from element_facerhythm.admin.garbage import collect_garbage

        report = collect_garbage(
            older_than_hours=older_than, delete=delete, allow_deleting_all=allow_deleting_all
        )
    if as_json:
        print_json(vars(report))
    else:
        show(report)


def show(report: "GarbageReport") -> None:
    """Print what was found, and what was done."""
    rows: list[tuple[str, str, str]] = []
    if report.objects is not None:
        gone = set(report.objects.removed)
        rows += [
            (state(report.deleted, item.name in gone), human_size(item.size_bytes), item.name)
            for item in report.objects.orphans
        ]
    taken = set(report.directories.removed)
    rows += [
        (state(report.deleted, item.path in taken), human_size(item.size_bytes), str(item.path))
        for item in report.directories.orphans
    ]
    if rows:
        print_table("", ("", "size", "what"), rows, right=("size",))
    for name, part in (("objects", report.objects), ("directories", report.directories)):
        if part is not None:
            n_all = part.n_objects if name == "objects" else part.n_directories  # type: ignore[union-attr]
            typer.echo(
                f"{n_all} {name}: rows refer to {part.n_referenced}, {len(part.orphans)} without rows, "
                f"{part.n_young} younger than {report.older_than_hours:g} h; {len(part.removed)} removed"
            )
    for path in report.directories.curated:
        typer.echo(
            f"{path} has no rows, and is left alone: people decided about its results (curation.json). "
            "Remove that file to have it removed"
        )
    if rows and not report.deleted:
        typer.echo("facerhythm gc --delete removes them")


def state(deleted: bool, gone: bool) -> str:
    """Word for the outcome of an orphan."""
    return "removed" if gone else "kept" if deleted else "orphan"

"""`facerhythm export lake`: the tables as Parquet files."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)


def lake(
    directory: Annotated[
        Path,
        typer.Argument(help="Directory of the lake: new, empty, or a lake.", metavar="DIR"),
    ],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove files of keys that are not there any more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write every table as Parquet files, one for each session, and only where something changed.

    The files are partitioned as Hive does it, and `lake.sql` makes views of them in DuckDB, with the names of
    the tables. Nothing is written to the database. Keys that were deleted there are told; their files stay
    without --prune.

    Example: `facerhythm export lake /data/lake`
    """
    from element_facerhythm.cli.database_access import pipeline_to_read
    from element_facerhythm.database.lake import VIEWS_FILE, export_lake
    from element_facerhythm.database.lake.arrow import import_pyarrow
    from element_facerhythm.database.lake.directory import read_lake

    with quiet_stdout(), progress_bars() as progress:
        import_pyarrow()
        read_lake(directory)
        pipeline = pipeline_to_read()
        with progress.stage("lake", None, "tables") as advance:
            report = export_lake(
                directory,
                pipeline.schemas,
                own=pipeline.own_schemas,
                session=pipeline.link.session,
                further=(pipeline.link.session, pipeline.link.device),
                prune=prune,
                advance=advance,
            )
    if as_json:
        print_json(report)
        return
    tables = [table for table in report.tables if table.n_rows or table.deleted]
    counts = [(t.name, t.n_rows, t.new, t.changed, t.unchanged, len(t.deleted)) for t in tables]
    columns = ("table", "rows", "new", "changed", "unchanged", "deleted")
    print_table("", columns, counts, right=columns[1:])
    left_out = [
        f"{name} of {t.name.partition('.')[2]} ({why})"
        for t in tables
        for name, why in t.left_out.items()
    ]
    n_deleted = sum(len(table.deleted) for table in tables)
    print_lines(
        [
            ("directory", directory),
            ("views", f"cd {directory} && duckdb -init {VIEWS_FILE}"),
            *(("left out", text) for text in left_out),
            *([("deleted", _told(n_deleted, prune))] if n_deleted else []),
            *(
                ("gone", f"{n}: the database shows no such table; its files stay")
                for n in report.gone
            ),
        ]
    )


def _told(n_files: int, prune: bool) -> str:
    if prune:
        return f"{n_files} files of keys that are not in the database any more were removed"
    return (
        f"{n_files} files are of keys that are not in the database any more, and were left; --prune "
        "removes them"
    )

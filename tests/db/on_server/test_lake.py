"""The tables as Parquet: every value is the database's, and only what changed is written again."""

from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb

Key = dict[str, Any]


def export(workflow: ModuleType, directory: Path, **options: Any) -> Any:
    """Export every table of the pipeline; gives the reports by the name of the table."""
    from element_facerhythm.active_pipeline import Access, end_reading, open_pipeline
    from element_facerhythm.database.lake import export_lake

    pipeline = open_pipeline(Access.READ)
    try:
        report = export_lake(
            directory,
            pipeline.schemas,
            own=pipeline.own_schemas,
            session=pipeline.link.session,
            further=(pipeline.link.session, pipeline.link.device),
            **options,
        )
    finally:
        end_reading()
    return {table.name.partition(".")[2]: table for table in report.tables}


def views(directory: Path) -> Any:
    """A connection of DuckDB with the views of a lake."""
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{directory}'")
    connection.execute((directory / "lake.sql").read_text())
    return connection

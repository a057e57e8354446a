"""The tables as Parquet files that any engine of SQL reads: a lake, written again only where rows changed.

`export_lake` reads every table in one snapshot of the database, and writes one file for each session of a
table.
"""

from element_facerhythm.database.lake.directory import LAKE_FILE, VIEWS_FILE
from element_facerhythm.database.lake.export import LakeReport, TableReport, export_lake

__all__ = ["LAKE_FILE", "VIEWS_FILE", "LakeReport", "TableReport", "export_lake"]

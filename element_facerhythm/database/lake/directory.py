"""The directory of a lake: what it must be, its description, and its views for DuckDB."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from element_facerhythm.errors import RequestError, TextError
from element_facerhythm.files.texts import read_json
from element_facerhythm.io.atomic import atomic_path

LAKE_FILE = "lake.json"
VIEWS_FILE = "lake.sql"
FORMAT = "facerhythm-lake"
FORMAT_VERSION = 1
_LOCK = ".facerhythm.lake.lock"
_HEAD = """\
-- Views of this lake for DuckDB, under the names of the tables. Paths are relative: start DuckDB in this
-- directory (duckdb -init lake.sql), or first say where it lies: SET file_search_path = '/path/of/the/lake';
"""


def read_lake(directory: Path) -> dict[str, Any]:
    """Return the description of a lake; empty where there is none yet.

    Parameters
    ----------
    directory
        The directory; it may be missing.

    Raises
    ------
    RequestError
        It is a file, holds something else than a lake, or a lake of a newer format.
    """
    path = directory / LAKE_FILE
    if directory.exists() and not directory.is_dir():
        raise RequestError(f"{directory} is a file; expected a directory for the lake")
    if not path.is_file():
        held = sorted(e.name for e in directory.iterdir()) if directory.is_dir() else []
        if foreign := [name for name in held if name != _LOCK]:
            raise RequestError(
                f"{directory} is neither empty nor a lake: it holds {', '.join(foreign[:3])}; give a new "
                "directory"
            )
        return {}
    try:
        lake = read_json(path, what="description of the lake")
    except TextError as error:
        raise RequestError(f"{error}; restore it, or give a new directory") from error
    if not isinstance(lake, dict) or lake.get("format") != FORMAT:
        raise RequestError(f"{path} describes no lake of this package; give a new directory")
    version = lake.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise RequestError(
            f"{path} has format version {version}; this package writes {FORMAT_VERSION}. Upgrade "
            "element-facerhythm, or give a new directory"
        )
    return lake


@contextmanager
def locked_lake(directory: Path) -> Iterator[None]:
    """Make the directory, and let no other export write it meanwhile.

    Parameters
    ----------
    directory
        Of the lake.

    Raises
    ------
    RequestError
        Another export is writing it.
    """
    from filelock import FileLock, Timeout

    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RequestError(f"another export is writing {directory}; wait for its end") from error
    try:
        yield
    finally:
        lock.release()


def write_lake(directory: Path, lake: Mapping[str, Any]) -> None:
    """Write description and views of what is there.

    Parameters
    ----------
    directory
        Of the lake.
    lake
        Its description.
    """
    with atomic_path(directory / VIEWS_FILE) as temporary:
        temporary.write_text(views_of(lake), encoding="utf-8")
    with atomic_path(directory / LAKE_FILE) as temporary:
        temporary.write_text(json.dumps(lake, indent=1), encoding="utf-8")


def views_of(lake: Mapping[str, Any]) -> str:
    """Statements of DuckDB that make a view of each table, in schemas of the database's names."""
    tables = lake["tables"].values()
    schemas = dict.fromkeys(table["schema"] for table in tables)
    made = [f"CREATE SCHEMA IF NOT EXISTS {_quoted(name)};" for name in schemas]
    return "\n".join([_HEAD, *made, *map(_view, tables), ""])


def _view(table: Mapping[str, Any]) -> str:
    types = {column["name"]: column["type"] for column in table["columns"]}
    place = f"{_quoted(table['schema'])}.{_quoted(table['table'])}"
    head = f"CREATE OR REPLACE VIEW {place} AS SELECT"
    if not table["n_files"]:
        empty = ", ".join(f"CAST(NULL AS {t}) AS {_quoted(n)}" for n, t in types.items())
        return f"{head} {empty} WHERE false;"
    by = table["partitioned_by"]
    # files of keys that are gone may be from before an upgrade, with other columns
    options = ["union_by_name = true"] if table["n_deleted"] else []
    if by:
        of_path = ", ".join(f"{_literal(name)}: {types[name]}" for name in by)
        options += ["hive_partitioning = true", f"hive_types = {{{of_path}}}"]
    files = _literal(f"{table['directory']}/{'*/' * len(by)}*.parquet")
    columns = ", ".join(map(_quoted, types))
    return f"{head} {columns} FROM read_parquet({', '.join([files, *options])});"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""Which task writes into which directory: no two into one, nor into one inside the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from element_facerhythm.connection import server_identity
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.pipeline.ownership import DirectoryOwner

_TASK_TABLES: dict[Any, Callable[[Mapping[str, Any]], bool]] = {}


def register_task_table(table: Any, writes: Callable[[Mapping[str, Any]], bool]) -> None:
    """Let a table's directories count when tasks are entered.

    Parameters
    ----------
    table
        The DataJoint class, with a column `output_dir` and a method `infer_output_dir`.
    writes
        Tells of a row whether its task writes into the directory.
    """
    _TASK_TABLES[table] = writes


def owner_of(table: Any, key: Mapping[str, Any]) -> DirectoryOwner:
    """Owner that the directory of a task names; `key` may hold more than the primary key of `table`."""
    return DirectoryOwner.of_task(
        server_identity(table.connection),
        str(table.database),
        table.__name__,
        {name: key[name] for name in table.primary_key},
    )


def with_own_directories(table: Any, rows: Sequence[Any]) -> list[Any]:
    """Rows of new tasks with `output_dir` in one spelling, once it is certain that no other task has it.

    Rows that are no mappings, and those that come into the table by other ways, are checked when they run.

    Parameters
    ----------
    table
        A table that was registered.
    rows
        Rows as `insert` takes them.

    Raises
    ------
    ConfigurationError
        Another task has the directory, one around it or one inside it, and one of the two writes there.
    """
    checked: list[Any] = []
    new: list[tuple[dict[str, Any], PurePosixPath]] = []
    for row in rows:
        if isinstance(row, Mapping) and all(name in row for name in table.primary_key):
            row, own = _spelt(table, row)
            _require_free(table, row, own, [item for item in new if _near(item[1], own)])
            new.append((row, own))
        checked.append(row)
    return checked


def _spelt(table: Any, row: Mapping[str, Any]) -> tuple[dict[str, Any], PurePosixPath]:
    """Row with its directory in one spelling, and the directory that it gets."""
    given = str(row.get("output_dir") or "")
    if not given:
        return dict(row), PurePosixPath(table.infer_output_dir(row).as_posix())
    own = PurePosixPath(given)
    return {**row, "output_dir": str(own)}, own


def _require_free(
    table: Any,
    row: Mapping[str, Any],
    own: PurePosixPath,
    together: Sequence[tuple[dict[str, Any], PurePosixPath]],
) -> None:
    """Refuse the directory of a row where another task has it; `together` are inserted with it."""
    writes = _TASK_TABLES[table]
    for other_table, other_writes in _TASK_TABLES.items():
        if other_table.database is None:
            continue  # the other schema is not used here
        others = [*_tasks_near(other_table, own), *(together if other_table is table else ())]
        for other, directory in others:
            where = {name: other[name] for name in other_table.primary_key}
            same = other_table is table and all(str(row[n]) == str(v) for n, v in where.items())
            if not same and (writes(row) or other_writes(other)):
                raise ConfigurationError(
                    f"output_dir {str(own)!r} is taken: {str(directory)!r} is the directory of "
                    f"{other_table.__name__} {where}, and a directory holds the results of one task; give "
                    "another output_dir, or none"
                )


def _tasks_near(table: Any, own: PurePosixPath) -> Iterator[tuple[dict[str, Any], PurePosixPath]]:
    """Entered tasks whose directory is `own`, around it or inside it, with that directory."""
    task = table()
    around = [str(own), *(str(path) for path in own.parents if path.parts)]
    marks = ", ".join(["%s"] * len(around))
    found = task.connection.query(
        f"SELECT DISTINCT output_dir FROM {task.full_table_name} WHERE output_dir IN ({marks}) "
        "OR LEFT(output_dir, CHAR_LENGTH(%s)) = %s",
        args=(*around, f"{own}/", f"{own}/"),
    ).fetchall()
    named = task & [{"output_dir": text} for (text,) in found]
    rows = named.to_dicts() if found else []
    # an inferred directory begins with the first name of the primary key: only then need these be looked at
    beginning = f"{task.primary_key[0].removesuffix('_id')}-"
    if own.parts and own.parts[0].startswith(beginning):
        rows += (task & {"output_dir": ""}).to_dicts()
    for row in rows:
        directory = PurePosixPath(row["output_dir"] or table.infer_output_dir(row).as_posix())
        if _near(directory, own):
            yield row, directory


def _near(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two directories are the same, or one lies inside the other (a data directory itself: no)."""
    if not one.parts or not other.parts:
        return one == other
    return one == other or one in other.parents or other in one.parents

"""Directories of tasks: no two tasks have the same one, nor one inside that of the other."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from element_facerhythm.database.activation import is_activated
from element_facerhythm.database.connection import server_identity
from element_facerhythm.database.keys import key_of
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.files.names import MAX_NAME_BYTES, short_names
from element_facerhythm.linking import active_link, resolve_new_path
from element_facerhythm.pipeline.run.ownership import DirectoryOwner

MAX_DIRECTORY = 470
"""Bytes of a task's directory: a column of 512 characters holds it, and those of the files in it."""
MIN_NAME = 40
"""Bytes that a name of an inferred directory keeps at least, the name of its column included."""


@dataclass(frozen=True)
class _Directories:
    """The column of a task table that names the directory, and whether a row's task writes there."""

    column: str
    writes: Callable[[Mapping[str, Any]], bool]


_TASK_TABLES: dict[Any, _Directories] = {}


def register_task_table(
    table: Any, column: str, writes: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Register a table whose directories are compared when tasks are entered.

    Parameters
    ----------
    table
        The DataJoint class, with a method `infer_output_dir`.
    column
        Its column that names the directory.
    writes
        Returns whether the task of a row writes into the directory.
    """
    _TASK_TABLES[table] = _Directories(column, writes)


def directories_of(table: Any) -> Iterator[str]:
    """Yield the directory of every task of a registered table, inferred where the row names none."""
    column = _TASK_TABLES[table].column
    for row in table().proj(column).to_dicts():
        yield row[column] or table.infer_output_dir(row).as_posix()


def inferred_directory(
    table: Any, key: Key, own: Sequence[str], prefix: str = "", *, relative: bool, mkdir: bool
) -> Path:
    """Directory of a task whose row names none: made of its primary key.

    Parameters
    ----------
    table
        The table class of the task, activated.
    key
        Primary key of the task (it need not be entered yet); it may hold more.
    own
        Columns of the key that distinguish tasks of one recording.
    prefix
        What the name of the directory in that of the recording begins with.
    relative, mkdir
        As of `directory_of`.

    Raises
    ------
    RequestError
        The key lacks a column, or the path leads out of the processed data directory.
    """
    key = key_of(table, key)
    last = prefix + "_".join(directory_name(name, key[name]) for name in own)
    return directory_of(key, last, relative=relative, mkdir=mkdir)


def directory_of(key: Key, last: str, *, relative: bool, mkdir: bool) -> Path:
    """Directory of a recording below the processed data directory, made of its primary key.

    Parameters
    ----------
    key
        Primary key of the recording; it may hold more.
    last
        Name of the directory in that of the recording; long names are shortened.
    relative
        Relative to the processed data directory, else absolute.
    mkdir
        Create it.

    Raises
    ------
    RequestError
        The key lacks a column of the recording's, or the path leads out of the processed data directory.
    """
    recording = [directory_name(*item) for item in key_of(VideoRecording, key).items()]
    output_dir = Path(*short_names([*recording, last], MAX_DIRECTORY, MIN_NAME))
    absolute = resolve_new_path(output_dir, active_link().processed_dir())
    if mkdir:
        absolute.mkdir(parents=True, exist_ok=True)
    return output_dir if relative else absolute


def directory_name(name: str, value: Any) -> str:
    """Return a directory name `name-value`; a digest distinguishes values that differ in odd characters only.

    Parameters
    ----------
    name
        Name of a column; an ending `_id` is left out.
    value
        Its value; what is not a letter, digit, `.` or `-` becomes `_`.
    """
    text = str(value)
    safe = re.sub(r"[^A-Za-z0-9.-]", "_", text)
    if safe != text:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        safe += f"-{digest[:8]}"
    return f"{name.removesuffix('_id')}-{safe}"


def owner_of(table: Any, key: Mapping[str, Any]) -> DirectoryOwner:
    """Owner that the directory of a task names.

    Parameters
    ----------
    table
        The table class of the task, activated.
    key
        Primary key of the task; it may hold more.
    """
    return DirectoryOwner.of_task(
        server_identity(table.connection),
        str(table.database),
        table.__name__,
        {name: key[name] for name in table.primary_key},
    )


def with_own_directories(table: Any, rows: Sequence[Any]) -> list[Any]:
    """Rows of new tasks with their directory in one spelling, once it is certain that no other task has it.

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
            row, own = _spelt(table, {**row, **key_of(table, row)})
            _require_free(table, row, own, [item for item in new if _near(item[1], own)])
            new.append((row, own))
        checked.append(row)
    return checked


def _spelt(table: Any, row: Mapping[str, Any]) -> tuple[dict[str, Any], PurePosixPath]:
    """Row with its directory in one spelling, and the directory that it gets."""
    column = _TASK_TABLES[table].column
    given = str(row.get(column) or "")
    if not given:
        return dict(row), PurePosixPath(table.infer_output_dir(row).as_posix())
    own = PurePosixPath(given)
    sizes = [len(part.encode(errors="surrogatepass")) for part in own.parts]
    if sum(sizes) + len(sizes) - 1 > MAX_DIRECTORY or max(sizes) > MAX_NAME_BYTES:
        raise ConfigurationError(
            f"{column} {given[:60]!r}... is too long: a directory of results has {MAX_DIRECTORY} bytes at "
            f"most, and each name in it {MAX_NAME_BYTES} at most. Give a shorter one, or none"
        )
    return {**row, column: str(own)}, own


def _require_free(
    table: Any,
    row: Mapping[str, Any],
    own: PurePosixPath,
    together: Sequence[tuple[dict[str, Any], PurePosixPath]],
) -> None:
    """Refuse the directory of a row where another task has it; `together` are inserted with it."""
    this = _TASK_TABLES[table]
    for other_table, that in _TASK_TABLES.items():
        if not is_activated(other_table):
            continue  # the other schema is not used here
        others = [*_tasks_near(other_table, own), *(together if other_table is table else ())]
        for other, directory in others:
            where = {name: other[name] for name in other_table.primary_key}
            same = other_table is table and all(str(row[n]) == str(v) for n, v in where.items())
            if not same and (this.writes(row) or that.writes(other)):
                raise ConfigurationError(
                    f"{this.column} {str(own)!r} is taken: {str(directory)!r} is the directory of "
                    f"{other_table.__name__} {where}, and a directory holds the results of one task; give "
                    f"another {this.column}, or none"
                )


def _tasks_near(table: Any, own: PurePosixPath) -> Iterator[tuple[dict[str, Any], PurePosixPath]]:
    """Entered tasks whose directory is `own`, around it or inside it, with that directory."""
    task, column = table(), _TASK_TABLES[table].column
    around = [str(own), *(str(path) for path in own.parents if path.parts)]
    marks = ", ".join(["%s"] * len(around))
    found = task.connection.query(
        f"SELECT DISTINCT {column} FROM {task.full_table_name} WHERE {column} IN ({marks}) "
        f"OR LEFT({column}, CHAR_LENGTH(%s)) = %s",
        args=(*around, f"{own}/", f"{own}/"),
    ).fetchall()
    named = task & [{column: text} for (text,) in found]
    rows = named.to_dicts() if found else []
    # an inferred directory begins with the first name of the primary key; others need not be compared
    beginning = f"{task.primary_key[0].removesuffix('_id')}-"[: MIN_NAME // 2]
    if own.parts and own.parts[0].startswith(beginning):
        rows += (task & {column: ""}).to_dicts()
    for row in rows:
        directory = PurePosixPath(row[column] or table.infer_output_dir(row).as_posix())
        if _near(directory, own):
            yield row, directory


def _near(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two directories are the same, or one lies inside the other (a data directory itself: no)."""
    if not one.parts or not other.parts:
        return one == other
    return one == other or one in other.parents or other in one.parents

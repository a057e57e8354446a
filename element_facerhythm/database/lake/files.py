"""Files of one table of a lake: one for each key, replaced where its rows changed.

A file says in its footer what digest its rows have, so that nothing beside it can disagree with it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from element_facerhythm.database.lake.arrow import import_pyarrow
from element_facerhythm.database.lake.columns import LakeColumn, array_of, schema_of
from element_facerhythm.errors import RequestError
from element_facerhythm.io.atomic import atomic_path, remove_leftovers

ROWS_FILE = "rows.parquet"
DIGEST, WRITTEN = "facerhythm_rows_sha256", "facerhythm_written_utc"
MOST_PENDING_BYTES = 32_000_000
"""Of rows that are kept before a file is begun: most files turn out to be there already."""
_LONGEST_NAME = 255


def key_path(names: Sequence[str], values: Sequence[Any]) -> str:
    """Path of a key's file below the directory of its table, as Hive has it.

    Parameters
    ----------
    names
        Columns that are partitioned by; none for a table of one file.
    values
        Their values.

    Raises
    ------
    RequestError
        A value is too long for the name of a directory.
    """
    parts = [f"{n}={quote(str(v), safe='')}" for n, v in zip(names, values, strict=True)]
    if long := next((part for part in parts if len(part) > _LONGEST_NAME), None):
        raise RequestError(f"{long[:60]}... is too long for the name of a directory")
    return "/".join([*parts, ROWS_FILE])


def stored_files(directory: Path) -> Iterator[str]:
    """Yield the paths of a table's files, below its directory; what a killed export left is removed."""
    if not directory.is_dir():
        return
    for folder in (directory, *(p for p in sorted(directory.rglob("*")) if p.is_dir())):
        remove_leftovers(folder)
        if (folder / ROWS_FILE).is_file():
            yield str((folder / ROWS_FILE).relative_to(directory))


def stored_digest(path: Path) -> tuple[str, int] | None:
    """Return digest and number of the rows of a file; None where it is missing or is no such file."""
    pyarrow, parquet = import_pyarrow()
    try:
        footer = parquet.read_metadata(path)
    except (OSError, pyarrow.ArrowException):
        return None
    digest = (footer.metadata or {}).get(DIGEST.encode())
    return None if digest is None else (digest.decode(), footer.num_rows)


class KeyFile:
    """Rows of one key on their way into its file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    columns : sequence of LakeColumn
        Those of the table.
    without : sequence of str
        Columns that the path says.
    """

    def __init__(self, path: Path, columns: Sequence[LakeColumn], without: Sequence[str]) -> None:
        self.path = path
        self.n_rows = 0
        self._columns, self._without = columns, without
        self._schema = schema_of(columns, without)
        self._pending: list[Any] = []
        self._writer: Any = None
        self._stack = ExitStack()
        self._digest = hashlib.sha256(self._schema.to_string().encode())

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take further rows, as the driver gives them."""
        pyarrow, _ = import_pyarrow()
        for row in rows:
            for value in row:
                content = (
                    bytes(value) if isinstance(value, bytes | memoryview) else repr(value).encode()
                )
                self._digest.update(b"%d:" % len(content))
                self._digest.update(content)
        self.n_rows += len(rows)
        by_column = zip(self._columns, zip(*rows, strict=True), strict=True)
        arrays = [array_of(c, values) for c, values in by_column if c.name not in self._without]
        self._pending.append(pyarrow.record_batch(arrays, schema=self._schema))
        if sum(batch.nbytes for batch in self._pending) > MOST_PENDING_BYTES:
            self._write()

    def close(self) -> tuple[str, str]:
        """End the file; return ``new``, ``changed`` or ``unchanged``, and the digest of its rows."""
        digest = self._digest.hexdigest()
        stored = stored_digest(self.path)
        if stored == (digest, self.n_rows):
            self.discard()
            return "unchanged", digest
        was_there = self.path.exists()
        self._write()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._writer.add_key_value_metadata({DIGEST: digest, WRITTEN: now})
        self._writer.close()
        self._stack.close()
        return "changed" if was_there else "new", digest

    def discard(self) -> None:
        """Leave the file as it was."""
        if self._writer is not None:
            self._writer.close()
        self._stack.__exit__(_Discarded, _Discarded(), None)

    def _write(self) -> None:
        pyarrow, parquet = import_pyarrow()
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._stack.enter_context(atomic_path(self.path))
            self._writer = parquet.ParquetWriter(
                temporary, self._schema, compression="zstd", write_page_checksum=True
            )
        self._writer.write_table(pyarrow.Table.from_batches(self._pending, self._schema))
        self._pending = []


class _Discarded(Exception):
    """Ends the block of a temporary file without making it the file."""

"""Tables as people keep them: CSV files, as spreadsheets write them."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import PathError, TextError
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import read_text

MAX_SHEET_BYTES = 16_000_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t"
_EXCEL_LINE = "sep="
"""Excel writes, and reads, a first line that states the delimiter."""


@dataclass(frozen=True)
class SheetRow:
    """A row: its line in the file, and the cells that are not empty, by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """A table: its file, the names of its columns, and the rows that hold something."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]


def read_sheet(path: Path) -> Sheet:
    """Read a table.

    The first row names the columns. The separator is the one of comma, semicolon and tab that it has most of.
    Empty rows are left out, and blanks around cells.

    Parameters
    ----------
    path
        A text in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises
    ------
    TextError
        There is no such file, it is no text, a column has no name or that of another, a row has more cells
        than there are columns, or a quote does not end.
    """
    text = _text_of(path)
    rows = [(line, cells) for line, cells in _lines(text, path) if any(cells)]
    if not rows:
        raise TextError(
            f"table {path} is empty; expected a row with the names of the columns, and rows below"
        )
    (_, names), *below = rows
    while names and not names[-1]:
        names = names[:-1]
    for number, name in enumerate(names, 1):
        if not name:
            raise TextError(f"table {path}: column {number} has no name")
        if names.count(name) > 1:
            raise TextError(f"table {path}: two columns are called {name}")
    if not below:
        raise TextError(f"table {path} has no row below the names of its columns")
    for line, cells in below:
        if any(cells[len(names) :]):
            raise TextError(
                f"table {path}, line {line}: {len(cells)} cells, and {len(names)} columns have a name; a "
                "cell that holds the separator must stand in quotes"
            )
    return Sheet(
        path,
        tuple(names),
        tuple(
            SheetRow(line, {name: cell for name, cell in zip(names, cells, strict=False) if cell})
            for line, cells in below
        ),
    )


def _text_of(path: Path) -> str:
    try:
        with open_regular(path) as file:
            is_utf_16 = file.read(2) in _UTF_16
            file.seek(0)
            content = file.read(MAX_SHEET_BYTES + 1) if is_utf_16 else b""
    except (OSError, PathError):
        is_utf_16 = False  # `read_text` says why
    if not is_utf_16:
        return read_text(path, MAX_SHEET_BYTES, what="table")
    if len(content) > MAX_SHEET_BYTES:
        raise TextError(f"table {path} is too large; at most {MAX_SHEET_BYTES} bytes are read")
    try:
        return content.decode("utf-16")
    except UnicodeDecodeError as error:
        raise TextError(
            f"table {path} begins as UTF-16 and is not; save it as CSV in UTF-8"
        ) from error


def _lines(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row, with the number of the line that it begins in."""
    skipped = 0
    first, _, rest = text.partition("\n")
    delimiter = ""
    if first.lower().startswith(_EXCEL_LINE) and len(first.strip()) == len(_EXCEL_LINE) + 1:
        delimiter, text, skipped = first.strip()[-1], rest, 1
    delimiter = delimiter or _delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1 + skipped
    try:
        for cells in reader:
            yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise TextError(f"table {path}, line {begins}: {error}") from error


def _delimiter_of(text: str) -> str:
    """Separator that the first row has most of, outside of quotes."""
    header = next((line for line in text.splitlines() if line.strip(' ,;\t"')), "")
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)

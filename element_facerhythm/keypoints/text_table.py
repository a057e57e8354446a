"""Text tables of other trackers (.csv), also as Excel leaves them: read within limits, cell by cell sound.

A table may have a byte order mark, semicolons or tabs, decimal commas beside semicolons, and lines that end
as on any system. Cells are numbers or empty. A row that is shorter than the others, and a cell of text, are
refused by row and column: the reader of pandas would take the one for gaps, and blame the whole file for
the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError, PathError
from element_facerhythm.files.regular import open_regular

MAX_BYTES = 1_000_000_000
MAX_LINE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_NOT_A_NUMBER = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "None", "<NA>", "#N/A")
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class TextTable:
    """Lines of a text table, and how its cells are parted.

    Attributes
    ----------
    path
        The file.
    lines
        Without their ends, and without empty ones at the end.
    delimiter
        Character between cells.
    notes
        What was guessed.
    """

    path: Path
    lines: list[str]
    delimiter: str
    notes: tuple[str, ...]

    def cells(self, row: int) -> list[str]:
        """Cells of a line, unquoted."""
        try:
            (found,) = csv.reader([self.lines[row]], delimiter=self.delimiter)
        except (csv.Error, ValueError) as error:
            raise KeypointError(
                f"{self.path}: line {row + 1} is none of a table ({type(error).__name__})"
            ) from error
        return found

    def rows(self) -> list[list[str]]:
        """Cells of all lines; a cell in quotes may go over several."""
        try:
            return list(csv.reader(io.StringIO("\n".join(self.lines)), delimiter=self.delimiter))
        except csv.Error as error:
            raise KeypointError(f"{self.path} is no table: {error}") from error

    def numbers(self, first_row: int, names: Sequence[str]) -> NDArray[np.float64]:
        """Read the lines from `first_row` on as numbers.

        Parameters
        ----------
        first_row
            Index of the first line.
        names
            Of the columns, for messages; as many as there are cells in each line.

        Returns
        -------
        numpy.ndarray
            (lines, columns) float64; NaN for empty cells.

        Raises
        ------
        KeypointError
            A line has another number of cells, or a cell is no number; the message says where.
        """
        import pandas as pd

        lines = self.lines[first_row:]
        for number, line in enumerate(lines, start=first_row):
            if line.count(self.delimiter) + 1 != len(names):
                n_cells = len(self.cells(number))
                if n_cells != len(names):
                    raise KeypointError(
                        f"{self.path}: line {number + 1} has {n_cells} cells, the others "
                        f"{len(names)}; the file was cut off or edited, copy it again"
                    )
        if not lines:
            return np.empty((0, len(names)))
        decimal = "," if self._has_decimal_commas(lines) else "."
        try:
            table = pd.read_csv(
                io.StringIO("\n".join(lines)),
                sep=self.delimiter,
                header=None,
                names=range(len(names)),
                index_col=False,
                decimal=decimal,
                na_values=list(_NOT_A_NUMBER),
                keep_default_na=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
            )
        except (ValueError, OverflowError) as error:  # pandas raises kinds of these
            raise KeypointError(
                f"{self.path} is none of a table of numbers ({type(error).__name__}); export it again"
            ) from error
        if len(table) != len(lines):
            raise KeypointError(
                f"{self.path}: {len(lines)} lines from line {first_row + 1} on are {len(table)} rows: a "
                "quotation mark is not closed; export it again"
            )
        for column in table.columns:
            if table[column].dtype.kind not in "iuf":
                self._refuse_text(table[column].tolist(), first_row, names[int(column)], decimal)
        return table.to_numpy(dtype=np.float64)

    def _has_decimal_commas(self, lines: Sequence[str]) -> bool:
        with_comma = self.delimiter != "," and any("," in line for line in lines)
        return with_comma and not any("." in line for line in lines)

    def _refuse_text(
        self, cells: Sequence[object], first_row: int, name: str, decimal: str
    ) -> NoReturn:
        """Name the first cell of a column that is no number."""
        found = (n for n, cell in enumerate(cells) if not _is_number(cell, decimal))
        number = next(found, 0)
        raise KeypointError(
            f"{self.path}: line {first_row + number + 1}, column {name[:80]}: {str(cells[number])[:40]!r} "
            "is no number; expected numbers, and empty cells where there is none"
        )


def _is_number(cell: object, decimal: str) -> bool:
    try:
        float(str(cell).replace(decimal, "."))
    except ValueError:
        return False
    return not isinstance(cell, bool)


def read_text_table(path: Path) -> TextTable:
    """Read a text table whose lines are within reason.

    Raises
    ------
    KeypointError
        The file has more than 1 GB, a line more than 1 MiB, or it is no text.
    """
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        raise KeypointError(
            f"{path} has {n_bytes / 1e6:,.0f} MB; expected {MAX_BYTES / 1e6:,.0f} MB at most: give the "
            "tracker's .h5 of the same predictions, or one file per video"
        )
    text, notes = _decoded(path, _content(path))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1].strip(',;\t "'):
        lines.pop()
    if not lines:
        raise KeypointError(f"{path} is empty; expected a table with one line per frame")
    delimiter = max(",;\t", key=lines[0].count)
    if delimiter != ",":
        notes = (*notes, f"the cells of {path.name} are parted by {delimiter!r}")
    return TextTable(path, lines, delimiter, notes)


def _content(path: Path) -> bytes:
    """Read the whole file; a line that has no end is refused before more of it is read."""
    blocks = []
    since_end = 0
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK_BYTES):
                blocks.append(block)
                first = max(block.find(b"\n"), block.find(b"\r"))
                if since_end + (first if first >= 0 else len(block)) > MAX_LINE_BYTES:
                    raise KeypointError(
                        f"{path} has a line of more than {MAX_LINE_BYTES:,} bytes; expected a table with "
                        "one line per frame"
                    )
                last = max(block.rfind(b"\n"), block.rfind(b"\r"))
                since_end = since_end + len(block) if last < 0 else len(block) - last - 1
    except PathError as error:
        raise KeypointError(str(error)) from error
    except OSError as error:
        raise KeypointError(f"{path} cannot be read: {error.strerror}") from error
    return b"".join(blocks)


def _decoded(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError:
        pass
    if encoding == "utf-8" and b"\0" not in content:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError as error:
            raise KeypointError(
                f"{path} is no text: byte {error.start} belongs to none; save it as UTF-8"
            ) from error
        return text, (f"{path.name} is not in UTF-8: read as Windows-1252",)
    raise KeypointError(f"{path} is no text; expected a table in UTF-8")

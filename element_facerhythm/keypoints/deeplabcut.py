"""DeepLabCut's .h5 files: a table of pandas in either of its two layouts, read without PyTables.

"fixed" keeps the labels of the columns as arrays of text and the numbers in blocks of columns. "table" keeps
rows of a compound type, and the labels in pickled attributes, which are read as plain values or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.plain_pickle import plain_value
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.labelled_table import LEVELS as LEVELS
from element_facerhythm.keypoints.labelled_table import Label, predictions_of_columns
from element_facerhythm.keypoints.predictions import Predictions, shown_names

if TYPE_CHECKING:
    import pandas as pd

_MAX_BLOCKS = 64
_MAX_TABLES = 64
_MAX_DEPTH = 4
_ROWS = "row_labels"
_REMEDY = "copy it again, or give DeepLabCut's .csv of the same predictions"

Block = tuple[list[Label], NDArray[Any]]
RowLabels = NDArray[np.int64] | str | None
"""Numbers; or a word, where rows are labelled by something else; or None where they are not."""


def read_deeplabcut_predictions(
    path: Path, *, key: str | None = None, scorer: str | None = None
) -> Predictions:
    """Read the tracks of a DeepLabCut .h5 file, each column by its label, each row by its number.

    Parameters
    ----------
    path
        The file.
    key, scorer
        Of the table and of the columns, in a file with several.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no such table, or several of which none is chosen; or its rows are no frames.
    """
    table = read_deeplabcut(path, key)
    if table.attrs[_ROWS] == "texts":
        raise KeypointError(
            f"{path}: its rows are labelled by texts, as labelled images are (CollectedData); expected "
            "numbers of frames: give the predictions of a video"
        )
    numbers = table.index.to_numpy() if table.attrs[_ROWS] == "numbers" else None
    labels: list[Any] = table.columns.tolist()
    return predictions_of_columns(labels, table.to_numpy(), numbers, "DeepLabCut", scorer=scorer)


def read_deeplabcut(path: Path, key: str | None = None) -> pd.DataFrame:
    """Read the table of a DeepLabCut .h5 file, equal to what ``pandas.read_hdf`` gives.

    Parameters
    ----------
    path
        The file.
    key
        Which table; None takes the only one, whatever its key.

    Returns
    -------
    pandas.DataFrame
        One row per frame; columns (scorer, bodyparts, coords) or (scorer, individuals, bodyparts, coords).
        Its attribute `row_labels` says what the file labels rows with: numbers, texts or nothing.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no such table, or several of which none is chosen.
    """
    import pandas as pd

    with open_h5(path, _REMEDY) as file:
        group = _chosen_table(file, key)
        kind = group.attribute("pandas_type")
        if kind == "frame":
            labels, names, blocks, index = _fixed(group)
        elif kind == "frame_table" and group.attribute("table_type") == "appendable_frame":
            labels, names, blocks, index = _table(group)
        else:
            raise KeypointError(
                f"{path}: {group.name} is no table with one row per frame; give the predictions that "
                "DeepLabCut wrote for a video"
            )
        _require_levels(group, labels, names)
        values = _assembled(group, labels, blocks)
        if isinstance(index, np.ndarray) and len(index) != len(values):
            group.refuse(f"has {len(values)} rows and {len(index)} labels of rows")
    columns = pd.MultiIndex.from_tuples(labels, names=names)
    numbers = index if isinstance(index, np.ndarray) else None
    table = pd.DataFrame(values, columns=columns, index=numbers)
    table.attrs[_ROWS] = "nothing" if index is None else "texts" if numbers is None else "numbers"
    return table


def _chosen_table(file: H5Group, key: str | None) -> H5Group:
    """Table of this key, or the only one of the file."""
    if key is not None and key.strip("/") in file:
        return file.group(key.strip("/"))
    tables: list[H5Group] = []
    _find_tables(file, tables, _MAX_DEPTH)
    names = shown_names([table.name.strip("/") for table in tables])
    if key is not None or not tables:
        what = "" if key is None else f" {key!r}"
        raise KeypointError(
            f"{file.path} holds no table{what} of pandas; it has {names or 'none'}: give a file that "
            "DeepLabCut wrote for a video"
        )
    if len(tables) > 1:
        raise KeypointError(
            f"{file.path} has {len(tables)} tables of pandas ({names}); expected one: say which is to be "
            "read (--table)"
        )
    return tables[0]


def _find_tables(group: H5Group, found: list[H5Group], depth: int) -> None:
    for name in group.names()[:_MAX_TABLES]:
        member = group[name]
        if not isinstance(member, H5Group) or len(found) > _MAX_TABLES:
            continue
        if member.attribute("pandas_type") in ("frame", "frame_table"):
            found.append(member)
        elif depth > 1:
            _find_tables(member, found, depth - 1)


def _fixed(
    group: H5Group,
) -> tuple[list[Label], tuple[str, ...], list[Block], RowLabels]:
    labels, names = _stored_labels(group, "axis0")
    n_blocks = group.integer("nblocks") or 0
    if not 0 < n_blocks <= _MAX_BLOCKS:
        group.refuse(f"has {n_blocks} blocks of columns; expected 1 to {_MAX_BLOCKS}")
    blocks = []
    for number in range(n_blocks):
        node = group.dataset(f"block{number}_values")
        values = node.numbers(2)
        rows_first = values if node.attribute("transposed") else values.T
        blocks.append((_stored_labels(group, f"block{number}_items")[0], rows_first))
    if "axis1" in group:
        node = group.dataset("axis1")
        numbers = node.numbers(1) if node.ndim == 1 and node.dtype.kind in "iuf" else None
        return labels, names, blocks, _frame_numbers(numbers)
    return labels, names, blocks, "texts" if group.attribute("axis1_nlevels") else None


def _stored_labels(group: H5Group, axis: str) -> tuple[list[Label], tuple[str, ...]]:
    """Labels of columns, as codes into the values of each level; and the names of the levels."""
    n_levels = group.integer(f"{axis}_nlevels")
    if n_levels not in LEVELS:
        group.refuse(f"has {axis} of {n_levels} levels; expected {' or '.join(map(str, LEVELS))}")
    columns, names = [], []
    for level in range(n_levels):
        node = group.dataset(f"{axis}_level{level}")
        values = node.texts() if node.dtype.kind in "SO" else node.numbers(1).tolist()
        codes = group.dataset(f"{axis}_label{level}").numbers(1)
        if codes.dtype.kind not in "iu" or (
            len(codes) and not (codes.min() >= 0 and codes.max() < len(values))
        ):
            node.refuse("does not fit the codes that refer to it")
        columns.append([values[code] for code in codes.tolist()])
        names.append(str(node.attribute("name")))
    if len({len(column) for column in columns}) != 1:
        group.refuse(f"has levels of {axis} that differ in length")
    return list(zip(*columns, strict=True)), tuple(names)


def _table(
    group: H5Group,
) -> tuple[list[Label], tuple[str, ...], list[Block], RowLabels]:
    node = group.dataset("table")
    rows = node.records()
    (_, labels) = _only_axis(group)
    names = _level_names(group, labels)
    blocks: list[Block] = []
    for field in (name for name in rows.dtype.names or () if name.startswith("values_block_")):
        values = rows[field].reshape(len(rows), -1)
        if values.dtype.kind not in "biuf":
            node.refuse(f"has a column {field} of {values.dtype}; expected numbers")
        blocks.append((_labels(node, _plain(node, f"{field}_kind")), values))
    if "index" in (rows.dtype.names or ()):
        return labels, names, blocks, _frame_numbers(rows["index"])
    return labels, names, blocks, None


def _only_axis(group: H5Group) -> tuple[int, list[Label]]:
    axes = _plain(group, "non_index_axes")
    if not (isinstance(axes, list) and len(axes) == 1 and isinstance(axes[0], (list, tuple))):
        group.refuse("has non_index_axes that describe no table of columns")
    if len(axes[0]) != 2 or axes[0][0] != 1:
        group.refuse("has non_index_axes that describe no table of columns")
    return 1, _labels(group, axes[0][1])


def _level_names(group: H5Group, labels: Sequence[Label]) -> tuple[str, ...]:
    """Names of the levels as the file says them, or the usual ones of so many."""
    info = _plain(group, "info")
    named = info.get(1, {}).get("names") if isinstance(info, dict) else None
    if isinstance(named, (list, tuple)) and all(isinstance(name, str) for name in named):
        return tuple(named)
    return LEVELS.get(len(labels[0]) if labels else 0, ())


def _plain(node: H5Group | H5Dataset, name: str) -> Any:
    data = node.attribute_bytes(name)
    if data is None:
        node.refuse(f"lacks the attribute {name}")
    try:
        return plain_value(data)
    except (ValueError, UnicodeError, OverflowError) as error:
        raise KeypointError(
            f"{node.path} is refused: attribute {name} of {node.name} is a pickle of more than lists, texts "
            f"and numbers, which could run code when it is opened; {_REMEDY}"
        ) from error


def _labels(node: H5Group | H5Dataset, value: Any) -> list[Label]:
    if not isinstance(value, list) or not all(
        isinstance(label, tuple) and len(label) in LEVELS and all(map(_is_plain, label))
        for label in value
    ):
        node.refuse("has column labels other than DeepLabCut's")
    return value


def _is_plain(part: Any) -> bool:
    return isinstance(part, (str, int, float))


def _require_levels(group: H5Group, labels: Sequence[Label], names: Sequence[str]) -> None:
    expected = LEVELS.get(len(names))
    if tuple(names) != expected or not labels or {len(label) for label in labels} != {len(names)}:
        group.refuse(
            f"has columns with {len(names)} levels other than {' or '.join(map(str, LEVELS.values()))}"
        )


def _assembled(group: H5Group, labels: Sequence[Label], blocks: Sequence[Block]) -> NDArray[Any]:
    """Columns of all blocks in the order of `labels`."""
    place = {label: number for number, label in enumerate(labels)}
    in_blocks = [label for block, _ in blocks for label in block]
    lengths = {len(values) for _, values in blocks}
    fits = all(values.shape[1] == len(block) for block, values in blocks)
    if len(place) != len(labels) or sorted(map(str, in_blocks)) != sorted(map(str, labels)):
        group.refuse("has a column twice, or columns without numbers")
    if not fits or len(lengths) != 1:
        group.refuse("has blocks of numbers that do not fit its columns")
    kind = np.result_type(*(values.dtype for _, values in blocks))
    group.claim(lengths.copy().pop() * len(labels) * kind.itemsize)
    table = np.empty((lengths.pop(), len(labels)), dtype=kind)
    for block, values in blocks:
        table[:, [place[label] for label in block]] = values
    return table


def _frame_numbers(labels: NDArray[Any] | None) -> RowLabels:
    """Row labels where they are whole numbers."""
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iuf":
        return "texts"
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        return "texts"
    return labels.astype(np.int64)

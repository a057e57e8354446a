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
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.plain_pickle import plain_value

if TYPE_CHECKING:
    import pandas as pd

USUAL_KEY = "df_with_missing"
LEVELS = {
    3: ("scorer", "bodyparts", "coords"),
    4: ("scorer", "individuals", "bodyparts", "coords"),
}
"""Names of the levels of the columns, by their number."""
_MAX_BLOCKS = 64
_REMEDY = "copy it again, or give DeepLabCut's .csv of the same predictions"

Label = tuple[Any, ...]
Block = tuple[list[Label], NDArray[Any]]


def read_deeplabcut(path: Path) -> pd.DataFrame:
    """Read the table of a DeepLabCut .h5 file, equal to what ``pandas.read_hdf`` gives.

    Parameters
    ----------
    path
        The file. Its only table is taken, whatever its key; of several, `df_with_missing`.

    Returns
    -------
    pandas.DataFrame
        One row per frame; columns (scorer, bodyparts, coords) or (scorer, individuals, bodyparts, coords).

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It holds no such table.
    """
    import pandas as pd

    with open_h5(path, _REMEDY) as file:
        group = _only_table(file)
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
    columns = pd.MultiIndex.from_tuples(labels, names=names)
    whole = index is not None and len(index) == len(values)
    return pd.DataFrame(values, columns=columns, index=index if whole else None)


def _only_table(file: H5Group) -> H5Group:
    if USUAL_KEY in file:
        return file.group(USUAL_KEY)
    members = [file[name] for name in file.names()[:_MAX_BLOCKS]]
    tables = [m for m in members if isinstance(m, H5Group) and m.attribute("pandas_type")]
    if len(tables) != 1:
        raise KeypointError(
            f"{file.path} has {len(tables)} tables of pandas; expected one, as DeepLabCut writes it"
        )
    return tables[0]


def _fixed(
    group: H5Group,
) -> tuple[list[Label], tuple[str, ...], list[Block], NDArray[Any] | None]:
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
    index = group.dataset("axis1") if "axis1" in group else None
    return labels, names, blocks, _frame_numbers(index)


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
) -> tuple[list[Label], tuple[str, ...], list[Block], NDArray[Any] | None]:
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
    index = rows["index"] if "index" in (rows.dtype.names or ()) else None
    return labels, names, blocks, index if index is not None and index.dtype.kind in "iu" else None


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
    held = [label for block, _ in blocks for label in block]
    lengths = {len(values) for _, values in blocks}
    fits = all(values.shape[1] == len(block) for block, values in blocks)
    if len(place) != len(labels) or sorted(map(str, held)) != sorted(map(str, labels)):
        group.refuse("has a column twice, or columns without numbers")
    if not fits or len(lengths) != 1:
        group.refuse("has blocks of numbers that do not fit its columns")
    kind = np.result_type(*(values.dtype for _, values in blocks))
    group.claim(lengths.copy().pop() * len(labels) * kind.itemsize)
    table = np.empty((lengths.pop(), len(labels)), dtype=kind)
    for block, values in blocks:
        table[:, [place[label] for label in block]] = values
    return table


def _frame_numbers(index: H5Dataset | None) -> NDArray[Any] | None:
    """Row labels where they are whole numbers; None where they are something else."""
    whole = index is not None and index.ndim == 1 and index.dtype.kind in "iu"
    return index.numbers(1) if index is not None and whole else None

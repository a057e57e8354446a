"""Text tables of DeepLabCut and LightningPose, of Anipose, and of VIA."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError, TextError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.keypoints.labelled_table import LEVELS, predictions_of_columns
from element_facerhythm.keypoints.predictions import SPACE, Predictions, shown_names
from element_facerhythm.keypoints.text_table import TextTable, read_text_table

BOX_CENTRE = "centroid"
"""Body part that stands for the middle of a tracked box."""
BOX_SIZES = ("box_width", "box_height")
"""Variables that keep its sizes, pixels."""

_ANIPOSE_INDIVIDUAL = "id_0"
_COORDINATES = {"x", "y", "likelihood"}
_ANIPOSE_SUFFIXES = (*SPACE, "score", "error", "ncams")
_MAX_FRAME = 1 << 40


def read_labelled_csv(path: Path, source_software: str, scorer: str | None = None) -> Predictions:
    """Read a .csv of DeepLabCut or LightningPose: lines with labels of columns, then one per frame.

    Parameters
    ----------
    path
        The file.
    source_software
        The tracker, as the predictions name it.
    scorer
        Which of several scorers to read; None takes the only one.

    Raises
    ------
    KeypointError
        It has no such head, a cell is no number, a row is no frame, or it is not clear which scorer is meant.
    """
    table = read_text_table(path)
    n_levels = _n_levels(table)
    heads = [table.cells(row) for row in range(n_levels)]
    heads[-1] = [cell.strip() for cell in heads[-1]]  # names are kept as they are
    has_index = heads[-1][0] not in _COORDINATES
    skipped = int(has_index)
    if len({len(head) for head in heads}) != 1:
        raise KeypointError(f"{path}: the first {n_levels} lines differ in their number of cells")
    labels = list(zip(*(head[skipped:] for head in heads), strict=True))
    first_row = n_levels
    if len(table.lines) > n_levels and _names_the_rows(table.cells(n_levels)):
        first_row += 1
    names = [*["frame"] * skipped, *("/".join(label[1:]) for label in labels)]
    if has_index:
        _require_numbered(table, first_row)
    values = table.numbers(first_row, names)
    numbers = _frame_numbers(values[:, 0], path) if has_index else None
    found = predictions_of_columns(
        labels, values[:, skipped:], numbers, source_software, scorer=scorer
    )
    return _with_notes(found, table.notes)


def read_anipose(path: Path) -> Predictions:
    """Read Anipose's positions in space: columns `<body part>_x`, `_y`, `_z`, and what else it says of each.

    `_score` is the likelihood; `_error` and `_ncams` are variables; frames go by `fnum`.

    Raises
    ------
    KeypointError
        It has no such columns, or a cell is no number.
    """
    table = read_text_table(path)
    names = [name.strip() for name in table.cells(0)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise KeypointError(f"{path}: column {min(twice)!r} stands twice; expected each once")
    parts = [name[:-2] for name in names if name.endswith("_x")]
    parts = [part for part in parts if part and {f"{part}_y", f"{part}_z"} <= set(names)]
    if not parts:
        raise KeypointError(
            f"{path} has the columns {shown_names(names)}; expected <body part>_x, _y and _z of Anipose"
        )
    values = table.numbers(1, names)
    place = {name: number for number, name in enumerate(names)}

    def column(part: str, suffix: str) -> NDArray[np.float64]:
        number = place.get(f"{part}_{suffix}")
        return np.full(len(values), np.nan) if number is None else values[:, number]

    used = {f"{part}_{suffix}" for part in parts for suffix in _ANIPOSE_SUFFIXES} | {"fnum", ""}
    left_out = [name for name in names if name not in used and not name.startswith("Unnamed:")]
    variables = {
        suffix: np.stack([column(part, suffix) for part in parts], axis=1)[:, None]
        for suffix in ("error", "ncams")
        if any(f"{part}_{suffix}" in place for part in parts)
    }
    notes = (f"columns that are of no body part were left out: {shown_names(left_out)}",)
    return Predictions(
        np.stack([np.stack([column(p, axis) for axis in SPACE], axis=1) for p in parts], axis=1)[
            :, None
        ],
        np.stack([column(part, "score") for part in parts], axis=1)[:, None],
        tuple(parts),
        (_ANIPOSE_INDIVIDUAL,),
        "Anipose",
        variables=variables,
        frame_numbers=_frame_numbers(values[:, place["fnum"]], path) if "fnum" in place else None,
        notes=(*table.notes, *(notes if left_out else ())),
    )


def read_via(path: Path) -> Predictions:
    """Read the boxes that VIA tracked; their middles are the body part `centroid`, their sizes variables.

    A box belongs to the frame that its `file_attributes` say, else to the number at the end of the name of
    its image.

    Raises
    ------
    KeypointError
        A row lacks something, is no box, or stands twice.
    """
    table = read_text_table(path)
    rows = table.rows()
    head = [name.strip() for name in rows[0]]
    needed = ("filename", "file_attributes", "region_shape_attributes", "region_attributes")
    if not set(needed) <= set(head):
        raise KeypointError(
            f"{path} has the columns {shown_names(head)}; expected those of VIA: {', '.join(needed)}"
        )
    place = [head.index(name) for name in needed]
    boxes: dict[tuple[int, str], list[float]] = {}
    for number, row in enumerate(rows[1:], start=2):
        where = f"{path}: line {number}"
        if len(row) != len(head):
            raise KeypointError(
                f"{where} has {len(row)} cells, the head {len(head)}; copy it again"
            )
        name, *texts = (row[index] for index in place)
        about, shape, region = (_json(where, text) for text in texts)
        key = (_via_frame(where, name, about), str(region.get("track", "")))
        if key in boxes:
            raise KeypointError(f"{where}: track {key[1]!r} stands twice in frame {key[0]}")
        boxes[key] = _box(where, shape, region)
    if not boxes:
        raise KeypointError(f"{path} has no box; expected one line for each")
    return _boxes(boxes, table.notes)


def _frame_numbers(values: NDArray[np.floating], path: Path) -> NDArray[np.int64]:
    """Numbers of frames as whole ones.

    Raises
    ------
    KeypointError
        One is none.
    """
    with np.errstate(invalid="ignore"):
        wrong = ~((values == np.rint(values)) & (np.abs(values) < _MAX_FRAME))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise KeypointError(
            f"{path}: row {row} is labelled {values[row]:g}; expected the number of its frame"
        )
    return values.astype(np.int64)


def _n_levels(table: TextTable) -> int:
    """Lines of the head, the last of which names coordinates."""
    for n in LEVELS:
        if len(table.lines) >= n and {"x", "y"} <= {cell.strip() for cell in table.cells(n - 1)}:
            return n
    raise KeypointError(
        f"{table.path} has no head of {' or '.join(str(names) for names in LEVELS.values())}: its "
        "first line is "
        f"{shown_names(table.cells(0), 5)}"
    )


def _names_the_rows(cells: Sequence[str]) -> bool:
    """Whether a line only names the labels of the rows, as pandas writes it."""
    return bool(cells[0]) and not any(cells[1:]) and not _is_number(cells[0])


def _require_numbered(table: TextTable, first_row: int) -> None:
    """Refuse labelled images, whose rows are named by files."""
    for number in range(first_row, len(table.lines)):
        label = table.lines[number].partition(table.delimiter)[0].strip().strip('"')
        if not _is_number(label.replace(",", ".")):
            raise KeypointError(
                f"{table.path}: line {number + 1} is labelled {label[:60]!r}; expected the number "
                "of a frame. "
                "Rows that are named by images are labels, or predictions of single images: give the "
                "predictions of a video"
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _via_frame(where: str, name: str, about: Mapping[str, Any]) -> int:
    said = about.get("frame")
    if said is None:
        found = re.search(r"([0-9]{1,12})$", Path(name).stem)
        said = found[1] if found else None
    try:
        number = float(str(said))
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError) as error:
        raise KeypointError(
            f"{where} names no frame: neither its file_attributes, nor {name[:60]!r} at its end"
        ) from error


def _box(where: str, shape: Mapping[str, Any], region: Mapping[str, Any]) -> list[float]:
    """Middle (x, y), width, height, and confidence of a box."""
    kind = shape.get("name", "rect")
    if kind != "rect":
        raise KeypointError(
            f"{where} is a region of the shape {kind!r:.40}; expected boxes ('rect')"
        )
    try:
        x, y, width, height = (float(shape[name]) for name in ("x", "y", "width", "height"))
        confidence = float(region.get("confidence", "nan"))
    except (KeyError, TypeError, ValueError) as error:
        raise KeypointError(
            f"{where}: a box needs numbers for x, y, width and height, and for its confidence if it has one"
        ) from error
    return [x + width / 2, y + height / 2, width, height, confidence]


def _boxes(boxes: Mapping[tuple[int, str], Sequence[float]], notes: tuple[str, ...]) -> Predictions:
    numbers = sorted({frame for frame, _ in boxes})
    tracks = list(dict.fromkeys(track for _, track in boxes))
    row = {frame: t for t, frame in enumerate(numbers)}
    values = np.full((len(numbers), len(tracks), 1, 5), np.nan)
    for (frame, track), box in boxes.items():
        values[row[frame], tracks.index(track), 0] = box
    return Predictions(
        values[..., :2],
        values[..., 4],
        (BOX_CENTRE,),
        tuple(f"id_{track}" for track in tracks),
        "VIA-tracks",
        variables={name: values[..., 2 + d] for d, name in enumerate(BOX_SIZES)},
        frame_numbers=np.array(numbers, dtype=np.int64),
        notes=notes,
    )


def _json(where: str, text: str) -> Mapping[str, Any]:
    try:
        value = parse_json(text or "{}")
    except TextError as error:
        raise KeypointError(f"{where} holds a text that is no JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise KeypointError(f"{where} holds JSON that is no mapping")
    return value


def _with_notes(predictions: Predictions, notes: tuple[str, ...]) -> Predictions:
    from dataclasses import replace

    return replace(predictions, notes=(*notes, *predictions.notes))

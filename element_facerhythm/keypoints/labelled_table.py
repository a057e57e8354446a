"""Tables whose columns have labels, as DeepLabCut lays them out: every column goes by its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.keypoints.predictions import (
    DEFAULT_INDIVIDUAL,
    LIKELIHOOD,
    SPACE,
    Predictions,
    UnsoundPredictions,
    shown_names,
)

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {
    3: ("scorer", "bodyparts", "coords"),
    4: ("scorer", "individuals", "bodyparts", "coords"),
}
"""Names of the levels of the columns, by their number."""
_SHARED = "single"
"""DeepLabCut's name for the owner of body parts that no animal has."""

Label = tuple[Any, ...]


def predictions_of_columns(
    labels: Sequence[Label],
    values: NDArray[Any],
    frame_numbers: NDArray[np.integer] | None,
    source_software: str,
    *,
    scorer: str | None = None,
) -> Predictions:
    """Sort the columns of a table into tracks by their labels, whatever their order.

    Parameters
    ----------
    labels
        Of each column: (scorer, body part, coordinate) or (scorer, individual, body part, coordinate).
    values
        (T, len(labels)) numbers.
    frame_numbers
        (T,) labels of the rows; None where there are none.
    source_software
        The software that wrote the table.
    scorer
        Which to take; None takes the only one.

    Returns
    -------
    Predictions
        Coordinates other than x, y, z and likelihood are variables. A column with neither body part nor
        coordinate is left out, and noted.

    Raises
    ------
    UnsoundPredictions
        There are several scorers, a column stands twice, or a body part lacks x or y.
    """
    texts = [tuple(map(str, label)) for label in labels]
    about = [all(not part or part.startswith("Unnamed:") for part in text[1:]) for text in texts]
    notes = [
        f"column {t[0]!r} was left out: it is of no body part"
        for t, is_ in zip(texts, about, strict=True)
        if is_
    ]
    kept = [number for number, left_out in enumerate(about) if not left_out]
    name = _scorer([texts[number][0] for number in kept], scorer)
    columns: dict[tuple[str, str, str], int] = {}
    for number in kept:
        text = texts[number]
        if text[0] != name:
            continue
        individual = text[1] if len(text) == 4 else DEFAULT_INDIVIDUAL
        place = (individual, text[-2], text[-1])
        if place in columns:
            raise UnsoundPredictions(f"column {shown_names(text)} stands twice; expected each once")
        columns[place] = number
    return _tracks(columns, values, frame_numbers, source_software, tuple(notes))


def predictions_of_dataframe(
    table: pd.DataFrame, source_software: str, *, scorer: str | None = None
) -> Predictions:
    """Read a data frame with columns as DeepLabCut has them; errors as of `predictions_of_columns`.

    Parameters
    ----------
    table
        Columns (scorer, bodyparts, coords), (scorer, individuals, bodyparts, coords), or without the
        scorer (bodyparts, coords), (individuals, bodyparts, coords) where the levels are named so. Its
        rows are labelled by frame numbers.
    source_software
        The tracker.
    scorer
        Which to take of several.
    """
    import pandas as pd

    names = [str(name) for name in table.columns.names]
    flat: list[Any] = table.columns.to_flat_index().tolist()
    if names in (["bodyparts", "coords"], ["individuals", "bodyparts", "coords"]):
        flat = [("", *label) for label in flat]
    labels: list[Label] = [label if isinstance(label, tuple) else (label,) for label in flat]
    if not labels or {len(label) for label in labels} - set(LEVELS):
        raise UnsoundPredictions(
            f"the data frame has columns of the levels {names}; expected "
            f"{' or '.join(map(str, LEVELS.values()))}"
        )
    try:
        values = table.to_numpy(dtype=float)
    except (ValueError, TypeError) as error:
        raise UnsoundPredictions("the data frame holds other things than numbers") from error
    whole = isinstance(table.index, pd.RangeIndex) or table.index.dtype.kind in "iu"
    if not whole:
        raise UnsoundPredictions(
            f"the rows of the data frame are labelled by {table.index.dtype}; expected numbers of frames "
            "(from 0)"
        )
    return predictions_of_columns(
        labels, values, table.index.to_numpy(), source_software, scorer=scorer
    )


def _scorer(found: Sequence[str], wanted: str | None) -> str:
    names = list(dict.fromkeys(found))
    if wanted is not None and wanted not in names:
        raise UnsoundPredictions(f"there is no scorer {wanted!r}; there is {shown_names(names)}")
    if wanted is None and len(names) != 1:
        raise UnsoundPredictions(
            f"there are {len(names)} scorers ({shown_names(names)}); say which is to be read (--scorer)"
            if names
            else "there is no column of a body part"
        )
    return names[0] if wanted is None else wanted


def _tracks(
    columns: dict[tuple[str, str, str], int],
    values: NDArray[Any],
    frame_numbers: NDArray[np.integer] | None,
    source_software: str,
    notes: tuple[str, ...],
) -> Predictions:
    individuals = list(dict.fromkeys(individual for individual, _, _ in columns))
    individuals.sort(key=lambda name: name == _SHARED)  # stable: what no animal has goes last
    body_parts = list(dict.fromkeys(part for _, part, _ in columns))
    coordinates = list(dict.fromkeys(coordinate for _, _, coordinate in columns))
    extra = [c for c in coordinates if c not in (*SPACE, LIKELIHOOD)]
    if len(individuals) * len(body_parts) * max(len(coordinates), 1) > 100 * len(columns) + 1000:
        raise UnsoundPredictions(
            f"{len(columns)} columns name {len(individuals)} individuals and {len(body_parts)} body parts; "
            "expected individuals that share their body parts"
        )
    n_axes = 3 if "z" in coordinates else 2
    shape = (len(values), len(individuals), len(body_parts))
    kind = np.result_type(values.dtype, np.float32)
    arrays = {name: np.full(shape, np.nan, kind) for name in (*SPACE[:n_axes], LIKELIHOOD, *extra)}
    pairs = {(individual, part) for individual, part, _ in columns}
    for individual, part in pairs:
        lacking = [a for a in SPACE[:n_axes] if (individual, part, a) not in columns]
        if lacking:
            prefix = f"{individual}/" if len(individuals) > 1 else ""
            raise UnsoundPredictions(
                f"body part {prefix}{part} has no column {' and '.join(lacking)}; expected x and y of each"
            )
    for (individual, part, coordinate), number in columns.items():
        place = (slice(None), individuals.index(individual), body_parts.index(part))
        arrays[coordinate][place] = values[:, number]
    absent = frozenset((i, k) for i in individuals for k in body_parts if (i, k) not in pairs)
    return Predictions(
        np.stack([arrays[axis] for axis in SPACE[:n_axes]], axis=3),
        arrays[LIKELIHOOD],
        tuple(body_parts),
        tuple(individuals),
        source_software,
        variables={name: arrays[name] for name in extra},
        frame_numbers=frame_numbers,
        absent=absent,
        notes=notes,
    )

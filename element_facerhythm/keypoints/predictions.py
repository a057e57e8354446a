"""Keypoints of a recording in memory: where each body part was in each frame, from any tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

if TYPE_CHECKING:
    import pandas as pd

SPACE = ("x", "y", "z")
LIKELIHOOD = "likelihood"
COLUMNS = (*SPACE, LIKELIHOOD)
"""Names that a track's own columns have, and variables have not."""
_SHOWN_CHARACTERS = 80
LOG_NOTE = "positions were processed with movement: "
"""Beginning of the note that keeps movement's log where predictions become rows."""
DEFAULT_INDIVIDUAL = "individual_0"
"""Name of the one animal, where a tracker names none."""


class UnsoundPredictions(KeypointError):
    """Predictions contradict themselves; what reads a file adds its path."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Tracked keypoints of one recording.

    Attributes
    ----------
    positions
        (T, I, K, D) float positions of K body parts of I individuals: x and y in pixels of the full
        frame (D = 2), or x, y, z in the tracker's own unit (D = 3); NaN where not seen.
    likelihood
        (T, I, K) float, how sure the tracker is, 0 to 1; NaN where it does not say.
    body_parts, individuals
        K and I names, in the order of the tracker.
    source_software
        The tracker.
    frame_rate_hz
        Frames per second that the predictions were made at; None where nothing says so.
    variables
        What else the tracker says of each track, by name: (T, I, K) float, NaN where it does not.
    frame_numbers
        (T,) whole numbers of the frames that the rows belong to, as the tracker counts; None where
        it does not say: rows are consecutive frames.
    times_s
        (T,) seconds at which the rows were, where the tracker says that instead.
    absent
        Pairs of individual and body part of which the tracker has no track at all; NaN in the arrays.
    predicted_by
        The tracker that a file of another kind (netCDF, NWB) names.
    n_filled
        Rows that were put in for frames of which the tracker said nothing.
    notes
        What was guessed, changed or left out on the way here.
    log
        What movement did to the positions, as its attribute `log` (JSON) says; empty where it did nothing.
    """

    positions: NDArray[np.floating]
    likelihood: NDArray[np.floating]
    body_parts: tuple[str, ...]
    individuals: tuple[str, ...] = (DEFAULT_INDIVIDUAL,)
    source_software: str = ""
    frame_rate_hz: float | None = None
    variables: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    frame_numbers: NDArray[np.integer] | None = None
    times_s: NDArray[np.floating] | None = None
    absent: frozenset[tuple[str, str]] = frozenset()
    predicted_by: str = ""
    n_filled: int = 0
    notes: tuple[str, ...] = ()
    log: str = ""

    def __post_init__(self) -> None:
        """Refuse arrays and names that do not fit.

        Raises
        ------
        KeypointError
            A shape does not follow from the names, a name stands twice, or a name is empty.
        """
        shape = (len(self.positions), len(self.individuals), len(self.body_parts))
        if self.positions.shape not in ((*shape, 2), (*shape, 3)) or self.likelihood.shape != shape:
            raise UnsoundPredictions(
                f"predictions have positions {self.positions.shape} and likelihoods "
                f"{self.likelihood.shape}; expected (frames, individuals, body parts) = {shape}, the "
                "positions with x and y (and z) for each"
            )
        for what, names in (("body part", self.body_parts), ("individual", self.individuals)):
            require_names("predictions", what, names)
        for name, values in self.variables.items():
            if values.shape != shape or name in COLUMNS or not name:
                raise UnsoundPredictions(
                    f"variable {name!r} has shape {values.shape}; expected {shape}, and another name "
                    f"than {', '.join(COLUMNS)}"
                )
        for name, rows in (("frame numbers", self.frame_numbers), ("times", self.times_s)):
            if rows is not None and rows.shape != shape[:1]:
                raise UnsoundPredictions(
                    f"{rows.shape} {name} were given for {shape[0]} rows; expected one for each"
                )

    @property
    def n_frames(self) -> int:
        """T, the number of rows; of frames, once they are placed (`placement`)."""
        return len(self.positions)

    @property
    def n_dimensions(self) -> int:
        """2 for positions in the frame, 3 for positions in space."""
        return self.positions.shape[3]

    def tracks(self) -> tuple[tuple[str, str], ...]:
        """Pairs of individual and body part that have a track, individual by individual."""
        pairs = ((i, k) for i in self.individuals for k in self.body_parts)
        return tuple(pair for pair in pairs if pair not in self.absent)

    def reordered(self, body_parts: Sequence[str]) -> Predictions:
        """Return the same predictions with the body parts in this order.

        Raises
        ------
        KeypointError
            These are not the body parts that were predicted.
        """
        missing = [name for name in body_parts if name not in self.body_parts]
        surplus = [name for name in self.body_parts if name not in body_parts]
        if missing or surplus:
            raise UnsoundPredictions(
                "the predictions name other body parts than the model: "
                f"{shown_names(missing) or 'none'} missing, {shown_names(surplus) or 'none'} not of the "
                "model; "
                "enter a model with the body parts that were predicted"
            )
        order = [self.body_parts.index(name) for name in body_parts]
        return replace(
            self,
            positions=self.positions[:, :, order],
            likelihood=self.likelihood[:, :, order],
            variables={name: values[:, :, order] for name, values in self.variables.items()},
            body_parts=tuple(body_parts),
        )

    def renamed(self, names: Mapping[str, str]) -> Predictions:
        """Return the same predictions with other names for some body parts and individuals.

        Parameters
        ----------
        names
            The new name of each that gets one.

        Raises
        ------
        KeypointError
            A name is none of the predictions', or stands twice afterwards.
        """
        strange = [name for name in names if name not in (*self.body_parts, *self.individuals)]
        if strange:
            raise UnsoundPredictions(
                f"{', '.join(map(repr, strange))} is to be renamed and is neither a body part "
                f"({', '.join(self.body_parts)}) nor an individual ({', '.join(self.individuals)})"
            )
        return replace(
            self,
            body_parts=tuple(names.get(name, name) for name in self.body_parts),
            individuals=tuple(names.get(name, name) for name in self.individuals),
            absent=frozenset((names.get(i, i), names.get(k, k)) for i, k in self.absent),
        )

    def of_individual(self, individual: str) -> Predictions:
        """Return the predictions of one individual, without body parts of which it has no track."""
        i = self.individuals.index(individual)
        parts = [
            k for k, part in enumerate(self.body_parts) if (individual, part) not in self.absent
        ]
        return replace(
            self,
            positions=self.positions[:, [i]][:, :, parts],
            likelihood=self.likelihood[:, [i]][:, :, parts],
            variables={
                name: values[:, [i]][:, :, parts] for name, values in self.variables.items()
            },
            body_parts=tuple(self.body_parts[k] for k in parts),
            individuals=(individual,),
            absent=frozenset(),
        )

    def to_dataframe(
        self, body_parts: Sequence[str], scorer: str, *, with_variables: bool = False
    ) -> pd.DataFrame:
        """Table of tracks as DeepLabCut and Element Facemap lay it out.

        Parameters
        ----------
        body_parts
            Which, in this order.
        scorer
            Name of the model, the uppermost level of the columns.
        with_variables
            Whether variables follow the likelihood of each track.

        Returns
        -------
        pandas.DataFrame
            One row per frame; columns (scorer, bodyparts, coords), or (scorer, individuals,
            bodyparts, coords) where there are several individuals.
        """
        import pandas as pd

        coordinates = [*SPACE[: self.n_dimensions], LIKELIHOOD]
        parts = [self.positions, self.likelihood[..., None]]
        if with_variables:
            coordinates += self.variables
            parts += [values[..., None] for values in self.variables.values()]
        values = np.concatenate(parts, axis=3)
        names = ["scorer", "individuals", "bodyparts", "coords"]
        single = len(self.individuals) == 1
        columns, labels = [], []
        for i, individual in enumerate(self.individuals):
            for body_part in body_parts:
                if (individual, body_part) in self.absent:
                    continue
                columns.append(values[:, i, self.body_parts.index(body_part)])
                owner = () if single else (individual,)
                labels += [(scorer, *owner, body_part, name) for name in coordinates]
        index = pd.MultiIndex.from_tuples(labels, names=names[:1] + names[2:] if single else names)
        return pd.DataFrame(
            np.concatenate(columns, axis=1), columns=index, index=self.frame_numbers
        )


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive videos as those of one recording.

    Raises
    ------
    KeypointError
        They name other body parts, individuals or variables, or differ in their dimensions.
    """
    first = parts[0]
    for number, part in enumerate(parts[1:], start=1):
        for what in ("body_parts", "individuals", "n_dimensions"):
            expected, found = getattr(first, what), getattr(part, what)
            if expected != found:
                raise KeypointError(
                    f"file {number} of the predictions has {what.replace('_', ' ')} {found}, file 0 has "
                    f"{expected}; the files of a recording must come from one model"
                )
        if set(first.variables) != set(part.variables):
            raise KeypointError(
                f"file {number} of the predictions has the variables {list(part.variables)}, file 0 has "
                f"{list(first.variables)}; the files of a recording must come from one model"
            )
    rates = {part.frame_rate_hz for part in parts}
    return Predictions(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.likelihood for part in parts]),
        first.body_parts,
        first.individuals,
        first.source_software,
        first.frame_rate_hz if len(rates) == 1 else None,
        {
            name: np.concatenate([part.variables[name] for part in parts])
            for name in first.variables
        },
        absent=frozenset.intersection(*(part.absent for part in parts)),
        n_filled=sum(part.n_filled for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        log=first.log if len({part.log for part in parts}) == 1 else "",
    )


def log_of(notes: Sequence[str]) -> str:
    """Movement's log that notes keep; empty where there is none, or where files differ in theirs."""
    found = [note.removeprefix(LOG_NOTE) for note in notes if note.startswith(LOG_NOTE)]
    return found[0] if len(found) == 1 else ""


def require_names(owner: str, what: str, names: Sequence[str]) -> None:
    """Refuse names of which there are none, or where one is empty or stands twice.

    Parameters
    ----------
    owner
        Whose names they are, for the message.
    what
        What is named.
    names
        The names.

    Raises
    ------
    KeypointError
        As above.
    """
    if not names or "" in names:
        raise UnsoundPredictions(f"{owner}: no {what}, or one without a name: {shown_names(names)}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UnsoundPredictions(f"{owner}: {what} {shown_names(twice)} stands more than once")


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}..."


def shown_names(names: Sequence[Any], most: int = 12) -> str:
    """Return names as one text for a message, each cut short.

    Parameters
    ----------
    names
        Anything that `str` makes a name of.
    most
        So many are shown; of more, the text says how many there are.
    """
    some = ", ".join(_cut(str(name)) for name in names[:most])
    return some if len(names) <= most else f"{some}, ... ({len(names)} in all)"

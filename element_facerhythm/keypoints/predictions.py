"""Keypoints of a recording in memory: where each body part was in each frame, whoever said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

if TYPE_CHECKING:
    import pandas as pd

SPACE = ("x", "y", "z")
DEFAULT_INDIVIDUAL = "individual_0"
"""Name of the one animal, where a tracker names none."""


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
        K and I names.
    source_software
        The tracker.
    frame_rate_hz
        Frames per second that the predictions were made at; None where nothing says so.
    """

    positions: NDArray[np.floating]
    likelihood: NDArray[np.floating]
    body_parts: tuple[str, ...]
    individuals: tuple[str, ...] = (DEFAULT_INDIVIDUAL,)
    source_software: str = ""
    frame_rate_hz: float | None = None

    def __post_init__(self) -> None:
        """Refuse arrays and names that do not fit.

        Raises
        ------
        KeypointError
            A shape does not follow from the names, a name stands twice, or a name is empty.
        """
        shape = (len(self.positions), len(self.individuals), len(self.body_parts))
        if self.positions.shape not in ((*shape, 2), (*shape, 3)) or self.likelihood.shape != shape:
            raise KeypointError(
                f"predictions have positions {self.positions.shape} and likelihoods "
                f"{self.likelihood.shape}; expected (frames, individuals, body parts) = {shape}, the "
                "positions with x and y (and z) for each"
            )
        for what, names in (("body part", self.body_parts), ("individual", self.individuals)):
            require_names("predictions", what, names)

    @property
    def n_frames(self) -> int:
        """T, the number of frames."""
        return len(self.positions)

    @property
    def n_dimensions(self) -> int:
        """2 for positions in the picture, 3 for positions in space."""
        return self.positions.shape[3]

    def reordered(self, body_parts: Sequence[str]) -> Predictions:
        """Give the same predictions with the body parts in this order.

        Raises
        ------
        KeypointError
            These are not the body parts that were predicted.
        """
        missing = [name for name in body_parts if name not in self.body_parts]
        surplus = [name for name in self.body_parts if name not in body_parts]
        if missing or surplus:
            raise KeypointError(
                "the predictions name other body parts than the model: "
                f"{', '.join(missing) or 'none'} missing, {', '.join(surplus) or 'none'} not of the model; "
                "enter a model with the body parts that were predicted"
            )
        order = [self.body_parts.index(name) for name in body_parts]
        return replace(
            self,
            positions=self.positions[:, :, order],
            likelihood=self.likelihood[:, :, order],
            body_parts=tuple(body_parts),
        )

    def to_dataframe(self, body_parts: Sequence[str], scorer: str) -> pd.DataFrame:
        """Table of tracks as DeepLabCut and Element Facemap lay it out.

        Parameters
        ----------
        body_parts
            Which, in this order.
        scorer
            Name of the model, the uppermost level of the columns.

        Returns
        -------
        pandas.DataFrame
            One row per frame; columns (scorer, bodyparts, coords), or (scorer, individuals,
            bodyparts, coords) where there are several individuals.
        """
        import pandas as pd

        chosen = [self.body_parts.index(name) for name in body_parts]
        coordinates = [*SPACE[: self.n_dimensions], "likelihood"]
        values = np.concatenate([self.positions, self.likelihood[..., None]], axis=3)[:, :, chosen]
        levels: list[Sequence[str]] = [[scorer], self.individuals, body_parts, coordinates]
        names = ["scorer", "individuals", "bodyparts", "coords"]
        if len(self.individuals) == 1:
            del levels[1], names[1]
        columns = pd.MultiIndex.from_product(levels, names=names)
        return pd.DataFrame(values.reshape(self.n_frames, -1), columns=columns)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive videos as those of one recording.

    Raises
    ------
    KeypointError
        They name other body parts or individuals, or differ in their dimensions.
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
    rates = {part.frame_rate_hz for part in parts}
    return Predictions(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.likelihood for part in parts]),
        first.body_parts,
        first.individuals,
        first.source_software,
        first.frame_rate_hz if len(rates) == 1 else None,
    )


def require_fit(
    predictions: Predictions, *, n_frames: int, frame_rate_hz: float, source: Any
) -> None:
    """Refuse predictions that are not of this video.

    Parameters
    ----------
    predictions
        What a tracker gave.
    n_frames, frame_rate_hz
        What the video has.
    source
        The file they come from, for the message.

    Raises
    ------
    KeypointError
        Their number differs from the video's, or they were made at another frame rate.
    """
    if predictions.n_frames != n_frames:
        raise KeypointError(
            f"{source} has predictions for {predictions.n_frames} frames, the video has {n_frames}: they "
            "are those of another video, or the run was cut short; predict this video again"
        )
    rate = predictions.frame_rate_hz
    if rate is not None and abs(rate - frame_rate_hz) > 1e-3 * frame_rate_hz:
        raise KeypointError(
            f"{source} says {rate:g} frames/s, the video {frame_rate_hz:g}: they are those of another "
            "video, or one of the two is wrong; correct it before they are entered"
        )


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
        raise KeypointError(f"{owner}: no {what}, or one without a name: {list(names)}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise KeypointError(f"{owner}: {what} {', '.join(twice)} stands more than once")

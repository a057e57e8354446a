"""Which numbers of a project that is taken over are not finite, and what is therefore not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.finiteness import n_not_finite
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_model import StoredModel

_MOST_NAMED = 10
_FIT = "explained variance and error of the decomposition are not known (NULL)"


def finite_notes(project: Project) -> Iterator[str]:
    """Yield a sentence for each array of tracks, spectrograms and loadings that is not finite."""
    for index, name in enumerate(project.video_names):
        points = n_not_finite(project.tracking(index).points, axis=1)
        if points.any():
            yield (
                f"the tracks of {name} hold {points.sum()} numbers that are not finite, of "
                f"{_named('point', points)}: how far and how fast these moved is not known (NULL)"
            )
        n_wrong = int(n_not_finite(project.spectrogram(index), axis=1).sum())
        if n_wrong:
            yield f"the spectrogram of {name} holds {n_wrong} numbers that are not finite: {_FIT}"
    for key, model in project.models().items():
        for what, counts in _wrong_loadings(key, model):
            yield (
                f"TCA.h5: {what} holds {counts.sum()} numbers that are not finite, of "
                f"{_named('component', counts)}: what would be computed from them is not known (NULL)"
                + (f", and {_FIT}" if "rearranged" not in what else "")
            )


def _wrong_loadings(key: str, model: StoredModel) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield place and (R,) counts of what is not finite in a model."""
    arrays = {f"factors/{key}/{name}": factor for name, factor in model.factors.items()}
    arrays[f"weights/{key}"] = model.weights[None]
    for name, value in model.rearranged.items():
        place = f"factors_rearranged/{key}/{name}"
        if isinstance(value, Mapping):
            arrays |= {f"{place}/{part}": loadings for part, loadings in value.items()}
        else:
            arrays[place] = value
    for place, array in arrays.items():
        counts = n_not_finite(array, axis=1)
        if counts.any():
            yield place, counts


def _named(word: str, counts: NDArray[np.int64]) -> str:
    """Name the places that have a count: ``points 1, 4``."""
    places = np.flatnonzero(counts)
    listed = ", ".join(map(str, places[:_MOST_NAMED])) + (
        " ..." if len(places) > _MOST_NAMED else ""
    )
    return f"{word}{'' if len(places) == 1 else 's'} {listed}"

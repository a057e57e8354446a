"""What can be said of keypoints in space in single numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from element_facerhythm.keypoints.cameras.reconstruction import Reconstruction


@dataclass(frozen=True)
class PointSummary:
    """A body part of an individual, over all moments.

    Attributes
    ----------
    individual, body_part
        Whose position.
    name
        Both, or the body part where there is one individual.
    found_fraction
        Moments with a position / all moments.
    mean_error_px
        Mean over moments and used views of the distance between what was seen and where the position would
        be seen, pixels; None where no moment has a position.
    mean_views
        Mean number of views that a position was made of; None likewise.
    median_likelihood
        Median over moments of the mean likelihood of the used views; None where none says.
    """

    individual: str
    body_part: str
    name: str
    found_fraction: float
    mean_error_px: float | None
    mean_views: float | None
    median_likelihood: float | None


def point_summaries(made: Reconstruction) -> Iterator[PointSummary]:
    """Summarise every point in numbers, individual by individual."""
    single = len(made.seen.individuals) == 1
    likelihood, n_views = made.likelihood, made.n_views
    for i, individual in enumerate(made.seen.individuals):
        for k, part in enumerate(made.seen.body_parts):
            found = np.asarray(np.isfinite(made.positions[:, i, k]).all(axis=1))
            errors = made.errors_px[:, :, i, k][made.used[:, :, i, k]]
            said = likelihood[:, i, k][np.isfinite(likelihood[:, i, k])]
            yield PointSummary(
                individual,
                part,
                part if single else f"{individual}/{part}",
                float(found.mean()) if len(found) else 0.0,
                float(errors.mean()) if len(errors) else None,
                float(n_views[found, i, k].mean()) if found.any() else None,
                float(np.median(said)) if len(said) else None,
            )

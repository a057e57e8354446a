"""Decompositions as TCA.h5 holds them, of this package or of face-rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5_reader import H5Dataset, H5Group

_MAX_AXES = 16
_MAX_RANK = 4096
_MAX_MODELS = 1000


@dataclass(frozen=True)
class StoredModel:
    """One decomposition as stored. Loadings, weights and measures may hold NaN or infinite numbers.

    Attributes
    ----------
    names
        Axes in the order in which they were decomposed.
    factors
        Axis name to (n, R) loadings.
    weights
        (R,); ones where the writer absorbed them (face-rhythm stores none).
    rearranged
        The factors after undoing concatenations; a value is (n, R), or a mapping of such per
        video.
    explained_variance, squared_correlation, relative_error, r_squared
        Measures of fit, as of `CpModel`; None, all of them, where the writer did not store every one of
        them (the first runs of this package meant another number by ``explained_variance``, and had no
        ``squared_correlation``).
    n_iterations, stability
        None where the writer did not store them.
    """

    names: tuple[str, ...]
    factors: dict[str, NDArray[np.float32]]
    weights: NDArray[np.float32]
    rearranged: dict[str, Any]
    explained_variance: NDArray[np.float64] | None
    squared_correlation: NDArray[np.float64] | None
    relative_error: float | None
    r_squared: float | None
    n_iterations: int | None
    stability: NDArray[np.float32] | None

    @property
    def is_finite(self) -> bool:
        """Whether all loadings as decomposed, and all weights, are finite."""
        return all(np.isfinite(array).all() for array in (*self.factors.values(), self.weights))


def read_models(file: H5Group) -> dict[str, StoredModel]:
    """Read every decomposition of an open TCA.h5, by key.

    Raises
    ------
    ProjectError
        Loadings are missing, or differ in rank.
    """
    axes = file.dataset("names_dims_array_preDecomp")
    if axes.ndim != 1 or not 0 < len(axes) <= _MAX_AXES:
        axes.refuse(f"has shape {axes.shape}; expected the names of 1 to {_MAX_AXES} axes")
    names = tuple(axes.texts())
    if len(set(names)) < len(names):
        axes.refuse("names an axis twice")
    models = file.group("factors")
    keys = models.names_by_number()
    if not 0 < len(keys) <= _MAX_MODELS:
        models.refuse(f"holds {len(keys):,} models; expected 1 to {_MAX_MODELS:,}")
    return {key: _stored_model(file, key, names) for key in keys}


def _stored_model(file: H5Group, key: str, names: tuple[str, ...]) -> StoredModel:
    """Read what TCA.h5 says about one model."""
    group = file.group(f"factors/{key}")
    factors = {name: group.dataset(name).numbers(2) for name in names}
    rank = factors[names[0]].shape[1]
    for name in names:
        _require_rank(group.dataset(name), rank)
    fit = file.find(f"fit/{key}")
    weights = _per_component(file, f"weights/{key}", rank)
    return StoredModel(
        names=names,
        factors=factors,
        weights=np.ones(rank, dtype=np.float32) if weights is None else weights,
        rearranged=_rearranged(file.group(f"factors_rearranged/{key}"), rank),
        **_measures(fit, rank),
        n_iterations=_count_or_none(fit, "n_iterations"),
        stability=_per_component(fit, "stability", rank),
    )


def _measures(fit: H5Group | H5Dataset | None, rank: int) -> dict[str, Any]:
    """Measures of fit by name; None, all of them, where one is not stored, or not finite."""
    arrays = {
        n: _per_component(fit, n, rank) for n in ("explained_variance", "squared_correlation")
    }
    numbers = {n: _number_or_none(fit, n) for n in ("relative_error", "r_squared")}
    found = {**arrays, **numbers}
    known = all(value is not None and np.isfinite(value).all() for value in found.values())
    return found if known else dict.fromkeys(found)


def _rearranged(group: H5Group, rank: int) -> dict[str, Any]:
    """Read loadings by axis, or by axis and video where an axis was split."""
    members = {name: group[name] for name in group.names()}
    return {
        name: _loadings(member, rank)
        if isinstance(member, H5Dataset)
        else {part: _loadings(member.dataset(part), rank) for part in member.names()}
        for name, member in members.items()
    }


def _loadings(dataset: H5Dataset, rank: int) -> NDArray[Any]:
    values = dataset.numbers(2)
    _require_rank(dataset, rank)
    return values


def _require_rank(dataset: H5Dataset, rank: int) -> None:
    if not 0 < rank <= _MAX_RANK:
        dataset.refuse(f"has {rank:,} components; expected 1 to {_MAX_RANK:,}")
    if dataset.shape[1] != rank:
        dataset.refuse(f"has {dataset.shape[1]} components; expected {rank}")


def _per_component(group: H5Group | H5Dataset | None, name: str, rank: int) -> NDArray[Any] | None:
    """Numbers of a dataset (R,); None where there is none."""
    if not isinstance(group, H5Group) or name not in group:
        return None
    dataset = group.dataset(name)
    if dataset.shape != (rank,):
        dataset.refuse(f"has shape {dataset.shape}; expected ({rank},)")
    return dataset.numbers(1)


def _count_or_none(group: H5Group | H5Dataset | None, name: str) -> int | None:
    """Value of a dataset that holds one count; None where there is none, and for a negative or odd one."""
    value = _number_or_none(group, name)
    return int(value) if value is not None and 0 <= value < np.inf else None


def _number_or_none(group: H5Group | H5Dataset | None, name: str) -> float | None:
    """Value of a dataset that holds one number; None where there is none."""
    if not isinstance(group, H5Group) or name not in group:
        return None
    return float(group.dataset(name).numbers(0).real)

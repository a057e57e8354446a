"""Parameters of the tensor decomposition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from element_facerhythm.parameters.axes import (
    AXES,
    COMPLEX_AXIS,
    find_axis,
    folded_name,
    is_plain_axis,
)
from element_facerhythm.parameters.base import AsTuple, Count, CountOrZero, NonNegative, Section

_Pair = Annotated[tuple[str, str], AsTuple]
_Window = Annotated[tuple[CountOrZero, CountOrZero], AsTuple]


class RearrangeData(Section):
    """How the spectrograms become the tensor that is decomposed."""

    names_dims_array: Annotated[tuple[str, ...], AsTuple] = Field(
        default=AXES, description="Names of the spectrogram's axes; they are as stated."
    )
    names_dims_concat_array: Annotated[tuple[_Pair, ...], AsTuple] = Field(
        default=(("xy", "points"),),
        description="Pairs of axes to join: the first is folded into the second.",
    )
    concat_complexDim: bool = Field(
        default=False,
        description="Fold real and imaginary part into an axis (needs take_abs false).",
    )
    name_dim_concat_complexDim: str = Field(
        default="time", description="The axis that they are folded into."
    )
    name_dim_dictElements: str = Field(
        default="session", description="What the videos of a recording are called in axis names."
    )
    method_handling_dictElements: Literal["concatenate", "stack", "separate"] = Field(
        default="separate",
        description="Join the videos along an axis, stack them along a new one, or decompose each "
        "by itself.",
    )
    name_dim_concat_dictElements: str = Field(
        default="time", description="The axis along which videos are joined."
    )
    idx_windows: Annotated[tuple[_Window | None, ...] | None, AsTuple] = Field(
        default=None,
        description="First and last index (included) to use of each video, or null for all.",
    )
    name_dim_array_window: str = Field(
        default="time", description="The axis that idx_windows cuts."
    )

    @model_validator(mode="after")
    def _axes_exist(self) -> RearrangeData:
        if self.names_dims_array != AXES:
            raise ValueError(
                f"names_dims_array is {list(self.names_dims_array)}; the axes of a spectrogram are "
                f"{list(AXES)}, in this order"
            )
        names = self.joined_names()
        if self.concat_complexDim:
            _require_axis("name_dim_concat_complexDim", self.name_dim_concat_complexDim, names)
        if self.method_handling_dictElements == "concatenate":
            _require_axis("name_dim_concat_dictElements", self.name_dim_concat_dictElements, names)
        if self.idx_windows is not None:
            _require_axis("name_dim_array_window", self.name_dim_array_window, AXES)
        elements = self.name_dim_dictElements
        if not is_plain_axis(elements) or elements in (*AXES, COMPLEX_AXIS):
            raise ValueError(
                f"name_dim_dictElements is {elements!r}; expected a name without spaces, slashes "
                f"and parentheses that is none of {[*AXES, COMPLEX_AXIS]}"
            )
        return self

    def joined_names(self) -> list[str]:
        """Axis names after folding the pairs of `names_dims_concat_array`."""
        names = list(self.names_dims_array)
        for folded, kept in self.names_dims_concat_array:
            if folded not in names or kept not in names or folded == kept:
                raise ValueError(
                    f"names_dims_concat_array joins {[folded, kept]}; the axes are {names}"
                )
            names[names.index(kept)] = folded_name(folded, kept)
            names.remove(folded)
        return names


def _require_axis(key: str, name: str, names: Sequence[str]) -> None:
    """Raise unless an axis is found by its name.

    Parameters
    ----------
    key
        The parameter that holds the name.
    name
        Of an axis, or of a part of one.
    names
        Axes that there are.

    Raises
    ------
    ValueError
        There is no such axis.
    """
    if find_axis(name, names) is None:
        raise ValueError(f"{key} is {name!r}; the axes are {list(names)}")


class NormalizeData(Section):
    """Centring and scaling of the tensor along one axis."""

    mean_subtract: bool = Field(default=False, description="Subtract the mean along the axis.")
    std_divide: bool = Field(
        default=False, description="Divide by the standard deviation along the axis."
    )
    dim_name: str = Field(default="time", description="The axis.")


class ParamsMethod(Section):
    """Arguments of the decomposition."""

    rank: Count = Field(default=10, description="Number of components.")
    n_iter_max: Count = Field(
        default=200,
        description="Largest number of iterations: sweeps over the compressed tensor, which a few "
        "over the whole tensor follow.",
    )
    init: Literal["random", "svd"] = Field(
        default="random", description="Where the first start begins."
    )
    svd: Literal["truncated_svd", "randomized_svd", "symeig_svd"] = Field(
        default="truncated_svd",
        description="How tensorly computes its starting point with init svd; unused elsewhere.",
    )
    tol: NonNegative = Field(
        default=1e-9,
        description="Stop when an iteration lowers the relative error by less than this.",
    )
    n_restarts: Count = Field(
        default=8,
        description="CP_NN_HALS and CP: number of starts; the best fit is kept, and how well the "
        "others agree with it is the stability of its components.",
    )
    random_state: CountOrZero | None = Field(
        default=None, description="Seed of this step; null uses project.random_seed."
    )
    exact: bool = Field(
        default=False, description="CP_NN_HALS: solve each non-negative step exactly (slow)."
    )
    nn_modes: Literal["all"] | Annotated[tuple[CountOrZero, ...], AsTuple] | None = Field(
        default="all", description="CP_NN_HALS: axes (by number) whose loadings are non-negative."
    )
    sparsity_coefficients: Annotated[tuple[NonNegative | None, ...] | None, AsTuple] = Field(
        default=None, description="CP_NN_HALS: sparsity asked of each axis; null for none."
    )
    fixed_modes: Annotated[tuple[CountOrZero, ...] | None, AsTuple] = Field(
        default=None, description="CP_NN_HALS and CP: axes whose starting loadings stay."
    )
    cvg_criterion: Literal["abs_rec_error", "rec_error"] = Field(
        default="abs_rec_error",
        description="CP_NN_HALS and CP: compare changes of the error by size, or with their sign.",
    )
    n_samples: Count | None = Field(
        default=None, description="RandomizedCP: entries sampled per step; needed there."
    )


METHOD_OPTIONS: Mapping[str, tuple[str, ...]] = {
    method: ("n_iter_max", "init", "svd", "tol", *own)
    for method, own in {
        "CP_NN_HALS": (
            "n_restarts",
            "exact",
            "nn_modes",
            "sparsity_coefficients",
            "fixed_modes",
            "cvg_criterion",
        ),
        "CP": ("n_restarts", "fixed_modes", "cvg_criterion"),
        "RandomizedCP": ("n_samples",),
    }.items()
}
"""Which of `ParamsMethod`, besides the rank and the seed, each method has."""


def has_enough_samples(method: str, n_samples: int | None, rank: int) -> bool:
    """Whether a method draws enough samples.

    Parameters
    ----------
    method
        One of `METHOD_OPTIONS`.
    n_samples
        Entries sampled per step.
    rank
        Number of components.

    Returns
    -------
    Of ``RandomizedCP``, whether it samples more entries than there are components; true of other methods,
    which draw none.
    """
    return method != "RandomizedCP" or (n_samples or 0) > rank


class Fit(Section):
    """The decomposition."""

    method: Literal["CP_NN_HALS", "CP", "RandomizedCP"] = Field(
        default="CP_NN_HALS",
        description="Non-negative, unconstrained, or unconstrained on random samples of the "
        "tensor.",
    )
    params_method: ParamsMethod = ParamsMethod()

    @model_validator(mode="after")
    def _enough_samples(self) -> Fit:
        own = self.params_method
        if not has_enough_samples(self.method, own.n_samples, own.rank):
            raise ValueError(
                f"params_method.n_samples is {own.n_samples}; RandomizedCP needs a number above "
                f"the rank, {own.rank}"
            )
        return self

    def options(self) -> dict[str, Any]:
        """Arguments of this method besides the rank and the seed."""
        return {key: getattr(self.params_method, key) for key in METHOD_OPTIONS[self.method]}


class RearrangeFactors(Section):
    """Which joins are undone in the factors."""

    undo_concat_complexDim: bool = Field(
        default=False, description="Make complex factors of folded real and imaginary parts."
    )
    undo_concat_dictElements: bool = Field(
        default=False, description="Split the joined axis into one factor per video."
    )


class Tca(Section):
    """Tensor component analysis."""

    rearrange_data: RearrangeData = RearrangeData()
    normalize_data: NormalizeData = NormalizeData()
    fit: Fit = Fit()
    rearrange_factors: RearrangeFactors = RearrangeFactors()

    @model_validator(mode="after")
    def _undo_what_was_done(self) -> Tca:
        data, factors = self.rearrange_data, self.rearrange_factors
        if factors.undo_concat_dictElements and data.method_handling_dictElements != "concatenate":
            raise ValueError(
                "rearrange_factors.undo_concat_dictElements is true while "
                f"rearrange_data.method_handling_dictElements is "
                f"{data.method_handling_dictElements!r}; only 'concatenate' can be undone"
            )
        if factors.undo_concat_complexDim and not data.concat_complexDim:
            raise ValueError(
                "rearrange_factors.undo_concat_complexDim is true while "
                "rearrange_data.concat_complexDim is false; there is nothing to undo"
            )
        if data.concat_complexDim and self.fit.method == "CP_NN_HALS":
            raise ValueError(
                "rearrange_data.concat_complexDim makes negative values, which fit.method "
                "'CP_NN_HALS' cannot represent; use 'CP' or 'RandomizedCP'"
            )
        if self.normalize_data.mean_subtract or self.normalize_data.std_divide:
            _require_axis(
                "normalize_data.dim_name", self.normalize_data.dim_name, data.joined_names()
            )
        return self

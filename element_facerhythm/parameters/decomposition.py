"""Parameters of the tensor decomposition."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from element_facerhythm.parameters.base import AsTuple, Count, CountOrZero, NonNegative, Section

AXES = ("xy", "points", "frequency", "time")
"""Axes of a spectrogram, in the order in which the product stores them."""

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
    concat_complexDim: bool = Field(  # noqa: N815
        default=False,
        description="Fold real and imaginary part into an axis (needs take_abs false).",
    )
    name_dim_concat_complexDim: str = Field(  # noqa: N815
        default="time", description="The axis that they are folded into."
    )
    name_dim_dictElements: str = Field(  # noqa: N815
        default="session", description="What the videos of a recording are called in axis names."
    )
    method_handling_dictElements: Literal["concatenate", "stack", "separate"] = Field(  # noqa: N815
        default="separate",
        description="Join the videos along an axis, stack them along a new one, or decompose each "
        "by itself.",
    )
    name_dim_concat_dictElements: str = Field(  # noqa: N815
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
        for key, used in (
            ("name_dim_concat_complexDim", self.concat_complexDim),
            ("name_dim_concat_dictElements", self.method_handling_dictElements == "concatenate"),
        ):
            name = getattr(self, key)
            if used and name not in names and name not in self._complex_names(names):
                raise ValueError(f"{key} is {name!r}; the axes after joining are {names}")
        if self.idx_windows is not None and self.name_dim_array_window not in AXES:
            raise ValueError(
                f"name_dim_array_window is {self.name_dim_array_window!r}; expected one of "
                f"{list(AXES)}"
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
            names[names.index(kept)] = f"({folded} {kept})"
            names.remove(folded)
        return names

    def _complex_names(self, names: list[str]) -> list[str]:
        return [f"({name} complex)" for name in names] if self.concat_complexDim else []


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
    n_iter_max: Count = Field(default=200, description="Largest number of iterations.")
    init: Literal["random", "svd"] = Field(default="random", description="Where to start.")
    svd: Literal["truncated_svd", "randomized_svd", "symeig_svd"] = Field(
        default="truncated_svd", description="How the starting point is computed with init svd."
    )
    tol: NonNegative = Field(
        default=1e-9, description="Stop when the error changes by less than this."
    )
    random_state: CountOrZero | None = Field(
        default=None, description="Seed of this step; null uses project.random_seed."
    )


class Fit(Section):
    """The decomposition."""

    method: Literal["CP_NN_HALS", "CP", "RandomizedCP"] = Field(
        default="CP_NN_HALS",
        description="Non-negative, unconstrained, or unconstrained on random samples of the "
        "tensor.",
    )
    params_method: ParamsMethod = ParamsMethod()


class RearrangeFactors(Section):
    """Which joins are undone in the factors."""

    undo_concat_complexDim: bool = Field(  # noqa: N815
        default=False, description="Make complex factors of folded real and imaginary parts."
    )
    undo_concat_dictElements: bool = Field(  # noqa: N815
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
        return self

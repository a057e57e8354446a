"""What is read lazily is what numpy gives of the whole, whatever part is asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

pytest.importorskip("xarray")

from element_facerhythm.pipeline.exchange.lazy_variables import (
    Flags,
    Joined,
    Stacked,
    Stored,
    Viewed,
    lazy_variable,
)

RNG = np.random.default_rng(3)
A, B = RNG.random((7, 3, 2), np.float32), RNG.random((4, 3, 2), np.float32)
ROWS, COLUMNS = np.array([0, 2, 2, 6, 10]), np.array([1, 0, 2, 1, 2])
DENSE = np.zeros((11, 3), bool)
DENSE[ROWS, COLUMNS] = True
FEW = np.zeros((4, 3), bool)
FEW[ROWS[:2], COLUMNS[:2]] = True
TRACES = [RNG.random((9, 2)), None, RNG.random((9, 2))]
NOTHING = np.full((9, 2), np.nan)
CASES: dict[str, tuple[Any, Any]] = {
    "joined, turned, a new axis": (
        Viewed(Joined([Stored(A), Stored(B)]), (0, 2, 1, None), np.dtype(np.float64)),
        np.concatenate([A, B]).transpose(0, 2, 1)[..., None].astype(float),
    ),
    "joined along the last axis": (
        Joined([Stored(A.transpose(1, 2, 0)), Stored(B.transpose(1, 2, 0))], axis=2),
        np.concatenate([A, B]).transpose(1, 2, 0),
    ),
    "flags": (Flags(ROWS, COLUMNS, DENSE.shape), DENSE),
    "flags of two videos": (
        Joined([Flags(ROWS, COLUMNS, DENSE.shape), Flags(ROWS[:2], COLUMNS[:2], (4, 3))]),
        np.concatenate([DENSE, FEW]),
    ),
    "side by side": (
        Stacked([t if t is None else Stored(t) for t in TRACES]),
        np.stack([NOTHING if t is None else t for t in TRACES], axis=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
def test_any_part_is_the_part_of_the_whole(case: str, data: st.DataObject) -> None:
    source, expected = CASES[case]
    dims = [f"axis{i}" for i in range(expected.ndim)]
    variable = lazy_variable(dims, source, {})
    assert (variable.shape, variable.dtype) == (expected.shape, expected.dtype)
    key = data.draw(basic_indices(expected.shape, allow_newaxis=False, allow_ellipsis=False))
    key = key if isinstance(key, tuple) else (key,)
    found = variable[key]
    again = data.draw(basic_indices(found.shape, allow_newaxis=False, allow_ellipsis=False))
    np.testing.assert_array_equal(found.values, expected[key])
    np.testing.assert_array_equal(found[again].values, expected[key][again])


def test_lists_and_changes_of_a_copy() -> None:
    source, expected = CASES["side by side"]
    variable = lazy_variable(("time", "region", "space"), source, {"units": "px"})
    np.testing.assert_array_equal(
        variable[{"time": [4, 0, 4], "region": [2, 1]}].values, expected[[4, 0, 4]][:, [2, 1]]
    )
    copy = variable.copy(deep=True)
    copy[0, 0] = 7.0
    assert (copy[0, 0] == 7.0).all() and not (variable[0, 0] == 7.0).any()

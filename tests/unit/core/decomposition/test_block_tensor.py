"""Tensors read in blocks hold what the arrays hold, whatever they are read from."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from element_facerhythm.core.decomposition import (
    AxisPlan,
    FitSettings,
    TensorScaling,
    decompose,
    prepare_tensors,
    rearrange,
)
from element_facerhythm.core.decomposition import block_tensor as block_module
from element_facerhythm.core.decomposition import quality as quality_module
from element_facerhythm.errors import ParameterError, ProcessingError
from element_facerhythm.io.lazy import LazyArray

NAMES = ("xy", "points", "frequency", "time")
PLAN = AxisPlan(NAMES, (("xy", "points"),), method="concatenate", undo_join=True)
FIT = FitSettings("CP_NN_HALS", rank=2, seed=0, n_restarts=2)


@pytest.fixture
def stored(tmp_path):
    """Spectrograms of two videos, in memory and in a file."""
    rng = np.random.default_rng(0)
    arrays = {
        str(i): rng.gamma(0.5, 1.0, (2, 60, 7, n)).astype(np.float32)
        for i, n in enumerate((110, 90))
    }
    path = tmp_path / "VQT_Analyzer.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[f"spectrograms/{name}"] = array
    return arrays, {name: LazyArray(path, f"spectrograms/{name}") for name in arrays}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows that do not divide the number of points."""
    row = 7 * 200
    monkeypatch.setattr(quality_module, "_ENTRIES_PER_BLOCK", 7 * row)
    monkeypatch.setattr(block_module.BlockTensor.blocks, "__defaults__", (7 * row,))


@pytest.mark.parametrize(
    ("changes", "scaling", "method"),
    [
        ({}, TensorScaling(), "CP_NN_HALS"),
        ({"windows": ((10, 99), None)}, TensorScaling(), "CP_NN_HALS"),
        ({}, TensorScaling(mean_subtract=True), "CP"),
        ({}, TensorScaling(std_divide=True), "CP_NN_HALS"),
        ({}, TensorScaling(mean_subtract=True, std_divide=True, axis="points"), "CP"),
        ({"method": "separate", "undo_join": False}, TensorScaling(), "CP_NN_HALS"),
        ({"pairs": (("points", "xy"),)}, TensorScaling(), "CP_NN_HALS"),
        ({"pairs": ()}, TensorScaling(), "CP_NN_HALS"),
    ],
)
def test_reading_from_a_file_gives_the_same_decomposition(
    stored, small_blocks, changes, scaling, method
):
    arrays, lazy = stored
    asked = replace(PLAN, **changes), replace(FIT, method=method), scaling
    in_memory = decompose(arrays, *asked)
    streamed = decompose(lazy, *asked, resident_bytes=0)
    loaded = decompose(lazy, *asked)
    for key, model in in_memory.models.items():
        for other in (streamed.models[key], loaded.models[key]):
            assert other.relative_error == pytest.approx(model.relative_error, rel=1e-9)
            for name in model.names:
                np.testing.assert_array_equal(other.factors[name], model.factors[name])


@pytest.mark.parametrize("n_rows", [1, 3, 60, 61, 120])
@pytest.mark.parametrize("pairs", [(("xy", "points"),), (("points", "xy"),), ()])
def test_any_range_of_rows_is_that_of_the_whole(stored, n_rows, pairs):
    arrays, lazy = stored
    plan = AxisPlan(NAMES, pairs, method="concatenate")
    whole = np.asarray(rearrange(arrays, plan).tensors["0"])
    tensor = rearrange(lazy, plan).tensors["0"]
    rows = np.moveaxis(whole, tensor.row_axis, 0)
    for start in range(0, tensor.n_rows, n_rows):
        stop = min(start + n_rows, tensor.n_rows)
        np.testing.assert_array_equal(tensor.read_rows(start, stop), rows[start:stop])


def test_rows_of_a_folded_complex_axis_can_be_cut_between_its_parts():
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) * (1 + 2j)
    plan = AxisPlan(
        NAMES, (("frequency", "points"), ("xy", "time")), "points", method="concatenate"
    )
    tensor = rearrange({"0": values}, plan).tensors["0"]
    whole = np.moveaxis(np.asarray(tensor), tensor.row_axis, 0)
    assert tensor.n_rows == 2 * 3 * 4
    for start in range(tensor.n_rows - 4):
        np.testing.assert_array_equal(tensor.read_rows(start, start + 5), whole[start : start + 5])


def test_only_what_is_asked_for_is_read(stored):
    _, lazy = stored
    read = []

    class Counting(LazyArray):
        def __getitem__(self, key):
            values = super().__getitem__(key)
            read.append(values.size)
            return values

    counting = {name: Counting(array.path, array.dataset) for name, array in lazy.items()}
    tensor = rearrange(counting, AxisPlan(NAMES, (("xy", "points"),), method="concatenate"))
    assert read == []
    tensor.tensors["0"].read_rows(58, 62)
    assert sum(read) == 4 * 7 * 200


def test_bad_numbers_in_a_file_are_named(stored, tmp_path):
    arrays, _ = stored
    arrays["1"][1, 4, 3, 2] = np.nan
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        file["1"] = arrays["1"]
    with pytest.raises(ProcessingError, match=r"1 values.*xy 1, points 4, frequency 3, frame 2"):
        decompose({"1": LazyArray(path, "1")}, PLAN, FIT, resident_bytes=0)


def test_a_single_axis_is_refused():
    plan = AxisPlan(("points", "time"), (("points", "time"),))
    with pytest.raises(ParameterError, match="a decomposition needs two"):
        prepare_tensors({"0": np.ones((3, 4))}, plan)

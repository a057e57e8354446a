"""The pyramid of traces against numpy, for any lengths, zooms and missing values."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.gui import trace_pyramid
from element_facerhythm.gui.trace_pyramid import TracePyramid, build_pyramid, sizes_of_levels
from element_facerhythm.io.lazy import LazyArray


@settings(max_examples=60, deadline=None)
@given(
    n_frames=st.integers(1, 5000),
    n_points=st.integers(1, 5),
    block_bytes=st.sampled_from([1, 2_000, 1 << 24]),
    coarsest=st.integers(1, 40),
    window=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    width=st.integers(1, 300),
    seed=st.integers(0, 2**31),
)
def test_columns_are_the_extremes_that_numpy_finds(
    n_frames: int, n_points: int, block_bytes: int, coarsest: int,
    window: tuple[float, float], width: int, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 5, (n_frames, n_points, 2)).cumsum(axis=0).astype(np.float32)
    points[rng.random(n_frames) < 0.1] = np.nan
    home = rng.uniform(0, 100, (n_points, 2)).astype(np.float32)
    first, stop = sorted(int(share * n_frames) for share in window)
    stop = min(max(stop, first + 1), n_frames)
    first = min(first, stop - 1)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace_pyramid, "_BLOCK_BYTES", block_bytes)
        patch.setattr(trace_pyramid, "_COARSEST", coarsest)
        with h5py.File(Path(folder) / "tracks.h5", "w") as file:
            file["points"] = points
        tracks = [LazyArray(Path(folder) / "tracks.h5", "points")]
        seen: list[int] = []
        build_pyramid(Path(folder) / "side.h5", tracks, home, seen.append)
        assert seen[-1] == n_frames
        chosen = list(rng.permutation(n_points))
        columns = TracePyramid(Path(folder) / "side.h5", tracks, home).columns(
            0, chosen, first, stop, width
        )
        coarsest_size = sizes_of_levels(n_frames)[-1]
    assert columns.first <= first
    assert columns.first + columns.size * columns.low.shape[2] >= stop
    assert columns.low.shape[2] <= width + 1 or columns.size == coarsest_size
    moved = (points - home)[:, chosen]
    exact = moved if columns.size == 1 else moved.astype(np.float16).astype(np.float32)
    for column in range(columns.low.shape[2]):
        begin = columns.first + column * columns.size
        run = exact[begin : min(begin + columns.size, stop if columns.size == 1 else n_frames)]
        np.testing.assert_array_equal(columns.low[:, :, column], np.fmin.reduce(run, axis=0))
        np.testing.assert_array_equal(columns.high[:, :, column], np.fmax.reduce(run, axis=0))

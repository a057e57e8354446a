"""One pass over a movie against numpy's whole decomposition of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.motion.streamed_svd import StreamedSvd, store_width


def movie(n_frames, n_bins, n_parts, noise, seed=0):
    """Parts of falling strength about a mean far from 0, and noise."""
    rng = np.random.default_rng(seed)
    times = rng.normal(size=(n_frames, n_parts)) * np.geomspace(60, 2, n_parts)
    places = np.linalg.qr(rng.normal(size=(n_bins, n_parts)))[0].T
    return (times @ places + rng.normal(size=(n_frames, n_bins)) * noise + 90).astype(np.float32)


def decomposed(frames, n, basis=None):
    svd = StreamedSvd(
        frames.shape[1], n, np.zeros((len(frames), store_width(frames.shape[1], n)), np.float32), basis=basis
    )  # fmt: skip
    for frame in frames:
        svd.push(frame)
    projection = np.zeros((len(frames), n), np.float32)
    return svd, svd.finish(projection), projection


@pytest.mark.parametrize(
    ("shape", "n_parts", "noise", "n"),
    [((700, 60), 8, 0.5, 10), ((1500, 900), 20, 0.05, 20), ((3000, 700), 30, 0.3, 12)],
)
def test_it_is_numpys_decomposition(shape, n_parts, noise, n):
    frames = movie(*shape, n_parts, noise)
    _, found, projection = decomposed(frames, n)
    centred = frames - frames.mean(axis=0, dtype=np.float64)
    _, values, masks = np.linalg.svd(centred, full_matrices=False)
    n_sure = min(n, n_parts)
    np.testing.assert_allclose(found.singular_values[:n_sure], values[:n_sure], rtol=2e-3)
    cosines = np.linalg.svd(masks[:n_sure] @ found.masks[:n_sure].T, compute_uv=False)
    assert cosines.min() > 0.999
    np.testing.assert_allclose(projection, centred @ found.masks.T, atol=0.05)
    assert found.total_variance == pytest.approx(centred.var(axis=0).sum(), rel=1e-6)
    left = np.linalg.norm(centred - projection @ found.masks) / np.linalg.norm(centred)
    assert found.relative_error == pytest.approx(left, rel=0.03)
    best = np.sqrt(1 - (values[:n] ** 2).sum() / (values**2).sum())
    assert best * 0.999 <= found.relative_error < best * 1.03
    np.testing.assert_allclose(
        found.share_of_variance, found.singular_values**2 / (centred**2).sum(), rtol=1e-6
    )
    largest = found.masks[np.arange(n), np.abs(found.masks).argmax(axis=1)]
    assert (largest > 0).all()


def test_a_second_pass_projects_on_the_masks_themselves():
    frames = movie(2500, 800, 15, 1.0)
    first, one, _ = decomposed(frames, 10)
    _, two, projection = decomposed(frames, 10, first.basis())
    centred = frames - frames.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(projection, centred @ two.masks.T, atol=5e-3)
    values = np.linalg.svd(centred, compute_uv=False)[:10]
    np.testing.assert_allclose(two.singular_values, values, rtol=5e-3)
    assert two.relative_error <= one.relative_error * (1 + 1e-6)
    assert (one.method, two.method) == ("one pass", "two passes")


def test_a_scene_that_changes_for_good_is_learned():
    """What only comes late, in directions that the first blocks did not show, is in the masks."""
    early, late = movie(1200, 900, 10, 0.2, seed=1), movie(1200, 900, 10, 0.2, seed=2)
    frames = np.concatenate([early, late])
    _, found, _ = decomposed(frames, 20)
    values = np.linalg.svd(frames - frames.mean(axis=0), compute_uv=False)[:20]
    np.testing.assert_allclose(found.singular_values, values, rtol=0.01)


@settings(max_examples=25, deadline=None)
@given(
    n_frames=st.integers(1, 40),
    n_bins=st.integers(1, 30),
    n=st.integers(1, 12),
    is_still=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_small_movies_are_exact(n_frames, n_bins, n, is_still, seed):
    frames = np.random.default_rng(seed).uniform(0, 255, (n_frames, n_bins)).astype(np.float32)
    if is_still:
        frames[:] = frames[0]
    _, found, projection = decomposed(frames, n)
    n_found = len(found.singular_values)
    assert n_found == max(min(n, n_bins, n_frames - 1), 0)
    centred = frames - frames.mean(axis=0, dtype=np.float64)
    values = np.linalg.svd(centred, compute_uv=False)[:n_found]
    np.testing.assert_allclose(found.singular_values, values, atol=0.02, rtol=1e-4)
    shown = projection[:, :n_found] @ found.masks
    left = (centred**2).sum() - (values**2).sum()
    assert ((centred - shown) ** 2).sum() == pytest.approx(left, abs=1 + 1e-4 * (centred**2).sum())
    assert np.isfinite(found.relative_error) and found.total_variance >= 0


def test_the_store_is_all_that_grows():
    import tracemalloc

    frames = movie(600, 400, 5, 0.1)

    class Nothing:
        def __setitem__(self, rows, values):
            pass

    def peak(n_times):
        svd = StreamedSvd(400, 20, Nothing())
        tracemalloc.start()
        for _ in range(n_times):
            for frame in frames:
                svd.push(frame)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(12) < 1.2 * peak(3) + 100_000

"""What holds for any points, any distances, any order of writing, and any video."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from element_facerhythm.core.rois import polygon_mask, seed_grid
from element_facerhythm.core.tracking import make_mesh, mesh_offsets, track_points
from element_facerhythm.core.tracking.mesh import nearest_first
from element_facerhythm.core.tracking.point_store import PointStore
from element_facerhythm.core.tracking.violations import ViolationLog
from tests.tracking_settings import settings_with

whole = st.integers(-300, 300)
point_sets = st.lists(st.tuples(whole, whole), min_size=1, max_size=60, unique=True)


@given(distances=st.lists(st.integers(0, 30), min_size=1, max_size=300), share=st.floats(0.0, 1.0))
def test_nearest_first_is_the_start_of_an_ascending_order(distances, share):
    values = np.array(distances, np.float32)
    n_taken = round(share * len(values))
    taken = nearest_first(values, n_taken)
    assert len(set(taken.tolist())) == n_taken
    assert np.array_equal(values[taken], np.sort(values)[:n_taken])
    assert np.array_equal(taken, nearest_first(values, len(values))[:n_taken])


@given(points=point_sets, n_neighbors=st.integers(1, 12), shift=st.tuples(whole, whole))
def test_a_shift_of_all_points_strains_no_mesh(points, n_neighbors, shift):
    home = np.array(points, np.float32)
    mesh = make_mesh(home, n_neighbors=n_neighbors)
    moved = home + np.array(shift, np.float32)
    assert np.array_equal(mesh_offsets(moved, mesh.neighbors), mesh.rest_offsets)
    assert np.array_equal(make_mesh(moved, n_neighbors=n_neighbors).neighbors, mesh.neighbors)


@given(
    moves=st.lists(st.integers(0, 12), max_size=25),
    n_recent=st.integers(1, 6),
    n_block=st.integers(1, 5),
)
def test_points_written_in_blocks_equal_points_written_at_once(moves, n_recent, n_block):
    """Each move goes on by one row after having gone back by so many."""
    n_rows = len(moves) + 1
    out, expected = (np.full((n_rows, 2, 2), -1.0, np.float32) for _ in range(2))
    store = PointStore(out, n_recent=n_recent, n_block=n_block)
    stop = 0
    for step, back in enumerate(moves):
        index = max(stop - back, 0)
        expected[index] = step
        store[index] = expected[index].copy()
        stop = index + 1
        earlier = index // 2
        assert np.array_equal(store[earlier], expected[earlier])
    store.flush()
    assert np.array_equal(out[:stop], expected[:stop])


@given(
    events=st.lists(
        st.tuples(st.integers(-5, 12), st.integers(-2, 15), arrays(bool, 4)), max_size=12
    )
)
def test_violation_log_equals_a_table(events):
    log, table = ViolationLog(10, 4), np.zeros((10, 4), bool)
    for first, stop, points in events:
        before = table.sum()
        table[max(first, 0) : max(stop, 0)] |= points
        assert log.add(first, stop, points) == (table.sum() > before)
    rows, columns = log.coordinates()
    assert np.array_equal(np.stack([rows, columns]), np.stack(np.nonzero(table)))
    assert all(np.array_equal(log.row(t), table[t]) for t in range(10))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    threshold_px=st.floats(0.0, 5.0),
    n_before=st.integers(0, 10),
    n_after=st.integers(0, 10),
    relaxation=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_flagged_points_never_follow_the_flow(seed, threshold_px, n_before, n_after, relaxation):
    """Any video ends, and a flagged point only ever relaxes from where it was, or is held there."""
    frames = np.random.default_rng(seed).integers(0, 256, (8, 40, 40), dtype=np.uint8)
    home = np.array([[12, 12], [20, 12], [12, 20], [28, 28]], np.float32)

    def open_frames(start: int) -> Iterator[np.ndarray]:
        return iter(frames[start:])

    tracked = track_points(
        open_frames,
        8,
        home,
        settings_with(
            window_px=7,
            max_level=1,
            relaxation=relaxation,
            displacement_threshold_px=threshold_px,
            n_frames_halted_before=n_before,
            n_frames_halted_after=n_after,
        ),
        mesh=make_mesh(home, n_neighbors=2),
        visible_mask=np.ones((40, 40), bool),
    )
    rows, columns = tracked.violation_rows, tracked.violation_cols
    before = np.concatenate([home[None], tracked.points])[rows, columns]
    relaxed = before - (before - home[columns]) * np.float32(relaxation)
    expected = np.where(np.isin(rows, tracked.held_frames)[:, None], before, relaxed)
    # compilers multiply and add in one step, which rounds once
    np.testing.assert_allclose(tracked.points[rows, columns], expected, rtol=3e-7)
    away = np.linalg.norm(tracked.points - home, axis=-1)
    flagged = np.zeros(away.shape, bool)
    flagged[rows, columns] = True
    assert not (away > threshold_px)[~flagged].any()


corners = st.tuples(st.integers(-5, 45), st.integers(-5, 35))


@given(polygon=st.lists(corners, min_size=3, max_size=8), spacing_px=st.integers(1, 9))
def test_seeded_points_lie_inside_and_on_one_grid(polygon, spacing_px):
    mask = polygon_mask(polygon, height_px=30, width_px=40)
    points = seed_grid(mask, spacing_px=spacing_px).astype(int)
    assert mask[points[:, 1], points[:, 0]].all()
    assert len(np.unique(points, axis=0)) == len(points)
    if len(points):
        assert not ((points - points[0]) % spacing_px).any()

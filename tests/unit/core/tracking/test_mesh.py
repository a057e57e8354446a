import numpy as np
import pytest

from element_facerhythm.core.tracking import make_mesh, mesh_offsets
from element_facerhythm.errors import ParameterError


def test_neighbours_are_the_nearest_and_the_point_itself(grid):
    mesh = make_mesh(grid, n_neighbors=9)
    distance = np.linalg.norm(grid[:, None] - grid[None], axis=-1)
    for index, neighbors in enumerate(mesh.neighbors):
        assert neighbors[0] == index
        assert len(set(neighbors)) == 9
        rest = np.setdiff1d(np.arange(len(grid)), neighbors)
        assert distance[index, neighbors].max() <= distance[index, rest].min()


def test_moving_all_points_alike_strains_no_mesh(grid):
    mesh = make_mesh(grid, n_neighbors=7)
    moved = grid + np.array([4.0, -2.5], np.float32)
    assert np.array_equal(mesh_offsets(moved, mesh.neighbors), mesh.rest_offsets)


def test_the_mesh_pulls_a_strayed_point_back(grid):
    mesh = make_mesh(grid, n_neighbors=5)
    strayed = grid.copy()
    strayed[20] += [3.0, 0.0]
    pull = mesh_offsets(strayed, mesh.neighbors) - mesh.rest_offsets
    # The point counts as its own neighbour, so that 4 of 5 see the stray.
    assert pull[20] == pytest.approx([3.0 * 4 / 5, 0.0], abs=1e-5)
    neighbour_of_20 = next(i for i in mesh.neighbors[20] if i != 20 and 20 in mesh.neighbors[i])
    assert pull[neighbour_of_20, 0] == pytest.approx(-3.0 / 5, abs=1e-5)


def test_few_points_are_all_neighbours():
    points = np.array([[0, 0], [3, 0]], np.float32)
    assert make_mesh(points, n_neighbors=10).neighbors.tolist() == [[0, 1], [1, 0]]


def test_no_neighbour_at_all_is_refused(grid):
    with pytest.raises(ParameterError, match="mesh_n_neighbors is 0"):
        make_mesh(grid, n_neighbors=0)

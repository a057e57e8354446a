"""The points that the page draws are those that a run tracks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.core.rois import Rois, place_rois

pytestmark = [pytest.mark.browser]

GRIDS = """
async (cases) => {
  const { seedGrid, seedMask } = await import(new URL("static/draw/geometry.js", document.baseURI));
  return cases.map(({ polygons, height, width, spacing }) => {
    const regions = polygons.map((vertices) => ({ kind: "points", vertices }));
    return seedGrid(seedMask(regions, height, width), height, width, spacing);
  });
}
"""
N_CASES = 1000


def random_case(random: np.random.Generator) -> dict[str, Any]:
    """Polygons of any shape, crossing themselves too, on whole pixels, on tenths, and out on the border."""
    height, width = random.integers(20, 90, 2).tolist()
    polygons = []
    for _ in range(random.integers(1, 4)):
        vertices = random.uniform(-0.5, [width, height], (random.integers(3, 12), 2))
        vertices = [np.rint(vertices), np.round(vertices, 1), vertices][random.integers(3)]
        polygons.append(np.clip(vertices, -0.5, [width, height]).tolist())
    spacing = int(random.integers(1, 15))
    return {"polygons": polygons, "height": height, "width": width, "spacing": spacing}


def test_grid_of_the_page_is_that_of_the_run(
    serve: Callable[..., Any], tab: Any, numbered: Path
) -> None:
    random = np.random.default_rng(7)
    cases = [random_case(random) for _ in range(N_CASES)]
    with serve(numbered) as server:
        grids = tab.open(server.address).evaluate(GRIDS, cases)
    n_points = 0
    for case, grid in zip(cases, grids, strict=True):
        rois = Rois(seed_polygons=tuple(map(np.array, case["polygons"])))
        size = {"height_px": case["height"], "width_px": case["width"]}
        if not grid:
            with pytest.raises(Exception, match="No point fits"):
                place_rois(rois, **size, spacing_px=case["spacing"])
            continue
        placed = place_rois(rois, **size, spacing_px=case["spacing"])
        assert np.array_equal(np.array(grid).reshape(-1, 2), placed.point_positions), case
        n_points += len(placed.point_positions)
    assert n_points > 20 * N_CASES

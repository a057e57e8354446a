"""Rows give the datasets of their files, and what movement filtered goes back into rows with its log."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import RequestError
from tests.db.on_server.conftest import N_FRAMES

Key = dict[str, Any]


def test_a_row_gives_the_datasets_of_its_files(
    processed: Key, fbe: ModuleType, facerhythm: Callable[..., Any], tmp_path: Path
) -> None:
    import xarray as xr

    from element_facerhythm.pipeline.exchange.dataset_files import read_datasets

    points = fbe.FacialRhythm.to_xarray(processed)
    assert points.sizes["time"] == N_FRAMES
    assert f"subject={processed['subject']}" in points.attrs["key"]
    rows = (fbe.FacialRhythm.Point & processed).to_dicts(order_by="point_index")
    np.testing.assert_array_equal(points.home_x, [row["x_px"] for row in rows])
    factors = fbe.FacialRhythm.to_xarray(processed, "factors")
    for course in fbe.FacialRhythm.time_courses(processed):
        own = factors.time_course[0, course.component_index]
        own = own.where(own.video == course.video_index, drop=True)
        np.testing.assert_array_equal(own, course.loadings)
    maps = fbe.FacialRhythm.spatial_maps(processed)
    np.testing.assert_array_equal(factors.spatial_map[0].sel(space="y"), maps.loadings["y"])
    chosen = [f"--key={name}={value}" for name, value in processed.items()]
    done = facerhythm("export", "xarray", *chosen, "-o", tmp_path / "all.nc")
    assert done.code == 0, done.err
    found = read_datasets(tmp_path / "all.nc")
    xr.testing.assert_identical(found["factors"].load(), factors.load())
    with pytest.raises(RequestError, match="expected one of points"):
        fbe.FacialRhythm.to_xarray(processed, "pictures")


@pytest.mark.slow
def test_signals_of_a_row(measured: Key, fbe: ModuleType) -> None:
    signals = fbe.FacialSignal.to_xarray(measured)
    row = (fbe.FacialSignal.Region & measured & {"region_name": "snout"}).fetch1()
    np.testing.assert_array_equal(signals.motion.sel(motion_region="snout"), row["motion"])


@pytest.mark.slow
def test_what_movement_filtered_goes_back_into_rows(
    processed: Key, fbe: ModuleType, kpi: ModuleType, facerhythm: Callable[..., Any],
    root_dir: Path, tmp_path: Path,
) -> None:  # fmt: skip
    from element_facerhythm.keypoints.movement_library import import_movement
    from element_facerhythm.pipeline.exchange.dataset_files import write_datasets

    import_movement()
    from movement.filtering import rolling_filter

    points = fbe.FacialRhythm.to_xarray(processed)
    smooth = points.assign(position=rolling_filter(points.position, 3, min_periods=1))
    path = root_dir / "smooth.nc"
    write_datasets(smooth, path)
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    chosen = [f"--key={name}={value}" for name, value in recording.items()]
    done = facerhythm(
        "import", "keypoints", path, "--from", "movement", "--model-name", "smooth points",
        "--add-body-parts", *chosen,
    )  # fmt: skip
    assert done.code == 0, done.err
    model = (kpi.KeypointModel & {"model_name": "smooth points"}).fetch1("model_id")
    found = kpi.KeypointInference.to_xarray({**recording, "model_id": model})
    np.testing.assert_allclose(
        found.position.sel(keypoints=points.keypoints), smooth.position, atol=1e-4
    )
    np.testing.assert_allclose(found.time, points.time, atol=1e-6)
    (entry,) = json.loads(found.position.attrs["log"])
    assert (entry["operation"], entry["window"]) == ("rolling_filter", "3")

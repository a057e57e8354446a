"""Figures show the numbers of the tables, whatever the signs of the loadings and the axes of the tensor."""

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.figures.components import ComponentPanels, component_panels
from element_facerhythm.io.content_digest import seal
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.parameters.axes import has_parts
from element_facerhythm.pipeline import RunRequest, run_project, summarise_project
from element_facerhythm.pipeline.records import IMAGINARY, REAL, ModelSummary
from tests.unit.figures.conftest import PARAMETERS

JOINED = {"method_handling_dictElements": "concatenate"}
COMPLEX = {**JOINED, "concat_complexDim": True}
CENTRED = {"mean_subtract": True}
UNDONE = {"undo_concat_dictElements": True}
SIGNED = {"method": "CP", "params_method": {"rank": 3, "n_iter_max": 30, "n_restarts": 2}}
CASES: dict[str, dict[str, Any]] = {
    "non-negative": {"rearrange_data": JOINED, "rearrange_factors": UNDONE},
    "signed": {"fit": SIGNED, "normalize_data": CENTRED, "rearrange_data": JOINED},
    "signed, each video by itself": {
        "fit": SIGNED, "normalize_data": CENTRED,
        "rearrange_data": {"method_handling_dictElements": "separate"},
    },
    "signed, frequency folded into time": {
        "fit": SIGNED, "normalize_data": CENTRED,
        "rearrange_data": {
            **JOINED, "names_dims_concat_array": [["xy", "points"], ["frequency", "time"]],
            "name_dim_concat_dictElements": "(frequency time)",
        },
    },
    "signed, frequency folded into points": {
        "fit": SIGNED, "normalize_data": CENTRED,
        "rearrange_data": {
            **JOINED, "names_dims_concat_array": [["xy", "points"], ["frequency", "(xy points)"]]
        },
        "rearrange_factors": UNDONE,
    },
    "complex": {"fit": SIGNED, "rearrange_data": COMPLEX},
    "complex again": {
        "fit": SIGNED, "rearrange_data": COMPLEX,
        "rearrange_factors": {**UNDONE, "undo_concat_complexDim": True},
    },
    "complex frequencies": {
        "fit": SIGNED, "rearrange_data": {**COMPLEX, "name_dim_concat_complexDim": "frequency"},
        "rearrange_factors": {"undo_concat_complexDim": True},
    },
}  # fmt: skip

TURNED = ("signed", "signed, each video by itself")
"""Cases that nothing is folded in but x and y, so that signs can be turned in the file."""


@pytest.fixture(scope="module")
def request_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A recording of two videos; gives the request for a decomposition of it, its spectrograms made."""
    directory = tmp_path_factory.mktemp("agreement")
    videos = []
    for index, n_frames in enumerate((140, 110)):
        videos.append(directory / f"part{index}.mp4")
        scene = make_scene_video(
            videos[-1], n_frames=n_frames, width_px=160, height_px=120, seed=index
        )

    def make(tca: dict[str, Any]) -> RunRequest:
        is_complex = tca["rearrange_data"].get("concat_complexDim", False)
        tree = deepcopy(PARAMETERS)
        tree["VQT_Analyzer"]["params_VQT"]["take_abs"] = not is_complex
        if is_complex:
            tree["VQT_Analyzer"] |= {
                "normalization_factor": 0.0, "spectrogram_exponent": 1.0, "one_over_f_exponent": 0.0
            }  # fmt: skip
        del tree["TCA"]["rearrange_factors"]
        for section, values in tca.items():
            tree["TCA"][section] = {**tree["TCA"].get(section, {}), **values}
        parameters = parameters_from_mapping(tree).parameters
        project = directory / ("complex" if is_complex else "magnitudes")
        return RunRequest(tuple(videos), scene.rois, parameters, project_dir=project, device="cpu")

    yield make
    shutil.rmtree(directory)


@pytest.mark.parametrize("case", CASES)
def test_a_figure_and_a_table_agree_on_every_number(request_for: Any, case: str) -> None:
    request = request_for(CASES[case])
    run_project(request)
    directory = Path(request.project_dir)
    if case in TURNED:
        turn_signs(directory / "analysis_files" / "TCA.h5")
    project, summary = Project.open(directory), summarise_project(directory)
    models = {model.model_key: model for model in summary.models}
    assert len(models) == (2 if "each video" in case else 1)
    is_signed = False
    for key, model in models.items():
        pictures = component_panels(project, key)
        assert len(pictures) == len(model.components) == 3
        for index, picture in enumerate(pictures):
            require_agreement(project, model, index, picture)
            drawn = [picture.maps, picture.frequency, *(c for _, c in picture.time_courses)]
            is_signed |= any((loadings < 0).any() for loadings in drawn)
    assert is_signed == (case != "non-negative")


def turn_signs(path: Path) -> None:
    """Turn the signs of two factors of each component: of the same tensor, the largest is now the least."""
    with h5py.File(path, "r+") as file:
        for group in ("factors", "factors_rearranged"):
            for model in file[group].values():
                for name in ("frequency", "(xy points)"):
                    model[name][...] = -model[name][...]
        seal(file)


def require_agreement(
    project: Project, model: ModelSummary, index: int, picture: ComponentPanels
) -> None:
    """Every number that is in both is the same one."""
    row = model.components[index]
    assert picture.peak_frequency_hz == row.peak_frequency_hz
    assert np.isfinite(row.peak_frequency_hz)
    assert picture.explained_variance == row.explained_variance
    hertz, strength = project.frequencies_hz.astype(float), np.abs(picture.frequency).astype(float)
    centroid = (hertz * strength).sum() / strength.sum()
    assert row.centroid_frequency_hz == pytest.approx(centroid, rel=1e-6)
    width = 2 * np.sqrt(((hertz - centroid) ** 2 * strength).sum() / strength.sum())
    assert row.bandwidth_hz == pytest.approx(width, rel=1e-6)
    place = np.abs(picture.maps).astype(float)
    weights = place.sum(axis=0) / place.sum()
    x_px, y_px = project.point_positions.T.astype(float) @ weights
    assert (row.centroid_x_px, row.centroid_y_px) == pytest.approx((x_px, y_px), rel=1e-6)
    own = {f.dimension: f.loadings for f in model.factors if f.component_index == index}
    if any(name.endswith("points)") and not has_parts(name, "frequency") for name in own):
        ratio = (place[0] ** 2).sum() / (place**2).sum()
        assert row.xy_ratio == pytest.approx(ratio, rel=1e-6)
    if "frequency" in own:
        np.testing.assert_array_equal(picture.frequency, own["frequency"])
    require_the_same_courses(model, index, picture)


def require_the_same_courses(model: ModelSummary, index: int, picture: ComponentPanels) -> None:
    """Rows hold the course of each video, of complex loadings both parts."""
    for video, (_, drawn) in zip(picture.videos, picture.time_courses, strict=True):
        rows = {
            factor.dimension: factor.loadings
            for factor in model.factors
            if factor.component_index == index and factor.video_index == video
        }
        (name,) = {name.removesuffix(REAL).removesuffix(IMAGINARY) for name in rows}
        if name == "time" and name in rows:
            np.testing.assert_array_equal(drawn, rows[name])
        elif name == "time":
            course = np.hypot(rows["time (real)"], rows["time (imaginary)"])
            np.testing.assert_allclose(drawn, course, rtol=1e-6)
        elif name == "(time complex)":
            course = np.hypot(rows[name][0::2], rows[name][1::2])
            np.testing.assert_allclose(drawn, course, rtol=1e-6)
        else:
            assert name == "(frequency time)"
            course = np.abs(rows[name].reshape(len(picture.frequency), -1)).sum(axis=0)
            np.testing.assert_allclose(drawn, course, rtol=1e-6)

"""The decomposition as a stage: who fits, what is stored of it, what is summed up."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest

from element_facerhythm.core.decomposition import AxisPlan, FitSettings, decompose
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_config, write_config
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline import plan_run, run_project, summarise_project
from element_facerhythm.pipeline.rank_sweep import sweep_project_ranks
from element_facerhythm.pipeline.results.model_summary import evaluate_models

FIT = {"params_method": {"rank": 2, "n_iter_max": 50, "n_restarts": 3}}


@pytest.fixture(scope="module")
def parameters(parameters_with):
    return parameters_with(TCA={"fit": FIT})


@pytest.fixture(scope="module")
def project(recording, parameters, tmp_path_factory):
    directory = tmp_path_factory.mktemp("decomposed") / "project"
    run_project(recording.request(directory, parameters=parameters))
    return directory


def test_stability_is_stored_and_summed_up(project):
    with h5py.File(project / "analysis_files" / "TCA.h5") as file:
        stability = file["fit/0/stability"][()]
    assert stability.shape == (2,)
    assert (stability > 0).all()
    assert (stability <= 1 + 1e-9).all()
    (model,) = summarise_project(project).models
    assert model.stability == pytest.approx(stability.mean())
    assert [c.stability for c in model.components] == pytest.approx(stability.tolist())


def test_the_stored_fit_is_that_of_the_spectrogram_in_memory(project):
    opened = Project.open(project)
    plan = AxisPlan(pairs=(("xy", "points"),), element_axis="session")
    fit = FitSettings("CP_NN_HALS", seed=0, **FIT["params_method"])
    again = decompose({"0": np.asarray(opened.spectrogram(0))}, plan, fit).models["0"]
    (stored,) = opened.models().values()
    assert stored.relative_error == pytest.approx(again.relative_error, rel=1e-9)
    for name, loadings in stored.factors.items():
        np.testing.assert_array_equal(loadings, again.factors[name])


def test_a_fit_to_windows_is_measured_again_on_the_same_tensor(recording, project, parameters_with):
    """Windows, and the axis of the normalisation, are in the parameters and not in the names of the axes."""
    parameters = parameters_with(
        TCA={
            "fit": FIT,
            "rearrange_data": {"idx_windows": [[3, 14]]},
            "normalize_data": {"std_divide": True, "dim_name": "frequency"},
        }
    )
    other = shutil.copytree(project, project.with_name("windows"))
    run_project(recording.request(other, parameters=parameters))
    opened = Project.open(other)
    (again,) = evaluate_models(opened, opened.models(), parameters).values()
    (stored,) = opened.models().values()
    assert stored.factors["time"].shape == (12, 2)
    assert again.relative_error == pytest.approx(stored.relative_error, rel=1e-9)
    np.testing.assert_allclose(again.explained_variance, stored.explained_variance, rtol=1e-9)
    (fits,) = sweep_project_ranks(other, (2,), device="cpu").values()
    assert fits[0].relative_error == pytest.approx(stored.relative_error, rel=1e-3)


def test_compat_fits_with_tensorly_and_says_so(recording, project, parameters):
    compat = Parameters.model_validate({**parameters.to_tree(), "compat": "face-rhythm"})
    request = recording.request(project, parameters=compat)
    reasons = " ".join(plan_run(request).stages[-1].reasons)
    assert "decomposition.solver: auto -> tensorly" in reasons.replace("'", "").replace('"', "")
    other = project.with_name("compat")
    run_project(dataclasses.replace(request, project_dir=other))
    (model,) = Project.open(other).models().values()
    assert model.stability is None
    assert np.isnan(summarise_project(other).models[0].stability)


@pytest.mark.parametrize(
    "section",
    [
        "odd",
        {"params_method": "odd"},
        {"params_method": {"n_iter_max": "odd"}},
        {"params_method": {"random_state": ["odd"]}},
    ],
)
def test_ranks_are_not_tried_with_values_that_no_decomposition_was_made_with(
    project, tmp_path, section
):
    copy = shutil.copytree(project, tmp_path / "project")
    (copy / "run.json").unlink()  # where it is, it alone counts
    config = read_config(copy / "config.yaml")
    write_config(copy / "config.yaml", {**config, "TCA": section})
    with pytest.raises(ProjectError, match=r"config\.yaml: .*TCA") as refusal:
        sweep_project_ranks(copy, (2,), n_restarts=1, device="cpu")
    assert "odd" not in str(refusal.value)


@pytest.mark.parametrize("text", ["general: odd\n", "general: {date_created: [1]}\n", "{odd", None])
def test_a_run_replaces_a_description_that_cannot_be_read(project, recording, tmp_path, text):
    copy = shutil.copytree(project, tmp_path / "project")
    for name in ("config.yaml", "run_info.json"):
        (copy / name).unlink()
        if text is not None:
            (copy / name).write_text(text)
    request = recording.request(copy, parameters=recording.parameters, overwrite=True)
    run_project(request)
    assert set(read_config(copy / "config.yaml")["general"]) >= {"date_created", "date_modified"}

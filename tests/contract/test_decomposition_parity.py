"""Our decomposition against that of a real face-rhythm run, of that run's own spectrograms."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from element_facerhythm.core.decomposition import (
    AxisPlan,
    decompose,
    describe,
    evaluate_factors,
    match_components,
    summarise_components,
)
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline.rank_sweep import sweep_project_ranks
from element_facerhythm.pipeline.run.core_arguments import axis_plan, fit_settings

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def spectrograms(reference_data):
    with h5py.File(reference_data / "project" / "analysis_files" / "VQT_Analyzer.h5") as file:
        return {name: array[()] for name, array in file["spectrograms"].items()}


@pytest.fixture(scope="module")
def tca(reference_data):
    """Everything in TCA.h5, as nested dictionaries."""

    def read(node):
        if isinstance(node, h5py.Group):
            return {name: read(child) for name, child in node.items()}
        value = node[()]
        if isinstance(value, bytes):
            return value.decode()
        return [v.decode() for v in value] if value.dtype == object else value

    with h5py.File(reference_data / "project" / "analysis_files" / "TCA.h5") as file:
        return read(file)


@pytest.fixture(scope="module")
def theirs(spectrograms, tca):
    plan = AxisPlan.from_names(
        tca["names_dims_array_preDecomp"], element_axis=tca["name_dim_dictElements"]
    )
    return evaluate_factors(spectrograms, plan, tca["factors"])["0"]


@pytest.fixture(scope="module")
def decomposed(reference_data, spectrograms):
    """A function that decomposes as their parameters say, with a solver."""

    def run(solver):
        return run_decomposition(reference_data, spectrograms, solver)

    return run


@pytest.fixture(scope="module")
def ours(decomposed):
    return decomposed("auto")


def run_decomposition(reference_data, spectrograms, solver):
    params = json.loads((reference_data / "inputs" / "params.json").read_text())
    parameters = parameters_from_mapping(params).parameters
    fit = replace(fit_settings(parameters), seed=0, solver=solver)
    return decompose(spectrograms, axis_plan(parameters), fit)


def shapes(tree):
    return {k: shapes(v) if isinstance(v, dict) else np.shape(v) for k, v in tree.items()}


def test_the_tree_is_facerhythms(ours, tca):
    assert shapes(ours.run_data) == shapes(tca)
    names = [key for key in tca if key.startswith("name")]
    assert len(names) == 4
    for key in names:
        assert ours.run_data[key] == tca[key]


def test_the_fit_is_as_good(ours, theirs, spectrograms):
    model = ours.models["0"]
    # a better fit than theirs, which stopped at its largest number of iterations, so not the same
    assert model.relative_error < theirs.relative_error
    assert match_components(theirs, model).congruence.min() > 0.93
    assert 0 < model.stability_total < 1
    tensor = spectrograms["0"].reshape(-1, *spectrograms["0"].shape[2:]).astype(float)
    fitted = np.einsum("ir,jr,kr->ijk", *(theirs.factors[n].astype(float) for n in theirs.names))
    dense = np.linalg.norm(tensor - fitted) / np.linalg.norm(tensor)
    assert theirs.relative_error == pytest.approx(dense, rel=1e-9)


def test_tensorlys_solver_gives_their_components(decomposed, theirs):
    model = decomposed("tensorly").models["0"]
    assert model.relative_error == pytest.approx(theirs.relative_error, rel=1e-5)
    assert match_components(theirs, model).congruence.min() > 0.99999
    assert model.stability is None


def test_ranks_of_their_project_can_be_compared(reference_data, theirs):
    fits = sweep_project_ranks(reference_data / "project", (2, 6), n_restarts=2, device="cpu")
    two, six = fits["0"]
    assert two.explained_variance < six.explained_variance
    assert six.explained_variance == pytest.approx(theirs.explained_variance_total, abs=0.002)


def test_their_components_can_be_summarised(reference_data, theirs):
    files = reference_data / "project" / "analysis_files"
    with h5py.File(files / "VQT_Analyzer.h5") as vqt, h5py.File(files / "ROIs.h5") as rois:
        frequencies, positions = vqt["frequencies"][()], rois["point_positions"][()]
    summaries = summarise_components(
        theirs, frequencies_hz=frequencies, point_positions=positions, n_points=len(positions)
    )
    assert len(summaries) == 6
    for summary in summaries:
        assert 4 <= summary.centroid_frequency_hz <= 60
        assert positions[:, 0].min() <= summary.centroid_x_px <= positions[:, 0].max()
        assert 0 <= summary.xy_ratio <= 1
    assert describe(summaries).count("\n") == 5

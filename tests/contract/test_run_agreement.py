"""The same video, ROIs and parameters as a real face-rhythm run: do the numbers agree?"""

from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.io.layout import PRODUCTS
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping, read_parameters
from element_facerhythm.pipeline import RunRequest, load_project, run_project, summarise_project

pytestmark = pytest.mark.reference


def run(reference_data: Path, project_dir: Path, compat: str | None) -> Project:
    (video,) = (reference_data / "video").iterdir()
    """Run with or without `compat`, by flow; matches are not refined, so that only the rewind differs."""
    tree = read_parameters(reference_data / "inputs" / "params.json").parameters.to_tree()
    tree["PointTracker"]["method"] = "flow"
    tree["PointTracker"]["params_optical_flow"]["refine"] = False
    parameters = parameters_from_mapping({**tree, "compat": compat}).parameters
    rois = reference_data / "inputs" / "ROIs.h5"
    run_project(RunRequest((video,), rois, parameters, project_dir, "cpu"))
    return Project.open(project_dir)


@pytest.fixture(scope="module")
def theirs(reference_data) -> Project:
    return Project.open(reference_data / "project")


@pytest.fixture(scope="module")
def compat(reference_data, tmp_path_factory) -> Project:
    return run(reference_data, tmp_path_factory.mktemp("compat") / "project", "face-rhythm")


@pytest.fixture(scope="module")
def corrected(reference_data, tmp_path_factory) -> Project:
    return run(reference_data, tmp_path_factory.mktemp("corrected") / "project", None)


def distances(first: Project, second: Project):
    a, b = (np.asarray(project.tracking(0).points, dtype=float) for project in (first, second))
    return np.linalg.norm(a - b, axis=2)


def flags(project: Project) -> set[tuple[int, int]]:
    view = project.tracking(0)
    return set(zip(view.violation_rows.tolist(), view.violation_cols.tolist(), strict=True))


def relative_error(project: Project) -> float:
    (model,) = summarise_project(project.directory).models
    return model.relative_error


def test_points_agree_from_scratch(compat, theirs):
    apart = distances(compat, theirs)
    assert np.median(apart) <= 0.01
    assert np.percentile(apart, 99) <= 0.1


def test_violation_flags_agree(compat, theirs):
    assert len(flags(compat) & flags(theirs)) >= 0.99 * len(flags(theirs))
    assert len(flags(compat)) <= 1.01 * len(flags(theirs))


def test_spectrograms_agree(compat, theirs):
    """The points are equal, so this is the transform alone."""
    ours, others = (np.asarray(p.spectrogram(0), dtype=float) for p in (compat, theirs))
    assert np.linalg.norm(ours - others) <= 1e-5 * np.linalg.norm(others)
    np.testing.assert_allclose(compat.frequencies_hz, theirs.frequencies_hz, rtol=1e-6)
    np.testing.assert_array_equal(compat.window_centres(0), theirs.window_centres(0))


def test_the_decomposition_is_as_good(compat, corrected, theirs):
    assert relative_error(compat) <= 1.001 * relative_error(theirs)
    assert relative_error(corrected) <= 1.001 * relative_error(theirs)


def test_the_corrected_rewind_moves_points_only_around_a_replay(corrected, theirs):
    """Tracks differ in the frames that either run replayed, and come together within ten more."""
    apart = distances(corrected, theirs)
    assert np.median(apart) <= 0.01
    replayed = np.zeros(len(apart), dtype=bool)
    for frame, _ in flags(corrected) | flags(theirs):
        replayed[max(frame - 1, 0) : frame + 11] = True
    assert replayed.mean() < 0.25
    assert np.percentile(apart[~replayed], 99) <= 0.1
    assert np.percentile(apart[replayed], 99) > 0.1
    assert len(flags(corrected) & flags(theirs)) >= 0.9 * len(flags(theirs))


def test_names_shapes_and_types_are_those_of_the_real_products(compat, theirs, reference_data):
    paths = {name: theirs.product_path(name) for name in PRODUCTS}
    # This run's ROIs come with a picture of bytes and outlines of doubles, as that file does.
    paths["ROIs"] = reference_data / "inputs" / "ROIs.h5"
    for name, path in paths.items():
        with h5py.File(path) as real, h5py.File(compat.product_path(name)) as ours:
            wanted: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
            real.visititems(
                lambda n, o, w=wanted: (
                    w.update({n: (o.shape, o.dtype)}) if hasattr(o, "dtype") else None
                )
            )
            assert wanted == {n: (ours[n].shape, ours[n].dtype) for n in wanted}, name
            if name != "ROIs":
                assert [key for key in ours if key in real] == list(real)


def test_the_run_loads_as_the_real_one_does(compat):
    assert load_project(compat.directory).layout == "element-facerhythm 1"

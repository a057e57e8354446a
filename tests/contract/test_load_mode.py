"""Projects of face-rhythm's releases, written here as each of them writes, and the real one."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import ProjectError
from element_facerhythm.figures.components import component_panels
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import STAGES, load_project, summarise_project

T, P, F, W, R = 50, 4, 3, 5, 2
HEIGHT, WIDTH = 20, 30


def arrays(n_videos: int, seed: int = 0) -> dict:
    """Everything that the products hold, small."""
    rng = np.random.default_rng(seed)
    homes = np.float32([[5, 5], [5, 10], [15, 5], [15, 10]])
    factors = [rng.random((2 * P, R)), rng.random((F, R)), rng.random((n_videos * W, R))]
    # Spectrograms made of the factors exactly: a reader that joins videos rightly finds no error.
    tensor = np.einsum("ar,br,cr->abc", *factors).reshape(2, P, F, n_videos, W)
    return {
        "homes": homes,
        "points": [homes + rng.normal(size=(T, P, 2)).astype(np.float32) for _ in range(n_videos)],
        "factors": [factor.astype(np.float32) for factor in factors],
        "spectrograms": [np.float32(tensor[:, :, :, i]) for i in range(n_videos)],
    }


def text(value: str, release: str):
    """0.1 stored texts as variable-length objects, later releases as fixed-length bytes."""
    return value if release == "0.1" else np.bytes_(value)


def reading_order(n_videos: int) -> list[str]:
    """face-rhythm goes through the groups of its own files by the alphabet."""
    return sorted(str(i) for i in range(n_videos))


def write_products(files: Path, release: str, n_videos: int) -> None:
    data = arrays(n_videos)
    order = {key: place for place, key in enumerate(reading_order(n_videos))}
    with h5py.File(files / "Dataset_videos.h5", "w") as file:
        file["example_image"] = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with h5py.File(files / "ROIs.h5", "w") as file:
        for i in (0, 1):
            file[f"mask_images/mask_{i}"] = np.ones((HEIGHT, WIDTH), bool)
            file[f"roi_points/ROI_{i}"] = np.float32([[0, 0], [20, 0], [20, 15]])
        file["point_positions"] = data["homes"]
        file["exampleImage"] = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        if release != "0.1":
            file["num_points"] = P
    with h5py.File(files / "PointTracker.h5", "w", track_order=True) as file:
        file["point_positions"] = data["homes"]
        file["neighbors"] = np.zeros((P, 2), np.int64)
        file["mesh_d0"] = np.zeros((P, 2), np.float32)
        file["mask"] = np.ones((HEIGHT, WIDTH), bool)
        for i, points in enumerate(data["points"]):
            file[f"points_tracked/{i}"] = points
            file[f"violations/{i}/row"] = np.int32([3, 3, 7])
            file[f"violations/{i}/col"] = np.int32([0, 1, 0])
            file[f"violations/{i}/data"] = np.ones(3, bool)
            file[f"violations/{i}/shape"] = np.int64([T, P])
    with h5py.File(files / "VQT_Analyzer.h5", "w") as file:
        file["VQT/filters"] = np.zeros((F, 9), np.complex64)
        file["VQT/wins"] = np.zeros((F, 9), np.float32)
        file["frequencies"] = np.float32([2, 4, 8])
        for key, place in order.items():
            file[f"spectrograms/{key}"] = data["spectrograms"][place]
            file[f"x_axis/{key}"] = np.arange(W, dtype=np.float32)
        file["point_positions"] = data["homes"].T.ravel()
    names = ["(xy points)", "frequency", "(time trials)"]
    with h5py.File(files / "TCA.h5", "w") as file:
        for name, factor in zip(names, data["factors"], strict=True):
            file[f"factors/0/{name}"] = factor
        for name, factor in zip(names[:2], data["factors"], strict=False):
            file[f"factors_rearranged/0/{name}"] = factor
        for key, piece in zip(order, np.split(data["factors"][2], n_videos), strict=True):
            file[f"factors_rearranged/0/trials/time_{key}"] = piece
        file["names_dims_array_preDecomp"] = names
        file["name_dim_dictElements_preDecomp"] = text("0", release)
        file["names_dims_array"] = ["(xy points)", "frequency", "time"]
        file["name_dim_dictElements"] = text("trials", release)


def config_text(release: str, contiguous: bool) -> str:
    """config.yaml with the keys of each release, Python tuples as its writer leaves them."""
    newest = release == "0.3"
    lines = [
        "general: {date_created: '2023-01-01 10:00:00'}",
        "paths: {project: 'C:\\lab\\project'}",
        "Dataset_videos: {contiguous: false, frame_rate_clamp: null, verbose: 1}",
        "ROIs:\n  select_mode: file" + ("" if release == "0.1" else "\n  point_spacing: 5"),
        f"PointTracker:\n  contiguous: {str(contiguous).lower()}",
        "  params_optical_flow:\n    kwargs_method:\n      winSize: !!python/tuple\n      - 15",
        "      - 15",
        *(["  frames_freeze: false", "  relaxation_during_freeze_frames: true"] if newest else []),
        "VQT_Analyzer:\n  normalization_factor: 0.99\n  spectrogram_exponent: 1.0",
        "  params_VQT: {Fs_sample: 90, return_complex: false, win_size: 501}",
        *([] if release == "0.1" else ["  one_over_f_exponent: 1.0"]),
        *(["  batch_size: 10", "  device: cpu"] if newest else []),
        "TCA: {method: CP_NN_HALS, mean_subtract: false, std_divide: false}",
    ]
    return "\n".join(lines) + "\n"


def write_project(directory: Path, release="0.3", n_videos=1, contiguous=False) -> Path:
    files = directory / "analysis_files"
    files.mkdir(parents=True)
    n_sequences = 1 if contiguous else n_videos
    write_products(files, release, n_sequences)
    (directory / "config.yaml").write_text(config_text(release, contiguous))
    paths = [f"C:\\lab\\videos\\cam_{i}.avi" for i in range(n_videos)]
    info = {
        "Dataset_videos": {"frame_rate": 60.0, "metadata": {"paths_videos": paths}},
        "ROIs": {"img_hw": [HEIGHT, WIDTH, 3]},
        "PointTracker": {"num_videos": n_sequences, "violation_fraction": [0] * n_sequences},
    }
    (directory / "run_info.json").write_text(json.dumps(info))
    return directory


@pytest.mark.parametrize("release", ["0.1", "0.2", "0.3"])
def test_each_release_is_known_and_loaded(tmp_path, release):
    project = write_project(tmp_path / "p", release)
    record = load_project(project)
    assert record.layout == f"face-rhythm {release}"
    assert [s.name for s in record.stages] == list(STAGES)
    assert all(s.seconds is None and s.reused for s in record.stages)
    assert record.device == "unknown"
    assert any("90 Hz while the video has 60.0 Hz" in note for note in record.notes)
    assert Project.open(project).config["PointTracker"]["params_optical_flow"] == {
        "kwargs_method": {"winSize": (15, 15)}
    }


@pytest.mark.parametrize("release", ["0.1", "0.2", "0.3"])
def test_each_release_gives_the_same_numbers(tmp_path, release):
    summary = summarise_project(write_project(tmp_path / "p", release))
    (video,) = summary.videos
    assert (video.file_name, video.n_frames, video.duration_s) == ("cam_0.avi", T, T / 60)
    assert (video.n_violations, video.violation_fraction) == (3, 3 / (T * P))
    assert video.violation_frame_fraction == 2 / T
    assert [p.point_violation_fraction for p in summary.points] == [2 / T, 1 / T, 0, 0]
    (model,) = summary.models
    assert (model.method, model.rank, model.n_iterations) == ("CP_NN_HALS", R, None)
    assert model.relative_error < 1e-3
    assert model.explained_variance == pytest.approx(1, abs=1e-5)
    assert model.r_squared == pytest.approx(1, abs=1e-5)
    explained = [c.explained_variance for c in model.components]
    assert all(0 < share < 1 for share in explained)
    assert sum(explained) <= model.explained_variance
    assert all(0 < c.squared_correlation < 1 for c in model.components)


def test_twelve_videos_are_in_their_order_though_face_rhythm_reads_by_the_alphabet(tmp_path):
    """It concatenated 0, 1, 10, 11, 2 ...; the factors fit only if that is followed."""
    project = write_project(tmp_path / "p", n_videos=12)
    summary = summarise_project(project)
    assert [v.file_name for v in summary.videos] == [f"cam_{i}.avi" for i in range(12)]
    (model,) = summary.models
    assert model.relative_error < 1e-3
    pieces = {f.video_index: f.loadings for f in model.factors if f.dimension == "time"}
    assert list(pieces) != sorted(pieces)
    third = np.split(arrays(12)["factors"][2], 12)[reading_order(12).index("2")]
    first_component = [
        f.loadings for f in model.factors if f.video_index == 2 and f.component_index == 0
    ]
    np.testing.assert_array_equal(first_component[0], third[:, 0])


def test_a_contiguous_recording_is_one_sequence(tmp_path):
    project = write_project(tmp_path / "p", n_videos=3, contiguous=True)
    summary = summarise_project(project)
    assert [v.file_name for v in summary.videos] == ["cam_0.avi .. cam_2.avi"]
    load_project(project)


@pytest.mark.parametrize("name", ["Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer", "TCA"])
def test_a_partial_project_names_the_missing_product(tmp_path, name):
    project = write_project(tmp_path / "p")
    (project / "analysis_files" / f"{name}.h5").unlink()
    for read in (load_project, summarise_project):
        with pytest.raises(ProjectError, match=f"{name}.h5 is missing. Finish the run"):
            read(project)


@pytest.mark.parametrize("name", ["Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer", "TCA"])
def test_a_damaged_product_is_named(tmp_path, name):
    project = write_project(tmp_path / "p")
    path = project / "analysis_files" / f"{name}.h5"
    path.write_bytes(path.read_bytes()[:1200])
    with pytest.raises(Exception, match=rf"{name}\.h5") as caught:
        load_project(project)
    assert caught.type.__name__ in {"ProjectError", "RoiError"}


def test_a_product_without_a_dataset_is_named_with_it(tmp_path):
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / "VQT_Analyzer.h5", "r+") as file:
        del file["x_axis"]
    with pytest.raises(ProjectError, match=r"VQT_Analyzer\.h5 lacks a dataset.*x_axis"):
        load_project(project)


def test_products_that_do_not_belong_together_are_refused(tmp_path):
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / "PointTracker.h5", "r+") as file:
        del file["points_tracked/0"]
        file["points_tracked/0"] = np.zeros((T, P + 1, 2), np.float32)
    with pytest.raises(ProjectError, match="disagree on the number of points"):
        load_project(project)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: !!python/object/apply:os.getcwd []", "plain YAML"),
        ("config.yaml", "just text", "expected a mapping"),
        ("run_info.json", "{", "not valid JSON"),
        ("run_info.json", "{}", "lacks Dataset_videos"),
    ],
)
def test_odd_text_files_are_named(tmp_path, name, content, message):
    project = write_project(tmp_path / "p")
    (project / name).write_text(content)
    with pytest.raises(ProjectError, match=message) as caught:
        load_project(project)
    assert name in str(caught.value)


def test_what_is_no_project_is_told(tmp_path):
    with pytest.raises(ProjectError, match="is not a directory"):
        load_project(tmp_path / "nowhere")
    with pytest.raises(ProjectError, match=r"config\.yaml is missing"):
        load_project(tmp_path)


def test_loading_writes_nothing(tmp_path):
    project = write_project(tmp_path / "p")
    before = {p: p.stat().st_mtime_ns for p in project.rglob("*")}
    load_project(project)
    summarise_project(project)
    assert {p: p.stat().st_mtime_ns for p in project.rglob("*")} == before


def test_factors_that_fit_no_spectrogram_leave_the_measures_empty(tmp_path):
    """face-rhythm does not store which windows of a video it decomposed."""
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / "TCA.h5", "r+") as file:
        shorter = file["factors/0/(time trials)"][: W - 2]
        del file["factors/0/(time trials)"]
        file["factors/0/(time trials)"] = shorter
    (model,) = summarise_project(project).models
    assert np.isnan(model.relative_error)
    assert np.isfinite(model.components[0].peak_frequency_hz)


@pytest.mark.reference
def test_the_real_project_is_loaded(reference_data):
    record = load_project(reference_data / "project")
    assert record.layout == "face-rhythm 0.3"
    summary = summarise_project(reference_data / "project")
    assert (summary.frame_rate_hz, summary.n_points) == (250.0, 119)
    (video,) = summary.videos
    assert (video.n_frames, video.n_violations, video.n_windows) == (300, 466, 52)
    assert video.points.shape == (300, 119, 2)
    (model,) = summary.models
    assert (model.rank, len(model.components)) == (6, 6)
    assert model.relative_error == pytest.approx(0.37579, abs=1e-4)


def other_rank(file):
    del file["factors/0/frequency"]
    file["factors/0/frequency"] = np.zeros((F, R + 1))


def axis_that_is_missing(file):
    file["names_dims_array_preDecomp"][1] = "phase"


def a_million_axes(file):
    del file["names_dims_array_preDecomp"]
    file["names_dims_array_preDecomp"] = np.full(10**6, b"frequency")


def no_model(file):
    del file["factors/0"]


def loadings_of_an_unknown_video(file):
    file.move("factors_rearranged/0/trials/time_0", "factors_rearranged/0/trials/time_7")


def link_to_the_parent(file):
    file["factors_rearranged/0/trials/up"] = file["/"]


def scalar_loadings(file):
    del file["factors/0/frequency"]
    file["factors/0/frequency"] = 1.0


def nan_frequency(file):
    file["frequencies"][0] = np.nan


def nan_window(file):
    file["x_axis/0"][0] = np.nan


def flat_spectrogram(file):
    del file["spectrograms/0"]
    file["spectrograms/0"] = np.zeros(5, np.float32)


def frequencies_elsewhere(file):
    del file["frequencies"]
    file["frequencies"] = h5py.ExternalLink("/etc/passwd", "x")


def spectrogram_of_terabytes(file):
    del file["spectrograms/0"]
    file.create_dataset("spectrograms/0", (2, P, F, 1 << 36), "f4", chunks=(1, 1, 1, 1 << 20))


def flags_outside(file):
    file["violations/0/col"][0] = P


def flat_tracks(file):
    del file["points_tracked/0"]
    file["points_tracked/0"] = np.zeros((T, P), np.float32)


def nan_homes(file):
    file["point_positions"][0] = np.nan


DAMAGE = {
    "TCA": [
        other_rank, axis_that_is_missing, a_million_axes, no_model, loadings_of_an_unknown_video,
        link_to_the_parent, scalar_loadings,
    ],
    "VQT_Analyzer": [
        nan_frequency, nan_window, flat_spectrogram, frequencies_elsewhere, spectrogram_of_terabytes,
    ],
    "PointTracker": [flags_outside, flat_tracks, nan_homes],
}  # fmt: skip


@pytest.mark.parametrize(
    ("product", "damage"),
    [(product, damage) for product, kinds in DAMAGE.items() for damage in kinds],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_product_that_means_nothing_is_refused_with_its_name(tmp_path, product, damage):
    """Before a row is entered: never a traceback, and never a perfect fit."""
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / f"{product}.h5", "r+") as file:
        damage(file)
    with pytest.raises(ProjectError, match=rf"{product}\.h5") as refusal:
        load_project(project)
        summarise_project(project)
    assert len(str(refusal.value)) < 600


FIT = {"relative_error", "explained_variance", "r_squared"}
FREQUENCY = {"peak_frequency_hz", "centroid_frequency_hz", "bandwidth_hz"}
PLACE = {"centroid_x_px", "centroid_y_px", "xy_ratio"}
CORRELATION = {"squared_correlation"}
OF_COMPONENTS = {"explained_variance", "weight", *FREQUENCY, *PLACE, *CORRELATION}

# product, dataset, entry, what the model and its components 0 and 1 have no number for
NOT_FINITE = {
    "a component's frequencies": (
        "TCA", "factors/0/frequency", (1, 0), FIT,
        {"explained_variance", "weight", *FREQUENCY, *CORRELATION}, {"explained_variance"},
    ),
    "a component's points": (
        "TCA", "factors/0/(xy points)", (3, 0), FIT,
        {"explained_variance", "weight", *PLACE, *CORRELATION}, {"explained_variance"},
    ),
    "a component's course": (
        "TCA", "factors/0/(time trials)", (2, 0), FIT,
        {"explained_variance", "weight", *CORRELATION}, {"explained_variance"},
    ),
    "a weight": (
        "TCA", "weights/0", (0,), FIT, {"explained_variance", "weight"}, {"explained_variance"},
    ),
    "loadings that were cut": ("TCA", "factors_rearranged/0/trials/time_0", (2, 0), set(), set(), set()),
    "a spectrogram": (
        "VQT_Analyzer", "spectrograms/0", (0, 1, 1, 1), FIT,
        {"explained_variance", *CORRELATION}, {"explained_variance", *CORRELATION},
    ),
    "a track": ("PointTracker", "points_tracked/0", (3, 1, 0), set(), set(), set()),
}  # fmt: skip


def without_numbers(record, names):
    return {name for name in names if not np.isfinite(getattr(record, name))}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("stored", [False, True], ids=["measured here", "measures are stored"])
@pytest.mark.parametrize("what", NOT_FINITE)
def test_what_is_not_finite_has_no_number_and_is_told(tmp_path, what, stored, value):
    """Never a wrong one, as a perfect fit, and not for what does not depend on it."""
    product, dataset, entry, of_model, of_first, of_second = NOT_FINITE[what]
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / "TCA.h5", "r+") as file:
        file["weights/0"] = np.ones(R, np.float32)
        if stored:
            file["fit/0/relative_error"], file["fit/0/r_squared"] = 0.1, 0.9
            file["fit/0/explained_variance"] = file["fit/0/squared_correlation"] = [0.6, 0.3]
    with h5py.File(project / "analysis_files" / f"{product}.h5", "r+") as file:
        file[dataset][entry] = value
    notes = [note for note in load_project(project).notes if "not finite" in note]
    assert len(notes) == 1 and "hold" in notes[0] and "NULL" in notes[0]
    summary = summarise_project(project)
    (model,) = summary.models
    assert without_numbers(model, FIT) == of_model
    assert without_numbers(model.components[0], OF_COMPONENTS) == of_first
    assert without_numbers(model.components[1], OF_COMPONENTS) == of_second
    moved = ("rms_displacement_px", "max_displacement_px", "path_length_px", "mean_speed_px_s")
    unknown = [without_numbers(point, moved) for point in summary.points]
    assert unknown == [set(), set(moved) if what == "a track" else set(), set(), set()]
    verdicts = {v.name: v for v in summary.quality}
    assert (verdicts["r_squared"].verdict == "unknown") == bool(of_model)
    assert (verdicts["components_alike"].verdict == "unknown") == what.startswith("a component's")
    assert (verdicts["drift"].verdict == "unknown") == (what == "a track")
    assert all(v.value is None or np.isfinite(v.value) for v in summary.quality)


@pytest.mark.parametrize("measure", ["relative_error", "r_squared", "squared_correlation"])
def test_stored_measures_that_are_incomplete_or_not_finite_are_computed_again(tmp_path, measure):
    """The first runs of ours stored a squared correlation as `explained_variance`, and no other."""
    project = write_project(tmp_path / "p")
    expected = summarise_project(project).models[0]
    with h5py.File(project / "analysis_files" / "TCA.h5", "r+") as file:
        file["fit/0/explained_variance"] = [0.9, 0.8]
        for name, value in (("relative_error", 0.5), ("r_squared", np.nan)):
            if measure != name:
                file[f"fit/0/{name}"] = value
        file["fit/0/stability"] = [0.7, 0.6]
    found = summarise_project(project).models[0]
    for name in FIT:
        assert getattr(found, name) == getattr(expected, name)
    for one, other in zip(found.components, expected.components, strict=True):
        assert one.explained_variance == other.explained_variance
    assert [c.stability for c in found.components] == pytest.approx([0.7, 0.6])


def test_the_figure_shows_the_peak_of_the_row(tmp_path):
    """It took the largest signed loading, the row the largest magnitude: 8 and 2 Hz of one model."""
    project = write_project(tmp_path / "p")
    with h5py.File(project / "analysis_files" / "TCA.h5", "r+") as file:
        file["factors/0/frequency"][:] = [[-5, 1], [1, -1], [3, 2]]
    peaks = [c.peak_frequency_hz for c in summarise_project(project).models[0].components]
    assert peaks == [2, 8]
    pictures = component_panels(Project.open(project))
    assert [picture.peak_frequency_hz for picture in pictures] == peaks


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda info: info["Dataset_videos"].update(frame_rate=0), "frame_rate is not a number"),
        (lambda info: info["Dataset_videos"].update(frame_rate="60"), "frame_rate is not a number"),
        (lambda info: info["Dataset_videos"].update(metadata=[]), "paths_videos is not a list"),
        (
            lambda info: info["Dataset_videos"]["metadata"].update(paths_videos=[]),
            "paths_videos is not a list",
        ),
    ],
)
def test_run_info_of_other_types_is_refused(tmp_path, change, match):
    project = write_project(tmp_path / "p")
    info = json.loads((project / "run_info.json").read_text())
    change(info)
    (project / "run_info.json").write_text(json.dumps(info))
    with pytest.raises(ProjectError, match=match):
        load_project(project)
        summarise_project(project)

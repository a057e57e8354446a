"""Results as datasets of xarray: the numbers of the files, seconds of the camera, files read back equal."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.io import lazy
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.formats import read_predictions, to_movement, write_predictions
from element_facerhythm.keypoints.movement_library import import_movement
from element_facerhythm.keypoints.product import read_keypoints, write_keypoints
from element_facerhythm.pipeline import run_project
from element_facerhythm.pipeline.exchange import dataset_files
from element_facerhythm.pipeline.exchange.dataset_files import (
    read_dataset,
    read_datasets,
    write_datasets,
)
from element_facerhythm.pipeline.exchange.datasets import (
    PRODUCTS_OF,
    all_datasets,
    from_dataframe,
    from_numpy,
    to_xarray,
)
from tests.contract.test_load_mode import T, write_project
from tests.integration.test_time import PAUSE, REGULAR, request_of
from tests.signal_files import signal_arrays, write_signals
from tests.timed_scene import write_timed_video

SUFFIXES = (".nc", ".zarr")


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project of two videos of 300 frames at 60/s; in the first, the camera paused for five seconds."""
    folder = tmp_path_factory.mktemp("paused")
    videos = [
        write_timed_video(folder / f"{name}.mp4", times)
        for name, times in (("a", PAUSE), ("b", REGULAR))
    ]
    run_project(request_of(videos, folder / "project"))
    return folder / "project"


@pytest.fixture(scope="module")
def separate(recording: Any, parameters_with: Callable[..., Any], tmp_path_factory: Any) -> Path:
    """Project of two videos of other lengths with a complex decomposition of each, and with signals."""
    parameters = parameters_with(
        VQT_Analyzer={
            "params_VQT": {"F_min": 5, "F_max": 25, "n_freq_bins": 6, "downsample_factor": 4,
                           "Q_lowF": 2, "Q_highF": 4, "take_abs": False},
            "normalization_factor": 0.0, "spectrogram_exponent": 1.0, "one_over_f_exponent": 0.0,
        },
        TCA={
            "rearrange_data": {
                "method_handling_dictElements": "separate", "concat_complexDim": True
            },
            "rearrange_factors": {"undo_concat_complexDim": True},
            "fit": {"method": "CP", "params_method": {"rank": 2, "n_iter_max": 5}},
        },
        FacialSignal={"signals": ("motion", "svd"), "bin_px": 4, "n_components": 3},
    )  # fmt: skip
    directory = tmp_path_factory.mktemp("separate") / "project"
    run_project(recording.request(directory, videos=recording.videos, parameters=parameters))
    return directory


def product(directory: Path, name: str) -> h5py.File:
    return h5py.File(directory / "analysis_files" / f"{name}.h5")


def test_times_are_those_at_which_the_camera_took_the_frames(paused: Path) -> None:
    points = to_xarray(paused)
    expected = np.r_[PAUSE, PAUSE[-1] + 1 / 60 + REGULAR]
    np.testing.assert_allclose(points.time, expected, atol=1e-4)
    assert points.time.attrs["units"] == "s"
    np.testing.assert_array_equal(points.frame, np.tile(np.arange(300), 2))
    assert (
        points.video_name.values[points.video.values].tolist() == ["a.mp4"] * 300 + ["b.mp4"] * 300
    )
    windows = to_xarray(paused, "spectrograms")
    centres = [int(c) for c in windows.frame.values]
    np.testing.assert_array_less(expected[0] - 1e-9, windows.time)
    own = expected[windows.video.values * 300 + centres]
    np.testing.assert_allclose(windows.time, own, atol=1.5 / 60)
    assert not ((windows.time > PAUSE[149]) & (windows.time < PAUSE[150])).any()
    np.testing.assert_array_equal(to_xarray(paused, "factors").time, windows.time)


def test_numbers_are_those_of_the_files(paused: Path) -> None:
    points = to_xarray(paused)
    with product(paused, "PointTracker") as file:
        tracked = np.concatenate([file[f"points_tracked/{key}"][:] for key in "01"])
        sure = np.concatenate([file[f"confidence/{key}"][:] for key in "01"])
        n_flagged = sum(file[f"violations/{key}/data"][:].sum() for key in "01")
        np.testing.assert_array_equal(points.home_x, file["point_positions"][:, 0])
    position = points.position.transpose("time", "keypoints", "space", "individuals")
    np.testing.assert_array_equal(position.values[..., 0], tracked)
    np.testing.assert_array_equal(points.confidence.values[..., 0], sure.astype(np.float32))
    assert int(points.flagged.sum()) == n_flagged
    assert set(points.region.values) == {"region_0"} and points.attrs["fps"] == 60
    spectrograms = to_xarray(paused, "spectrograms")
    with product(paused, "VQT_Analyzer") as file:
        second = file["spectrograms/1"][:]
        np.testing.assert_array_equal(spectrograms.frequency, file["frequencies"][:])
    own = spectrograms.spectrogram.where(spectrograms.video == 1, drop=True)
    np.testing.assert_array_equal(own, second)
    factors = to_xarray(paused, "factors")
    with product(paused, "TCA") as file:
        loadings = {name: node[:] for name, node in file["factors/0"].items()}
    np.testing.assert_array_equal(
        factors.spatial_map[0, 0].values.ravel(), loadings["(xy points)"][:, 0]
    )
    np.testing.assert_array_equal(factors.spectrum[0, 0], loadings["frequency"][:, 0])
    np.testing.assert_array_equal(factors.time_course[0, 0], loadings["(time trials)"][:, 0])
    assert factors.loadings_time_trials.attrs["axis"] == "(time trials)"


def test_a_slice_reads_no_more_than_itself(paused: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, read = to_xarray(paused), []
    of_file = lazy.LazyArray._read

    def noting(array: Any, axes: list[Any]) -> Any:
        values = of_file(array, axes)
        read.append(values.size)
        return values

    monkeypatch.setattr(lazy.LazyArray, "_read", noting)
    assert read == []
    part = points.position.sel(keypoints="point_1", space="x").isel(time=slice(310, 320, 2))
    assert read == []
    assert part.values.shape == (5, 1)
    assert read == [5]


def test_models_of_single_videos_are_complex_and_lie_in_their_own_time(separate: Path) -> None:
    factors = to_xarray(separate, "factors")
    assert factors.model.values.tolist() == ["0", "1"]
    assert np.iscomplexobj(factors.time_course)
    for i, key in enumerate("01"):
        own = factors.time_course.sel(model=key)
        np.testing.assert_array_equal(np.isnan(own[0]), factors.video.values != i)
        with product(separate, "TCA") as file:
            raw = file[f"factors/{key}/(time complex)"][:]
            parts = raw[0::2] + 1j * raw[1::2]
        np.testing.assert_array_equal(own.where(factors.video == i, drop=True).T, parts)
        stored = factors.loadings_time_complex.sel(model=key)
        n = int(factors.length_time_complex.sel(model=key))
        np.testing.assert_array_equal(stored[:, :n].T, raw)
        assert np.isnan(stored[:, n:]).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("in_blocks", [False, True])
def test_files_are_read_back_equal(
    separate: Path, tmp_path: Path, suffix: str, in_blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_blocks:
        monkeypatch.setattr(dataset_files, "_BLOCK_BYTES", 3000)
        monkeypatch.setattr(dataset_files, "_LAZY_BYTES", 0)
    written = all_datasets(Project.open(separate))
    assert list(written) == list(PRODUCTS_OF)
    written["points"] = written["points"].assign(
        position=written["points"].position.where(written["points"].time > 0.1)
    )
    written["factors"].attrs["key"] = "subject=mouse1 session_id=1"
    path = tmp_path / "new" / f"all{suffix}"
    write_datasets(written, path)
    found = read_datasets(path)
    assert found.keys() == written.keys()
    for name, dataset in written.items():
        xr.testing.assert_identical(found[name].load(), dataset.load())
    assert [place.name for place in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_xarray_alone_opens_them(paused: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points{suffix}"
    points = to_xarray(paused)
    write_datasets(points, path)
    engine = (
        {"engine": "h5netcdf"} if suffix == ".nc" else {"engine": "zarr", "consolidated": False}
    )
    with xr.open_dataset(path, **engine) as opened:
        xr.testing.assert_equal(opened.load(), points.load())
        assert opened.time.dtype == float and opened.region.dims == ("keypoints",)


@pytest.mark.slow
def test_movement_filters_and_measures_and_the_result_is_stored_again(
    paused: Path, tmp_path: Path
) -> None:
    import_movement()
    from movement.filtering import filter_by_confidence, interpolate_over_time, savgol_filter
    from movement.kinematics import compute_speed, compute_velocity
    from movement.validators.datasets import ValidPosesInputs

    points = to_xarray(paused)
    ValidPosesInputs.validate(points)
    velocity = compute_velocity(points.position)
    np.testing.assert_allclose(
        velocity, np.gradient(points.position, points.time, axis=0), rtol=1e-5, atol=1e-4
    )
    assert float(compute_speed(points.position).max()) > 2 * np.pi * 6 * 2 * 0.7
    threshold = float(points.confidence.quantile(0.2))
    kept = filter_by_confidence(points.position, points.confidence, threshold)
    assert 0.05 < float(kept.isnull().mean()) < 0.5
    filtered = points.assign(
        position=savgol_filter(
            interpolate_over_time(kept, max_gap=20).ffill("time").bfill("time"), 5
        )
    )
    log = json.loads(filtered.position.attrs["log"])
    names = [entry["operation"] for entry in log]
    assert names == ["filter_by_confidence", "interpolate_over_time", "savgol_filter"]
    write_datasets(filtered, tmp_path / "filtered.nc")
    xr.testing.assert_identical(read_dataset(tmp_path / "filtered.nc").load(), filtered.load())

    found = read_predictions(tmp_path / "filtered.nc", "movement")
    assert found.body_parts == tuple(points.keypoints.values) and set(found.variables) == {
        "flagged",
        "held",
    }
    np.testing.assert_array_equal(
        found.positions[:, 0, :, :], filtered.position.values[..., 0].swapaxes(1, 2)
    )
    write_keypoints(tmp_path / "Keypoints.h5", found)
    stored = read_keypoints(tmp_path / "Keypoints.h5")
    assert json.loads(to_movement(stored).position.attrs["log"]) == log
    (path,) = write_predictions(stored, tmp_path / "again.nc", "netcdf")
    assert json.loads(read_predictions(path, "movement").log) == log


def test_signals_are_those_of_the_file_and_lie_in_time(tmp_path: Path) -> None:
    write_project(tmp_path / "project")
    n_frames = sum(Project.open(tmp_path / "project").n_frames)
    write_signals(tmp_path / "project" / "analysis_files" / "FacialSignal.h5", n_frames)
    arrays, signals = signal_arrays(n_frames), to_xarray(tmp_path / "project", "signals")
    assert signals.motion_region.values.tolist() == ["whole frame", "snout"]
    np.testing.assert_array_equal(
        signals.motion.sel(motion_region="snout"), arrays["regions/1/motion"]
    )
    for name, place in (
        ("pupil_area", "2/area"), ("pupil_centre", "2/centre"), ("pupil_axes", "2/axes"),
        ("pupil_confidence", "2/confidence"), ("eye_opening", "3/opening"), ("running", "4/running"),
        ("motion_svd_projection_0", "0/motion_svd/projection"),
        ("movie_svd_mask_0", "0/movie_svd/mask"),
        ("motion_svd_singular_values_1", "1/motion_svd/singular_values"),
    ):  # fmt: skip
        found = signals[name].squeeze([d for d in signals[name].dims if d.endswith("_region")])
        np.testing.assert_array_equal(found, arrays[f"regions/{place}"], err_msg=name)
    np.testing.assert_array_equal(signals.mean_frame, arrays["summary/mean_frame"])
    assert signals.attrs["bin_px"] == 4 and signals.sizes["time"] == n_frames
    np.testing.assert_allclose(signals.time, to_xarray(tmp_path / "project").time)
    with pytest.raises(ProjectError, match=r"FacialSignal\.h5 is missing"):
        (tmp_path / "project" / "analysis_files" / "FacialSignal.h5").unlink()
        to_xarray(tmp_path / "project", "signals")


def test_face_rhythms_own_projects_have_datasets(tmp_path: Path) -> None:
    write_project(tmp_path / "project")
    points = to_xarray(tmp_path / "project")
    assert points.sizes["time"] % T == 0 and points.confidence.isnull().all()
    assert points.attrs["layout"].startswith("face-rhythm")
    assert set(to_xarray(tmp_path / "project", "factors").data_vars) >= {"spatial_map", "spectrum"}


def test_arrays_and_tables_become_points(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    positions, sure = rng.uniform(0, 90, (6, 3, 2)), rng.random((6, 3))
    times = np.r_[0.0, 0.1, 0.2, 0.9, 1.0, 1.1]
    positions[2, 1] = np.nan
    names, regions = ["nose", "lip", "ear"], ["a", "a", ""]
    points = from_numpy(positions, sure, times_s=times, names=names, regions=regions)
    assert points.attrs["fps"] == pytest.approx(10)
    table = points.position.to_dataset("space").squeeze("individuals", drop=True).to_dataframe()
    table["confidence"] = points.confidence.squeeze("individuals", drop=True).to_series()
    xr.testing.assert_identical(from_dataframe(table.sample(frac=1, random_state=1).sort_index(
        level="keypoints", sort_remaining=False
    ), frame_rate_hz=points.attrs["fps"]).sel(keypoints=names), points)  # fmt: skip
    thinned = from_dataframe(table.dropna())
    xr.testing.assert_equal(thinned.position.sel(keypoints=names), points.position)
    write_datasets(points, tmp_path / "points.nc")
    assert read_predictions(tmp_path / "points.nc", "movement").body_parts == tuple(names)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"positions": np.zeros((4, 2))}, "positions have shape"),
        ({"positions": np.zeros((4, 2, 2)), "names": ["a", "a"]}, "names: not one for each"),
        ({"positions": np.zeros((4, 2, 2))}, "when were the frames"),
        ({"positions": np.zeros((4, 2, 2)), "times_s": [0, 1, 1, 2]}, "rising seconds"),
        ({"positions": np.zeros((4, 2, 2)), "frame_rate_hz": -1.0}, "frames per second"),
        ({"positions": np.zeros((4, 2, 2)), "confidence": np.zeros(4)}, "confidence: not one"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(RequestError, match=match):
        from_numpy(**given)


def test_the_verb_writes_what_the_functions_give(
    facerhythm: Callable[..., Any], paused: Path, tmp_path: Path
) -> None:
    done = facerhythm("export", "xarray", paused, "-o", tmp_path / "all.zarr", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert list(told["datasets"]) == ["points", "spectrograms", "factors"]
    assert told["datasets"]["points"]["time"] == 600
    one = facerhythm("export", "xarray", paused, "-o", tmp_path / "points.nc", "--what", "points")
    assert one.code == 0 and "600 time" in one.out
    both = read_dataset(tmp_path / "all.zarr", "points"), read_dataset(tmp_path / "points.nc")
    for found in both:
        xr.testing.assert_identical(found.load(), to_xarray(paused).load())
    with pytest.raises(ProjectError, match="say which one is meant"):
        read_dataset(tmp_path / "all.zarr")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("-o", "points.h5"), "ends in neither of .nc and .zarr"),
        (("-o", "there.nc"), "exists"),
        (("-o", "new.nc", "--what", "everything"), "expected points, spectrograms"),
        (("-o", "new.nc", "--what", "signals"), r"FacialSignal\.h5 is missing"),
        (("-o", "new.nc", "--subject", "mouse1"), "and not both"),
    ],
)
def test_a_wrong_request_writes_nothing(
    facerhythm: Callable[..., Any], paused: Path, tmp_path: Path, words: tuple[str, ...],
    match: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("there.nc").write_text("mine")
    done = facerhythm("export", "xarray", paused, *words)
    assert done.code == 2
    assert re.search(match, " ".join(done.err.split()))
    assert [p.name for p in tmp_path.iterdir()] == ["there.nc"]
    assert Path("there.nc").read_text() == "mine"


def test_a_file_that_is_none_or_runs_something_is_refused(paused: Path, tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("no HDF5")
    with pytest.raises(ProjectError, match="cannot be read as HDF5"):
        read_datasets(tmp_path / "text.nc")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ProjectError, match=r"holds no dataset|cannot be read as Zarr"):
        read_datasets(tmp_path / "empty.zarr")
    path = tmp_path / "points.zarr"
    write_datasets(to_xarray(paused), path)
    about = json.loads((path / "position" / ".zarray").read_text())
    (path / "position" / ".zarray").write_text(
        json.dumps(about | {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]})
    )
    with pytest.raises(ProjectError, match="holds objects"):
        read_datasets(path)
    (path / "position" / ".zarray").write_text(json.dumps(about | {"compressor": {"id": "pickle"}}))
    with pytest.raises(ProjectError, match="pickle"):
        read_datasets(path)


def test_keypoints_are_a_sample_as_movement_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from element_facerhythm import sample_data

    assert "face-keypoints" in sample_data.list_datasets()
    dataset = sample_data.fetch_dataset("face-keypoints")
    assert dataset.attrs["ds_type"] == "poses" and dataset.sizes["keypoints"] == 5
    assert dataset.position.isnull().any() and float(dataset.confidence.max()) > 0.9
    paths = sample_data.fetch_dataset_paths("face-keypoints")
    made = {name: path.stat().st_mtime_ns for name, path in paths.items()}
    assert {
        n: p.stat().st_mtime_ns
        for n, p in sample_data.fetch_dataset_paths("face-keypoints").items()
    } == made
    assert dataset.attrs["video_path"] == str(paths["video"]) and paths["frame"].suffix == ".png"
    for name in sample_data.list_datasets():
        assert sample_data.describe_dataset(name)
    with pytest.raises(RequestError, match="there is no sample 'mouse'"):
        sample_data.fetch_dataset("mouse")
    with pytest.raises(RequestError, match="keypoints and no factors"):
        sample_data.fetch_dataset("face-keypoints", "factors")


@pytest.mark.slow
def test_projects_are_samples_the_same_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm import sample_data

    found = []
    for home in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
        found.append(sample_data.fetch_dataset("face-two-videos").load())
    xr.testing.assert_equal(*found)
    paths = sample_data.fetch_dataset_paths("face-two-videos")
    assert paths["video_2"].is_file() and (paths["project"] / "run.json").is_file()
    components = sample_data.fetch_dataset("face", "factors")
    peaks = components.frequency[components.spectrum[0].argmax("frequency")].values
    assert np.abs(peaks - 11).min() < 2  # whisking


def test_without_xarray_a_sentence_says_what_to_install(paused: Path) -> None:
    script = (
        "import sys; sys.modules['xarray'] = None\n"
        "from element_facerhythm.pipeline.exchange.datasets import to_xarray\n"
        f"to_xarray({str(paused)!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ConfigurationError" in done.stderr and "element-facerhythm[formats]" in done.stderr

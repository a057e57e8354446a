"""One NWB file of a session: valid, read back equal, added to a file that is there, and nothing made up."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from nwbinspector import inspect_nwbfile, load_config
from pynwb.ecephys import ElectricalSeries

from element_facerhythm.curation import (
    JudgeComponent,
    append,
    project_result,
    read_curation,
    write_curation,
)
from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.nwb import read_nwb
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.pipeline import run_project
from element_facerhythm.pipeline.exchange.nwb import points, spectrograms, streams
from element_facerhythm.pipeline.exchange.nwb.session import NwbOptions, write_session
from tests.contract.test_load_mode import F, P, W, write_project
from tests.signal_files import write_signals
from tests.timed_scene import PARAMETERS, ROIS, write_timed_video

START = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
FACTS = NwbFacts(
    START, "mouse_7", sex="F", birth_date=date(2026, 1, 1), species="Mus musculus", session_id="s.1",
    device="camera: left",
)  # fmt: skip
STARTS_S = (1.5, 40.0)
REMAINS = {"check_description", "check_experimenter_exists", "check_experiment_description",
           "check_institution", "check_keywords"}  # fmt: skip
"""Suggestions of the inspector: what only the lab can say."""
BINARY = "check_column_binary_capability"


@pytest.fixture(scope="module")
def project(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with clocks of their own, signals, and a verdict on a component."""
    place = tmp_path_factory.mktemp("project") / "face"
    run_project(recording.request(place, videos=recording.videos))
    write_signals(place / "analysis_files" / "FacialSignal.h5", 160)
    with h5py.File(place / "analysis_files" / "FacialSignal.h5", "r+") as file:
        file["summary/n_frames"][...] = 160
    judged = JudgeComponent("0", 1, verdict="keep", name="whisking")
    curation = append(read_curation(place), judged, project_result(place), "anna")
    write_curation(place, curation, 0)
    return place


@pytest.fixture(scope="module")
def poses() -> Predictions:
    rng = np.random.default_rng(3)
    return Predictions(
        rng.uniform(0, 90, (160, 2, 2, 2)),
        rng.random((160, 2, 2)),
        ("nose", "ear"),
        ("a", "b"),
        "SLEAP",
        60.0,
    )


@pytest.fixture(scope="module")
def written(
    project: Path, poses: Predictions, recording: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Everything that can be written, in blocks of few rows."""
    folder = tmp_path_factory.mktemp("written")
    options = NwbOptions(
        STARTS_S, {"tracker": poses}, recording.videos, with_tensor=True, as_poses=False
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (streams, spectrograms):
            patch.setattr(module, "BLOCK_BYTES", 2048)
        return write_session(Project.open(project), folder, FACTS, options).path


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        yield io.read()


def stored(project: Path, product: str, name: str) -> np.ndarray:
    with h5py.File(project / "analysis_files" / f"{product}.h5") as file:
        return file[name][()]


def end_to_end(project: Path, product: str, name: str, axis: int = 0) -> np.ndarray:
    return np.concatenate([stored(project, product, f"{name}/{i}") for i in "01"], axis=axis)


def findings(path: Path) -> list[Any]:
    return list(inspect_nwbfile(nwbfile_path=path, config=load_config("dandi")))


def frame_times(project: Path) -> np.ndarray:
    clocks = [stored(project, "VQT_Analyzer", f"clock/{i}/frame_times_s") for i in "01"]
    return np.concatenate([s + own for s, own in zip(STARTS_S, clocks, strict=True)])


def test_the_file_is_valid_and_fit_for_the_archive(written: Path) -> None:
    assert written.name == "sub-mouse-7_ses-s-1_behavior.nwb"
    assert pynwb.validate(path=str(written)) == []
    remain = {f.check_function_name: f for f in findings(written)}
    assert remain.keys() - {BINARY} == REMAINS
    assert {f.importance.name for f in remain.values()} == {"BEST_PRACTICE_SUGGESTION"}


def test_facts_of_the_session_are_those_that_were_given(written: Path, recording: Any) -> None:
    with opened(written) as file:
        assert file.session_start_time == START and file.session_id == "s.1"
        subject = file.subject
        assert (subject.subject_id, subject.sex, subject.species) == (
            "mouse_7",
            "F",
            "Mus musculus",
        )
        assert subject.date_of_birth == datetime(2026, 1, 1, tzinfo=START.tzinfo)
        assert list(file.devices) == ["camera_ left"]
        film = file.acquisition["FaceRhythmVideo"]
        assert film.device is file.devices["camera_ left"]
        places = [(written.parent / path).resolve() for path in film.external_file]
        assert places == [path.resolve() for path in recording.videos]
        assert list(film.starting_frame) == [0, 90]


def test_tracks_and_times_are_read_back_equal(written: Path, project: Path) -> None:
    with opened(written) as file:
        module = file.processing["behavior"]
        positions = module["FaceRhythmPointPositions"]
        assert np.array_equal(positions.data, end_to_end(project, "PointTracker", "points_tracked"))
        assert np.array_equal(positions.timestamps, frame_times(project))
        confidence = end_to_end(project, "PointTracker", "confidence").astype(np.float32)
        assert np.array_equal(module["FaceRhythmPointConfidence"].data, confidence)
        flags = module["FaceRhythmPointViolations"].data[:]
        for i, frames in enumerate((slice(0, 90), slice(90, 160))):
            rows, cols = (
                stored(project, "PointTracker", f"violations/{i}/{n}") for n in ("row", "col")
            )
            expected = np.zeros_like(flags[frames])
            expected[rows, cols] = 1
            assert np.array_equal(flags[frames], expected)
        table = module["FaceRhythmPointTable"].to_dataframe()
        homes = stored(project, "PointTracker", "point_positions")
        assert np.array_equal(table[["x_px", "y_px"]], homes)
        videos = module["FaceRhythmVideos"].to_dataframe()
        assert list(videos.start_time) == list(STARTS_S) and list(videos.n_frames) == [90, 70]
        assert list(videos.files) == ["first.mp4", "second.mp4"]


def test_points_can_be_poses(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BLOCK_BYTES", 2048)
    monkeypatch.setattr(points, "MOST_POSES", 10_000)
    path = write_session(
        Project.open(project), tmp_path / "a.nwb", FACTS, NwbOptions(STARTS_S)
    ).path
    assert pynwb.validate(path=str(path)) == []
    assert {f.check_function_name for f in findings(path)} - {BINARY} == REMAINS
    tracks = end_to_end(project, "PointTracker", "points_tracked")
    confidence = end_to_end(project, "PointTracker", "confidence").astype(np.float32)
    with opened(path) as file:
        found = file.processing["behavior"]["FaceRhythmPoints"]
        assert len(found.pose_estimation_series) == tracks.shape[1]
        for p, name in enumerate(found.skeleton.nodes[:]):
            assert np.array_equal(found[name].data, tracks[:, p])
            assert np.array_equal(found[name].confidence, confidence[:, p])
            assert np.array_equal(found[name].timestamps, frame_times(project))
    with h5py.File(path) as file:  # stored once
        series = file["processing/behavior/FaceRhythmPoints"]
        links = [
            series[n].get("timestamps", getlink=True) for n in series if n.startswith("point_")
        ]
        assert sum(isinstance(link, h5py.SoftLink) for link in links) == len(links) - 1


def test_spectrograms_are_read_back_equal(written: Path, project: Path) -> None:
    whole = end_to_end(project, "VQT_Analyzer", "spectrograms", axis=3)  # (2, P, F, W)
    windows = [stored(project, "VQT_Analyzer", f"window_times_s/{i}") for i in "01"]
    with opened(written) as file:
        module = file.processing["behavior"]
        tensor, mean = module["FaceRhythmSpectrogram"], module["FaceRhythmMeanSpectrogram"]
        n_windows = whole.shape[3]
        expected = whole.transpose(3, 0, 1, 2).reshape(n_windows, -1, whole.shape[2])
        assert np.array_equal(tensor.data, expected)
        times = np.concatenate([s + own for s, own in zip(STARTS_S, windows, strict=True)])
        assert np.array_equal(mean.timestamps, times) and mean.metric == "amplitude"
        channels = mean.source_channels.to_dataframe()
        points = file.processing["behavior"]["FaceRhythmPointTable"].to_dataframe()
        for c, row in enumerate(channels.itertuples()):
            inside = [row.region in regions.split(", ") for regions in points.region]
            assert sum(inside) == row.n_points
            of_region = whole["xy".index(row.direction), inside].mean(axis=0).T
            np.testing.assert_allclose(mean.data[:, c], of_region, rtol=1e-5)
        bands = mean.bands.to_dataframe()
        frequencies = stored(project, "VQT_Analyzer", "frequencies")
        assert np.array_equal(bands.band_mean, frequencies.astype(float))
        assert all(
            low <= f <= high for f, (low, high) in zip(frequencies, bands.band_limits, strict=True)
        )


def test_factors_are_read_back_equal(written: Path, project: Path) -> None:
    factors = {
        name: stored(project, "TCA", f"factors/0/{name}") for name in ("(xy points)", "frequency")
    }
    n_points = len(stored(project, "PointTracker", "point_positions"))
    with h5py.File(project / "analysis_files" / "TCA.h5") as file:
        (time_name,) = [n for n in file["factors/0"] if n not in factors]
        times = file[f"factors/0/{time_name}"][()]
        fits = {n: file[f"fit/0/{n}"][()] for n in ("explained_variance", "squared_correlation")}
    with opened(written) as file:
        module = file.processing["behavior"]
        table = module["FaceRhythmComponents_0"]
        space = table["space_loadings"][:]  # (R, P, 2)
        expected = factors["(xy points)"].T.reshape(-1, 2, n_points).transpose(0, 2, 1)
        assert np.array_equal(space, expected)
        assert np.array_equal(table["frequency_loadings"][:], factors["frequency"].T)
        assert np.array_equal(table["time_loadings"][:], times.T)
        courses = module["FaceRhythmTimeCourses_0"]
        assert np.array_equal(courses.data, times)
        own = stored(project, "VQT_Analyzer", "window_times_s/0")
        assert np.allclose(times_of(courses), STARTS_S[0] + own, rtol=0, atol=1e-9)
        for name, values in fits.items():
            assert np.array_equal(table[name][:], values)
        assert list(table["curated_verdict"][:]) == ["undecided", "keep"]
        assert list(table["curated_name"][:]) == ["", "whisking"]
        assert list(module["FaceRhythmComponents_1"]["curated_verdict"][:]) == ["undecided"] * 2


def times_of(series: Any) -> np.ndarray:
    if series.timestamps is not None:
        return np.asarray(series.timestamps)
    return series.starting_time + np.arange(len(series.data)) / series.rate


def test_signals_and_keypoints_are_read_back_equal(
    written: Path, project: Path, poses: Predictions
) -> None:
    with opened(written) as file:
        module = file.processing["behavior"]
        signals, pupil = module["FaceRhythmSignals"], module["FaceRhythmPupilTracking"]
        found = {
            "regions/0/motion": signals["region0_whole_frame_motion"],
            "regions/1/motion_svd/projection": signals["region1_snout_motion_svd"],
            "regions/0/movie_svd/projection": signals["region0_whole_frame_movie_svd"],
            "regions/3/opening": signals["region3_left_lid_opening"],
            "regions/4/running": signals["region4_wheel_running"],
            "regions/2/area": pupil["region2_left_eye_area"],
            "regions/2/centre": pupil["region2_left_eye_centre"],
            "regions/2/confidence": pupil["region2_left_eye_confidence"],
        }
        for name, series in found.items():
            values = stored(project, "FacialSignal", name)
            assert np.array_equal(series.data, values, equal_nan=True), name
            assert np.array_equal(series.timestamps, frame_times(project)), name
        svd = module["FaceRhythm_region1_snout_motion_svd"]
        for column, name in (("mask", "mask"), ("singular_value", "singular_values")):
            values = stored(project, "FacialSignal", f"regions/1/motion_svd/{name}")
            assert np.array_equal(svd[column][:], values)
        for i, individual in enumerate("ab"):
            tracks = module[f"FaceRhythmKeypoints_{individual}"]
            assert tracks.scorer == "tracker" and tracks.source_video.name == "FaceRhythmVideo"
            for k, part in enumerate(("nose", "ear")):
                assert np.array_equal(tracks[part].data, poses.positions[:, i, k])
                assert np.array_equal(tracks[part].confidence, poses.likelihood[:, i, k])


def test_keypoints_can_be_taken_in_again(written: Path, project: Path, poses: Predictions) -> None:
    again = read_nwb(written, containers=["FaceRhythmKeypoints_a", "FaceRhythmKeypoints_b"])
    assert again.body_parts == poses.body_parts and len(again.individuals) == 2
    assert np.array_equal(again.positions, poses.positions)
    assert again.times_s is not None and np.array_equal(again.times_s, frame_times(project))


def test_regions_and_provenance_are_read_back_equal(
    written: Path, project: Path, recording: Any
) -> None:
    with opened(written) as file:
        module = file.processing["behavior"]
        images = module["FaceRhythmImages"].images
        assert np.array_equal(images["first_frame"].data, stored(project, "ROIs", "exampleImage"))
        assert np.array_equal(
            images["background"].data, stored(project, "ROIs", "background_image")
        )
        assert np.array_equal(
            images["seed_mask"].data, stored(project, "ROIs", "mask_images/mask_0")
        )
        regions = module["FaceRhythmRegions"]
        assert regions["role"][0] == "points"
        assert np.array_equal(regions["vertices"][0], recording.rois.seed_polygons[0])
        table = module["FaceRhythmProvenance"]
        facts = dict(zip(table["fact"][:], map(json.loads, table["value"][:]), strict=True))
    rank = recording.parameters.to_tree()["TCA"]["fit"]["params_method"]["rank"]
    assert facts["parameters.TCA.fit.params_method.rank"] == rank
    run = json.loads((project / "run.json").read_text())
    assert facts["parameters_sha256"] == run["parameters_sha256"]
    tca = project / "analysis_files" / "TCA.h5"
    assert facts["products.TCA.sha256"] == file_sha256(tca)
    assert facts["curation.components.0.name"] == "whisking"
    assert facts["clock.1.start_s"] == 40.0


def test_gaps_are_kept(tmp_path: Path) -> None:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest

    times = np.concatenate([np.arange(150) / 60, 5 + np.arange(150) / 60])
    video = write_timed_video(tmp_path / "a.mp4", times)
    rois = Rois(seed_polygons=(np.array(ROIS["points"][0], float),))
    parameters = parameters_from_mapping(PARAMETERS).parameters
    run_project(RunRequest((video,), rois, parameters, tmp_path / "p", device="cpu"))
    written = write_session(Project.open(tmp_path / "p"), tmp_path / "a.nwb", FACTS)
    assert any("time zero" in note for note in written.notes)
    with opened(written.path) as file:
        module = file.processing["behavior"]
        stamps = module["FaceRhythmPointViolations"].timestamps[:]
        np.testing.assert_allclose(stamps, times, atol=1e-4)
        (gap,) = module["FaceRhythmGaps"].to_dataframe().itertuples()
        assert (gap.after_frame, gap.start_time, gap.stop_time) == (149, stamps[149], stamps[150])
        assert not gap.is_bridged


def other_session(path: Path, **changes: Any) -> Path:
    """A recording of neurons, with a behaviour module of its own."""
    about = {"session_description": "probe", "identifier": "x1", "session_start_time": START}
    file = pynwb.NWBFile(**(about | {k: v for k, v in changes.items() if k != "subject_id"}))
    file.subject = pynwb.file.Subject(subject_id=changes.get("subject_id", "mouse_7"), sex="F")
    device = file.create_device(name="camera_ left")
    group = file.create_electrode_group("shank", description="d", location="l", device=device)
    for _ in range(4):
        file.add_electrode(group=group, location="l")
    region = file.create_electrode_table_region([0, 1, 2, 3], "all")
    volts = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    file.add_acquisition(ElectricalSeries(name="probe", data=volts, electrodes=region, rate=1000.0))
    speed = pynwb.TimeSeries(name="speed", data=np.arange(9.0), unit="m/s", rate=1.0)
    file.create_processing_module("behavior", "running").add(speed)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def content(path: Path) -> dict[str, Any]:
    """Every dataset and attribute, as bytes."""
    found: dict[str, Any] = {}

    def keep(name: str, node: h5py.Group | h5py.Dataset) -> None:
        found[name] = {key: repr(value) for key, value in node.attrs.items()}
        if isinstance(node, h5py.Dataset):
            found[name]["data"] = repr(np.asarray(node[()]).tolist())

    with h5py.File(path) as file:
        keep("/", file["/"])
        file.visititems(
            lambda name, node: None if name.startswith("specifications") else keep(name, node)
        )
    return found


def test_an_existing_file_is_added_to_and_keeps_the_rest(project: Path, tmp_path: Path) -> None:
    real = other_session(tmp_path / "real.nwb")
    path = tmp_path / "probe.nwb"
    path.symlink_to(real)
    before = content(path)
    options = NwbOptions(STARTS_S, append=True)
    written = write_session(Project.open(project), path, NwbFacts(subject_id="mouse_7"), options)
    after = content(path)
    assert {name: after[name] for name in before} == before
    added = {name for name in after if name not in before}
    assert all(name.startswith("processing/behavior/FaceRhythm") for name in added)
    assert pynwb.validate(path=str(path)) == []
    with opened(path) as file:
        assert set(written.objects) == set(file.processing["behavior"].data_interfaces) - {"speed"}
        violations = file.processing["behavior"]["FaceRhythmPointViolations"]
        assert np.array_equal(violations.timestamps, frame_times(project))
    second = replace(options, module="behavior_right")  # another camera of the session
    write_session(Project.open(project), path, NwbFacts(device="camera: left"), second)
    with opened(path) as file:
        assert "FaceRhythmImages" in file.processing["behavior_right"].data_interfaces
        assert list(file.devices) == ["camera_ left"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["probe.nwb", "real.nwb"]
    assert path.is_symlink() and not real.is_symlink()
    with pytest.raises(FaceRhythmError, match="in its module 'behavior' already"):
        write_session(Project.open(project), path, NwbFacts(), options)


@pytest.mark.parametrize(
    ("changes", "facts", "options", "words"),
    [
        ({"subject_id": "mouse_8"}, FACTS, NwbOptions(STARTS_S), "its subject_id is 'mouse_8'"),
        ({"session_start_time": START + timedelta(days=1)}, FACTS, NwbOptions(STARTS_S),
         "is of another session: its session_start_time is 2026-03-02"),
        ({"session_id": "2"}, FACTS, NwbOptions(STARTS_S), "its session_id is '2'"),
        ({}, FACTS, NwbOptions(), "say where on it the video begins: --start S"),
        ({}, FACTS, NwbOptions((1.0,)), "has 2 tracked videos"),
        ({}, FACTS, NwbOptions((1.0, 1.2)), "begins before the one before it ends"),
    ],
)  # fmt: skip
def test_a_file_of_another_session_is_not_touched(
    project: Path, tmp_path: Path, changes: Any, facts: NwbFacts, options: NwbOptions, words: str
) -> None:
    path = other_session(tmp_path / "probe.nwb", **changes)
    digest = file_sha256(path)
    with pytest.raises(FaceRhythmError, match=words):
        write_session(Project.open(project), path, facts, replace(options, append=True))
    assert file_sha256(path) == digest and len(list(tmp_path.iterdir())) == 1


def test_what_another_program_writes_meanwhile_is_not_lost(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = other_session(tmp_path / "probe.nwb")
    fill = streams.Streams.fill

    def with_another_writer(own: streams.Streams) -> None:
        with h5py.File(path, "r+") as file:
            file["scratch_of_another"] = np.arange(9000)
        fill(own)

    monkeypatch.setattr(streams.Streams, "fill", with_another_writer)
    with pytest.raises(FaceRhythmError, match="was written by another program meanwhile"):
        options = NwbOptions(STARTS_S, append=True)
        write_session(Project.open(project), path, NwbFacts(), options)
    with h5py.File(path) as file:
        assert "scratch_of_another" in file
        assert list(file["processing/behavior"]) == ["speed"]


def test_what_is_no_nwb_file_is_not_added_to(project: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "b.nwb").write_text("text")
    for name, words in (("a.h5", "no NWB file"), ("b.nwb", "HDF5"), ("c.nwb", "does not exist")):
        with pytest.raises(FaceRhythmError, match=words):
            write_session(
                Project.open(project), tmp_path / name, FACTS, NwbOptions(STARTS_S, append=True)
            )


@pytest.mark.parametrize(
    ("facts", "options", "words"),
    [
        (NwbFacts(), NwbOptions(STARTS_S), "give --session-start, --subject-id"),
        (replace(FACTS, session_start_time=datetime(2026, 3, 1)), NwbOptions(STARTS_S), "no time zone"),
        (replace(FACTS, age="90 days"), NwbOptions(STARTS_S), "age is '90 days'; expected a duration"),
        (replace(FACTS, species="mouse"), NwbOptions(STARTS_S), "expected a Latin binomial"),
        (replace(FACTS, subject_id="a/b"), NwbOptions(STARTS_S), "expected a name without '/'"),
        (FACTS, NwbOptions(), "each with a clock of its own, and 0 starts were given"),
        (FACTS, NwbOptions(STARTS_S, module="a/b"), "without '/' and ':'"),
        (FACTS, NwbOptions(STARTS_S, videos=(Path("absent.mp4"),)), "1 videos were given"),
    ],
)  # fmt: skip
def test_nothing_is_made_up_and_nothing_is_left(
    project: Path, tmp_path: Path, facts: NwbFacts, options: NwbOptions, words: str
) -> None:
    with pytest.raises(FaceRhythmError, match=words):
        write_session(Project.open(project), tmp_path / "a.nwb", facts, options)
    assert list(tmp_path.iterdir()) == []


def test_keypoints_of_other_frames_are_refused(
    project: Path, poses: Predictions, tmp_path: Path
) -> None:
    short = replace(poses, positions=poses.positions[:9], likelihood=poses.likelihood[:9])
    with pytest.raises(FaceRhythmError, match="keypoints k are of 9 frames"):
        options = NwbOptions(STARTS_S, {"k": short})
        write_session(Project.open(project), tmp_path / "a.nwb", FACTS, options)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_and_refuses(
    project: Path, tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    words = ["export", "nwb", project, "-o", tmp_path, "--subject", "mouse7", "--session", "1",
             "--session-start", "2026-03-01T09:30:00+01:00", "--start", 0, "--start", 9]  # fmt: skip
    done = facerhythm(*words, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert Path(told["file"]).name == "sub-mouse7_ses-1_behavior.nwb"
    assert any("--species, --sex, --age or --birth-date" in note for note in told["notes"])
    assert "FaceRhythmProvenance" in told["objects"]
    again = facerhythm(*words)
    assert again.code == 2 and "give --overwrite to replace it, --append" in again.err
    assert facerhythm(*words, "--overwrite").code == 0
    for more, said in (
        (["--overwrite", "--sex", "male"], "sex is 'male'; expected M, F, U or O"),
        (["--birth-date", "x"], "--birth-date is 'x'"),
        (["--points", "all"], "--points is 'all'"),
        (["--key", "a=b"], "do not go with a directory"),
        (["--append", tmp_path / "a.nwb"], "say where: -o FILE"),
    ):
        done = facerhythm(*words, *more)
        assert done.code == 2 and said in " ".join(done.err.split()), done.err


def test_a_project_of_face_rhythm_with_complex_spectrograms(tmp_path: Path) -> None:
    place = write_project(tmp_path / "p", n_videos=1)
    values = np.random.default_rng(1).normal(size=(2, 2, P, F, W)) @ np.eye(W)
    values = (values[0] + 1j * values[1]).astype(np.complex64)
    with h5py.File(place / "analysis_files" / "VQT_Analyzer.h5", "r+") as file:
        del file["spectrograms/0"]
        file["spectrograms/0"] = values
    path = write_session(
        Project.open(place), tmp_path / "a.nwb", FACTS, NwbOptions(with_tensor=True)
    ).path
    assert pynwb.validate(path=str(path)) == []
    with opened(path) as file:
        module = file.processing["behavior"]
        magnitude, phase = (module[f"FaceRhythmSpectrogram{n}"].data[:] for n in ("", "Phase"))
        found = (magnitude * np.exp(1j * phase)).reshape(W, 2, P, F).transpose(1, 2, 3, 0)
        np.testing.assert_allclose(found, values, rtol=1e-5)
        series = module["FaceRhythmPointViolations"]
        assert (series.starting_time, series.rate) == (0.0, 60.0)


def test_signals_alone_are_written(tmp_path: Path) -> None:
    place = write_project(tmp_path / "p")
    for product in (place / "analysis_files").iterdir():
        product.unlink()
    arrays = write_signals(place / "analysis_files" / "FacialSignal.h5", 50)
    written = write_session(Project.open(place), tmp_path / "a.nwb", FACTS)
    assert pynwb.validate(path=str(written.path)) == []
    with opened(written.path) as file:
        motion = file.processing["behavior"]["FaceRhythmSignals"]["region1_snout_motion"]
        assert np.array_equal(motion.data, arrays["regions/1/motion"], equal_nan=True)
        assert motion.rate == 60.0


@pytest.mark.slow
def test_arrays_by_frame_are_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    n_frames, n_points, n_windows = 60_000, 300, 1500
    place = write_project(tmp_path / "p")
    files = place / "analysis_files"
    with h5py.File(files / "PointTracker.h5", "r+") as file:
        for name in ("points_tracked/0", "point_positions", "neighbors", "mesh_d0"):
            del file[name]
        homes = np.random.default_rng(0).uniform(1, 15, (n_points, 2)).astype(np.float32)
        file["point_positions"] = homes
        tracks = file.create_dataset("points_tracked/0", (n_frames, n_points, 2), np.float32)
        for first in range(0, n_frames, 1000):
            tracks[first : first + 1000] = homes + first
    with h5py.File(files / "VQT_Analyzer.h5", "r+") as file:
        del file["spectrograms/0"], file["x_axis/0"]
        file["x_axis/0"] = np.arange(n_windows, dtype=np.float32)
        tensor = file.create_dataset("spectrograms/0", (2, n_points, F, n_windows), np.float32)
        tensor[:] = 0.5
    with h5py.File(files / "TCA.h5", "r+") as file:
        for name, n in (("(xy points)", 2 * n_points), ("(time trials)", n_windows)):
            del file[f"factors/0/{name}"]
            file[f"factors/0/{name}"] = np.ones((n, 2), np.float32)
        del file["factors_rearranged/0/(xy points)"], file["factors_rearranged/0/trials/time_0"]
        file["factors_rearranged/0/(xy points)"] = np.ones((2 * n_points, 2), np.float32)
        file["factors_rearranged/0/trials/time_0"] = np.ones((n_windows, 2), np.float32)
    for module in (streams, spectrograms):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 20)
    write_session(Project.open(place), tmp_path / "warm.nwb", FACTS, NwbOptions(as_poses=False))
    tracemalloc.start()
    write_session(
        Project.open(place), tmp_path / "a.nwb", FACTS, NwbOptions(as_poses=False, with_tensor=True)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24e6 < n_frames * n_points * 8 / 5
    with opened(tmp_path / "a.nwb") as file:
        positions = file.processing["behavior"]["FaceRhythmPointPositions"].data
        assert np.array_equal(positions[59_999], homes + 59_000)

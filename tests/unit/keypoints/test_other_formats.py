"""SLEAP, NWB and netCDF as labs have them: what they say of frames, tracks and times."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.formats import read_predictions, to_movement
from element_facerhythm.keypoints.placement import placed
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.reading_options import ReadingOptions

PARTS = ["nose", "jaw", "whisker"]
RNG = np.random.default_rng(4)
POINTS = RNG.uniform(0, 100, (20, 2, 3, 2)).astype(np.float32)


def labels(path, frames, *, tracks=("a", "b"), n_instances=2, user=(), n_videos=1, untracked=()):
    """SLEAP labels whose instance i of frame t has the points POINTS[t, i]."""
    import sleap_io

    skeleton = sleap_io.Skeleton(list(PARTS))
    named = [sleap_io.Track(name) for name in tracks]
    videos = [sleap_io.Video(f"film{v}.mp4", open_backend=False) for v in range(n_videos)]
    found = []
    for video in videos:
        for t in frames:
            instances = []
            for i in range(n_instances):
                track = named[i] if i < len(named) and t not in untracked else None
                about = {"skeleton": skeleton, "track": track}
                instances.append(
                    sleap_io.PredictedInstance.from_numpy(
                        POINTS[t, i], point_scores=np.full(3, 0.9), score=0.9, **about
                    )
                )
                if t in user:
                    instances.append(sleap_io.Instance.from_numpy(POINTS[t, i] + 1, **about))
            found.append(sleap_io.LabeledFrame(video=video, frame_idx=t, instances=instances))
    whole = sleap_io.Labels(found, videos=videos, skeletons=[skeleton], tracks=named)
    if path.suffix == ".slp":
        sleap_io.save_slp(whole, str(path))
    return whole


def test_sleap_rows_are_the_frames_that_have_instances(tmp_path):
    path = tmp_path / "a.slp"
    labels(path, [4, 9, 6])
    found = read_predictions(path, "SLEAP")
    np.testing.assert_array_equal(found.frame_numbers, [4, 6, 9])
    np.testing.assert_allclose(found.positions, POINTS[[4, 6, 9]], atol=1e-5)
    placement = placed(found, n_frames=20, frame_rate_hz=30.0, source=path.name)
    assert placement.n_filled == 17
    np.testing.assert_allclose(placement.predictions.positions[6], POINTS[6], atol=1e-5)


def test_sleap_instances_that_cannot_be_told_apart_are_refused(tmp_path):
    path = tmp_path / "a.slp"
    labels(path, range(5), tracks=(), n_instances=1)
    assert read_predictions(path, "SLEAP").individuals == ("id_0",)
    labels(path, range(5), tracks=())
    with pytest.raises(KeypointError, match="frame 0 has two instances without tracks"):
        read_predictions(path, "SLEAP")
    labels(path, range(5), untracked=(2,))
    found = read_predictions(path, "SLEAP")
    assert np.isnan(found.positions[2]).all()
    assert found.notes == ("2 instances without a track were left out, since others have one",)
    labels(path, range(5))
    with h5py.File(path, "a") as file:
        rows = file["instances"][...]
        rows["track"] = 0
        file["instances"][...] = rows
    with pytest.raises(KeypointError, match="frame 0 has two instances of one track"):
        read_predictions(path, "SLEAP")


def test_sleap_labels_of_a_person_go_before_and_are_told(tmp_path):
    path = tmp_path / "a.slp"
    labels(path, range(5), user=(1,))
    found = read_predictions(path, "SLEAP")
    np.testing.assert_allclose(found.positions[1], POINTS[1] + 1, atol=1e-5)
    assert np.isnan(found.likelihood[1]).all()
    assert found.notes[0].startswith("2 instances were labelled by a person")


def test_sleap_labels_of_several_videos_need_a_choice(tmp_path):
    path = tmp_path / "a.slp"
    labels(path, range(5), n_videos=2)
    with pytest.raises(KeypointError, match=r"2 videos \(0: film0.mp4, 1: film1.mp4\).*--video"):
        read_predictions(path, "SLEAP")
    assert read_predictions(path, "SLEAP", options=ReadingOptions(video=1)).n_frames == 5
    with pytest.raises(KeypointError, match="no frames of a video 2"):
        read_predictions(path, "SLEAP", options=ReadingOptions(video=2))


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_sleap_analysis_files_are_read_in_any_order_of_axes(tmp_path, preset):
    import sleap_io

    path = tmp_path / "a.h5"
    sleap_io.save_analysis_h5(
        labels(tmp_path / "none", range(12), tracks=("m", "m")), str(path), preset=preset
    )
    found = read_predictions(path, "SLEAP")
    np.testing.assert_allclose(found.positions, POINTS[:12], atol=1e-5)
    assert (found.likelihood == np.float32(0.9)).all()
    assert found.individuals == ("m", "m 2")
    assert found.notes == ("tracks of equal names were numbered: m, m 2",)


def nwb(path, *, modules=None, subject=None, software=None, **clock):
    """NWB file with the containers of each module; whisker of container c lies at 10 c + t."""
    import ndx_pose
    import pynwb

    file = pynwb.NWBFile("faces", "file-1", datetime(2026, 3, 1, tzinfo=UTC))
    if subject:
        file.subject = pynwb.file.Subject(subject_id=subject)
    number = 0
    for name, containers in (modules or {"behavior": ["PoseEstimation"]}).items():
        module = file.create_processing_module(name, "poses")
        skeletons = []
        for container in containers:
            skeleton = ndx_pose.Skeleton(name=f"skeleton{number}", nodes=["whisker", "nose"])
            times = {k: v for k, v in (clock or {"rate": 30.0}).items()}
            series = [
                ndx_pose.PoseEstimationSeries(
                    name=part,
                    data=np.stack([np.arange(20) + 10.0 * number, np.full(20, k)], axis=1),
                    unit="pixels",
                    reference_frame="upper left",
                    confidence=np.full(20, 0.5),
                    **times,
                )
                for k, part in enumerate(skeleton.nodes)
            ]
            skeletons.append(skeleton)
            module.add(
                ndx_pose.PoseEstimation(
                    name=container,
                    pose_estimation_series=series,
                    skeleton=skeleton,
                    source_software=software,
                )
            )
            number += 1
        module.add(ndx_pose.Skeletons(skeletons=skeletons))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


@pytest.mark.parametrize(
    "modules",
    [
        {"behavior": ["PoseEstimation"]},
        {"behavior": ["PoseEstimationDeepLabCut"]},
        {"pose": ["Left"]},
    ],
)
def test_nwb_poses_are_found_wherever_they_are(tmp_path, modules):
    found = read_predictions(nwb(tmp_path / "a.nwb", modules=modules, subject="mouse7"), "NWB")
    assert (found.individuals, found.body_parts) == (("mouse7",), ("whisker", "nose"))
    np.testing.assert_array_equal(found.positions[:, 0, 0, 0], np.arange(20))
    assert found.frame_rate_hz == 30.0


def test_of_several_nwb_containers_none_is_guessed(tmp_path):
    path = nwb(tmp_path / "a.nwb", modules={"left": ["Pose"], "right": ["Pose", "Other"]})

    def read(**options):
        return read_predictions(path, "NWB", options=ReadingOptions(**options))

    with pytest.raises(KeypointError, match=r"3 containers .*left/Pose, right/Other, right/Pose"):
        read()
    with pytest.raises(KeypointError, match=r"2 containers of poses|has 3 containers"):
        read(module="right")
    with pytest.raises(KeypointError, match=r"2 containers 'Pose'.*--module"):
        read(container=("Pose",))
    with pytest.raises(KeypointError, match=r"0 containers 'None'; it has left/Pose"):
        read(container=("None",))
    with pytest.raises(KeypointError, match=r"no poses in a module 'up'"):
        read(module="up")
    assert read(module="left").positions[0, 0, 0, 0] == 0
    assert read(module="right", container=("Pose",)).positions[0, 0, 0, 0] == 10
    both = read(module="right", container=("Other", "Pose"))
    assert both.individuals == ("Other", "Pose")
    np.testing.assert_array_equal(both.positions[0, :, 0, 0], [20, 10])


@pytest.mark.parametrize(
    ("clock", "frames", "rate_hz"),
    [
        ({"rate": 29.97}, np.arange(20), 29.97),
        ({"rate": 30.0, "starting_time": 1.0}, np.arange(30, 50), 30.0),
        ({"rate": 15.0}, np.arange(0, 40, 2), 15.0),
        ({"rate": 1.0}, np.arange(20), None),
        ({"timestamps": np.arange(20.0)}, np.arange(20), None),
        (
            {"timestamps": np.r_[np.arange(10), np.arange(20, 30)] / 30},
            np.r_[0:10, 20:30],
            pytest.approx(30, abs=1e-3),
        ),
    ],
)
def test_nwb_times_lead_to_frames(tmp_path, clock, frames, rate_hz):
    found = read_predictions(nwb(tmp_path / "a.nwb", **clock), "NWB")
    n_frames = 60 if rate_hz is not None else 120
    placement = placed(found, n_frames=n_frames, frame_rate_hz=30.0, source="a.nwb")
    x = placement.predictions.positions[:, 0, 0, 0]
    if rate_hz is None:  # whole seconds could be meant where the video is long enough
        placement = placed(found, n_frames=20, frame_rate_hz=30.0, source="a.nwb")
        x = placement.predictions.positions[:, 0, 0, 0]
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(x)), frames)
    assert placement.file_frame_rate_hz == rate_hz


def tracks(n_frames=6, variables=()):
    shape = (n_frames, 2, 3)
    return Predictions(
        RNG.random((*shape, 2)),
        RNG.random(shape),
        tuple(PARTS),
        ("ind2", "ind10"),
        "movement",
        50.0,
        {name: RNG.random(shape) for name in variables},
    )


def same(found, predictions):
    np.testing.assert_array_equal(found.positions, predictions.positions)
    np.testing.assert_array_equal(found.likelihood, predictions.likelihood)
    assert (found.individuals, found.body_parts) == (
        predictions.individuals,
        predictions.body_parts,
    )


# netCDF4 is built against an older numpy, which it says when it is imported
pytestmark = pytest.mark.filterwarnings("ignore:numpy.ndarray size changed")
CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def write_classic(path, dataset, version, *, unlimited=False):
    """Write a dataset by netCDF's own library."""
    import netCDF4

    with netCDF4.Dataset(path, "w", format=version) as file:
        for name, n in dataset.sizes.items():
            file.createDimension(name, None if unlimited and name == "time" else n)
        for name in dataset.coords:
            if dataset[name].dtype.kind == "U":
                texts = [str(text) for text in dataset[name].values]
                width = max(map(len, texts))
                file.createDimension(f"{name}_chars", width)
                variable = file.createVariable(name, "S1", (name, f"{name}_chars"))
                variable[:] = np.array([list(t.ljust(width, "\0")) for t in texts], "S1")
            else:
                file.createVariable(name, "f8", (name,))[:] = dataset[name].values
        for name in dataset.data_vars:
            variable = file.createVariable(name, "f8", dataset[name].dims)
            variable[:] = dataset[name].values
        file.fps = 50.0
        file.source_software = "movement"


@pytest.mark.parametrize("version", CLASSIC)
@pytest.mark.parametrize("unlimited", [False, True])
def test_classic_netcdf_is_read_whatever_its_version(tmp_path, version, unlimited):
    predictions = tracks(variables=("spread",))
    path = tmp_path / "a.nc"
    write_classic(path, to_movement(predictions), version, unlimited=unlimited)
    found = read_predictions(path, "movement")
    same(found, predictions)
    np.testing.assert_array_equal(found.variables["spread"], predictions.variables["spread"])
    assert found.frame_rate_hz == 50.0


@pytest.mark.parametrize("version", CLASSIC)
def test_classic_netcdf_that_claims_more_than_it_has_is_refused(tmp_path, version):
    path = tmp_path / "a.nc"
    write_classic(path, to_movement(tracks()), version)
    whole = path.read_bytes()
    for damaged in (
        whole[:-40],
        whole[:90],
        whole[:12] + b"\x7f" * 8 + whole[20:],
        b"CDF\x03" + whole[4:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(KeypointError, match=r"a\.nc is refused: it"):
            read_predictions(path, "movement")


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_netcdf_keeps_every_array_of_numbers(tmp_path, engine):
    predictions = tracks()
    dataset = to_movement(predictions)
    dataset["velocity"] = dataset.position * 2
    dataset["speed"] = dataset.confidence * 3
    dataset["area"] = ("time", np.arange(6.0))
    dataset["note"] = "by hand"
    dataset.attrs = {"fps": 50.0}
    dataset.to_netcdf(tmp_path / "a.nc", engine=engine)
    found = read_predictions(tmp_path / "a.nc", "movement")
    same(found, predictions)
    assert set(found.variables) == {"velocity_x", "velocity_y", "speed", "area"}
    np.testing.assert_array_equal(found.variables["velocity_y"], predictions.positions[..., 1] * 2)
    np.testing.assert_array_equal(found.variables["area"][:, 1, 2], np.arange(6))
    assert found.notes == ("left out, since it is not one number per frame and track: note",)


def test_netcdf_of_boxes_keeps_their_sizes(tmp_path):
    from element_facerhythm.keypoints.movement_library import import_movement

    import_movement()
    from movement.io import load_bboxes

    centre, size = RNG.random((6, 2, 3)), RNG.random((6, 2, 3))
    dataset = load_bboxes.from_numpy(centre, size, individual_names=["a", "b", "c"], fps=50)
    dataset.attrs = {"fps": 50.0}
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_predictions(tmp_path / "a.nc", "movement")
    assert found.body_parts == ("centroid",)
    np.testing.assert_array_equal(found.positions[:, :, 0], centre.transpose(0, 2, 1))
    np.testing.assert_array_equal(found.variables["box_height"][:, :, 0], size[:, 1])


def test_netcdf_of_an_array_alone_and_of_a_part_of_the_video(tmp_path):
    predictions = tracks()
    dataset = to_movement(predictions)
    dataset["position"].to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_predictions(tmp_path / "a.nc", "movement")
    np.testing.assert_array_equal(found.positions, predictions.positions)
    assert np.isnan(found.likelihood).all() and found.frame_rate_hz is None
    part = dataset.isel(time=slice(2, 5))
    part.attrs = {"fps": 50.0}
    part.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    found = read_predictions(tmp_path / "b.nc", "movement")
    np.testing.assert_array_equal(found.frame_numbers, [2, 3, 4])
    part.isel(individuals=0, drop=True).drop_vars("confidence").to_netcdf(
        tmp_path / "c.nc", engine="h5netcdf"
    )
    found = read_predictions(tmp_path / "c.nc", "movement")
    np.testing.assert_array_equal(found.positions[:, 0], predictions.positions[2:5, 0])
    assert "taken as one" in found.notes[0]


def test_scores_of_sleap_may_exceed_one_in_any_container(tmp_path):
    predictions = tracks()
    predictions.likelihood[2, 0, 0] = 1.07
    for software in ("SLEAP", "DeepLabCut"):
        dataset = to_movement(predictions)
        dataset.attrs = {"fps": 50.0, "source_software": software}
        dataset.to_netcdf(tmp_path / f"{software}.nc", engine="h5netcdf")
    found = read_predictions(tmp_path / "SLEAP.nc", "movement")
    assert found.likelihood.max() == 1.07
    assert "1 of 36 scores exceed 1" in found.notes[0]
    with pytest.raises(KeypointError, match=r"likelihood 1\.07 of ind2/nose in frame 2"):
        read_predictions(tmp_path / "DeepLabCut.nc", "movement")
    path = nwb(tmp_path / "a.nwb", software="SLEAP")
    with h5py.File(path, "a") as file:
        file["processing/behavior/PoseEstimation/nose/confidence"][3] = 1.2
    assert read_predictions(path, "NWB").likelihood.max() == 1.2

"""HDF5 files of other trackers: read as their own software reads them, and nothing of them is run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.plain_pickle import plain_value
from element_facerhythm.keypoints.deeplabcut import LEVELS, read_deeplabcut
from element_facerhythm.keypoints.formats import read_predictions
from element_facerhythm.keypoints.movement_library import import_movement
from element_facerhythm.keypoints.netcdf import open_netcdf
from element_facerhythm.keypoints.placement import from_first_frame
from element_facerhythm.keypoints.reading_options import ReadingOptions

RATE = 50.0


def tracks(n_individuals=1, n_frames=9, parts=("nose", "Öhr", "left eye"), dtype="f8", index=None):
    """Table as DeepLabCut makes it, with gaps."""
    labels = [["DLC_resnet50"], [f"m{i}" for i in range(n_individuals)], parts]
    levels = [*labels, ["x", "y", "likelihood"]]
    if n_individuals == 1:
        del levels[1]
    columns = pd.MultiIndex.from_product(levels, names=LEVELS[len(levels)])
    values = np.random.default_rng(1).random((n_frames, len(columns))).astype(dtype)
    values[2, 1] = np.nan
    return pd.DataFrame(values, columns=columns, index=index)


def shuffled(table):
    return table[list(table.columns[::-1])]


def of_two_types(table):
    """One column of 32 bits: pandas keeps it in a block of its own."""
    return table.astype({table.columns[3]: "f4"})


TABLES = {
    "one animal": tracks(),
    "two animals": tracks(2),
    "32 bits": tracks(dtype="f4"),
    "columns in another order": shuffled(tracks(2)),
    "two types": of_two_types(tracks()),
    "rows from 10": tracks(index=np.arange(10, 19)),
    "rows named": tracks(index=[f"img{i:03d}.png" for i in range(9)]),
    "numbers as names": tracks(parts=(1, 2, 3)),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("layout", ["fixed", "table"])
@pytest.mark.parametrize("key", ["df_with_missing", "tracks"])
def test_deeplabcuts_tables_are_read_as_pandas_reads_them(tmp_path, name, layout, key):
    path = tmp_path / "tracks.h5"
    TABLES[name].to_hdf(path, key=key, format=layout, mode="w")
    expected, found = pd.read_hdf(path), read_deeplabcut(path)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    assert list(found.columns) == list(expected.columns)
    assert list(found.columns.names) == list(expected.columns.names)
    if expected.index.dtype.kind == "i":
        np.testing.assert_array_equal(found.index, expected.index)


def test_compressed_tables_are_read(tmp_path):
    path = tmp_path / "tracks.h5"
    tracks(2).to_hdf(path, key="t", format="table", mode="w", complevel=9, complib="zlib")
    pd.testing.assert_frame_equal(read_deeplabcut(path), pd.read_hdf(path))


def test_of_several_tables_none_is_guessed(tmp_path):
    path = tmp_path / "tracks.h5"
    for key in ("a", "b/c"):
        tracks(2 if key == "a" else 1).to_hdf(path, key=key)
    with pytest.raises(KeypointError, match=r"has 2 tables of pandas \(a, b/c\).*--table"):
        read_predictions(path, "DeepLabCut")
    chosen = read_predictions(path, "DeepLabCut", options=ReadingOptions(table="b/c"))
    assert chosen.individuals == ("individual_0",)
    with pytest.raises(KeypointError, match=r"no table 'd' of pandas; it has a, b/c"):
        read_predictions(path, "DeepLabCut", options=ReadingOptions(table="d"))


CALL = b"cos\nsystem\n(S'touch %s'\ntR."
PAYLOADS = {
    "plain": CALL,
    "hex number first": b"I0x10\n0" + CALL,
    "hex long first": b"L0x10L\n0" + CALL,
    "inst": b"(S'touch %s'\nios\nsystem\n.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93(\x8c\x40touch %s" + b"tR.",
    "by reference": b"Pwhatever\n.",
    "extension": b"\x80\x02\x82\x01.",
    "build": b"cpandas\nDataFrame\n)\x81}b.",
}
PLACES = ["title_x", "non_index_axes", "info", "values_block_0_kind", "CLASS", "TITLE"]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stored", ["fixed", "variable", "opaque"])
def test_no_pickle_in_a_file_is_run(tmp_path, payload, place, stored):
    """Read or refused: what the file says shall be called is not called."""
    path, trap = tmp_path / "tracks.h5", tmp_path / "trap"
    tracks().to_hdf(path, key="df_with_missing", format="table", mode="w")
    data = PAYLOADS[payload].replace(b"%s", os.fsencode(trap))
    kinds = {"fixed": np.bytes_, "opaque": np.void, "variable": lambda d: d.decode("latin-1")}
    with h5py.File(path, "a") as file:
        for node in (file, file["df_with_missing"], file["df_with_missing/table"]):
            node.attrs[place] = kinds[stored](data)
    try:
        read_predictions(path, "DeepLabCut", frame_rate_hz=RATE)
        assert place in ("title_x", "CLASS", "TITLE")  # which are not looked at
    except KeypointError as error:
        assert "tracks.h5 is refused" in str(error)
        assert "system" not in str(error)
    assert not trap.exists()


def test_a_pickle_in_the_labels_of_a_fixed_table_is_not_run(tmp_path):
    """PyTables keeps objects in arrays of variable-length bytes, each a pickle."""
    path, trap = tmp_path / "tracks.h5", tmp_path / "trap"
    tracks().to_hdf(path, key="df_with_missing", format="fixed", mode="w")
    data = np.frombuffer(CALL.replace(b"%s", os.fsencode(trap)), np.uint8)
    with h5py.File(path, "a") as file:
        group = file["df_with_missing"]
        del group["axis0_level1"]
        group.create_dataset("axis0_level1", (1,), dtype=h5py.vlen_dtype(np.uint8))[0] = data
        group["axis0_level1"].attrs.update({"CLASS": np.bytes_("VLARRAY"), "name": "bodyparts"})
    with pytest.raises(KeypointError, match="axis0_level1 holds values of variable length"):
        read_predictions(path, "DeepLabCut")
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(5))
def test_plain_pickles_are_read_as_pickle_reads_them(protocol):
    value = [
        (1, [("a", "é\n", 2.5), ("a", "é\n", None)]),
        {"names": ["x", True, 1 << 70], 1: {}},
        (),
    ]
    assert plain_value(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"(", b"a.", b"]", b"0.", b"(lp0\ng7\na.", b"I" + b"9" * 9000 + b"\n.", b"\x80\x04\x95", b"s.",
     pickle.dumps(np.float64(1.0)), pickle.dumps({(1, 2): 3}), b"\x80\x05\x8e" + b"\xff" * 8],
)  # fmt: skip
def test_other_pickles_are_refused(data):
    with pytest.raises(ValueError):
        plain_value(data)


def test_a_pickle_that_puts_far_away_takes_no_memory():
    """Python's unpickler makes room for two thousand million values here."""
    assert plain_value(b"I1\nr\xff\xff\xff\x7f.") == 1


def sleap_labels(path, video, n_frames=6, with_tracks=True, user=()):
    import sleap_io

    skeleton = sleap_io.Skeleton(["nose", "eye", "paw"])
    names = [sleap_io.Track(f"mouse {i}") for i in range(2)] if with_tracks else []
    film = sleap_io.Video(str(video), open_backend=False)
    rng = np.random.default_rng(2)
    frames = []
    for t in range(0, n_frames, 2):
        instances = []
        for i in range(2 if with_tracks else 1):
            points = rng.random((3, 2)) * 100
            points[t % 3] = np.nan
            facts = {"skeleton": skeleton, "track": names[i] if with_tracks else None}
            instances.append(
                sleap_io.PredictedInstance.from_numpy(
                    points, point_scores=rng.random(3), score=0.5, **facts
                )
            )
            if t in user:
                instances.append(sleap_io.Instance.from_numpy(points + 1, **facts))
        frames.append(sleap_io.LabeledFrame(video=film, frame_idx=t, instances=instances))
    labels = sleap_io.Labels(frames, videos=[film], skeletons=[skeleton], tracks=names)
    sleap_io.save_slp(labels, str(path))
    return labels


@pytest.mark.parametrize("with_tracks", [True, False])
@pytest.mark.parametrize("kind", ["slp", "h5"])
def test_sleaps_files_are_read_as_movement_reads_them(tmp_path, with_tracks, kind):
    import sleap_io

    movement = import_movement()
    path = tmp_path / f"tracks.{kind}"
    labels = sleap_labels(tmp_path / "tracks.slp", "film.mp4", with_tracks=with_tracks, user=(2,))
    if kind == "h5":
        sleap_io.save_analysis_h5(labels, str(path))
    expected = movement.io.load.load_dataset(path, "SLEAP", RATE)
    found = from_first_frame(read_predictions(path, "SLEAP", frame_rate_hz=RATE))
    dims = ("time", "individuals", "keypoints")
    np.testing.assert_array_equal(
        found.positions, expected.position.transpose(*dims, "space").values
    )
    np.testing.assert_array_equal(found.likelihood, expected.confidence.transpose(*dims).values)
    assert list(found.body_parts) == list(expected.keypoints.values)
    assert list(found.individuals) == list(expected.individuals.values)


@pytest.mark.timeout(60)
def test_videos_that_labels_name_are_not_opened(tmp_path):
    """A pipe: opening it to read would block for ever."""
    film = tmp_path / "film.mp4"
    os.mkfifo(film)
    sleap_labels(tmp_path / "tracks.slp", film)
    found = read_predictions(tmp_path / "tracks.slp", "SLEAP")
    np.testing.assert_array_equal(found.frame_numbers, [0, 2, 4])
    with pytest.raises(OSError):
        os.open(film, os.O_WRONLY | os.O_NONBLOCK)


def frames_of_years(file):
    file["frames"][-1] = (2, 0, 1 << 40, 4, 6)


def points_beyond_the_end(file):
    row = file["instances"][0]
    row["point_id_end"] = 1 << 40
    file["instances"][0] = row


def nested_json(file):
    file["metadata"].attrs["json"] = "[" * 50_000


def metadata_of_a_list(file):
    file["metadata"].attrs["json"] = "[1]"


def newer_format(file):
    file["metadata"].attrs["format_id"] = 3.1


def points_elsewhere(file):
    del file["pred_points"]
    file["pred_points"] = h5py.ExternalLink("/etc/passwd", "x")


@pytest.mark.parametrize(
    "damage",
    [frames_of_years, points_beyond_the_end, nested_json, metadata_of_a_list, newer_format,
     points_elsewhere],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(tmp_path, damage):
    path = tmp_path / "tracks.slp"
    sleap_labels(path, "film.mp4")
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(KeypointError, match=r"tracks\.slp"):
        read_predictions(path, "SLEAP")


def write_nwb(path, shared_times=True):
    from datetime import UTC, datetime

    import ndx_pose
    import pynwb

    rng = np.random.default_rng(3)
    file = pynwb.NWBFile("faces", "mouse 1", datetime(2026, 3, 1, tzinfo=UTC))
    module = file.create_processing_module("behavior", "poses")
    skeleton = ndx_pose.Skeleton(name="face", nodes=["nose", "eye"])
    clock = {"timestamps": np.arange(12) / RATE} if shared_times else {"rate": RATE}
    series = []
    for part in skeleton.nodes:
        series.append(
            ndx_pose.PoseEstimationSeries(
                name=part,
                data=rng.random((12, 2)),
                unit="pixels",
                reference_frame="upper left",
                confidence=rng.random(12),
                **clock,
            )
        )
        clock = {"timestamps": series[0]} if shared_times else clock  # written as a soft link
    poses = ndx_pose.PoseEstimation(
        name="PoseEstimation", pose_estimation_series=series, skeleton=skeleton, source_software="x"
    )
    module.add([ndx_pose.Skeletons(skeletons=[skeleton]), poses])
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


@pytest.mark.parametrize("shared_times", [True, False])
def test_nwb_is_read_as_movement_reads_it(tmp_path, shared_times):
    path = tmp_path / "tracks.nwb"
    write_nwb(path, shared_times)
    expected = import_movement().io.load.load_dataset(path, "NWB")
    found = read_predictions(path, "NWB")
    dims = ("time", "individuals", "keypoints")
    same_order = expected.sel(keypoints=list(found.body_parts))
    np.testing.assert_array_equal(
        found.positions, same_order.position.transpose(*dims, "space").values
    )
    np.testing.assert_array_equal(found.likelihood, same_order.confidence.transpose(*dims).values)
    assert list(found.individuals) == list(expected.individuals.values)
    assert found.frame_rate_hz == RATE


def test_nwb_that_leads_elsewhere_is_refused(tmp_path):
    path = tmp_path / "tracks.nwb"
    write_nwb(path)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.full((12, 2), 777.0)
    with h5py.File(path, "a") as file:
        series = file["processing/behavior/PoseEstimation/eye"]
        del series["data"]
        series["data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "numbers")
    with pytest.raises(KeypointError, match="eye/data leads through a link out of the file"):
        read_predictions(path, "NWB")


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_netcdf_is_read_as_xarray_reads_it(tmp_path, engine):
    import xarray as xr

    movement = import_movement()
    dataset = movement.io.load_poses.from_dlc_style_df(tracks(2), RATE)
    dataset.attrs = {"fps": RATE}
    turned = dataset.transpose("keypoints", "time", "individuals", "space")
    path = tmp_path / "tracks.nc"
    turned.to_netcdf(path, engine=engine)
    expected, found = xr.load_dataset(path, engine=engine), open_netcdf(path)
    for name in ("position", "confidence"):
        xr.testing.assert_equal(
            found[name].drop_vars("time", errors="ignore"), expected[name].drop_vars("time")
        )
    read = read_predictions(path, "movement")
    assert (read.frame_rate_hz, read.individuals) == (RATE, ("m0", "m1"))


@pytest.mark.parametrize("axis", ["\x01", "\x1b[2J", "\x9b31m"])
def test_what_a_message_quotes_does_not_steer_a_terminal(tmp_path, axis):
    path = tmp_path / "tracks.nc"
    dataset = import_movement().io.load_poses.from_dlc_style_df(tracks(2), RATE)
    dataset.attrs = {"fps": RATE}
    dataset.assign_coords(space=["x", axis]).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(KeypointError) as caught:
        read_predictions(path, "movement")
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable() and ascii(axis)[1:-1] in str(caught.value)


def test_text_tables_beyond_reason_are_refused(tmp_path):
    path = tmp_path / "tracks.csv"
    path.write_text("scorer" + ",a" * (1 << 20) + "\n")
    with pytest.raises(KeypointError, match="has a line of more than"):
        read_predictions(path, "LightningPose")
    path.write_text("x")
    os.truncate(path, 1 << 40)
    with pytest.raises(KeypointError, match="MB at most"):
        read_predictions(path, "DeepLabCut")


def test_a_directory_that_is_named_like_an_address_is_a_directory(tmp_path, monkeypatch):
    """pandas fetches what looks like an address."""
    monkeypatch.chdir(tmp_path)
    Path("http:/localhost:9").mkdir(parents=True)
    tracks().to_csv(tmp_path / "http:/localhost:9/tracks.csv")
    found = read_predictions(Path("http:/localhost:9/tracks.csv"), "DeepLabCut")
    assert found.n_frames == 9


def test_no_library_that_unpickles_is_loaded_by_reading(tmp_path):
    tracks().to_hdf(tmp_path / "tracks.h5", key="df_with_missing", format="table")
    script = (
        "import sys; from pathlib import Path\n"
        "from element_facerhythm.keypoints.formats import read_predictions\n"
        "read_predictions(Path(sys.argv[1]), 'DeepLabCut'); assert 'tables' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "tracks.h5")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

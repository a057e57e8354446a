"""Predictions of other trackers in the tables: placed, named and counted as they are, or not entered."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import KeypointError, RequestError
from element_facerhythm.keypoints.formats import read_predictions, write_predictions
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.reading_options import ReadingOptions

Key = dict[str, Any]
N_FRAMES = 180
SEEN = np.arange(20, 170, 3)


def planted(
    individuals: tuple[str, ...] = ("ind1", "ind10", "ind2"),
    parts: tuple[str, ...] = ("snout", "lip"),
    numbers: np.ndarray | None = SEEN,
    software: str = "LightningPose",
) -> Predictions:
    rng = np.random.default_rng(6)
    n = N_FRAMES if numbers is None else len(numbers)
    shape = (n, len(individuals), len(parts))
    return Predictions(
        rng.uniform(0, 100, (*shape, 2)),
        rng.random(shape),
        parts,
        individuals,
        software,
        variables={"x_ens_var": rng.random(shape), "Spread/2": rng.random(shape)},
        frame_numbers=numbers,
        absent=frozenset({(individuals[-1], parts[-1])}) if len(individuals) > 1 else frozenset(),
    )


def saved(predictions: Predictions, path: Path) -> Path:
    """File with the rows, their numbers, and the variables."""
    table = predictions.to_dataframe(predictions.body_parts, "scorer", with_variables=True)
    table.to_csv(path)
    return path


@pytest.fixture(scope="module")
def recording(register: Callable[..., Key], fbe: ModuleType) -> Key:
    """Key of a recording of two videos, 180 frames at 60/s."""
    key = register(471)
    return {name: key[name] for name in fbe.VideoRecording.primary_key}


@pytest.fixture
def counts(kpi: ModuleType) -> Callable[[], dict[str, int]]:
    """Function that counts rows of everything that an import enters."""
    tables = (kpi.BodyPart, kpi.KeypointModel, kpi.KeypointModel.BodyPart, kpi.KeypointInferenceTask,
              kpi.KeypointInferenceTask.File, kpi.KeypointInference)  # fmt: skip
    return lambda: {table.__name__ + str(table.table_name): len(table()) for table in tables}


def test_rows_variables_and_order_go_through_the_tables(
    recording: Key, kpi: ModuleType, fbe: ModuleType, root_dir: Path
) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions

    given = planted()
    path = saved(given, root_dir / "part.csv")
    done, rows = import_predictions(
        recording, [path], "LightningPose", model_name="part", add_body_parts=True
    )
    row = (kpi.KeypointInference & done.key).fetch1()
    assert (row["total_frame_count"], row["n_filled_frames"]) == (N_FRAMES, N_FRAMES - len(SEEN))
    assert (row["prediction_frame_rate_hz"], row["n_individuals"]) == (None, 3)
    assert (
        f"says nothing of {N_FRAMES - len(SEEN)} of {N_FRAMES} frames" in row["inference_notes"][0]
    )
    assert done.notes == row["inference_notes"][: len(done.notes)]
    assert rows["KeypointInference.BodyPartPosition"] == 5  # one of six tracks does not exist
    assert rows["KeypointInference.Variable"] == 10
    found = kpi.KeypointInference.fetch_predictions(done.key)
    assert (found.individuals, found.body_parts) == (given.individuals, given.body_parts)
    assert (found.absent, found.frame_rate_hz) == (given.absent, 60.0)
    assert list(found.variables) == ["x_ens_var", "Spread/2"]
    missing = np.setdiff1d(np.arange(N_FRAMES), SEEN)
    assert np.isnan(found.positions[missing]).all()
    kept = ~np.isnan(found.positions[SEEN])
    np.testing.assert_allclose(found.positions[SEEN][kept], given.positions[kept])
    np.testing.assert_allclose(
        found.variables["Spread/2"][SEEN, 0], given.variables["Spread/2"][:, 0]
    )
    one = kpi.KeypointInference.fetch_predictions(done.key, "lip")
    assert (one.individuals, one.absent) == (given.individuals, given.absent)
    variable = (kpi.KeypointInference.Variable & done.key & {"variable": "Spread/2"}).to_dicts()
    assert len(variable) == 5
    from element_facerhythm.keypoint_inference.verification import verify_keypoints
    from element_facerhythm.pipeline.results.verify import Findings

    findings = Findings()
    verify_keypoints(done.key, findings)
    assert not findings.faults


def test_the_same_import_twice_changes_nothing_and_can_be_removed(
    recording: Key,
    kpi: ModuleType,
    root_dir: Path,
    counts: Callable[[], dict[str, int]],
) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions, remove_predictions

    before = counts()
    path = saved(planted(), root_dir / "twice.csv")
    arguments = {"model_name": "twice", "add_body_parts": True}
    first, rows = import_predictions(recording, [path], "LightningPose", **arguments)
    again, same_rows = import_predictions(recording, [path], "LightningPose", **arguments)
    assert (again.key, same_rows) == (first.key, rows)
    assert set(again.new_rows.values()) == {0}
    saved(planted(numbers=None), path)
    with pytest.raises(KeypointError, match="changed since it was taken in"):
        import_predictions(recording, [path], "LightningPose", **arguments)
    other = saved(planted(), root_dir / "other.csv")
    with pytest.raises(KeypointError, match="remove-keypoints"):
        import_predictions(recording, [other], "LightningPose", **arguments)
    removed = remove_predictions({**recording, "model_name": "twice"})
    assert (removed["KeypointInference"], removed["KeypointModel"]) == (1, 1)
    assert counts() == before
    with pytest.raises(KeypointError, match="there is no task of keypoints"):
        remove_predictions({**recording, "model_name": "twice"})
    import_predictions(recording, [path], "LightningPose", **arguments)
    remove_predictions({**recording, "model_name": "twice"})


WRONG = {
    "a name over 64": (planted(parts=("m" * 65, "jaw")), {}, "has 65 characters"),
    "an animal over 64": (planted(("a", "b" * 65)), {}, "individual .* has 65 characters"),
    "numbers from 1": (planted(numbers=np.arange(1, 181)), {}, "--first-frame 1 "),
    "a model's name over 64": (planted(), {"model_name": "m" * 65}, "model_name .* 65 characters"),
    "a body part that is unknown": (
        planted(parts=("beak", "jaw")),
        {"add_body_parts": False},
        "beak, jaw is not entered",
    ),
    "a name to rename that is not there": (
        planted(),
        {"options": ReadingOptions(rename={"tail": "t"})},
        "'tail' is to be renamed",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_refused_import_leaves_nothing(
    recording: Key, root_dir: Path, counts: Callable[[], dict[str, int]], name: str
) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions, register_predictions

    predictions, change, words = WRONG[name]
    path = saved(predictions, root_dir / "wrong.csv")
    before = counts()
    for call in (register_predictions, import_predictions):
        arguments = {"model_name": "wrong", "add_body_parts": True, **change}
        with pytest.raises(RequestError, match=words):
            call(recording, [path], "LightningPose", **arguments)
        assert counts() == before


def test_an_import_whose_loading_fails_leaves_nothing(
    recording: Key,
    kpi: ModuleType,
    root_dir: Path,
    counts: Callable[[], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions
    from element_facerhythm.pipeline import keypoint_run as keypoints

    path = saved(planted(), root_dir / "fails.csv")
    before = counts()

    def full(*_: Any, **__: Any) -> None:
        raise KeypointError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(keypoints, "write_keypoints", full)
        with pytest.raises(KeypointError, match="no room"):
            import_predictions(
                recording, [path], "LightningPose", model_name="fails", add_body_parts=True
            )
    assert counts() == before
    done, _ = import_predictions(
        recording, [path], "LightningPose", model_name="fails", add_body_parts=True
    )
    assert len(kpi.KeypointInference & done.key) == 1


PAIRS = [("Paw", "paw"), ("nose", "nosé")]


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("what", ["body parts", "individuals"])
def test_names_are_compared_as_the_server_compares_them(
    recording: Key,
    kpi: ModuleType,
    workflow: ModuleType,
    root_dir: Path,
    counts: Callable[[], dict[str, int]],
    names: tuple[str, str],
    what: str,
) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions, remove_predictions

    given = planted(parts=names) if what == "body parts" else planted(names)
    path = saved(given, root_dir / "alike.csv")
    about = {"model_name": f"alike {what} {names[0]}", "add_body_parts": True}
    before = counts()
    if workflow.dj.config.database.backend == "mysql":
        with pytest.raises(
            RequestError, match=f"'{names[0]}' and '{names[1]}' are one and the same"
        ):
            import_predictions(recording, [path], "LightningPose", **about)
        assert counts() == before
        about["options"] = ReadingOptions(rename={names[1]: "other"})
    done, _ = import_predictions(recording, [path], "LightningPose", **about)
    found = kpi.KeypointInference.fetch_predictions(done.key)
    kept = found.body_parts if what == "body parts" else found.individuals
    assert kept[0] == names[0]
    remove_predictions(done.key)
    assert counts() == before


def test_a_name_in_another_spelling_is_the_one_that_is_there(
    recording: Key, kpi: ModuleType, workflow: ModuleType, root_dir: Path
) -> None:
    """facemap's `paw` is there from the beginning."""
    from element_facerhythm.ingest.keypoints import import_predictions

    is_mysql = workflow.dj.config.database.backend == "mysql"
    path = saved(planted(("a",), parts=("Paw", "chin 2")), root_dir / "paw.csv")
    done, _ = import_predictions(
        recording, [path], "LightningPose", model_name="paw", add_body_parts=True
    )
    found = kpi.KeypointInference.fetch_predictions(done.key)
    assert found.body_parts == ("Paw", "chin 2")
    assert kpi.KeypointInference.get_trajectory(done.key, "Paw").shape == (N_FRAMES, 3)
    told = [note for note in done.notes if "'Paw' is 'paw' in the database" in note]
    assert len(told) == is_mysql
    assert len(kpi.BodyPart() & {"body_part": "chin 2"}) == 1


ODD = ("nose/tip", ".", "a%b", "Öhr", "ひげ", "a'b", 'a"b', "\U0001f42d", "%s", "{}")


def test_odd_names_are_kept(recording: Key, kpi: ModuleType, root_dir: Path) -> None:
    from element_facerhythm.ingest.keypoints import import_predictions

    path = saved(planted(("mouse/1", "%(x)s"), parts=ODD), root_dir / "odd.csv")
    done, _ = import_predictions(
        recording, [path], "LightningPose", model_name="odd %s", add_body_parts=True
    )
    found = kpi.KeypointInference.fetch_predictions(done.key)
    assert (found.body_parts, found.individuals) == (ODD, ("mouse/1", "%(x)s"))


def test_options_are_kept_with_the_task_for_the_worker(
    recording: Key, kpi: ModuleType, root_dir: Path
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions

    path = saved(planted(numbers=np.arange(1, 181)), root_dir / "from1.csv")
    options = ReadingOptions(first_frame=1, rename={"ind1": "left"})
    done = register_predictions(
        recording,
        [path],
        "LightningPose",
        model_name="from 1",
        add_body_parts=True,
        options=options,
    )
    stored = (kpi.KeypointInferenceTask & done.key).fetch1("load_options")
    assert stored == {"first_frame": 1, "rename": {"ind1": "left"}}
    populate_keypoints(done.key)
    found = kpi.KeypointInference.fetch_predictions(done.key)
    assert found.individuals[0] == "left"
    assert not np.isnan(found.positions[:, 0]).any()
    with pytest.raises(KeypointError, match="load_options is"):
        row = (kpi.KeypointInferenceTask & done.key).fetch1()
        kpi.KeypointInferenceTask().insert1({**row, "model_id": 0, "load_options": {"hurry": 1}})


def test_arrays_and_data_frames_go_into_the_tables(
    recording: Key,
    kpi: ModuleType,
    processed_dir: Path,
    counts: Callable[[], dict[str, int]],
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_arrays

    given = planted(("a",))
    done = register_arrays(
        recording, given, model_name="in memory", source_software="my tracker", add_body_parts=True
    )
    populate_keypoints(done.key)
    row = (kpi.KeypointInference & done.key).fetch1()
    assert (row["inference_software"], row["n_filled_frames"]) == (
        "my tracker",
        N_FRAMES - len(SEEN),
    )
    found = kpi.KeypointInference.fetch_predictions(done.key)
    np.testing.assert_array_equal(found.positions[SEEN], given.positions)
    np.testing.assert_array_equal(found.variables["x_ens_var"][SEEN], given.variables["x_ens_var"])
    again = register_arrays(
        recording, given, model_name="in memory", source_software="my tracker", add_body_parts=True
    )
    assert again.key == done.key
    frame = planted(numbers=None).to_dataframe(("snout", "lip"), "scorer")
    of_frame = register_arrays(recording, frame, model_name="a frame", add_body_parts=True)
    populate_keypoints(of_frame.key)
    found = kpi.KeypointInference.fetch_predictions(of_frame.key)
    np.testing.assert_array_equal(found.positions[:, 0], planted(numbers=None).positions[:, 0])
    before, files = counts(), set(processed_dir.rglob("*.h5"))
    with pytest.raises(RequestError, match="has 65 characters"):
        register_arrays(
            recording, planted(parts=("m" * 65, "x")), model_name="wrong", add_body_parts=True
        )
    with pytest.raises(KeypointError, match="beak is not entered"):
        register_arrays(recording, planted(("a",), ("beak",)), model_name="wrong")
    assert (counts(), set(processed_dir.rglob("*.h5"))) == (before, files)


def test_the_files_rate_stands_beside_the_recordings(
    recording: Key, kpi: ModuleType, root_dir: Path
) -> None:
    from dataclasses import replace

    from element_facerhythm.ingest.keypoints import import_predictions

    given = replace(planted(("a",), numbers=None), frame_rate_hz=59.94)
    (path,) = write_predictions(given, root_dir / "rate.nc", "netcdf")
    done, _ = import_predictions(
        recording, [path], "movement", model_name="rate", add_body_parts=True
    )
    row = (kpi.KeypointInference & done.key).fetch1()
    assert row["prediction_frame_rate_hz"] == pytest.approx(59.94)
    assert "says 59.94 frames/s, the video 60: the video's is taken" in row["inference_notes"][0]


def test_an_nwb_file_says_what_the_database_knows(
    recording: Key, kpi: ModuleType, workflow: ModuleType, root_dir: Path, tmp_path: Path
) -> None:
    import pynwb

    from element_facerhythm.ingest.keypoints import import_predictions
    from element_facerhythm.keypoint_inference.session_facts import facts_of_run

    path = saved(planted(("a",)), root_dir / "facts.csv")
    done, _ = import_predictions(
        recording, [path], "LightningPose", model_name="facts", add_body_parts=True
    )
    facts, notes = facts_of_run(done.key)
    predictions = kpi.KeypointInference.fetch_predictions(done.key)
    (file,) = write_predictions(predictions, tmp_path / "a.nwb", "nwb", facts=facts)
    start = (workflow.Session & recording).fetch1("session_datetime")
    with pynwb.NWBHDF5IO(str(file), "r") as io:
        nwb = io.read()
        assert nwb.session_start_time == start.replace(tzinfo=UTC)
        assert isinstance(start, datetime)
        assert (nwb.subject.subject_id, nwb.subject.sex) == (recording["subject"], "U")
        assert nwb.subject.date_of_birth is None  # a placeholder in the database
        poses = nwb.processing["behavior"]["PoseEstimation"]
        assert poses.device.name == "face camera"
        assert list(poses.source_video.external_file) == ["mouse/part0.mp4", "mouse/part1.mp4"]
        assert list(poses.source_video.starting_frame) == [0, 90]
        assert poses.scorer == "facts"
    assert "taken as UTC" in notes[0]
    again = read_predictions(file, "NWB")
    assert again.individuals == (recording["subject"],)
    np.testing.assert_array_equal(again.positions, predictions.positions)

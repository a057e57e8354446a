"""A session's NWB file from rows: the database's facts, decisions and keypoints, and the files' numbers."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pynwb
import pytest

from element_facerhythm.curation import JudgeComponent
from element_facerhythm.errors import RequestError
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.pipeline.exchange.nwb.session import NwbOptions

Key = dict[str, Any]
STARTS_S = (0.5, 30.0)


@pytest.fixture
def judged(processed: Key, fbe: ModuleType) -> Iterator[None]:
    """A decision about a component, for one test."""
    change = JudgeComponent("0", 2, verdict="noise", name="light")
    fbe.ComponentCuration.change(processed, change, "anna")
    yield
    (fbe.ComponentCuration & processed).delete(prompt=False)


@pytest.mark.usefixtures("inferred", "judged")
def test_a_result_is_written_with_what_the_database_knows(
    processed: Key,
    fbe: ModuleType,
    kpi: ModuleType,
    workflow: ModuleType,
    tmp_path: Path,
) -> None:
    predictions = kpi.KeypointInference.fetch_all_predictions(processed)
    assert list(predictions) == ["small"]
    written = fbe.FacialRhythm.write_nwb(
        processed,
        tmp_path,
        NwbFacts(species="Mus musculus", age="P90D"),
        NwbOptions(STARTS_S, predictions, as_poses=False),
    )
    assert written.path.name == "sub-mouse1_ses-1_behavior.nwb"
    assert "taken as UTC" in written.notes[0]
    assert pynwb.validate(path=str(written.path)) == []
    start = (workflow.Session & processed).fetch1("session_datetime")
    with pynwb.NWBHDF5IO(str(written.path), "r") as io:
        file = io.read()
        assert file.session_start_time == start.replace(tzinfo=UTC)
        assert (file.subject.subject_id, file.subject.age) == ("mouse1", "P90D")
        assert list(file.devices) == ["face camera"]
        module = file.processing["behavior"]
        tracks = [fbe.FacialRhythm.traces(processed, i)[:] for i in range(2)]
        positions = module["FaceRhythmPointPositions"]
        assert np.array_equal(positions.data, np.concatenate(tracks))
        rows = (fbe.FacialRhythm.Component & processed).to_dicts(order_by="component_index")
        table = module["FaceRhythmComponents"]
        for name in ("peak_frequency_hz", "weight", "explained_variance"):
            np.testing.assert_allclose(table[name][:], [row[name] for row in rows], rtol=1e-6)
        assert list(table["curated_verdict"][:]) == ["undecided", "undecided", "noise"]
        poses = module["FaceRhythmKeypoints"]
        assert poses.scorer == "small"
        nose = next(iter(poses.pose_estimation_series))
        k = predictions["small"].body_parts.index(nose)
        assert np.array_equal(
            poses[nose].data, predictions["small"].positions[:, 0, k], equal_nan=True
        )
        facts = module["FaceRhythmProvenance"]
        told = dict(zip(facts["fact"][:], map(json.loads, facts["value"][:]), strict=True))
    assert told["database_key.subject"] == "mouse1"
    digest = (fbe.FaceRhythmProcessing.Product & processed & {"product": "TCA"}).fetch1(
        "product_sha256"
    )
    assert told["products.TCA.sha256"] == digest


@pytest.mark.slow
@pytest.mark.usefixtures("inferred", "measured")
def test_the_command_writes_one_run(
    tmp_path: Path, facerhythm: Callable[..., Any], processed: Key
) -> None:
    command = ["export", "nwb", "--start", 0, "--start", 9]
    words = [*command, "--subject", "mouse1"]
    one = [word for name, value in processed.items() for word in ("--key", f"{name}={value}")]
    done = facerhythm(*command, *one, "-o", tmp_path / "a.nwb", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["key"]["session_id"] == 1
    # of several models, each has its name
    assert any(name.startswith("FaceRhythmKeypoints") for name in told["objects"])
    several = facerhythm(*words, "-o", tmp_path / "b.nwb")
    assert several.code == 2 and "a file is of one" in several.err
    # the other run of the same animal is of another session
    add = facerhythm(
        *words, "--session", "70", "--append", tmp_path / "a.nwb", "--module", "second"
    )
    assert add.code == 2 and "is of another session" in add.err, add.err
    alone = facerhythm(*words, "--session", "70", "-o", tmp_path)
    assert alone.code == 0, alone.err
    assert (tmp_path / "sub-mouse1_ses-70_behavior.nwb").is_file()
    assert facerhythm("export", "nwb", "-o", tmp_path).code == 2


def test_a_key_of_no_result_is_refused(fbe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is no result"):
        fbe.FacialRhythm.write_nwb({"subject": "nobody"}, tmp_path / "a.nwb")
    assert not list(tmp_path.iterdir())

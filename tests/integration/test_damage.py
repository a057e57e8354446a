"""Products prove what they hold: damage is noticed, told, and computed again from what is whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.content_digest import Content, content_of, seal
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.formats import write_predictions
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.pipeline import load_project, plan_run, run_project
from element_facerhythm.pipeline.keypoint_run import load_keypoints
from element_facerhythm.pipeline.results.verify import verify_project


@pytest.fixture(scope="session")
def finished(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that nobody changes."""
    project = tmp_path_factory.mktemp("finished") / "project"
    run_project(recording.request(project))
    return project


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def product(project: Path, name: str) -> Path:
    return project / "analysis_files" / f"{name}.h5"


def overwrite(path: Path, dataset: str, n_bytes: int = 4) -> None:
    """Change bytes of a dataset where they lie in the file; its size stays."""
    with h5py.File(path) as file:
        offset = file[dataset].id.get_offset()
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(n_bytes)
        file.seek(offset)
        file.write(bytes(byte ^ 0x55 for byte in before))


PLACES = [
    ("Dataset_videos", "example_image"),
    ("ROIs", "point_positions"),
    ("PointTracker", "points_tracked/0"),
    ("VQT_Analyzer", "spectrograms/0"),
    ("TCA", "factors/0/frequency"),
]


@pytest.mark.parametrize(("name", "dataset"), PLACES)
def test_changed_bytes_are_noticed_by_every_reader(
    recording: Any, project: Path, name: str, dataset: str
) -> None:
    path = product(project, name)
    assert content_of(path) is Content.INTACT
    overwrite(path, dataset)
    assert content_of(path) is Content.DAMAGED
    with pytest.raises(ProjectError, match=rf"{name}\.h5 is damaged"):
        load_project(project)
    plan = plan_run(recording.request(project))
    assert [line for line in plan.damage if line.startswith(f"{name}.h5 is damaged")]
    assert verify_project(project).faults[0].where == str(path)


def test_what_is_damaged_is_computed_again_and_told(
    recording: Any, finished: Path, project: Path
) -> None:
    for name in ("VQT_Analyzer", "TCA"):  # as if the next stage had not run yet
        product(project, name).unlink()
    overwrite(product(project, "PointTracker"), "points_tracked/0", 400)
    record = run_project(recording.request(project))
    assert {stage.name: stage.reused for stage in record.stages} == {
        "dataset": True, "rois": True, "point_tracking": False, "spectral_analysis": False,
        "decomposition": False,
    }  # fmt: skip
    assert any("PointTracker.h5 is damaged" in note for note in record.notes)
    tracks, expected = (Project.open(d).tracking(0).points[:] for d in (project, finished))
    np.testing.assert_array_equal(tracks, expected)


def test_texts_that_say_what_a_product_was_made_from_are_covered(project: Path) -> None:
    path = product(project, "VQT_Analyzer")
    with h5py.File(path, "r+") as file:
        text = bytes(file.attrs["facerhythm_fingerprint"])
        file.attrs["facerhythm_fingerprint"] = np.bytes_(text.replace(b'"F_min": 5', b'"F_min": 6'))
    assert content_of(path) is Content.DAMAGED


def test_a_product_made_from_another_one_is_not_used(recording: Any, project: Path) -> None:
    path = product(project, "PointTracker")
    with h5py.File(
        path, "r+"
    ) as file:  # whole in itself, and not what the spectrograms were made from
        file["points_tracked/0"][3, 0] += 5
        del file.attrs["facerhythm_content_sha256"]
        seal(file)
    assert content_of(path) is Content.INTACT
    plan = plan_run(recording.request(project))
    assert "spectral_analysis" not in plan.reused
    assert any("VQT_Analyzer.h5 was made from another PointTracker.h5" in d for d in plan.damage)
    with pytest.raises(ProjectError, match=r"made from another PointTracker\.h5"):
        load_project(project)


def test_a_damaged_part_of_a_recording_is_tracked_again(
    recording: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm.pipeline.run.tracking_stage import TrackedParts

    request = recording.request(tmp_path / "project", videos=recording.videos)
    whole = run_project(recording.request(tmp_path / "whole", videos=recording.videos))
    with monkeypatch.context() as patch:
        patch.setattr(TrackedParts, "_copy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_project(request)
    part = tmp_path / "project" / "analysis_files" / "PointTracker_parts" / "1.h5"
    overwrite(part, "points")
    assert any(
        "1 of 2 videos are tracked" in r for s in plan_run(request).stages for r in s.reasons
    )
    run_project(request)
    tracks = [
        Project.open(d).tracking(1).points[:] for d in (request.project_dir, whole.project_dir)
    ]
    np.testing.assert_array_equal(*tracks)


def test_damaged_keypoints_are_made_again_and_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    predictions = Predictions(
        rng.normal(50, 5, (30, 1, 2, 2)), rng.uniform(0, 1, (30, 1, 2)), ("nose", "eye")
    )
    (source,) = write_predictions(predictions, tmp_path / "predictions.csv", "dlc")

    def load() -> Any:
        return load_keypoints(
            [source], "DeepLabCut", n_frames=[30], frame_rate_hz=60.0, output_dir=tmp_path / "out"
        )

    first = load()
    assert load().product.sha256 == first.product.sha256
    overwrite(first.product.path, "DeepLabCut/nose/x")
    again = load()
    assert "was damaged" in again.notes[0]
    assert content_of(again.product.path) is Content.INTACT


def test_verify_finds_numbers_that_no_digest_gives_away(project: Path) -> None:
    """An account that can write a file can write its digest, too; computing again is what remains."""
    assert verify_project(project).faults == []
    path = product(project, "TCA")
    with h5py.File(path, "r+") as file:
        file["factors/0/frequency"][...] = file["factors/0/frequency"][()][::-1]
        del file.attrs["facerhythm_content_sha256"]
        seal(file)
    assert verify_project(project).faults == []
    found = [verify_project(project, recompute=True, seed=seed) for seed in range(12)]
    assert all(len(f.notes) == 1 for f in found)  # each says what was computed
    stages = {f.notes[0].split(",")[0] for f in found}
    assert stages == {"point_tracking", "spectral_analysis", "decomposition"}
    for one in found:
        assert bool(one.faults) == one.notes[0].startswith("decomposition")


def test_verify_as_a_command(
    facerhythm: Callable[..., Any], project: Path, recording: Any, tmp_path: Path
) -> None:
    assert facerhythm("verify", project).code == 0
    overwrite(product(project, "ROIs"), "point_positions")
    outcome = facerhythm("verify", project, "--json")
    assert (outcome.code, '"ok": false' in outcome.out) == (3, True)
    assert "ROIs.h5 is damaged" in facerhythm("verify", project).out.replace("\n", " ")
    assert facerhythm("verify", tmp_path / "absent").code == 2

"""Interrupted and repeated runs: what is finished stays, what is half is never seen."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import DecodeError, ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import write_rois
from element_facerhythm.pipeline import STAGES, load_project, plan_run, run_project
from element_facerhythm.pipeline.run import fingerprint, runner
from element_facerhythm.pipeline.run.lock import project_lock

# A run in a process of its own that stops for ever inside one stage. It has one core, so that
# videos are tracked one after the other.
_STALLING_RUN = """
import json, os, sys, time
from contextlib import contextmanager
from pathlib import Path
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project

videos, rois, parameters, project, stalled, share = sys.argv[1:]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

class Stall:
    @contextmanager
    def stage(self, name, total, unit):
        def tell(n_done):
            if name == stalled and n_done >= float(share) * (total or 1):
                print("stalled", flush=True)
                time.sleep(600)
        yield tell

run_project(
    RunRequest(
        tuple(map(Path, json.loads(videos))), Path(rois),
        parameters_from_mapping(json.loads(parameters)).parameters, Path(project), "cpu",
    ),
    progress=Stall(),
)
"""


class Listener:
    """A `Progress` that writes down what one stage tells."""

    def __init__(self, name: str, told: list[int]) -> None:
        self.name = name
        self.told = told

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield self.told.append if name == self.name else lambda n_done: None


@pytest.fixture
def saved_rois(recording, tmp_path):
    path = tmp_path / "rois.json"
    write_rois(recording.rois, path)
    return path


def start_stalling_run(
    recording, rois: Path, project: Path, stage: str, *, n_videos: int = 1, share: float = 0.5
) -> subprocess.Popen:
    """Start a run and wait until it has done a share of `stage`."""
    videos = json.dumps([str(path) for path in recording.videos[:n_videos]])
    arguments = [videos, rois, recording.parameters.canonical_json(), project, stage, share]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_STALLING_RUN), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "stalled", process.poll()
    return process


def stop(process: subprocess.Popen, how: int) -> int:
    """End a run with a signal; its exit status."""
    process.send_signal(how)
    status = process.wait(timeout=60)
    process.stdout.close()
    return status


@pytest.mark.parametrize(
    ("stage", "finished"),
    [
        ("point_tracking", ["Dataset_videos.h5", "ROIs.h5"]),
        ("spectral_analysis", ["Dataset_videos.h5", "PointTracker.h5", "ROIs.h5"]),
    ],
)
def test_a_killed_run_leaves_finished_products_and_is_gone_on_with(
    recording, saved_rois, tmp_path, stage, finished
):
    project = tmp_path / "project"
    process = start_stalling_run(recording, saved_rois, project, stage)
    assert stop(process, signal.SIGKILL) == -signal.SIGKILL
    files = project / "analysis_files"
    assert sorted(p.name for p in files.glob("*.h5")) == finished
    assert list(project.rglob(".*.part"))
    with pytest.raises(ProjectError, match="missing"):
        load_project(project)

    request = recording.request(project, rois=saved_rois)
    assert list(plan_run(request).reused) == list(STAGES[: STAGES.index(stage)])
    record = run_project(request)
    assert [s.name for s in record.stages if s.reused] == list(STAGES[: STAGES.index(stage)])
    assert not list(project.rglob(".*.part"))
    assert load_project(project).products == record.products


def test_a_video_that_was_tracked_before_the_kill_is_not_tracked_again(
    recording, saved_rois, tmp_path
):
    project = tmp_path / "project"
    process = start_stalling_run(
        recording, saved_rois, project, "point_tracking", n_videos=2, share=0.75
    )
    assert stop(process, signal.SIGKILL) == -signal.SIGKILL
    request = recording.request(project, rois=saved_rois, videos=recording.videos)
    reasons = plan_run(request).stages[STAGES.index("point_tracking")].reasons
    assert reasons[-1] == "1 of 2 videos are tracked already and will be kept"

    told: list[int] = []
    run_project(request, progress=Listener("point_tracking", told))
    assert told[0] == 90  # frames of the first video
    untouched = run_project(
        recording.request(tmp_path / "other", rois=saved_rois, videos=recording.videos)
    )
    for number in (0, 1):
        ours, theirs = (
            Project.open(directory).tracking(number)
            for directory in (project, untouched.project_dir)
        )
        np.testing.assert_array_equal(np.asarray(ours.points), np.asarray(theirs.points))
        np.testing.assert_array_equal(ours.violation_rows, theirs.violation_rows)
    assert not (project / "analysis_files" / "PointTracker_parts").exists()


def test_parts_of_another_tracking_do_not_count(recording, saved_rois, parameters_with, tmp_path):
    project = tmp_path / "project"
    process = start_stalling_run(
        recording, saved_rois, project, "point_tracking", n_videos=2, share=0.75
    )
    stop(process, signal.SIGKILL)
    tracker = {"params_anchored": {"window_px": 21}}
    request = recording.request(
        project,
        rois=saved_rois,
        videos=recording.videos,
        parameters=parameters_with(PointTracker=tracker),
    )
    reasons = plan_run(request).stages[STAGES.index("point_tracking")].reasons
    assert not any("tracked already" in reason for reason in reasons)


def test_a_directory_in_use_is_refused_and_an_interrupt_leaves_no_temporary_file(
    recording, saved_rois, tmp_path
):
    project = tmp_path / "project"
    process = start_stalling_run(recording, saved_rois, project, "point_tracking")
    try:
        with pytest.raises(ProjectError, match="another run is writing"):
            run_project(recording.request(project, rois=saved_rois))
    finally:
        status = stop(process, signal.SIGINT)
    assert status != 0
    left = sorted(p.name for p in (project / "analysis_files").iterdir())
    assert left == ["Dataset_videos.h5", "ROIs.h5"]


def test_the_lock_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with project_lock(tmp_path):
            pass


@pytest.fixture
def project(recording, tmp_path):
    directory = tmp_path / "project"
    run_project(recording.request(directory))
    return directory


def test_a_changed_parameter_is_told_by_name_and_reruns_what_depends_on_it(
    recording, parameters_with, project
):
    vqt = {
        "params_VQT": {
            "Q_lowF": 2,
            "Q_highF": 4,
            "F_min": 5,
            "F_max": 20,
            "n_freq_bins": 6,
            "downsample_factor": 4,
        }
    }
    request = recording.request(project, parameters=parameters_with(VQT_Analyzer=vqt))
    plan = plan_run(request)
    assert plan.reused == ("dataset", "rois", "point_tracking")
    assert plan.stages[3].reasons == ("spectral_analysis.F_max: 25.0 -> 20.0",)
    assert plan.stages[4].reasons == ("spectral_analysis.F_max: 25.0 -> 20.0",)
    tracked = (project / "analysis_files" / "PointTracker.h5").stat().st_mtime_ns
    record = run_project(request)
    assert [s.reused for s in record.stages] == [True, True, True, False, False]
    assert (project / "analysis_files" / "PointTracker.h5").stat().st_mtime_ns == tracked


def test_the_device_is_not_part_of_a_fingerprint(recording, project):
    assert plan_run(recording.request(project, device="auto")).reused == STAGES


def test_another_video_reruns_everything(recording, project):
    plan = plan_run(recording.request(project, videos=recording.videos[1:]))
    assert plan.reused == ()
    assert "dataset.videos" in plan.stages[0].reasons[0]


def test_a_failing_stage_keeps_the_old_project_whole(
    recording, parameters_with, project, monkeypatch
):
    before = {p.name: p.read_bytes() for p in (project / "analysis_files").iterdir()}

    def fail(context):
        context.file["partial"] = 1
        raise DecodeError("frame 40 cannot be decoded")

    monkeypatch.setitem(runner.STAGE_FUNCTIONS, "point_tracking", fail)
    changed = parameters_with(PointTracker={"contiguous": True})
    with pytest.raises(DecodeError, match="frame 40"):
        run_project(recording.request(project, parameters=changed))
    assert {p.name: p.read_bytes() for p in (project / "analysis_files").iterdir()} == before
    assert len(load_project(project).products) == 5


def test_products_made_from_the_old_one_are_gone_once_it_is_replaced(
    recording, parameters_with, project, monkeypatch
):
    def fail(context):
        raise DecodeError("stopped")

    monkeypatch.setitem(runner.STAGE_FUNCTIONS, "spectral_analysis", fail)
    changed = parameters_with(PointTracker={"contiguous": True})
    with pytest.raises(DecodeError):
        run_project(recording.request(project, parameters=changed))
    left = sorted(p.name for p in (project / "analysis_files").iterdir())
    assert left == ["Dataset_videos.h5", "PointTracker.h5", "ROIs.h5"]
    assert list(json.loads((project / "run_info.json").read_text())) == [
        "Dataset_videos",
        "ROIs",
        "PointTracker",
    ]


def test_a_damaged_product_is_made_again(recording, project):
    product = project / "analysis_files" / "VQT_Analyzer.h5"
    product.write_bytes(product.read_bytes()[:2000])
    with pytest.raises(ProjectError, match=r"VQT_Analyzer\.h5"):
        load_project(project)
    record = run_project(recording.request(project))
    assert [s.reused for s in record.stages] == [True, True, True, False, False]
    assert load_project(project).products == record.products


def test_the_index_can_be_deleted(recording, project):
    (project / "run.json").unlink()
    record = run_project(recording.request(project))
    assert all(stage.reused for stage in record.stages)
    assert list(json.loads((project / "run.json").read_text())["stages"]) == list(STAGES)


def test_a_product_of_another_run_beside_it_is_refused(
    recording, parameters_with, project, tmp_path
):
    other = tmp_path / "other"
    tracker = {"params_anchored": {"window_px": 21}}
    run_project(recording.request(other, parameters=parameters_with(PointTracker=tracker)))
    stolen = other / "analysis_files" / "PointTracker.h5"
    (project / "analysis_files" / "PointTracker.h5").write_bytes(stolen.read_bytes())
    with pytest.raises(ProjectError, match=r"VQT_Analyzer\.h5 was made from another PointTracker"):
        load_project(project)


def test_a_raised_stage_version_is_told(recording, project, monkeypatch):
    version = fingerprint.STAGE_VERSIONS["decomposition"]
    monkeypatch.setitem(fingerprint.STAGE_VERSIONS, "decomposition", version + 1)
    plan = plan_run(recording.request(project))
    assert plan.reused == STAGES[:-1]
    assert plan.stages[-1].reasons == (f"decomposition.stage_version: {version} -> {version + 1}",)


def test_a_newer_format_is_refused_before_anything_is_written(recording, project):
    product = project / "analysis_files" / "TCA.h5"
    with h5py.File(product, "r+") as file:
        file.attrs["facerhythm_format_version"] = 99
    before = {p: p.stat().st_mtime_ns for p in project.rglob("*")}
    for attempt in (lambda: run_project(recording.request(project)), lambda: load_project(project)):
        with pytest.raises(ProjectError, match="Upgrade element-facerhythm"):
            attempt()
    assert {p: p.stat().st_mtime_ns for p in project.rglob("*")} == before

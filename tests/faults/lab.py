"""The laboratory of the fault tests: a database, small recordings, workers as processes, three checks."""

import itertools
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.faults.servers import MysqlServer, Proxy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEASE_S = 2.0
WORKER_FLAGS = (
    "--poll", "0.2", "--lease", str(LEASE_S), "--retry-delay", "0.5", "--grace", "10",
)  # fmt: skip
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 16}},
    "PointTracker": {"params_optical_flow": {"mesh_n_neighbors": 4}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 1.0, "Q_highF": 2.0, "F_min": 4.0, "F_max": 20.0, "n_freq_bins": 6,
            "downsample_factor": 4,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 10}}},
}  # fmt: skip
ROIS = [[30.0, 30.0], [100.0, 30.0], [100.0, 70.0], [30.0, 70.0]]
ARRAYS = {
    "PointTracker.h5": ("points_tracked/0",),
    "VQT_Analyzer.h5": ("spectrograms/0",),
    "TCA.h5": ("factors/0",),
}


@dataclass
class Process:
    """A worker, and the directory that its fault uses."""

    popen: "subprocess.Popen[str]"
    directory: Path

    def wait_reached(self, timeout_s: float = 60) -> None:
        """Wait until the point of the fault is reached."""
        self._wait(lambda: (self.directory / "reached").exists(), timeout_s)

    def _wait(self, condition: Any, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the point of the fault was not reached"
            if self.popen.poll() is not None and not condition():
                raise AssertionError(f"the worker ended: {self.output()}")
            time.sleep(0.02)

    def go_on(self) -> None:
        (self.directory / "go").touch()

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def finish(self, timeout_s: float = 120) -> int:
        """Wait for the end; give the exit code."""
        try:
            return self.popen.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise AssertionError(f"the worker did not end: {self.output()}") from None

    def output(self) -> str:
        return (self.directory / "log").read_text()[-4000:]


@dataclass
class Lab:
    """Everything that a test needs; see `open_lab`."""

    directory: Path
    server: MysqlServer
    workflow: ModuleType
    reference: dict[str, Any]
    processes: list[Process]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # ---------------------------------------------------------------- recordings and workers

    @property
    def video(self) -> Path:
        return self.directory / "recordings" / "mouse.mp4"

    def register(self, video: Path | None = None) -> dict[str, Any]:
        """Enter a recording of a session of its own; give the key of its task."""
        from element_facerhythm.core.rois import Rois
        from element_facerhythm.ingest import SessionChoice, register_videos
        from element_facerhythm.parameters import parameters_from_mapping

        choice = SessionChoice.numbered("mouse1", next(self._numbers))
        rois = Rois(seed_polygons=(np.array(ROIS),))
        parameters = parameters_from_mapping(PARAMETERS).parameters
        return register_videos(choice, [video or self.video], rois, parameters).key

    def start_worker(
        self,
        *flags: str,
        fault: tuple[str, str] | None = None,
        port: int | None = None,
        command: Sequence[str] = (),
        **variables: str,
    ) -> Process:
        """Start a worker that ends when it is idle; `fault` is a point and an action."""
        directory = self.directory / f"worker-{len(self.processes)}"
        directory.mkdir()
        program = [str(HERE / "faulty_worker.py")] if fault else ["-m", "element_facerhythm"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        if port is not None:
            environment["DJ_PORT"] = str(port)
        if fault is not None:
            environment |= {
                "FAULT_POINT": fault[0], "FAULT_ACTION": fault[1], "FAULT_DIR": str(directory),
            }  # fmt: skip
        with (directory / "log").open("w") as log:
            popen = subprocess.Popen(
                [*command, sys.executable, *program, "worker", "--exit-when-idle", *WORKER_FLAGS, *flags],
                env=environment, stdout=log, stderr=subprocess.STDOUT, text=True, cwd=directory,
            )  # fmt: skip
        process = Process(popen, directory)
        self.processes.append(process)
        return process

    def finish_work(self) -> None:
        """Have a healthy worker do what is left."""
        worker = self.start_worker()
        assert worker.finish() in (0, 1), worker.output()

    # ---------------------------------------------------------------- the three checks

    def check(self, key: dict[str, Any], *, done: bool = True) -> str:
        """Check the three promises for a recording; give the reason where it is not to be done."""
        self.require_settled()
        fbe = self.workflow.facial_behavior_estimation
        if not done:
            assert not fbe.FaceRhythmProcessing & key
            return self.reason(key)
        self.require_once(key)
        self.require_whole(key)
        return ""

    def require_settled(self) -> None:
        """Every task is done, or set aside or failed with its reason; nothing is under way."""
        from element_facerhythm.facial_behavior_estimation.report import without_drawing

        fleet = self.workflow.fleet
        assert not len(fleet.ActiveJob())
        for table in without_drawing(
            self.workflow.POPULATED
        ):  # the workers here are not asked to draw
            jobs = table().jobs
            if not jobs.is_declared:
                continue
            rows = jobs.to_dicts()
            assert {row["status"] for row in rows} <= {"error", "ignore"}, (table.__name__, rows)
            assert all(row["error_message"] for row in rows)
            left = (table().key_source - table().proj()).proj().keys()
            assert len(left) == len(rows), (table.__name__, left, rows)

    def require_once(self, key: dict[str, Any]) -> None:
        """The rows are there once, and what they hold is what a run in peace gave."""
        fbe, attempts = self.workflow.facial_behavior_estimation, self.workflow.fleet.JobAttempt
        for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm):
            assert len(table & key) == 1
            done = attempts & {"table_name": table.__name__, "outcome": "done"}
            ids = [row["job_id"] for row in done.to_dicts() if key.items() <= as_dict(row).items()]
            assert len(ids) <= 1, ids
        assert len(fbe.FaceRhythmProcessing.Product & key) == 5
        assert len(fbe.FaceRhythmProcessing.Stage & key) == 5
        points = (fbe.FacialRhythm.Point & key).to_arrays(
            "rms_displacement_px", order_by="point_index"
        )
        expected = (fbe.FacialRhythm.Point & self.reference).to_arrays(
            "rms_displacement_px", order_by="point_index"
        )
        np.testing.assert_array_equal(points, expected)
        ours, theirs = self.project(key), self.project(self.reference)
        for name, paths in ARRAYS.items():
            for path in paths:
                np.testing.assert_equal(
                    read_node(ours / "analysis_files" / name, path),
                    read_node(theirs / "analysis_files" / name, path),
                )

    def require_whole(self, key: dict[str, Any]) -> None:
        """The files are whole, are those that the rows speak of, and nothing else lies about."""
        from element_facerhythm.files.digest import file_sha256
        from element_facerhythm.pipeline import load_project

        fbe = self.workflow.facial_behavior_estimation
        project = self.project(key)
        load_project(project)
        for row in (fbe.FaceRhythmProcessing.Product & key).to_dicts():
            path = self.directory / "processed" / row["product_path"]
            assert (path.stat().st_size, file_sha256(path)) == (
                row["product_size_bytes"],
                row["product_sha256"],
            )
        left = [path for path in project.rglob("*") if path.name.endswith(".part")]
        assert not left
        assert [path.name for path in (project / ".facerhythm.run").iterdir()] == ["free"]

    def project(self, key: dict[str, Any]) -> Path:
        fbe = self.workflow.facial_behavior_estimation
        return self.directory / "processed" / (fbe.FaceRhythmProcessing & key).fetch1("project_dir")

    def reason(self, key: dict[str, Any]) -> str:
        """Why the processing of a recording failed or was set aside."""
        jobs = self.workflow.facial_behavior_estimation.FaceRhythmProcessing.jobs
        return str((jobs & key).fetch1("error_message"))

    def forget(self, key: dict[str, Any]) -> None:
        """Remove a recording that is not to be done, so that no later worker tries it."""
        fbe = self.workflow.facial_behavior_estimation
        recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
        for table in self.workflow.POPULATED:
            if table().jobs.is_declared:
                (table().jobs & recording).delete_quick()
        (fbe.VideoRecording & recording).delete(prompt=False)


def as_dict(row: dict[str, Any]) -> dict[str, Any]:
    from element_facerhythm.fleet.claims import as_key

    return dict(as_key(row["job_key"]))


def read_node(path: Path, name: str) -> Any:
    from element_facerhythm.io.h5_reader import H5Group, open_h5

    with open_h5(path) as file:
        node = file[name]
        return node.tree() if isinstance(node, H5Group) else node.value()


@contextmanager
def open_lab(directory: Path) -> Iterator[Lab]:
    """Start a server, activate the workflow on it, and analyse one recording in peace."""
    server = MysqlServer()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DJ_BACKEND": "mysql",
            "DJ_HOST": "127.0.0.1",
            "DJ_PORT": str(server.port),
            "DJ_USER": "dj",
            "DJ_PASS": "dj",
            "DJ_IGNORE_CONFIG_FILE": "true",
            "FACERHYTHM_DB_PREFIX": f"faults_{secrets.token_hex(4)}_",
            "FACERHYTHM_ROOT_DATA_DIR": str(directory / "recordings"),
            "FACERHYTHM_PROCESSED_DATA_DIR": str(directory / "processed"),
            "FACERHYTHM_LOCK_LEASE": str(LEASE_S),
        }.items():
            patch.setenv(name, value)
        for name in ("recordings", "processed"):
            (directory / name).mkdir()
        processes: list[Process] = []
        try:
            yield _furnish(directory, server, processes)
        finally:
            for process in processes:
                process.popen.kill()
                process.popen.wait()
            server.close()


def _furnish(directory: Path, server: MysqlServer, processes: list[Process]) -> Lab:
    from element_facerhythm import workflow
    from element_facerhythm.demo.synthetic import make_scene_video

    lab = Lab(directory, server, workflow, {}, processes)
    make_scene_video(lab.video, n_frames=80, width_px=128, height_px=96, frame_rate_hz=50.0, seed=1)
    lab.reference = lab.register()
    lab.finish_work()
    return lab


@contextmanager
def cuttable(lab: Lab) -> Iterator[Proxy]:
    """A way to the server that can be cut."""
    proxy = Proxy(lab.server.port)
    try:
        yield proxy
    finally:
        proxy.close()

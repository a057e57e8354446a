"""One database server, one schema prefix, and recordings to fill the tables with."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.gui.conftest import pytest_collection_modifyitems  # noqa: F401  leaves out what needs a browser

if os.environ.get("FACERHYTHM_TEST_DATABASE") == "mysql":
    collect_ignore = ["test_bad_options.py"]  # of the command line, and long: one server is enough
VERSION = pytest.StashKey[str]()
FRAME_RATE_HZ = 60.0
N_FRAMES = 180
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 12}},
    "PointTracker": {"params_optical_flow": {"mesh_n_neighbors": 6}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2.0, "Q_highF": 4.0, "F_min": 3.0, "F_max": 25.0, "n_freq_bins": 10,
            "downsample_factor": 4,
        }
    },
    "TCA": {
        "rearrange_data": {
            "name_dim_dictElements": "trials", "method_handling_dictElements": "concatenate",
        },
        "fit": {"params_method": {"rank": 3, "n_iter_max": 20}},
        "rearrange_factors": {"undo_concat_dictElements": True},
    },
}  # fmt: skip
WORKER_FACTS = {
    "host": "elsewhere", "pid": 1, "worker_device": "cpu", "batch_job": "",
    "worker_package_version": "0",
    "lease_s": 1.0,
}  # fmt: skip
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]], "mask": []}


def forget_workers(workflow: ModuleType) -> None:
    """Remove what the tables of the fleet hold."""
    for table in (workflow.fleet.ActiveJob, workflow.fleet.JobAttempt, workflow.fleet.Worker):
        table().delete_quick()


def pytest_configure(config: pytest.Config) -> None:
    # True, and of no use in a test run that is there to find out.
    config.addinivalue_line("filterwarnings", "ignore:MariaDB is not officially supported")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.write_line(f"tables on {config.stash.get(VERSION, 'no server')}")


@pytest.fixture(scope="session")
def server(serve: Callable[[str], Any]) -> Iterator[dict[str, str]]:
    """`DJ_*` variables of the server, set in this process."""
    kind = os.environ["FACERHYTHM_TEST_DATABASE"]
    assert "datajoint" not in sys.modules, (
        "a test module imports DataJoint, which then knows no server"
    )
    with serve(kind) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables


@pytest.fixture(scope="session")
def root_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root directory of the recordings."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def processed_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the results."""
    return tmp_path_factory.mktemp("processed")


@pytest.fixture(scope="session")
def workflow(
    server: dict[str, str], root_dir: Path, processed_dir: Path, request: pytest.FixtureRequest
) -> Iterator[ModuleType]:
    """`element_facerhythm.workflow` under a prefix of its own; its schemas are dropped at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERHYTHM_DB_PREFIX", f"frtest_{secrets.token_hex(4)}_")
        patch.setenv("FACERHYTHM_ROOT_DATA_DIR", str(root_dir))
        patch.setenv("FACERHYTHM_PROCESSED_DATA_DIR", str(processed_dir))
        from element_facerhythm import workflow

        workflow.dj.config.safemode = False
        version = workflow.dj.conn().query("SELECT version()").fetchone()[0]
        kind = workflow.dj.config.database.backend
        assert kind == os.environ["FACERHYTHM_TEST_DATABASE"]
        request.config.stash[VERSION] = f"{kind} {version.split(' on ')[0]}"
        yield workflow
        drop_schemas(workflow)


def drop_schemas(workflow: ModuleType) -> None:
    modules = (
        workflow.keypoint_inference,
        workflow.facial_behavior_estimation,
        workflow.session,
        workflow.subject,
        workflow.lab,
    )
    for module in modules:
        module.schema.drop(prompt=False)


@pytest.fixture(scope="session")
def fbe(workflow: ModuleType) -> ModuleType:
    """The tables of facial behaviour."""
    return workflow.facial_behavior_estimation


@pytest.fixture(scope="session")
def videos(root_dir: Path) -> list[Path]:
    """Two real encoded videos of one recording."""
    from element_facerhythm.demo.synthetic import make_scene_video

    paths = [root_dir / "mouse" / f"part{i}.mp4" for i in range(2)]
    paths[0].parent.mkdir()
    for seed, path in enumerate(paths):
        make_scene_video(
            path,
            n_frames=N_FRAMES // 2,
            width_px=160,
            height_px=120,
            frame_rate_hz=FRAME_RATE_HZ,
            seed=seed,
        )
    return paths


@pytest.fixture(scope="session")
def register(workflow: ModuleType, videos: list[Path]) -> Callable[..., dict[str, Any]]:
    """Register a recording of the videos under a session number of its own; gives the task's key."""
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.ingest import SessionChoice, register_videos
    from element_facerhythm.parameters import parameters_from_mapping

    parameters = parameters_from_mapping(PARAMETERS).parameters
    rois = Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"]))

    def register(
        session_id: int, chosen: list[Path] | None = None, **options: Any
    ) -> dict[str, Any]:
        choice = SessionChoice.numbered("mouse1", session_id)
        return register_videos(choice, chosen or videos, rois, parameters, **options).key

    return register


@pytest.fixture(scope="session")
def processed(register: Callable[..., dict[str, Any]], fbe: ModuleType) -> dict[str, Any]:
    """Key of a recording that went through every table."""
    key = register(1)
    for table in fbe.POPULATED:
        table.populate(key)
    return key


@pytest.fixture(scope="session")
def kpi(workflow: ModuleType) -> ModuleType:
    """The tables of keypoints."""
    return workflow.keypoint_inference


@pytest.fixture(scope="session")
def weights(root_dir: Path) -> Path:
    """Weights of a small network with the parts of the face."""
    from tests.unit.keypoints.training import new_network, save_weights

    return save_weights(new_network().eval(), root_dir / "small.pt")


@pytest.fixture(scope="session")
def model_id(kpi: ModuleType, weights: Path) -> int:
    """Number of the model with these weights."""
    from tests.unit.keypoints.training import PARTS

    return kpi.KeypointModel.insert_new_model(
        None, "small", "random weights", weights, body_parts=tuple(PARTS), add_body_parts=True
    )


@pytest.fixture(scope="session")
def inferred(
    processed: dict[str, Any], fbe: ModuleType, kpi: ModuleType, model_id: int
) -> dict[str, Any]:
    """Key of a run of the network on a recording that has components, too; both compared."""
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    task = kpi.KeypointInferenceTask.generate(recording, model_id, bbox=[10, 150, 5, 115])
    kpi.KeypointInference.populate(task)
    kpi.KeypointRhythm.populate({**processed, **task})
    return task


@pytest.fixture(scope="session")
def measured(
    processed: dict[str, Any], fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> dict[str, Any]:
    """Key of a project that was taken over with signals of regions, of every kind."""
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project
    from tests.signal_files import write_signals

    source = processed_dir / (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    shutil.copytree(source, root_dir / "measured")
    write_signals(root_dir / "measured" / "analysis_files" / "FacialSignal.h5", N_FRAMES)
    choice = SessionChoice.numbered("mouse1", 70)
    registered = register_project(choice, Project.open(root_dir / "measured"))
    counts = populate(registered.key)
    assert (counts["FacialSignal"], counts["SignalRhythm"]) == (1, 1)
    return registered.key


@pytest.fixture
def python(workflow: ModuleType, tmp_path: Path) -> Callable[[str], str]:
    """Run a script in a new process with the same database; gives what it printed."""
    import subprocess

    def run(script: str, **variables: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert "Warning" not in result.stderr.replace("UserWarning: MariaDB", ""), result.stderr
        return result.stdout

    return run

"""The pipelines of a directory of labs, each from activation to results by the command line.

FACERHYTHM_LAB_CASES names the directory; its `lab_pipeline.py` is a linking module whose style of keys
`LAB_STYLE` picks. Without it this file is left out. Where FACERHYTHM_LAB_CASES_IN_TURNS is 1, a style is
tried on one kind of server and the next style on the other, and what is refused on both.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

CASES = Path(os.environ["FACERHYTHM_LAB_CASES"])
SOURCE = (CASES / "lab_pipeline.py").read_text()
STYLES = re.findall(r'^"(\w+)":\(', SOURCE, re.MULTILINE)
REFUSED = {
    "postgresql": {"clash_rec", "clash_ind", "clash_dev", "enum", "uuid"},
    "mysql": {"clash_rec", "clash_ind", "clash_dev"},
}
"""Styles that the page "A shared database" says cannot be used, and why `activate` refuses them."""
ENTER = """
import json, lab_pipeline as lab
from element_facerhythm.database.datajoint import import_datajoint
lab.Subject.insert1(lab.SUBJ)
lab.Session.insert1(lab.KEY)
print(json.dumps([f"{name}={value}" for name, value in lab.KEY.items()]))
"""
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 20}},
    "VQT_Analyzer": {
        "params_VQT": {"Q_lowF": 2, "Q_highF": 4, "F_min": 3, "F_max": 25, "n_freq_bins": 8}
    },
    "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 5}}},
}


def _cases() -> list[Any]:
    cases, in_turns = [], os.environ.get("FACERHYTHM_LAB_CASES_IN_TURNS") == "1"
    for n_before, (kind, refused) in enumerate(REFUSED.items()):
        for number, style in enumerate(STYLES):
            if not in_turns or style in refused or number % 2 == n_before:
                marks = [pytest.mark.mysql] if kind == "mysql" else []
                cases.append(pytest.param(kind, style, id=f"{kind}-{style}", marks=marks))
    return cases


@pytest.fixture(scope="module")
def start(serve: Callable[[str], Any]) -> Iterator[Callable[[str], dict[str, str]]]:
    """Start a server of a kind when it is first asked for; return what leads to it."""
    started: dict[str, dict[str, str]] = {}
    with ExitStack() as servers:

        def variables(kind: str) -> dict[str, str]:
            if kind not in started:
                started[kind] = servers.enter_context(serve(kind))
            return started[kind]

        yield variables


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from element_facerhythm.demo.synthetic import make_scene_video

    path = tmp_path_factory.mktemp("camera") / "m.mp4"
    make_scene_video(
        path,
        n_frames=60,
        width_px=160,
        height_px=120,
        frame_rate_hz=60.0,
        seed=3,
    )
    return path


@pytest.fixture
def data(tmp_path: Path, video: Path) -> Path:
    """Directories of one lab: those of another server would meet each other's results in them."""
    for name in ("raw1", "raw2", "proc"):
        (tmp_path / name).mkdir()
    shutil.copy(video, tmp_path / "raw1")
    (tmp_path / "rois.json").write_text(json.dumps(ROIS))
    (tmp_path / "params.json").write_text(json.dumps(PARAMETERS))
    return tmp_path


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "style"), _cases())
def test_a_lab_goes_from_activation_to_results(
    kind: str, style: str, start: Callable[[str], dict[str, str]], data: Path
) -> None:
    prefix = f"fr{secrets.token_hex(3)}_"
    environment = os.environ | start(kind) | {
        "LAB_STYLE": style, "LAB_DATA": str(data), "FACERHYTHM_LINKING_MODULE": "lab_pipeline",
        "LAB_PREFIX": f"{prefix}lab_", "FACERHYTHM_DB_PREFIX": f"{prefix}{style}_",
        "DJ_IGNORE_CONFIG_FILE": "true",
        "PYTHONPATH": os.pathsep.join([str(CASES), *sys.path[:1], os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=data,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def facerhythm(*arguments: str) -> Any:
        done = run("-m", "element_facerhythm", *arguments, "--json")
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    entered = run("-c", ENTER)
    if style in REFUSED[kind]:
        refused = run("-m", "element_facerhythm", "admin", "init")
        assert refused.returncode == 2 and "key column" in refused.stderr, refused.stderr
        return
    assert entered.returncode == 0, entered.stderr
    key = [part for text in json.loads(entered.stdout.splitlines()[-1]) for part in ("--key", text)]
    given = ["raw1/m.mp4", "--rois", "rois.json", "--params", "params.json", *key]
    assert facerhythm("ingest", *given, "--no-populate")["new_rows"]["VideoRecording"] == 1
    assert facerhythm("worker", "--exit-when-idle", "--no-figures")["n_done"] == 5
    assert facerhythm("status")["tables"]["FacialRhythm"]["done"] == 1

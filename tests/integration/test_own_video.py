"""The lines for a video of one's own, as README and tutorial print them, on cameras of every usual rate."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.pipeline import summarise_project
from element_facerhythm.pipeline.run.run_file import parameters_of_run

ROOT = Path(__file__).parents[2]
FACERHYTHM = [sys.executable, "-c", "from element_facerhythm.cli import main; main()"]
THROUGH_THE_DATABASE = {25, 250}  # ingest makes the same check and the same run as `run`
RECORDINGS = [(25, 10), (30, 10), (60, 10), (100, 10), (250, 10), (25, 2), (30, 5), (250, 2)]


def own_video_lines(page: str, after: str) -> list[list[str]]:
    """Commands on mouse.mp4 below a heading of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8").partition(after)[2].partition("\n## Worker")[0]
    lines = re.findall(r"^\.venv/bin/facerhythm (.* mouse\.mp4 .*?)(?: *#.*)?$", text, re.MULTILINE)
    lines = lines or re.findall(r"^\.venv/bin/facerhythm (.*)$", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


README = own_video_lines("README.md", "Your own video:")
TUTORIAL = own_video_lines("docs/tutorial/first-run.md", "## On a video of your own")


def test_the_pages_have_the_lines_that_are_run_here() -> None:
    assert [line[0] for line in README] == ["gui", "rois", "run", "ingest"]
    assert [line[0] for line in TUTORIAL] == ["rois", "run", "ingest"]
    assert not any("--params" in line or "--set" in line for line in README + TUTORIAL)
    ingest = TUTORIAL[2]
    assert ingest == README[3]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Nothing is configured; the embedded server is removed afterwards."""
    home = tmp_path_factory.mktemp("home-of-own-video")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DJ_", "FACERHYTHM_"))}
    variables = {**keep, "HOME": str(home), "FACERHYTHM_EMBEDDED_DIR": str(home / "server")}
    yield {**variables, "DJ_IGNORE_CONFIG_FILE": "true"}
    code = "from element_facerhythm.database import embedded; embedded.destroy()"
    subprocess.run([sys.executable, "-c", code], env=variables, check=True)


def answers_until_stopped(line: list[str], environment: dict[str, str], directory: Path) -> None:
    """Run a line that serves pages; stop it with Ctrl-C."""
    with subprocess.Popen(
        [*FACERHYTHM, *line], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**environment, "BROWSER": "true"},
    ) as served:  # fmt: skip
        assert served.stdout is not None
        address = served.stdout.readline().split("/?token=")[0]
        with urlopen(f"{address}/api/health", timeout=60) as answer:
            assert json.load(answer) == {"ok": True}
        served.send_signal(signal.SIGINT)
        _, told = served.communicate(timeout=60)
        assert served.returncode == 0, told


@pytest.mark.slow
@pytest.mark.parametrize(("rate_hz", "seconds"), RECORDINGS)
def test_the_lines_run_as_they_stand(
    rate_hz: int, seconds: int, environment: dict[str, str], tmp_path: Path
) -> None:
    make_scene_video(
        tmp_path / "mouse.mp4", n_frames=rate_hz * seconds, frame_rate_hz=rate_hz, width_px=160,
        height_px=120, with_paw=False, seed=1,
    )  # fmt: skip
    subject = {"mouse1": f"cam{rate_hz}"}  # all of them go into one database
    lines = [[subject.get(word, word) for word in line] for line in README]
    told = []
    has_database = seconds == 10 and rate_hz in THROUGH_THE_DATABASE
    page, *lines = lines
    answers_until_stopped(page, environment, tmp_path)
    for line in lines if has_database else lines[:2]:
        done = subprocess.run(
            [*FACERHYTHM, *line], cwd=tmp_path, capture_output=True, text=True,
            env={**environment, "FACERHYTHM_ROOT_DATA_DIR": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(line)}: {done.stderr}"
        told.append(done.stdout)
    assert "fitted" in told[1]
    assert f"no rhythm above {rate_hz / 2:g} Hz can be resolved" in " ".join(told[1].split())

    project = tmp_path / "mouse-facerhythm"
    parameters = parameters_of_run(project)
    assert parameters is not None
    assert parameters.VQT_Analyzer.params_VQT.F_max == min(60.0, 0.4 * rate_hz)
    index = json.loads((project / "run.json").read_text())
    assert {row["name"] for row in index["parameters_fitted"]} >= {
        "ROIs.make_rois.point_spacing", "TCA.fit.params_method.rank",
    }  # fmt: skip
    assert not any("rank" in note or "Fs_sample" in note for note in index["notes"])
    if seconds == 10:
        (model,) = summarise_project(project).models
        found = [component.peak_frequency_hz for component in model.components]
        for planted_hz in (10.0, 5.0):  # whisking and sniffing
            assert min(abs(hz / planted_hz - 1) for hz in found) < 0.06, (planted_hz, found)
    if has_database:
        assert "FaceRhythmProcessing" in told[2]
        assert "fitted" in told[2]

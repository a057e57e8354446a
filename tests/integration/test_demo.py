"""The demo, as a newcomer runs it: no database configured, an empty home, and then again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.demo import run_demo
from element_facerhythm.demo.synthetic import make_scene_video, write_gray_video
from element_facerhythm.errors import RequestError


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """Environment of somebody who configured nothing; the embedded server is removed afterwards."""
    home = tmp_path_factory.mktemp("newcomer")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DJ_", "FACERHYTHM_"))}
    variables = {**keep, "HOME": str(home), "FACERHYTHM_EMBEDDED_DIR": str(home / "server")}
    yield {**variables, "DJ_IGNORE_CONFIG_FILE": "true"}
    code = "from element_facerhythm.database import embedded; embedded.destroy()"
    subprocess.run([sys.executable, "-c", code], env=variables, check=True)


def facerhythm(environment, *arguments):
    command = [str(Path(sys.executable).with_name("facerhythm")), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def report(newcomer):
    done = facerhythm(newcomer, "demo", "--dir", "demo", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_planted_rhythm_is_found_where_and_when_it_was_planted(report):
    rhythms = {rhythm["name"]: rhythm for rhythm in report["truth"]["rhythms"]}
    assert set(rhythms) == {"whisking", "sniffing", "chewing"}
    for rhythm in rhythms.values():
        assert abs(rhythm["found_hz"] - rhythm["planted_hz"]) <= rhythm["bin_width_hz"]
        assert rhythm["place_congruence"] > 0.97
        assert rhythm["time_congruence"] > 0.95
    assert len({rhythm["component_index"] for rhythm in rhythms.values()}) == 3


@pytest.mark.slow
def test_tracks_are_close_to_the_truth_and_the_paw_is_noticed(report):
    tracking = report["truth"]["tracking"]
    assert tracking["error_median_px"] < 0.08
    assert tracking["error_p95_px"] < 0.35
    assert tracking["n_hidden"] > 300
    # of the others enough of their surroundings shows
    assert tracking["hidden_flagged_fraction"] > 0.6


@pytest.mark.slow
def test_sql_answers_come_from_the_rows(report):
    violations, verdicts, components, points, stages, bouts = report["answers"]
    assert [report["key"]["subject"], 1, 0] == violations["rows"][0][:3]
    assert len(components["rows"]) == report["rows"]["FacialRhythm.Component"] == 4
    explained = [row[components["columns"].index("explained")] for row in components["rows"]]
    assert explained == sorted(explained, reverse=True) and explained[0] > 0.3
    rms = [row[points["columns"].index("rms_px")] for row in points["rows"]]
    assert len(rms) == 10 and rms == sorted(rms, reverse=True)
    assert {row[0] for row in stages["rows"]} == {
        "dataset", "rois", "point_tracking", "spectral_analysis", "decomposition",
    }  # fmt: skip
    assert not any("red" in row for row in verdicts["rows"])
    of = {rhythm["component_index"]: rhythm for rhythm in report["truth"]["rhythms"]}
    found = [row for row in bouts["rows"] if row[0] in of]
    assert len(found) == 6  # each rhythm was planted twice
    for component, *_, mean_hz, _, _, _, _ in found:
        assert mean_hz == pytest.approx(of[component]["planted_hz"], rel=0.03)


@pytest.mark.slow
def test_everything_is_where_the_report_says(report):
    for path in (report["video"], report["report_path"], *report["figures"]):
        assert Path(path).is_file()
    assert (Path(report["project_dir"]) / "analysis_files" / "TCA.h5").is_file()
    page = Path(report["report_path"]).read_text()
    assert page.count('role="img"') == len(report["figures"]) == 6
    assert "SELECT" in page and "whisking" in page
    assert "://" not in page, "the page must not need the network"


@pytest.mark.slow
def test_second_run_reuses_the_rows_and_shows_the_sql(newcomer, report):
    made = Path(report["project_dir"], "analysis_files", "TCA.h5").stat().st_mtime_ns
    video = Path(report["video"]).stat().st_mtime_ns
    done = facerhythm(newcomer, "demo", "--dir", "demo")
    assert done.returncode == 0, done.stderr
    assert "SELECT" in done.stdout and "whisking" in done.stdout
    assert report["report_path"] in done.stdout
    assert Path(report["project_dir"], "analysis_files", "TCA.h5").stat().st_mtime_ns == made
    assert Path(report["video"]).stat().st_mtime_ns == video


@pytest.mark.slow
def test_own_video_without_rois_gets_proposed_ones(newcomer, report, tmp_path):
    video = tmp_path / "own.mp4"
    make_scene_video(video, n_frames=240, width_px=200, height_px=150, seed=5)
    done = facerhythm(newcomer, "demo", "--dir", tmp_path / "out", "--video", video, "--json")
    assert done.returncode == 0, done.stderr
    own = json.loads(done.stdout)
    assert own["truth"] is None
    assert own["rows"]["FacialRhythm"] == 1
    assert (tmp_path / "out" / "rois.json").is_file()
    assert own["key"]["subject"] != report["key"]["subject"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"video": Path("missing.mp4")}, "missing.mp4"),
        ({"rois": Path("rois.json")}, "without a video"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_wrong_request_leaves_nothing(tmp_path, arguments, word):
    with pytest.raises(RequestError, match=word):
        run_demo(tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_still_video_is_refused_before_anything_is_written(tmp_path):
    frame = np.random.default_rng(0).integers(60, 200, (96, 128), dtype=np.uint8)
    write_gray_video(tmp_path / "still.mp4", iter([frame] * 40), frame_rate_hz=30.0)
    with pytest.raises(RequestError, match="nothing moves"):
        run_demo(tmp_path / "out", video=tmp_path / "still.mp4")
    assert [item.name for item in tmp_path.iterdir()] == ["still.mp4"]

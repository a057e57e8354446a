"""A directory that is prepared as face-rhythm does it, and then filled by a run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from element_facerhythm.errors import ParameterError, ProjectError, RoiError
from element_facerhythm.io.rois_file import write_rois
from element_facerhythm.pipeline import prepare_project
from element_facerhythm.pipeline.exchange.completion import completion_of
from tests.integration.conftest import SHORT


def test_a_prepared_project_needs_nothing_but_its_video(
    recording: Any, tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    params, rois, out = tmp_path / "p.json", tmp_path / "r.json", tmp_path / "new" / "mouse"
    params.write_text(json.dumps(SHORT))
    write_rois(recording.rois, rois)
    made = prepare_project(out, parameters=params, rois=rois)
    path_config, path_run_info, directory_project = made  # as face-rhythm's callers unpack it
    assert (path_config, path_run_info) == (str(out / "config.yaml"), str(out / "run_info.json"))
    config = yaml.safe_load(Path(path_config).read_text())
    assert config["paths"] == {
        "project": str(out),
        "config": path_config,
        "run_info": path_run_info,
    }
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "analysis_files", "config.yaml", "inputs", "run_info.json", "visualizations"
    }  # fmt: skip
    assert completion_of(out).state == "unfinished"

    done = facerhythm("run", recording.videos[0], "-o", directory_project, "--no-figures", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["params"]["TCA"]["fit"]["params_method"]["rank"] == 2
    assert completion_of(out).is_complete
    created = yaml.safe_load((out / "config.yaml").read_text())["general"]["date_created"]

    moved = tmp_path / "moved"
    shutil.move(out, moved)
    before = {path: path.read_bytes() for path in moved.rglob("*.h5")}
    prepare_project(moved)
    config = yaml.safe_load((moved / "config.yaml").read_text())
    assert config["paths"]["project"] == str(moved)
    assert config["general"]["date_created"] == created
    assert config["TCA"]["params_method"]["rank"] == 2
    assert {path: path.read_bytes() for path in moved.rglob("*.h5")} == before


def test_what_is_wrong_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"TCA": {"rank": 3}}')
    with pytest.raises(ParameterError):
        prepare_project(tmp_path / "out", parameters=bad)
    with pytest.raises(RoiError):
        prepare_project(tmp_path / "out", rois=bad)
    with pytest.raises(ProjectError, match="mkdir=True"):
        prepare_project(tmp_path / "out", mkdir=False)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]
    with pytest.raises(ProjectError, match="neither empty nor a project"):
        prepare_project(tmp_path)

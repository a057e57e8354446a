"""The tutorial runs with default parameters, and is kept as it was executed."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import jupytext
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_BYTES = 1_500_000
MACHINE = re.compile(r"/(tmp|home|root|work|Users)/|0x[0-9a-f]{8}|\d\d:\d\d:\d\d")


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def kinds(path: Path) -> list[list[str]]:
    """What each code cell gave: a stream, or the types of a picture or a value."""
    return [
        sorted(
            {
                name
                for output in cell.outputs
                for name in output.get("data", {output.output_type: 0})
            }
        )
        for cell in code_cells(path)
    ]


def pictures(path: Path) -> list[np.ndarray]:
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(output.data["image/png"]), np.uint8), 1)
        for cell in code_cells(path)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def test_there_is_a_tutorial():
    assert "tutorial.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_its_twin_say_the_same(path):
    notebook, twin = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    cells = [(cell.cell_type, cell.source.rstrip()) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source.rstrip()) for cell in twin.cells], (
        "the two differ; run: make notebooks NOTEBOOKS=notebooks"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_as_it_was_executed_and_tells_of_no_machine(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < MOST_BYTES
    drawn = pictures(path)
    assert len(drawn) >= 7
    assert all(len(np.unique(picture)) > 30 for picture in drawn)
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error" and output.get("name") != "stderr"
        texts = [
            output.get("text", ""),
            *(t for n, t in output.get("data", {}).items() if n[:5] == "text/"),
        ]
        assert not [text for text in texts if MACHINE.search(text)]


def values(path: Path) -> str:
    """All values that cells end with, as text."""
    outputs = (output for cell in code_cells(path) for output in cell.outputs)
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_notebooks_run_and_give_what_was_kept(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("FACERHYTHM_FIGURES", None)
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks", tmp_path],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for path in NOTEBOOKS:
        assert kinds(tmp_path / path.name) == kinds(path)
        assert re.search(r"'KeypointRhythm\.Pair': [1-9]", values(tmp_path / path.name))
        for now, kept in zip(pictures(tmp_path / path.name), pictures(path), strict=True):
            assert now.shape == kept.shape
            assert np.abs(now.astype(int) - kept).mean() < 10

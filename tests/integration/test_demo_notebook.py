"""The tutorial's two forms say the same, and the repository keeps no outputs."""

from pathlib import Path

import jupytext
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_is_a_tutorial():
    assert "tutorial.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_its_twin_say_the_same(path):
    notebook, twin = jupytext.read(path), jupytext.read(path.with_suffix(".py"))
    cells = [(cell.cell_type, cell.source.rstrip()) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source.rstrip()) for cell in twin.cells], (
        f"the two differ; run: jupytext --to ipynb {path.with_suffix('.py').name}"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    code = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)

"""JSON and YAML files are read by `text_files` alone, within its limits."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "element_facerhythm"
READS = {
    "json.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.safe_load",
    "yaml.safe_load_all",
    "yaml.full_load",
}
# `json.loads` of what is no file that others wrote: columns of rows, and small files that the package writes
# for itself.
PARSES_TEXTS = {
    "facial_behavior_estimation/processing.py",
    "facial_behavior_estimation/task.py",
    "fleet/claims.py",
    "pipeline/lock.py",
    "pipeline/owner.py",
    "stores/object_store.py",
}
SOURCES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "text_files.py"})


def calls(path):
    """Dotted names of what a module calls, such as `json.loads`."""
    nodes = [
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    return {
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_reads_no_json_or_yaml_by_itself(path):
    called = calls(path)
    assert not called & READS
    if str(path.relative_to(PACKAGE)) not in PARSES_TEXTS:
        assert "json.loads" not in called
    assert "from json import" not in path.read_text()
    assert "from yaml import" not in path.read_text()

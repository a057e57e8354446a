"""JSON and YAML files are read by `files.texts` alone, within its limits."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "element_facerhythm"
READS = {
    "json.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.safe_load",
    "yaml.safe_load_all",
    "yaml.full_load",
}
# `json.loads` of what is no file that others wrote: columns of rows, small files that the package writes
# for itself, and what a process of its own prints.
PARSES_TEXTS = {
    "admin/upgrade/values.py",
    "facial_behavior_estimation/param_set.py",
    "facial_behavior_estimation/processing.py",
    "facial_behavior_estimation/task_run.py",
    "fleet/claims.py",
    "parameters/stored.py",
    "pipeline/results/drawing_beside.py",
    "pipeline/run/lock.py",
    "pipeline/run/owner.py",
    "storage/object_store.py",
}
SOURCES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "files/texts.py"})


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


def test_no_module_reads_json_or_yaml_by_itself():
    for path in SOURCES:
        name, called = path.relative_to(PACKAGE).as_posix(), calls(path)
        assert not called & READS, name
        if name not in PARSES_TEXTS:
            assert "json.loads" not in called, name
        assert "from json import" not in path.read_text(), name
        assert "from yaml import" not in path.read_text(), name

"""The command starts without what its verbs need, and every verb explains itself."""

import json
import subprocess
import sys

import pytest

from element_facerhythm.cli import app

HEAVY = (
    "torch", "cv2", "av", "datajoint", "matplotlib", "h5py", "numpy", "scipy", "tensorly",
    "element_facerhythm.parameters",
)  # fmt: skip
GROUPS = {
    "curate": (
        "show",
        "set",
        "merge",
        "split",
        "exclude",
        "undo",
        "export",
        "import",
        "suggest",
        "propose",
    ),
    "index": ("build", "show"),
    "video": ("info", "check", "slice", "convert"),
    "rois": ("propose", "check", "convert", "copy", "enter"),
    "params": ("suggest",),
    "keypoints": ("run", "triangulate"),
    "import": ("keypoints", "facemap", "element-facemap", "remove-keypoints"),
    "export": ("movie", "clips", "xarray", "nwb", "crate", "lake", "keypoints"),
    "jobs": ("show", "retry", "ignore", "priority"),
    "slurm": ("submit", "status", "cancel"),
    "db": ("start", "stop", "status", "url"),
    "admin": ("init", "views", "grants", "guard", "upgrade"),
}
VERBS = [command.name for command in app.registered_commands]
COMMANDS = [(verb,) for verb in VERBS] + [(g, sub) for g, subs in GROUPS.items() for sub in subs]

SCRIPT = """
import contextlib, io, json, sys
from element_facerhythm.cli import main
out = io.StringIO()
sys.argv = ["facerhythm", *{arguments!r}, "--help"]
with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
    main()
print(json.dumps({{"help": out.getvalue(), "loaded": sorted(set(sys.modules) & set({heavy!r}))}}))
"""


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_loads_nothing_heavy_and_has_an_example(command: tuple[str, ...]) -> None:
    script = SCRIPT.format(arguments=list(command), heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["loaded"] == []
    assert not command or f"facerhythm {' '.join(command)}" in found["help"].split("Example:")[1]


def test_groups_of_verbs_are_the_ones_tested_here() -> None:
    found = {
        group.name: tuple(command.name or command.callback.__name__ for command in commands)
        for group in app.registered_groups
        if (commands := group.typer_instance.registered_commands)
    }
    assert found == GROUPS

"""A run decodes its first frames before anything is loaded that later stages alone need."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.io.rois_file import write_rois

LATER = (
    "torch", "scipy.signal", "scipy.stats", "scipy.optimize", "scipy.interpolate", "scipy.ndimage",
    "matplotlib", "datajoint", "tensorly", "pandas",
)  # fmt: skip

SCRIPT = """
import json, sys
from element_facerhythm import video
from element_facerhythm.cli import main
class FirstFrame(BaseException): pass
def stop(*arguments, **options):
    raise FirstFrame
video.iterate_gray_frames = stop
sys.argv = ["facerhythm", *{arguments!r}]
try:
    main()
except FirstFrame:
    print(json.dumps(sorted(set(sys.modules) & set({later!r}))))
"""


@pytest.mark.parametrize("method", ["flow", "anchored"])
def test_the_first_frame_waits_for_no_later_stage(
    recording: Any, tmp_path: Path, method: str
) -> None:
    rois, parameters = tmp_path / "rois.json", tmp_path / "params.json"
    write_rois(recording.rois, rois)
    parameters.write_text(json.dumps(recording.parameters.to_tree()))
    arguments = [
        "run", *map(str, recording.videos), "--rois", str(rois), "--params", str(parameters),
        "--set", f"PointTracker.method={method}", "-o", str(tmp_path / "project"), "--device", "cpu",
    ]  # fmt: skip
    script = SCRIPT.format(arguments=arguments, later=LATER)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []

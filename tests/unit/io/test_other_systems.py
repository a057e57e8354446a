"""What is done without the calls that Linux alone has, and what is said where one cannot do without."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from element_facerhythm.demo.synthetic import make_scene_video

PACKAGE = Path(__file__).parents[3] / "element_facerhythm"
NOT_ON_WINDOWS = {"fcntl", "grp", "posix", "pwd", "resource", "termios"}
MACOS = """
import os, socket, sys
import av, cv2, h5py, numba, psutil, scipy.signal, torch  # they know where they really are
for module, names in (
    (os, ("O_PATH", "copy_file_range", "eventfd", "memfd_create", "pidfd_open", "posix_fadvise",
          "posix_fallocate", "sched_getaffinity", "sched_setaffinity", "splice")),
    (socket, ("TCP_KEEPIDLE", "TCP_USER_TIMEOUT")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "darwin"
"""
WINDOWS = "import os\nfor name in ('O_DIRECTORY', 'O_NOFOLLOW', 'geteuid'): delattr(os, name)\n"
COMMAND = "from element_facerhythm.cli import main\nmain()\n"


def facerhythm(system: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command where a part of Linux is missing."""
    return subprocess.run(
        [sys.executable, "-c", system + COMMAND, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_video_is_analysed_with_what_macos_offers(tmp_path: Path) -> None:
    video = tmp_path / "mouse.mp4"
    make_scene_video(video, n_frames=90, width_px=128, height_px=96, frame_rate_hz=60.0, seed=1)
    rois = tmp_path / "rois.json"
    rois.write_text('{"points": [[[30, 30], [100, 30], [100, 70], [30, 70]]], "mask": []}')
    options = (
        "--set",
        "point_spacing=16",
        "--set",
        "F_min=5",
        "--set",
        "F_max=20",
        "--set",
        "rank=2",
    )
    done = facerhythm(
        MACOS, "run", video, "--rois", rois, *options, "-o", tmp_path / "project", "--no-figures"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "project" / "run.json").is_file()


def test_windows_is_refused_with_a_way_out_and_help_is_shown(tmp_path: Path) -> None:
    assert facerhythm(WINDOWS, "run", "--help").returncode == 0
    given = ("mouse.mp4", "--rois", "rois.json", "-o", tmp_path / "project")
    refused = facerhythm(WINDOWS, "run", *given)
    assert refused.returncode == 2, refused.stderr
    assert "WSL" in refused.stderr and "Traceback" not in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_modules_that_windows_lacks_are_imported_where_they_are_needed_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & NOT_ON_WINDOWS, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in NOT_ON_WINDOWS, path

"""Run by facemap 1.0.8 in an environment of its own: its `process.run` on a video.

``python signals_peer.py REQUEST.json ANSWER.json``; it imports nothing of this repository. A request has
``video``, ``bin_px``, ``arrays`` (the npz file to write), and for a pupil ``region`` (x, y, width, height)
and ``saturation``. The seconds are those of `process.run` alone, without imports.

scikit-learn is held below 1.5: later ones lack what its decomposition calls.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock


def main() -> None:
    """Answer one request."""
    request_path, answer_path = map(Path, sys.argv[1:])
    request = json.loads(request_path.read_text())
    for name in ("pyqtgraph", "qtpy", "qtpy.QtCore", "qtpy.QtGui", "qtpy.QtWidgets"):
        with contextlib.suppress(ImportError):
            __import__(name)
        sys.modules.setdefault(name, MagicMock())  # of its window, which is not opened
    answer = measured(request)
    answer_path.write_text(json.dumps({"jobs": [answer]}))


def measured(request: dict[str, Any]) -> dict[str, Any]:
    """Time `process.run` and keep what it found."""
    import numpy as np
    from facemap import process

    region = request.get("region")
    rois = None if region is None else [_pupil(region, request["saturation"])]
    given = {
        "sbin": request["bin_px"],
        "fullSVD": region is None,
        "save_mat": False,
        "rois": rois,
        "sy": [0],
        "sx": [0],
    }
    is_whole = region is None
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        started = time.perf_counter()
        name = process.run(
            [[request["video"]]], motSVD=is_whole, movSVD=is_whole, proc=given, savepath=folder
        )
        seconds = time.perf_counter() - started
        found = np.load(name, allow_pickle=True).item()
    if region is None:
        arrays = {"motion": found["motion"][0]}
        for key in ("mot", "mov"):
            arrays[f"{key}_masks"] = found[f"{key}Mask"][0]
            arrays[f"{key}_projections"] = found[f"{key}SVD"][0][:, :20]
    else:
        pupil = found["pupil"][0]
        arrays = {"area": pupil["area"], "com": pupil["com"]}
    np.savez(request["arrays"], **arrays)
    return {"seconds": seconds}


def _pupil(region: list[int], saturation: float) -> dict[str, Any]:
    """Region of a pupil as its window makes it: an ellipse in a box."""
    import numpy as np

    x, y, width, height = region
    rows, columns = np.mgrid[:height, :width]
    off = ((rows + 0.5) / height * 2 - 1) ** 2 + ((columns + 0.5) / width * 2 - 1) ** 2
    return {
        "rind": 0,
        "rtype": "Pupil",
        "iROI": 0,
        "ivid": 0,
        "color": (0, 0, 0),
        "yrange": np.arange(y, y + height),
        "xrange": np.arange(x, x + width),
        "ellipse": off <= 1,
        "saturation": saturation,
        "pupil_sigma": 2.5,
    }


if __name__ == "__main__":
    main()

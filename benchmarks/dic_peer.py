"""Run by SUN-DIC 0.0.35 in an environment of its own: displacements of subsets in the pictures of a folder.

``python dic_peer.py REQUEST.json ANSWER.json``. It imports nothing of this repository. A request has
``jobs``, each with ``folder`` (pictures, the first is the reference), ``shape`` (Affine or Quadratic),
``subset_px``, ``spacing_px``, ``roi`` (left, top, width, height: centres of subsets) and ``arrays``, the npz
file to write: ``displacement`` (T, P, 2), a grid's rows one after the other, NaN where a subset was not
found.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sundic.settings import Settings
from sundic.sundic import CompID, planarDICLocal

N_WARM_UP = 2
NO_EARLY_END = 2.0
"""A search ends once the correlation is above a threshold, 0.999 as installed, however long its steps are."""
LAST_STEP_PX = 1e-3
"""1e-4 as installed, which half of the points of a face without much texture do not reach in 50 steps."""


def main() -> None:
    """Answer one request; kernels are compiled before anything is timed."""
    request_path, answer_path = map(Path, sys.argv[1:])
    jobs = json.loads(request_path.read_text())["jobs"]
    correlate(jobs[0], last=N_WARM_UP)
    answers = []
    for job in jobs:
        started = time.process_time()
        displacement = correlate(job)
        answers.append({"seconds": time.process_time() - started})
        np.savez(job["arrays"], displacement=displacement)
    answer_path.write_text(json.dumps({"jobs": answers}))


def correlate(job: dict[str, Any], last: int = -1) -> Any:
    """Return displacements from the first picture, whose own are 0."""
    settings = Settings()
    settings.ImageFolder = job["folder"]
    settings.SubsetSize, settings.StepSize = job["subset_px"], job["spacing_px"]
    settings.ShapeFunctions, settings.ROI = job["shape"], job["roi"]
    settings.ReferenceStrategy = "Absolute"
    settings.TargetImage = last
    settings.BackgroundCutoff = 0
    settings.NZCCThreshold, settings.ConvergenceThreshold = NO_EARLY_END, LAST_STEP_PX
    with tempfile.NamedTemporaryFile() as file:
        found = np.array(planarDICLocal(settings, file.name))
    displacement = found[..., [CompID.XDispID, CompID.YDispID]].reshape(len(found), -1, 2)
    return np.concatenate([np.zeros_like(displacement[:1]), displacement])


if __name__ == "__main__":
    main()

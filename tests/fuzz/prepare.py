"""Import and compute everything once, so that a fork finds it done."""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import cv2
import torch

from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.keypoints.movement_library import import_movement
from tests.fuzz.seeds import Good, make_seeds
from tests.fuzz.targets import TARGETS

_IMPORTED_LATE = (
    "facemap.pose.facemap_network",
    "h5netcdf",
    "matplotlib.pyplot",
    "pandas",
    "pynwb",
    "rich.progress",
    "scipy.io",
    "sleap_io",
    "tables",
    "xarray",
)


def prepare(directory: Path) -> Good:
    """Make good files below `directory`, and let every target read some."""
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    import_movement()
    for name in _IMPORTED_LATE:
        with suppress(ImportError):
            import_module(name)
    good = make_seeds(directory)
    for target in TARGETS:
        if not target.writes and not hasattr(target.call, "words"):
            for seed in good.seeds[target.kind]:
                with suppress(FaceRhythmError):
                    target.call(seed, good)
    n_threads = len(list(Path("/proc/self/task").iterdir()))
    if n_threads > 1:
        raise RuntimeError(f"{n_threads - 1} threads are left over, which a fork would lose")
    return good

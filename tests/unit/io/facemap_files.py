"""facemap's results, laid out as its process saves them."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import io as mat_io

N_FRAMES, N = 1200, 3
SIDE, BIN_PX = 32, 4
BINS = SIDE // BIN_PX


def orthonormal(rng: np.random.Generator, n_rows: int, n: int = N) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(n_rows, n)))[0].astype(np.float32)


def facemap_result(**changes: Any) -> dict[str, Any]:
    """As of a long video with a region of motion; masks have length 1, and singular values are kept once."""
    rng = np.random.default_rng(0)
    energy = rng.gamma(2, 10, N_FRAMES).astype(np.float32)
    early = np.concatenate([energy[1:500], [0], energy[500:]])  # as facemap's first chunk
    masks = [orthonormal(rng, BINS**2), orthonormal(rng, 4 * 6)]
    proc = {
        "filenames": [["/data/a.avi"], ["C:\\data\\b.avi"]], "Ly": [SIDE], "Lx": [SIDE], "sbin": BIN_PX,
        "motion": [early, 2 * early], "motSv": np.float32([9, 4, 1]), "movSv": np.zeros(500, np.float32),
        "motSVD": [rng.normal(size=(N_FRAMES, N)).astype(np.float32) for _ in range(2)],
        "motMask": masks, "movSVD": [], "movMask": [], "movMask_reshape": [],
        "motMask_reshape": [masks[0].reshape(BINS, BINS, N), masks[1].reshape(4, 6, N)],
        "avgframe": [rng.random(BINS**2)], "avgmotion": [rng.random(BINS**2)],
        "pupil": [], "blink": [], "running": [], "save_path": None,
        "rois": [
            {"rind": 1, "ivid": 0, "xrange": np.arange(4, 28), "yrange": np.arange(8, 24),
             "xrange_bin": np.arange(1, 7), "yrange_bin": np.arange(2, 6)},
        ],
    }  # fmt: skip
    return {**proc, "true_energy": energy, **changes}


def save_facemap(path: Path, proc: dict[str, Any]) -> None:
    """Save a result as facemap does: an object of numpy, or a .mat with the arrays of lists numbered."""
    saved = {name: value for name, value in proc.items() if name != "true_energy"}
    if path.suffix == ".npy":
        np.save(path, saved)
        return
    numbered: dict[str, Any] = {}
    for name, value in saved.items():
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            numbered |= {f"{name}_{i}": array for i, array in enumerate(value)}
        elif value is not None:
            numbered[name] = value
    mat_io.savemat(path, numbered)

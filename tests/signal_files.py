"""FacialSignal.h5 as any program may write it: every kind of region, with numbers that a test knows."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

HEIGHT_BINS, WIDTH_BINS, BIN_PX = 5, 7, 4
N_COMPONENTS = 3
N_BLINKS = 2


def signal_arrays(n_frames: int, seed: int = 0) -> dict[str, Any]:
    """Arrays by their names in the file: region 0 is the whole frame, 1 a snout, then eyes and a wheel."""
    rng = np.random.default_rng(seed)
    motion = rng.gamma(2, 50, (2, n_frames)).astype(np.float32)
    motion[:, [0, n_frames // 2]] = np.nan  # the first frame, and one after a gap
    area = rng.uniform(80, 120, n_frames)
    area[:3], area[3] = np.nan, 0
    opening = rng.uniform(9, 11, n_frames)
    for start in np.linspace(5, n_frames - 8, N_BLINKS).astype(int):
        opening[start : start + 3] = 1.5
    opening[1] = np.nan
    singular = np.array([9.0, 4.0, 1.0])
    tree: dict[str, Any] = {
        "summary/mean_frame": rng.random((HEIGHT_BINS, WIDTH_BINS), np.float32),
        "summary/mean_motion": rng.random((HEIGHT_BINS, WIDTH_BINS), np.float32),
        "summary/bin_px": np.int64(BIN_PX),
        "summary/n_frames": np.array([n_frames]),
        "regions/2/area": area,
        "regions/2/centre": rng.uniform(5, 15, (n_frames, 2)),
        "regions/2/axes": rng.uniform(4, 6, (n_frames, 2)),
        "regions/2/angle": rng.uniform(0, np.pi, n_frames),
        "regions/2/confidence": rng.random(n_frames),
        "regions/3/opening": opening,
        "regions/3/confidence": rng.random(n_frames),
        "regions/4/running": rng.normal(0, 2, (n_frames, 2)),
    }
    for i in (0, 1):
        tree[f"regions/{i}/motion"] = motion[i]
        for name in ("motion_svd", "movie_svd")[: 2 - i]:
            place = f"regions/{i}/{name}"
            shape = (N_COMPONENTS, HEIGHT_BINS, WIDTH_BINS)
            tree[f"{place}/projection"] = rng.normal(size=(n_frames, N_COMPONENTS)).astype("f4")
            tree[f"{place}/mask"] = rng.normal(size=shape).astype("f4")
            tree[f"{place}/singular_values"] = singular * (i + 1)
            tree[f"{place}/share_of_variance"] = singular**2 / 200
    return tree


KINDS = ("motion", "motion", "pupil", "blink", "running")
NAMES = ("whole frame", "snout", "left eye", "left lid", "wheel")


def write_signals(path: Path, n_frames: int, seed: int = 0) -> dict[str, Any]:
    """Write the file; return its arrays."""
    tree = signal_arrays(n_frames, seed)
    with h5py.File(path, "w") as file:
        for i, (kind, name) in enumerate(zip(KINDS, NAMES, strict=True)):
            file[f"regions/{i}/name"] = np.bytes_(name)
            file[f"regions/{i}/kind"] = kind
            file[f"regions/{i}/polygon"] = np.array([[2.0, 2], [20, 2], [20, 12], [2, 12]])
            file[f"regions/{i}/x_range"] = np.array([2, 21])
            file[f"regions/{i}/y_range"] = np.array([2, 13])
        for name, values in tree.items():
            file[name] = values
        for name in ("regions/0/motion_svd", "regions/0/movie_svd", "regions/1/motion_svd"):
            file[name].attrs.update(
                total_variance=200.0, relative_error=0.25, method="streamed covariance"
            )
    return tree

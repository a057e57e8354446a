"""Anchored tracking beside digital image correlation: SUN-DIC on the same pictures, points and subset size.

``python -m benchmarks.dic [--frames 20] [--stills PATH,PATH] [--quick]``. A drawn texture, and the stills
that `real_pictures` takes, denoised, are interpolated to pictures four times as large and sampled where a
known field moves them: at time 0 nothing has moved, and the first frame is SUN-DIC's reference. Templates of
anchored tracking are made of all frames. Frames are stored without loss, in 8 bits. Both run in one thread.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import map_coordinates

from benchmarks.common import CACHE_DIR, write_result
from benchmarks.peer import ask, build_environment
from benchmarks.planted import OVERSAMPLING, fur_texture
from benchmarks.real_pictures import RATE_HZ, Cell, read_still, stills_at_hand
from element_facerhythm.core.tracking import VideoToTrack
from element_facerhythm.core.tracking.anchored import AnchoredSettings, track_anchored
from element_facerhythm.core.tracking.mesh import make_mesh

VERSION = "0.0.35"
ENVIRONMENT_DIR = CACHE_DIR / "sun-dic"
REQUIREMENTS = (f"SUN-DIC=={VERSION}",)
RUNNER = Path(__file__).with_name("dic_peer.py")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
OURS, AFFINE, QUADRATIC = "ours, all points", "SUN-DIC, affine", "SUN-DIC, quadratic"
OURS_THERE = "ours, where affine found the point"
CONTESTANTS = (AFFINE, QUADRATIC, OURS_THERE, OURS)
SHAPES = {AFFINE: "Affine", QUADRATIC: "Quadratic"}
SUBSET_PX, SPACING_PX, N_NEIGHBORS = 29, 24, 10
DRAWN, DRAWN_PX = "drawn texture", 352
MOTIONS = ((2.0, 0.0), (2.0, 4.0), (6.0, 0.0))
"""Largest displacement (pixels) and standard deviation of the noise (gray levels)."""
FROM, TO = 0.2, 0.85
"""Shares of the picture between which points lie, along both axes."""
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Pictures:
    """Frames of one cell, on disk, and how far each point has moved in each.

    Attributes
    ----------
    folder
        Of PNG files.
    size_px
        Height, width.
    home
        (P, 2) float32 points in the first frame.
    true
        (T, P, 2) their displacements in pixels.
    """

    folder: Path
    size_px: tuple[int, int]
    home: NDArray[np.float32]
    true: FloatArray


def main() -> None:
    """Measure all cells, write the result."""
    options = _options()
    if not options.stills and not options.quick:
        print("no stills measured: neither FACERHYTHM_REFERENCE_DATA nor FACERHYTHM_STILLS is set")
    with tempfile.TemporaryDirectory() as scratch:
        rows = []
        for name, picture in _pictures(options.stills):
            for amplitude_px, noise_sd in MOTIONS:
                cell = f"{name} {amplitude_px:g} px noise {noise_sd:g}"
                motion = Cell(Path(), cell, amplitude_px, 0, options.frames)
                folder = Path(scratch, "pictures")
                rows.append(measure(write_pictures(picture, motion, noise_sd, folder), cell))
                print(json.dumps(rows[-1]), flush=True)
                shutil.rmtree(folder)
    means = summary(rows)
    quiet = means["without noise"]
    result = {
        "peer": f"SUN-DIC {VERSION} (MIT licence)",
        "n_frames": options.frames,
        "subset_px": SUBSET_PX,
        "spacing_px": SPACING_PX,
        "rows": rows,
        "summary": means,
        "ours_over_affine": quiet[OURS_THERE]["median_px"] / quiet[AFFINE]["median_px"],
    }
    print(json.dumps(means, indent=1))
    print(write_result("dic", result))


def measure(pictures: Pictures, cell: str) -> dict[str, Any]:
    """Have all of them measure the displacements in the pictures of one cell."""
    found = _theirs(pictures) | {OURS: _ours(pictures)}
    displacement, seconds = found[OURS]
    by_affine = np.isfinite(found[AFFINE][0])
    found[OURS_THERE] = np.where(by_affine, displacement, np.nan), seconds
    row: dict[str, Any] = {"cell": cell, "n_points": len(pictures.home)}
    for name in CONTESTANTS:
        displacement, seconds = found[name]
        error = np.linalg.norm(displacement - pictures.true, axis=-1)[1:]
        row[name] = {
            "median_px": float(np.nanmedian(error)),
            "p95_px": float(np.nanpercentile(error, 95)),
            "not_found": float(np.isnan(error).mean()),
            "cpu_s_per_frame": seconds / len(error),
        }
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric means over the cells without noise, and over those with it."""
    kinds = {
        "without noise": [row for row in rows if row["cell"].endswith("noise 0")],
        "with noise": [row for row in rows if not row["cell"].endswith("noise 0")],
    }
    return {
        kind: {
            who: {
                key: float(np.exp(np.mean([np.log(row[who][key]) for row in some])))
                for key in ("median_px", "p95_px", "cpu_s_per_frame")
            }
            for who in CONTESTANTS
        }
        for kind, some in kinds.items()
    }


def write_pictures(
    picture: NDArray[np.float32], motion: Cell, noise_sd: float, folder: Path
) -> Pictures:
    """Write the frames of one cell.

    Parameters
    ----------
    picture
        (H, W) gray levels, `OVERSAMPLING` times as large as a frame.
    motion
        Says how far what is at a place has moved.
    noise_sd
        Of independent noise, gray levels.
    folder
        Made, for the frames.
    """
    height, width = (n // OVERSAMPLING for n in picture.shape)
    side_px = min(height, width)
    folder.mkdir()
    y, x = np.mgrid[:height, :width].astype(np.float64)
    rng = np.random.default_rng(7)
    for index in range(motion.n_frames):
        from_x, from_y = x, y
        for _ in range(12):  # where does what is here come from?
            dx, dy = motion.displacement(from_x / side_px, from_y / side_px, index / RATE_HZ)
            from_x, from_y = x - dx, y - dy
        gray = sampled(picture, from_x, from_y) + noise_sd * rng.standard_normal(x.shape)
        frame = np.clip(np.rint(gray), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:03d}.png"), frame)
    along = np.arange(round(FROM * side_px), round(TO * side_px), SPACING_PX)
    home = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    at_x, at_y = (home / side_px).T
    times_s = np.arange(motion.n_frames) / RATE_HZ
    true = np.stack([np.stack(motion.displacement(at_x, at_y, t), axis=-1) for t in times_s])
    return Pictures(folder, (height, width), home.astype(np.float32), true)


def _pictures(stills: list[Path]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    yield DRAWN, fur_texture((DRAWN_PX, DRAWN_PX), np.random.default_rng(3))
    for still in stills:
        base = cv2.fastNlMeansDenoising(read_still(still), None, 4, 5, 15)
        yield still.stem, enlarged(base.astype(np.float64))


def enlarged(picture: FloatArray) -> NDArray[np.float32]:
    """Band-limited interpolation, mirrored at the edges."""
    larger = [OVERSAMPLING * n for n in picture.shape]
    levels: FloatArray = OVERSAMPLING * idctn(dctn(picture, norm="ortho"), s=larger, norm="ortho")
    return levels.astype(np.float32)


def sampled(picture: NDArray[np.float32], x: FloatArray, y: FloatArray) -> FloatArray:
    """Gray levels of a picture that is `OVERSAMPLING` times as large at places in pixels of a frame."""
    first = (OVERSAMPLING - 1) / 2
    places = [OVERSAMPLING * y + first, OVERSAMPLING * x + first]
    levels: FloatArray = map_coordinates(picture, places, np.float64, mode="reflect")
    return levels


def _theirs(pictures: Pictures) -> dict[str, tuple[FloatArray, float]]:
    """Displacements (T, P, 2) and processor seconds of SUN-DIC, with each of its shape functions."""
    python = build_environment(ENVIRONMENT_DIR, REQUIREMENTS, with_torch=False)
    first, last = pictures.home[0].astype(int), pictures.home[-1].astype(int)
    roi = [*map(int, first), *map(int, last - first + 1)]
    with tempfile.TemporaryDirectory() as scratch:
        jobs = [
            {
                "folder": str(pictures.folder),
                "shape": shape,
                "subset_px": SUBSET_PX,
                "spacing_px": SPACING_PX,
                "roi": roi,
                "arrays": str(Path(scratch, f"{shape}.npz")),
            }
            for shape in SHAPES.values()
        ]
        answers = ask([python, RUNNER], {"jobs": jobs}, ONE_THREAD)[1]
        found = {}
        for name, job, answer in zip(SHAPES, jobs, answers, strict=True):
            with np.load(str(job["arrays"])) as arrays:
                found[name] = arrays["displacement"], answer["seconds"]
    return found


def _ours(pictures: Pictures) -> tuple[FloatArray, float]:
    """Displacements (T, P, 2) and processor seconds of anchored tracking, once its kernels are compiled."""
    files = sorted(pictures.folder.iterdir())

    def frames(start: int) -> Iterator[NDArray[np.uint8]]:
        return (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files[start:])

    for n_frames in (min(8, len(files)), len(files)):
        out = np.empty((n_frames, len(pictures.home), 2), np.float32)
        started = time.process_time()
        track_anchored(
            [VideoToTrack(frames, n_frames, out)],
            pictures.home,
            AnchoredSettings(window_px=SUBSET_PX),
            mesh=make_mesh(pictures.home, n_neighbors=N_NEIGHBORS),
            visible_mask=np.ones(pictures.size_px, np.bool_),
        )
        seconds = time.process_time() - started
    return (out - pictures.home).astype(np.float64), seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--stills", type=lambda text: [Path(p) for p in text.split(",")])
    parser.add_argument("--quick", action="store_true", help="4 frames of the drawn texture")
    options = parser.parse_args()
    if options.stills is None:
        options.stills = stills_at_hand()
    if options.quick:
        options.frames, options.stills = 4, []
    return options


if __name__ == "__main__":
    main()

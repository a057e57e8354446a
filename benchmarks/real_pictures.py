"""Truth on real pictures: stills of animals, moved by a known field, with noise, coded again.

``python -m benchmarks.real_pictures [--frames 500] [--stills PATH,PATH] [--quick]``. Stills are pictures, or
videos of which the first frame is taken; the default is the video of FACERHYTHM_REFERENCE_DATA and the
pictures of FACERHYTHM_STILLS, a directory. Each is denoised, moved at three places by some pixels at 3 to
11 Hz, given noise that grows with the gray level, and coded. face-rhythm and the flow run without relaxation
and mesh, since what is asked for is displacement.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_cells import parameters_of
from benchmarks.accuracy_measures import confidence_auc, endpoint_errors
from benchmarks.common import CACHE_DIR, write_result
from benchmarks.ours_run import run_job
from benchmarks.peer import VERSION, ask_peer, job
from benchmarks.scenes import with_rois
from element_facerhythm.core.rois import Rois

RATE_HZ, SPACING_PX = 120.0, 10
MOTIONS = ((2.0, 10), (2.0, 23), (6.0, 18))
"""Largest displacement (pixels) and compression (x264's crf) of the cells of each still."""
FURTHER_MOTIONS = ((0.3, 18), (12.0, 18))
EVENTS = ("paw", "blink", "two looks", "mains bands", "light off", "head drift")
"""Further cells, of the first still: other motions, and what happens (with 2 px, crf 18)."""
CENTRES = (
    (0.30, 0.40, 7.0, 1.0, 0.3, 0.16),
    (0.65, 0.45, 11.0, -0.5, 0.9, 0.13),
    (0.45, 0.75, 3.0, 0.4, -0.9, 0.17),
)
"""Place (shares of the picture), frequency (Hz), direction and width (share) of each movement."""
HEAD_DRIFT_PX = (5.0, -3.0)
"""From the first frame to the last."""
MAINS_HZ = 100.0
LOOK_FRAMES = 40
BLINK_EVERY, BLINK_FRAMES = 120, 14
REGION = ((0.15, 0.25), (0.8, 0.25), (0.8, 0.9), (0.15, 0.9))
"""Corners of where points are tracked, in shares of the shorter side."""
VARIANTS = ("default", "flow")
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One still, moved and coded in one way."""

    still: Path
    name: str
    amplitude_px: float
    crf: int
    n_frames: int
    event: str = ""

    def displacement(self, x: FloatArray, y: FloatArray, time_s: float) -> tuple[FloatArray, ...]:
        """Return how far what is at (x, y), in shares of the picture's shorter side, has moved, in pixels."""
        moved = np.zeros((2, *np.shape(x)))
        if self.event == "head drift":
            share = time_s * RATE_HZ / self.n_frames
            moved += np.multiply.outer(HEAD_DRIFT_PX, np.full(np.shape(x), share))
        for cx, cy, hz, ux, uy, width in CENTRES:
            bell = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
            size = self.amplitude_px * bell * math.sin(2 * math.pi * hz * time_s)
            moved += np.stack([ux * size, uy * size])
        return tuple(moved)

    def hidden(self, places: FloatArray) -> NDArray[np.bool_]:
        """Say where nothing can be seen of places (T, P, 2), in shares of the picture's shorter side."""
        hidden = np.zeros(places.shape[:2], np.bool_)
        for index, at in enumerate(places):
            hidden[index] = self.cover(at[:, 0], at[:, 1], index) > 0
            hidden[index] |= self.event == "light off" and self.light(index).max() < 0.5
        return hidden

    def cover(self, x: FloatArray, y: FloatArray, index: int) -> FloatArray:
        """How much of what is at (x, y) is covered in a frame, 0 to 1: by a paw, or a lid."""
        if self.event == "paw":
            center, size = (1.6 * index / self.n_frames - 0.3, 0.5), (0.11, 0.14)
        elif self.event == "blink" and index % BLINK_EVERY >= BLINK_EVERY - BLINK_FRAMES:
            center, size = (0.42, 0.52), (0.08, 0.06)
        else:
            return np.zeros(np.shape(x))
        away = np.hypot((x - center[0]) / size[0], (y - center[1]) / size[1])
        return np.clip((1 - away) * 12, 0, 1)

    def shows_other_look(self, index: int) -> bool:
        """Whether a part of the face, which moves as ever, looks otherwise: a mouth that is open."""
        return self.event == "two looks" and index // LOOK_FRAMES % 3 == 2

    def light(self, index: int) -> FloatArray:
        """(1,) factor of the light in a frame, or (H, 1) where its rows are lit differently."""
        if self.event == "light off":
            return np.array([0.02 if 0.4 <= index / self.n_frames < 0.5 else 1.0])
        if self.event == "mains bands":
            rows = np.linspace(0, 1, 64)
            return 1 + 0.15 * np.sin(2 * np.pi * MAINS_HZ * (index + rows[:, None]) / RATE_HZ)
        return np.ones(1)


def main() -> None:
    """Measure all cells, write the result."""
    options = _options()
    if not options.stills:
        print("not measured: neither FACERHYTHM_REFERENCE_DATA nor FACERHYTHM_STILLS is set")
        return
    rows = []
    for cell in _cells(options.stills, options.frames):
        video, side_px = write_cell(cell)
        polygon = np.array(REGION) * side_px
        bench = with_rois(cell.name, video, Rois(seed_polygons=(polygon,)), spacing_px=SPACING_PX)
        with h5py.File(bench.rois) as file:
            home = file["point_positions"][()]
        tree = parameters_of("drift")
        tree["PointTracker"]["params_optical_flow"]["mesh_rigidity"] = 0.0
        tree["ROIs"] = {"make_rois": {"point_spacing": SPACING_PX}}
        arrays = video.with_suffix(".theirs.npz")
        if not arrays.exists():
            ask_peer(
                [job([video], bench.rois, tree, steps=("track",), arrays=arrays)], setting="tuned"
            )
        row: dict[str, Any] = {"cell": cell.name}
        with np.load(arrays) as theirs:
            points = theirs["points/0"]
        row["theirs"] = _errors(cell, points, home, side_px)
        for variant in VARIANTS:
            _, found = run_job(job([video], bench.rois, tree, steps=("track",)), variant)
            row[variant] = _errors(
                cell, found["points/0"], home, side_px, found.get("confidence/0")
            )
        rows.append(row)
        print(json.dumps(row), flush=True)
    summary = {variant: _summary(rows, variant) for variant in VARIANTS}
    print(json.dumps(summary, indent=1))
    result = {"peer": f"face-rhythm {VERSION}, decord", "rows": rows, "summary": summary}
    print(write_result("real_pictures", result))


def write_cell(cell: Cell) -> tuple[Path, int]:
    """Write the video of a cell, where it is not kept; return it and its shorter side in pixels."""
    picture = read_still(cell.still)
    height, width = picture.shape
    side_px = min(height, width)
    directory = CACHE_DIR / "real"
    directory.mkdir(parents=True, exist_ok=True)
    video = directory / f"{cell.name.replace(' ', '-')}-{cell.n_frames}.mp4"
    if video.exists():
        return video, side_px
    base = cv2.fastNlMeansDenoising(picture, None, 4, 5, 15).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    share = np.clip((1 - np.hypot(x / side_px - 0.42, y / side_px - 0.52) / 0.12) * 8, 0, 1)
    other_look = base + share.astype(np.float32) * (0.9 * base[::-1] - base)
    rng = np.random.default_rng(7)
    partial = video.with_suffix(".partial.mp4")
    with av.open(partial, "w") as container:
        stream = container.add_stream("libx264", rate=int(RATE_HZ))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(cell.crf), "preset": "medium"}
        for index in range(cell.n_frames):
            from_x, from_y = x, y
            for _ in range(12):  # where does what is here come from?
                dx, dy = cell.displacement(from_x / side_px, from_y / side_px, index / RATE_HZ)
                from_x, from_y = x - dx, y - dy
            look = other_look if cell.shows_other_look(index) else base
            moved = cv2.remap(
                look, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT,
            )  # fmt: skip
            cover = cell.cover(x / side_px, y / side_px, index)
            moved += cover.astype(np.float32) * (_fur(base, index) - moved)
            light = cell.light(index).astype(np.float32)
            if light.ndim == 2:
                light = cv2.resize(light, (1, height))
            moved *= light
            noise = rng.standard_normal(moved.shape) * (1 + 0.3 * np.sqrt(np.clip(moved, 0, 255)))
            gray = np.clip(moved + noise, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    partial.replace(video)
    return video, side_px


def stills_at_hand() -> list[Path]:
    """Return the video of FACERHYTHM_REFERENCE_DATA and the pictures of FACERHYTHM_STILLS, where set."""
    reference, stills = (
        os.environ.get("FACERHYTHM_REFERENCE_DATA"),
        os.environ.get("FACERHYTHM_STILLS"),
    )
    videos = sorted(Path(reference, "video").iterdir()) if reference else []
    pictures = sorted(Path(stills).glob("*.png")) if stills else []
    return [*videos[:1], *pictures]


def read_still(path: Path) -> NDArray[np.uint8]:
    """Read a picture, or the first frame of a video, as gray levels of even height and width."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        with av.open(path) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="gray")
    height, width = (n - n % 2 for n in picture.shape)
    return np.ascontiguousarray(picture[:height, :width], np.uint8)


def _fur(base: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Other fur, which moves: the picture upside down, darker, carried along."""
    return 0.7 * np.roll(base[::-1], 2 * index, axis=1)


def _cells(stills: list[Path], n_frames: int) -> Iterator[Cell]:
    for number, still in enumerate(stills):
        more = FURTHER_MOTIONS if number == 0 else ()
        for amplitude_px, crf in (*MOTIONS, *more):
            name = f"{still.stem} {amplitude_px:g} px crf {crf}"
            yield Cell(still, name, amplitude_px, crf, n_frames)
        for event in EVENTS if number == 0 else ():
            yield Cell(still, f"{still.stem} {event}", 2.0, 18, n_frames, event)


def _errors(
    cell: Cell, points: Any, home: Any, side_px: int, confidence: Any = None
) -> dict[str, float]:
    """Distances from the truth where points are to be seen; at time 0 nothing has moved."""
    x, y = (home.astype(np.float64) / side_px).T
    times_s = np.arange(len(points)) / RATE_HZ
    true = home + np.array([np.stack(cell.displacement(x, y, t), axis=-1) for t in times_s])
    errors = endpoint_errors(points, true, ~cell.hidden(true / side_px))
    error = np.linalg.norm(points - true, axis=-1)
    moved = (true - home).ravel()
    measures = {
        **errors,
        "last_tenth_over_all": float(np.median(error[-len(error) // 10 :]) / np.median(error)),
        "amplitude": float(moved @ (points - home).ravel() / (moved @ moved)),
    }
    if confidence is not None:
        measures["confidence_auc"] = confidence_auc(confidence, error)
    return measures


def _summary(rows: list[dict[str, Any]], variant: str) -> dict[str, float]:
    """Geometric means of ours over theirs, and the worst cell."""
    ratios = {
        name: [row[variant][name] / row["theirs"][name] for row in rows]
        for name in ("median_px", "p95_px")
    }
    means = {name: math.exp(float(np.mean(np.log(values)))) for name, values in ratios.items()}
    summary = {
        **means,
        "worst": max(max(values) for values in ratios.values()),
        "worst_drift_px": max(row[variant]["drift_px"] for row in rows),
    }
    if "confidence_auc" in rows[0][variant]:
        aucs = [row[variant]["confidence_auc"] for row in rows]
        summary["confidence_auc"] = float(np.mean(aucs))
    return summary


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--stills", type=lambda text: [Path(p) for p in text.split(",")])
    parser.add_argument(
        "--quick", action="store_true", help="a few frames of a still that is drawn"
    )
    options = parser.parse_args()
    if options.stills is None:
        options.stills = stills_at_hand()
    if options.quick:
        options.frames, options.stills = 40, options.stills[:1]
    return options


if __name__ == "__main__":
    main()

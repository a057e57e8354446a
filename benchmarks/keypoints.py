"""Keypoints: ours beside facemap 1.0.8's own `Pose` on the same video and weights, interleaved in one run.

``python -m benchmarks.keypoints [--rounds 5] [--frames 300] [--quick]``. The network is facemap's at its
published size (3.2 million weights) with random weights: what is compared is speed and that positions are
equal, not what is found. On a CUDA device, ours is timed there too. ``--golden`` writes the numbers that
tests/unit/keypoints/test_facemap.py holds ours to.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import CACHE_DIR, REPOSITORY_DIR, interleaved, ratio_of_medians, write_result
from benchmarks.peer import ask, build_environment
from benchmarks.scenes import face_video
from element_facerhythm.keypoints.facemap_frames import BoundingBox
from element_facerhythm.keypoints.facemap_model import FACEMAP_BODY_PARTS, load_facemap_model
from element_facerhythm.keypoints.facemap_run import predict_keypoints
from element_facerhythm.video import probe_video

FACEMAP_VERSION = "1.0.8"
ENVIRONMENT_DIR = CACHE_DIR / "facemap"
REQUIREMENTS = (
    f"facemap=={FACEMAP_VERSION}",
    "matplotlib",
    "pandas",
)  # it imports them without asking
RUNNER = Path(__file__).with_name("keypoints_peer.py")
CHANNELS = [32, 64, 128, 200, 200]
GOLDEN_CHANNELS = [4, 5, 6, 7, 8]
GOLDEN = REPOSITORY_DIR / "tests" / "unit" / "keypoints" / "facemap_golden.npz"
PEER, OURS, OURS_CUDA = "facemap", "ours", "ours, CUDA"


def main() -> None:
    """Measure, print, write the result."""
    options = _options()
    if options.golden:
        write_golden()
        return
    rounds = 1 if options.quick else options.rounds
    result = measure(40 if options.quick else options.frames, rounds)
    print(write_result("keypoints", result))


def measure(n_frames: int, rounds: int) -> dict[str, Any]:
    """Time the contestants on one video; compare their positions."""
    bench = face_video(n_frames)
    video = probe_video(bench.video)
    with tempfile.TemporaryDirectory() as scratch:
        weights = random_weights(CHANNELS, len(FACEMAP_BODY_PARTS), Path(scratch, "weights.pt"))
        arrays = Path(scratch, "found.npz")
        found: dict[str, Any] = {}
        runs: dict[str, Callable[[], float]] = {
            PEER: partial(_theirs, {"video": str(bench.video), "arrays": str(arrays)}, weights),
            OURS: partial(_ours, video, weights, "cpu", found),
        }
        if torch.cuda.is_available():
            runs[OURS_CUDA] = partial(_ours, video, weights, "cuda", found)
        timings = interleaved(runs, rounds, warm_up=False)
        with np.load(arrays) as file:
            theirs = file["found"][..., :2]
    apart = {name: np.abs(positions - theirs) for name, positions in found.items()}
    result = {
        "peer": f"facemap {FACEMAP_VERSION}",
        "video": bench.name,
        "n_frames": video.n_frames,
        "timings": timings,
        "frames_per_s": {name: video.n_frames / t.median_s for name, t in timings.items()},
        "ratios": {n: ratio_of_medians(timings, PEER, n) for n in timings if n != PEER},
        "largest_difference_px": {name: float(values.max()) for name, values in apart.items()},
    }
    for name in ("frames_per_s", "ratios", "largest_difference_px"):
        print(name, result[name])
    return result


def random_weights(channels: list[int], n_outputs: int, path: Path) -> Path:
    """Write weights of facemap's network that nobody trained."""
    from facemap.pose.facemap_network import FMnet

    torch.manual_seed(1)
    network = FMnet(1, n_outputs, list(range(n_outputs)), channels, torch.device("cpu"))
    torch.save(network.state_dict(), path)
    return path


def write_golden() -> None:
    """Have facemap's functions work on a few frames in boxes of all shapes, and keep what they say."""
    rng = np.random.default_rng(5)
    boxes = {
        "whole": (0, 70, 0, 91),
        "square": (4, 60, 10, 66),
        "tall": (3, 68, 20, 41),
        "odd": (0, 69, 1, 90),
    }
    arrays: dict[str, Any] = {"cases": np.array(list(boxes))}
    for name, bbox in boxes.items():
        coarse = rng.integers(0, 255, (2, 10, 13)).astype(np.uint8)
        arrays[f"{name}/frames"] = np.stack([np.kron(c, np.ones((7, 7), np.uint8)) for c in coarse])
        arrays[f"{name}/bbox"] = np.array(bbox)
    with tempfile.TemporaryDirectory() as scratch:
        weights = random_weights(GOLDEN_CHANNELS, 3, Path(scratch, "weights.pt"))
        cases, found = Path(scratch, "cases.npz"), Path(scratch, "found.npz")
        np.savez(cases, **arrays)
        _ask({"cases": str(cases), "arrays": str(found)}, weights, GOLDEN_CHANNELS)
        with np.load(found) as results:
            arrays |= {f"{name}/expected": results[name] for name in boxes}
        arrays |= {f"state/{k}": v.numpy() for k, v in torch.load(weights).items()}
    arrays["body_parts"] = np.array(["a", "b", "c"])
    np.savez_compressed(GOLDEN, **arrays)
    print(f"{GOLDEN}: {GOLDEN.stat().st_size} bytes")


def _theirs(request: dict[str, Any], weights: Path) -> float:
    return float(_ask(request, weights, CHANNELS)["seconds"])


def _ask(request: dict[str, Any], weights: Path, channels: list[int]) -> dict[str, Any]:
    python = build_environment(ENVIRONMENT_DIR, REQUIREMENTS)
    with tempfile.TemporaryDirectory() as home:
        content = {**request, "weights": str(weights), "channels": channels}
        (answer,) = ask([python, RUNNER], content, {"HOME": home, "QT_QPA_PLATFORM": "offscreen"})[
            1
        ]
    return answer


def _ours(video: Any, weights: Path, device: str, found: dict[str, Any]) -> float:
    model = load_facemap_model(weights, FACEMAP_BODY_PARTS, device=torch.device(device))
    box = BoundingBox.whole(video.width_px, video.height_px)
    run = predict_keypoints([video], [box], model)
    found[OURS if device == "cpu" else OURS_CUDA] = run.predictions.positions[:, 0]
    return run.seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="one round of 40 frames")
    parser.add_argument("--golden", action="store_true", help="write the numbers of the tests")
    return parser.parse_args()


if __name__ == "__main__":
    main()

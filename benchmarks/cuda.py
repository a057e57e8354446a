"""What a CUDA device does: anchored tracking, spectrograms, decomposition, keypoints.

``python -m benchmarks.cuda [--rounds 3] [--quick]``. Ends at once, with one line, where there is no CUDA
device; elsewhere it takes some minutes. Timings are medians of several passes after one that is not timed
(kernels are compiled in it).

- frames resident: the frames of the textured face lie in device memory, as gray levels, before the clock
  starts; smoothing, matching, neighbours, and the way of the points to the host are timed.
- from files: copies of the same video, several at once; beside it the decoding alone by the same readers.
- agreement: the same frames matched by the compiled kernels of the CPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import write_result
from benchmarks.decomposition import ours as decompose_ours
from benchmarks.decomposition import planted_factors, planted_spectrogram
from benchmarks.keypoints import CHANNELS, random_weights
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.spectral import DOWNSAMPLE_FACTOR, filter_bank, make_traces
from element_facerhythm.core.rois import place_rois
from element_facerhythm.core.spectral import TransformOptions, variable_q_transform
from element_facerhythm.core.tracking import VideoToTrack, make_mesh
from element_facerhythm.core.tracking.anchored.fusing import can_fuse
from element_facerhythm.core.tracking.anchored.hints import displacements_between
from element_facerhythm.core.tracking.anchored.on_device import (
    DeviceWork,
    frames_per_block,
    read_blocks,
)
from element_facerhythm.core.tracking.anchored.references import build_matcher
from element_facerhythm.core.tracking.anchored.settings import AnchoredSettings
from element_facerhythm.core.tracking.light import sample_places
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.keypoints.facemap_frames import BoundingBox
from element_facerhythm.keypoints.facemap_model import FACEMAP_BODY_PARTS, load_facemap_model
from element_facerhythm.keypoints.facemap_run import predict_keypoints
from element_facerhythm.video import iterate_gray_frames, probe_video
from element_facerhythm.video.cuda_reader import cuda_frame_reader

BLOCKS = (32, 109, 256)
SIDES = (AnchoredSettings().window_px, 17, 17)
PAD_PX = 64
GOALS = {"resident_frames_per_s": 20_000.0, "over_decoding": 1.5, "median_px": 0.02}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    n_drawn: int
    n_samples_drawn: int
    blocks: tuple[int, ...]
    n_frames_in_file: int
    n_videos: int
    n_compared: int
    n_traces: int
    n_samples: int
    n_windows: int
    n_keypoint_frames: int
    rounds: int


FULL = Sizes(600, 96, BLOCKS, 3000, 4, 300, 1920, 60_000, 676, 300, 3)
QUICK = Sizes(24, 8, (8, 24), 24, 2, 16, 40, 6000, 60, 4, 1)


class Scene:
    """A benchmark video, the first frames of it, and templates made of some of them on the CPU."""

    def __init__(self, bench: BenchVideo, sizes: Sizes) -> None:
        self.bench = bench
        facts = probe_video(bench.video)
        size = {"height_px": facts.height_px, "width_px": facts.width_px}
        placed = place_rois(read_rois(bench.rois), **size, spacing_px=1)
        self.n_points = len(placed.point_positions)
        self.frames = np.stack(list(islice(iterate_gray_frames(bench.video), sizes.n_drawn)))
        self.part = VisiblePart(placed.visible_mask, PAD_PX)
        self.places = sample_places(placed.visible_mask)
        corner = PAD_PX - self.part.layout[2:4]
        self.indices = np.linspace(0, sizes.n_drawn - 1, sizes.n_samples_drawn).astype(np.int64)
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            self.matcher, self._displacements = build_matcher(
                np.stack([self.part.smoothed(self.frames[index]) for index in self.indices]),
                (placed.point_positions + corner).astype(np.float32),
                make_mesh(placed.point_positions, n_neighbors=8).neighbors,
                (self.part.weights * 4096).astype(np.int16),
                SIDES,
                AnchoredSettings().displacement_threshold_px,
                executor,
            )

    def between(self, _: int, numbers: np.ndarray) -> np.ndarray:
        """Return displacements to begin from; the frames that were drawn are repeated."""
        period = len(self.frames)
        return displacements_between(self.indices, self._displacements, numbers % period)

    def work(self, device: torch.device) -> DeviceWork:
        """Return what is done to a block of frames."""
        return DeviceWork(self.matcher, self.part, self.places, device, self.between)

    def video(self, open_reader: Callable[[], Any] | None = None) -> VideoToTrack:
        """Return the video as tracking takes it; where its points go is not what is timed."""
        path = self.bench.video
        n_frames, out = probe_video(path).n_frames, np.empty((0, 0, 2), np.float32)
        return VideoToTrack(_opener(path), n_frames, out, open_reader=open_reader)


def main() -> int:
    """Measure everything and write the result; return the exit status."""
    options = _options()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("cuda: nothing was measured, torch sees no CUDA device here")
        return 0
    sizes = QUICK if options.quick else FULL
    sizes = replace(sizes, rounds=options.rounds or sizes.rounds)
    device = torch.device(options.device)
    width_px, height_px = (320, 240) if options.quick else (640, 480)
    bench = face_video(sizes.n_frames_in_file, width_px=width_px, height_px=height_px)
    scene = Scene(bench, sizes)
    is_cuda = device.type == "cuda"
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if is_cuda else "cpu",
        "is_fused": is_cuda and can_fuse(),
        "n_points": scene.n_points,
        "goals": GOALS,
    }
    print(f"device {result['device']}, fused: {result['is_fused']}, {scene.n_points} points")
    parts: dict[str, Callable[[], Any]] = {
        "agreement": partial(agreement, scene, device, sizes),
        "resident": partial(resident, scene, device, sizes),
        "launches": partial(launches, scene, device),
        "from_files": partial(from_files, scene, device, sizes),
        "spectral": partial(spectral, device, sizes),
        "decomposition": partial(decomposition, device, sizes),
        "keypoints": partial(keypoints, device, sizes),
    }
    for name, measure in parts.items():
        started = time.perf_counter()
        result[name] = measure()
        print(f"{name} ({time.perf_counter() - started:.0f} s): {result[name]}", flush=True)
    if is_cuda:
        print(write_result("cuda", result))
    return 0


def timed(run: Callable[[], Any], rounds: int, device: torch.device) -> float:
    """Median seconds of a run, after one that is not timed."""
    run()
    return statistics.median(_seconds(run, device) for _ in range(rounds))


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def agreement(scene: Scene, device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Distances in pixels between places found on the device and on the CPU."""
    frames = scene.frames[: sizes.n_compared]
    on_cpu = scene.matcher.match(np.stack([scene.part.smoothed(frame) for frame in frames]))
    found, _ = scene.work(device)(0, 0, torch.from_numpy(frames))
    both = found.taken & on_cpu.taken
    apart = np.linalg.norm(found.displacement - on_cpu.displacement, axis=2)
    return {
        "median_px": float(np.median(apart)),
        "p99_px": float(np.quantile(apart[both], 0.99)),
        "max_px": float(apart.max()),
        "same_violations": float(np.mean(found.taken == on_cpu.taken)),
    }


def resident(scene: Scene, device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Frames tracked per second with frames in device memory, by the frames of a block."""
    frames = torch.from_numpy(scene.frames).to(device)
    work, rates = scene.work(device), {}
    for n_frames in sizes.blocks:
        starts = range(0, len(frames) - n_frames + 1, n_frames)

        def track(n: int = n_frames, starts: range = starts) -> None:
            for first in starts:
                work(0, first, frames[first : first + n])

        rates[str(n_frames)] = len(starts) * n_frames / timed(track, sizes.rounds, device)
    return rates


def launches(scene: Scene, device: torch.device) -> dict[str, float] | None:
    """Kernels launched, and microseconds on the device per frame, for a block of 64 frames."""
    if device.type != "cuda":
        return None
    frames = torch.from_numpy(scene.frames[:64]).to(device)
    work = scene.work(device)
    work(0, 0, frames)
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        work(0, 0, frames)
        _wait(device)
    kernels = [e for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    by_name: dict[str, list[float]] = {}
    for event in kernels:
        by_name.setdefault(event.name.split("(")[0][:60], []).append(event.device_time)
    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:8]
    return {
        "per_block": len(kernels),
        "device_us_per_frame": sum(e.device_time for e in kernels) / len(frames),
        **{f"us_per_frame {name}": sum(times) / len(frames) for name, times in longest},
    }


def from_files(scene: Scene, device: torch.device, sizes: Sizes) -> dict[str, Any]:
    """Frames per second from files, by each way of decoding, beside the decoding alone."""
    path, n_threads = scene.bench.video, os.cpu_count() or 1
    work = scene.work(device)
    ways: dict[str, Callable[[], Any] | None] = {
        "torchcodec": lambda: cuda_frame_reader([path], device),
        "pyav": None,
    }
    found: dict[str, Any] = {"n_videos": sizes.n_videos}
    for name, open_reader in ways.items():
        videos = [scene.video(open_reader) for _ in range(sizes.n_videos)]
        n_frames = frames_per_block(scene.frames[0].size)

        def decode(videos: list[VideoToTrack] = videos, n: int = n_frames) -> None:
            for _ in read_blocks(videos, n, n_threads):
                pass

        def track(videos: list[VideoToTrack] = videos, n: int = n_frames) -> None:
            with ThreadPoolExecutor(1) as executor:
                pending = []
                for number, first, frames in read_blocks(videos, n, n_threads):
                    pending.append(executor.submit(work, number, first, frames))
                    if len(pending) > 2:
                        pending.pop(0).result()
                for block in pending:
                    block.result()

        tracking_s = timed(track, sizes.rounds, device)
        decoding_s = timed(decode, sizes.rounds, device)
        total = sum(video.n_frames for video in videos)
        found[name] = {
            "frames_per_s": total / tracking_s,
            "decoding_alone_frames_per_s": total / decoding_s,
            "over_decoding": tracking_s / decoding_s,
        }
    return found


def spectral(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Seconds of the transform of the same traces on the CPU and on the device."""
    traces, bank = make_traces(sizes.n_traces, sizes.n_samples), filter_bank()

    def transform(where: str | torch.device) -> Any:
        return variable_q_transform(
            traces, bank, TransformOptions(DOWNSAMPLE_FACTOR, "valid", take_abs=True), device=where
        )

    on_cpu, on_device = transform("cpu"), transform(device)
    scale = float(np.sqrt(np.mean(np.square(on_cpu))))
    rms = float(np.sqrt(np.mean(np.square(on_cpu - on_device)))) / scale
    return {
        "cpu_s": _seconds(lambda: transform("cpu"), torch.device("cpu")),
        "device_s": timed(lambda: transform(device), sizes.rounds, device),
        "relative_rms_difference": rms,
    }


def decomposition(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Seconds of the decomposition of the same tensor on the CPU and on the device."""
    n_points = sizes.n_traces // 2
    spectrogram = planted_spectrogram(planted_factors(n_points, 55, sizes.n_windows))
    on_cpu = decompose_ours(spectrogram, device="cpu")
    on_device = decompose_ours(spectrogram, device=str(device))
    return {
        "cpu_s": _seconds(lambda: decompose_ours(spectrogram, device="cpu"), torch.device("cpu")),
        "device_s": timed(
            lambda: decompose_ours(spectrogram, device=str(device)), sizes.rounds, device
        ),
        "relative_error_cpu": on_cpu.relative_error,
        "relative_error_device": on_device.relative_error,
    }


def keypoints(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Frames per second of facemap's network at its size, untrained; `benchmarks.keypoints` has the peer."""
    video = probe_video(face_video(sizes.n_keypoint_frames).video)
    box = BoundingBox.whole(video.width_px, video.height_px)
    positions, rates = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        weights = random_weights(CHANNELS, len(FACEMAP_BODY_PARTS), Path(scratch, "weights.pt"))
        for name, where in (("cpu", torch.device("cpu")), ("device", device)):
            model = load_facemap_model(weights, FACEMAP_BODY_PARTS, device=where)
            predict_keypoints([video], [box], model)
            run = predict_keypoints([video], [box], model)
            positions[name] = run.predictions.positions
            rates[f"{name}_frames_per_s"] = video.n_frames / run.seconds
    apart = np.abs(positions["cpu"] - positions["device"])
    return {**rates, "largest_difference_px": float(np.nanmax(apart))}


def _opener(path: Path) -> Callable[[int], Iterator[np.ndarray]]:
    return lambda start: iterate_gray_frames(path, start=start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once, on next to nothing")
    parser.add_argument("--rounds", type=int, help="passes that are timed")
    parser.add_argument(
        "--device", default="cuda", help="cpu tries whether the script runs; nothing is written"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

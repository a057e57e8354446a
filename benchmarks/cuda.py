"""What a CUDA device does: tracking with frames resident and from files, spectrograms, decomposition.

``python -m benchmarks.cuda [--rounds 5] [--quick]``. Ends at once, with one line, where there is no CUDA
device. Timings are medians of several passes after one that is not timed (kernels are compiled in it).

- frames resident: the frames of the textured face lie in device memory, as gray levels, before the clock
  starts; CLAHE, pyramids, flow, mesh, relaxation and the way of the points to the host are timed.
- from files: copies of the same video, all at once, cut into blocks of time; beside it the decoding alone by
  the same reader with as many threads.
- agreement: the same video tracked on the CPU.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import write_result
from benchmarks.decomposition import ours as decompose_ours
from benchmarks.decomposition import planted_factors, planted_spectrogram
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.spectral import DOWNSAMPLE_FACTOR, filter_bank, make_traces
from element_facerhythm.core.rois import place_rois
from element_facerhythm.core.spectral import TransformOptions, variable_q_transform
from element_facerhythm.core.tracking import TrackingSettings, VideoToTrack, track_points
from element_facerhythm.core.tracking.batched import (
    BatchSizes,
    IteratedFrames,
    TrackingSequence,
    has_triton,
    track_side_by_side,
)
from element_facerhythm.core.tracking.videos import track_videos
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline.run.core_arguments import tracking_mesh, tracking_settings
from element_facerhythm.video import iterate_gray_frames, probe_video
from element_facerhythm.video.cuda_reader import cuda_frame_reader

SIDE_BY_SIDE = (1, 16, 64, 128, 256)
FRAMES_PER_BLOCK = 1000
FRAMES_READ = 32
GOALS = {"resident_frames_per_s": 20_000.0, "over_decoding": 1.5, "median_px": 0.02}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    n_drawn: int
    n_frames_in_file: int
    n_frames_each: int
    side_by_side: tuple[int, ...]
    n_videos: int
    n_compared: int
    n_traces: int
    n_samples: int
    n_windows: int
    rounds: int


FULL = Sizes(600, 6000, 1000, SIDE_BY_SIDE, 8, 600, 1920, 60_000, 676, 5)
QUICK = Sizes(12, 12, 12, (1, 2), 2, 10, 40, 6000, 60, 1)


class ResidentFrames:
    """A reader whose frames lie on the device, repeated as often as asked for."""

    def __init__(self, frames: torch.Tensor) -> None:
        self._frames = frames

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Return frames (n, H, W); a view wherever they do not wrap around."""
        n_frames = len(self._frames)
        first = start % n_frames
        if first + stop - start <= n_frames:
            return self._frames[first : first + stop - start]
        index = torch.arange(start, stop, device=self._frames.device) % n_frames
        return self._frames[index]

    def close(self) -> None:
        """Nothing is to be closed."""


class Scene:
    """A benchmark video and what `track_points` is told about it."""

    def __init__(self, bench: BenchVideo) -> None:
        self.bench = bench
        facts = probe_video(bench.video)
        placed = place_rois(
            read_rois(bench.rois),
            height_px=facts.height_px,
            width_px=facts.width_px,
            spacing_px=1,
        )
        parameters = parameters_from_mapping(bench.parameters).parameters
        self.homes = placed.point_positions
        self.settings = tracking_settings(parameters)
        self.where = {
            "mesh": tracking_mesh(parameters, self.homes),
            "visible_mask": placed.visible_mask,
        }

    def frames(self, n_frames: int) -> np.ndarray:
        """Return the first frames (T, H, W) uint8."""
        return np.stack(list(islice(iterate_gray_frames(self.bench.video), n_frames)))

    def output(self, n_frames: int) -> np.ndarray:
        """Return memory for points."""
        return np.empty((n_frames, len(self.homes), 2), np.float32)


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
    scene = Scene(face_video(sizes.n_frames_in_file, width_px=width_px, height_px=height_px))
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "backend": "triton" if device.type == "cuda" and has_triton() else "torch",
        "n_points": len(scene.homes),
        "goals": GOALS,
        "agreement": agreement(scene, device, sizes, refine=False),
        "agreement_refined": agreement(scene, device, sizes, refine=True),
        "launches": launches(scene, device),
        "resident": resident(scene, device, sizes),
        "from_files": from_files(scene, device, sizes),
        "spectral": spectral(device, sizes),
        "decomposition": decomposition(device, sizes),
    }
    _report(result)
    if device.type == "cuda":
        print(write_result("cuda", result))
    return 0


def timed(run: Callable[[], Any], rounds: int, device: torch.device) -> float:
    """Median seconds of a run, after one that is not timed."""
    run()
    seconds = []
    for _ in range(rounds):
        _wait(device)
        started = time.perf_counter()
        run()
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def resident(scene: Scene, device: torch.device, sizes: Sizes) -> list[dict[str, float]]:
    """Frames tracked per second with frames in device memory, over the number of sequences."""
    frames = torch.from_numpy(scene.frames(sizes.n_drawn)).to(device)
    rows = []
    for equalise, refine in ((True, False), (True, True), (False, False)):
        settings = replace(scene.settings, refine=refine)
        if not equalise:
            settings = replace(settings, clahe=None)
        for n_sequences in sizes.side_by_side:
            track = _resident_run(scene, frames, device, sizes, n_sequences, settings)
            seconds = timed(track, sizes.rounds, device)
            rows.append(
                {
                    "n_sequences": n_sequences,
                    "clahe": equalise,
                    "refine": refine,
                    "frames_per_s": n_sequences * sizes.n_frames_each / seconds,
                }
            )
    return rows


def _resident_run(
    scene: Scene,
    frames: torch.Tensor,
    device: torch.device,
    sizes: Sizes,
    n_sequences: int,
    settings: TrackingSettings,
) -> Callable[[], Any]:
    out = scene.output(sizes.n_frames_each)  # all write to it: where points go is not what is timed
    sequences = [
        TrackingSequence(lambda: ResidentFrames(frames), 7 * i, sizes.n_frames_each, out)
        for i in range(n_sequences)
    ]
    batch = BatchSizes(n_side_by_side=n_sequences, n_frames_read=FRAMES_READ)
    return lambda: track_side_by_side(
        sequences, scene.homes, settings, device=device, sizes=batch, **scene.where
    )


def launches(scene: Scene, device: torch.device) -> dict[str, float] | None:
    """Kernels launched and microseconds on the device, per frame of one sequence (of 64 frames)."""
    if device.type != "cuda":
        return None
    n_frames = 64
    frames = torch.from_numpy(scene.frames(n_frames)).to(device)
    size = replace(QUICK, n_drawn=n_frames, n_frames_each=n_frames)
    track = _resident_run(scene, frames, device, size, 1, scene.settings)
    track()
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        track()
        _wait(device)
    kernels = [e for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    by_name: dict[str, list[float]] = {}
    for event in kernels:
        by_name.setdefault(event.name.split("(")[0][:60], []).append(event.device_time)
    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:8]
    return {
        "per_frame": len(kernels) / n_frames,
        "device_us_per_frame": sum(e.device_time for e in kernels) / n_frames,
        **{f"us_per_frame {name}": sum(times) / n_frames for name, times in longest},
    }


def from_files(scene: Scene, device: torch.device, sizes: Sizes) -> dict[str, Any]:
    """Frames per second from files, by each way of decoding, beside the decoding alone."""
    path, n_frames = scene.bench.video, probe_video(scene.bench.video).n_frames
    n_threads = os.cpu_count() or 1
    readers: dict[str, Callable[[], Any]] = {
        "torchcodec": lambda: cuda_frame_reader([path], device),
        "pyav": lambda: IteratedFrames(_opener(path), pinned=device.type == "cuda"),
    }
    found: dict[str, Any] = {"n_videos": sizes.n_videos, "n_frames_each": n_frames}
    for name, open_reader in readers.items():
        videos = [
            VideoToTrack(_opener(path), n_frames, scene.output(n_frames), open_reader=open_reader)
            for _ in range(sizes.n_videos)
        ]

        def track(videos: list[VideoToTrack] = videos) -> Any:
            return track_videos(
                videos,
                scene.homes,
                scene.settings,
                device=device,
                frames_per_block=FRAMES_PER_BLOCK,
                **scene.where,
            )

        def decode(open_reader: Callable[[], Any] = open_reader) -> None:
            with ThreadPoolExecutor(n_threads) as executor:
                all_readers = [open_reader() for _ in range(sizes.n_videos)]
                list(executor.map(lambda reader: _read_all(reader, n_frames), all_readers))

        tracking_s = timed(track, sizes.rounds, device)
        decoding_s = timed(decode, sizes.rounds, device)
        total = sizes.n_videos * n_frames
        found[name] = {
            "frames_per_s": total / tracking_s,
            "decoding_alone_frames_per_s": total / decoding_s,
            "over_decoding": tracking_s / decoding_s,
        }
    return found


def agreement(
    scene: Scene, device: torch.device, sizes: Sizes, *, refine: bool
) -> dict[str, float]:
    """Distances in pixels between the tracks of the device and of the CPU."""
    settings = replace(scene.settings, refine=refine)
    frames = scene.frames(sizes.n_compared)
    out = scene.output(len(frames))
    sequence = TrackingSequence(
        lambda: ResidentFrames(torch.from_numpy(frames).to(device)), 0, len(frames), out
    )
    track_side_by_side([sequence], scene.homes, settings, device=device, **scene.where)
    on_cpu = track_points(
        lambda start: iter(frames[start:]), len(frames), scene.homes, settings, **scene.where
    )
    apart = np.linalg.norm(out - on_cpu.points, axis=2)
    return {
        "median_px": float(np.median(apart)),
        "p99_px": float(np.quantile(apart, 0.99)),
        "max_px": float(apart.max()),
    }


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
        "cpu_s": timed(lambda: transform("cpu"), 1, torch.device("cpu")),
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
        "cpu_s": timed(lambda: decompose_ours(spectrogram, device="cpu"), 1, torch.device("cpu")),
        "device_s": timed(
            lambda: decompose_ours(spectrogram, device=str(device)), sizes.rounds, device
        ),
        "relative_error_cpu": on_cpu.relative_error,
        "relative_error_device": on_device.relative_error,
    }


def _opener(path: Path) -> Callable[[int], Iterator[np.ndarray]]:
    return lambda start: iterate_gray_frames(path, start=start)


def _read_all(reader: Any, n_frames: int) -> None:
    for start in range(0, n_frames, FRAMES_READ):
        reader.read(start, min(start + FRAMES_READ, n_frames))
    reader.close()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _report(result: dict[str, Any]) -> None:
    print(f"device {result['device']}, flow by {result['backend']}, {result['n_points']} points")
    for row in result["resident"]:
        clahe = "with" if row["clahe"] else "without"
        refined = "refined" if row["refine"] else ""
        print(
            f"  resident, {row['n_sequences']:4d} sequences, {clahe:7s} CLAHE {refined:8s}: "
            f"{row['frames_per_s']:9.0f} frames/s"
        )
    for name in ("torchcodec", "pyav"):
        row = result["from_files"][name]
        print(
            f"  from files by {name}: {row['frames_per_s']:.0f} frames/s; decoding alone "
            f"{row['decoding_alone_frames_per_s']:.0f}; {row['over_decoding']:.2f} times its time"
        )
    for name in ("launches", "agreement", "agreement_refined", "spectral", "decomposition"):
        print(f"  {name}: {result[name]}")


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

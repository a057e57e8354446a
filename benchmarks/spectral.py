"""Spectrograms: speed against the vqt library that face-rhythm 0.3.3 uses, errors, growth of cost.

``python -m benchmarks.spectral`` transforms the same traces with the library (in the peer's environment) and
with this package, exact and fast, interleaved in one run, at face-rhythm's default parameters; then measures
how time and memory grow with frames and with points, each size in a process of its own that reads tracks from
a file and writes spectrograms to another, as a run does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.common import (
    REPOSITORY_DIR,
    growth_exponent,
    interleaved,
    ratio_of_medians,
    run_child,
    write_result,
)
from benchmarks.peer import peer_python
from element_facerhythm.core.spectral import (
    FilterBank,
    Normalisation,
    TransformOptions,
    choose_strides,
    expected_errors,
    make_filter_bank,
    point_spectrograms,
    variable_q_transform,
)

PEER_RUNNER = Path(__file__).with_name("spectral_peer.py")
FRAME_RATE_HZ = 120.0
DOWNSAMPLE_FACTOR = 20
N_FREQUENCIES = 55
N_TRACES = 200
GOALS = {"fast": 8.0, "exact": 3.0, "relative_rms": 1e-3, "exponent": 1.05}


def make_traces(n_traces: int, n_frames: int, seed: int = 0) -> np.ndarray:
    """Displacements such as a face gives: a slow random walk, bursts of rhythm, and noise (px)."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((n_traces, n_frames)).astype(np.float32))
    frequencies = np.maximum(np.fft.rfftfreq(n_frames, 1 / FRAME_RATE_HZ), 0.2)
    traces = np.fft.irfft(spectrum / frequencies, n_frames)
    traces *= 0.5 / traces.std()
    seconds = np.arange(n_frames) / FRAME_RATE_HZ
    for rate_hz in (2.5, 5.0, 11.0):
        bursts = 1 + np.sin(2 * np.pi * 0.1 * seconds + rng.uniform(0, 6, (n_traces, 1)))
        phases = rng.uniform(0, 6, (n_traces, 1))
        traces += (
            0.3
            * rng.random((n_traces, 1))
            * bursts
            * np.sin(2 * np.pi * rate_hz * seconds + phases)
        )
    return (traces + 0.02 * rng.standard_normal(traces.shape)).astype(np.float32)


def filter_bank() -> FilterBank:
    """Make the filters of face-rhythm's defaults, but more of them."""
    return make_filter_bank(
        frame_rate_hz=FRAME_RATE_HZ,
        q_low=4.0,
        q_high=10.0,
        freq_min_hz=1.0,
        freq_max_hz=60.0,
        n_freq_bins=N_FREQUENCIES,
    )


def library_parameters() -> dict[str, Any]:
    """Parameters of the library for the same transform."""
    return {
        "Fs_sample": FRAME_RATE_HZ,
        "Q_lowF": 4.0,
        "Q_highF": 10.0,
        "F_min": 1.0,
        "F_max": 60.0,
        "n_freq_bins": N_FREQUENCIES,
        "window_type": "hann",
        "downsample_factor": DOWNSAMPLE_FACTOR,
        "padding": "valid",
        "take_abs": True,
        "verbose": False,
    }


class Library:
    """The library in a process that stays, so that imports and start-up are not timed."""

    def __init__(self, traces: np.ndarray, directory: Path) -> None:
        paths = [directory / name for name in ("traces.npy", "output.npy", "parameters.json")]
        np.save(paths[0], traces)
        paths[2].write_text(json.dumps(library_parameters()))
        self._output_path = paths[1]
        self._process = subprocess.Popen(
            [peer_python(), PEER_RUNNER, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def transform(self) -> float:
        """Transform all traces; return the seconds that it took in there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def finish(self) -> np.ndarray:
        """End the process and return the last result."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait() != 0:
            raise RuntimeError(f"{PEER_RUNNER.name} ended with status {self._process.returncode}")
        return np.load(self._output_path)


@contextmanager
def library(traces: np.ndarray) -> Iterator[Library]:
    """Run the library's process for the length of a block."""
    with tempfile.TemporaryDirectory() as directory:
        peer = Library(traces, Path(directory))
        try:
            yield peer
        finally:
            if peer._process.poll() is None:
                peer._process.kill()


def compare(n_frames: int, rounds: int) -> dict[str, Any]:
    """Time the library, the exact and the fast transform; tell their differences."""
    traces, bank = make_traces(N_TRACES, n_frames), filter_bank()

    def ours(averaging: Any) -> np.ndarray:
        return variable_q_transform(
            traces, bank, TransformOptions(DOWNSAMPLE_FACTOR, "valid", True, averaging)
        )

    with library(traces) as peer:
        timings = interleaved(
            {
                "library": peer.transform,
                "exact": lambda: ours("exact"),
                "fast": lambda: ours("fast"),
            },
            rounds,
        )
        theirs = peer.finish()
    strides = choose_strides(bank, DOWNSAMPLE_FACTOR)
    result: dict[str, Any] = {
        "n_traces": N_TRACES,
        "n_frames": n_frames,
        "n_frequencies": N_FREQUENCIES,
        "seconds": {name: timing.as_record() for name, timing in timings.items()},
        "fast_against_exact": ratio_of_medians(timings, "exact", "fast"),
        "frequencies_hz": bank.frequencies_hz,
        "strides": strides,
        "expected_relative_rms": [
            expected_errors(bank, DOWNSAMPLE_FACTOR, [1, int(stride)])[1, i]
            for i, stride in enumerate(strides)
        ],
    }
    for name in ("exact", "fast"):
        spectrogram = timings[name].last_value
        difference = (spectrogram - theirs).astype(np.float64)
        by_bin = np.linalg.norm(difference, axis=(0, 2)) / np.linalg.norm(theirs, axis=(0, 2))
        result[name] = {
            "ratio": ratio_of_medians(timings, "library", name),
            "relative_rms": float(np.linalg.norm(difference) / np.linalg.norm(theirs)),
            "largest_relative_rms_of_a_bin": float(by_bin.max()),
            "relative_rms_of_bins": by_bin,
        }
        print(
            f"{n_frames} frames, {name}: {result[name]['ratio']:.1f} x the library, "
            f"relative rms {result[name]['relative_rms']:.1e}"
        )
    return result


def growth(axis: str, sizes: list[tuple[int, int]], rounds: int) -> dict[str, Any]:
    """Measure sizes (n_frames, n_points), each in processes of its own, and fit exponents."""
    place = 0 if axis == "frames" else 1
    seconds: dict[int, list[float]] = {size[place]: [] for size in sizes}
    peak_mb: dict[int, list[float]] = {size[place]: [] for size in sizes}
    with tempfile.TemporaryDirectory() as directory:
        for size in sizes:
            write_tracks(Path(directory), *size)
        for i_round in range(rounds):
            for size in sizes if i_round % 2 == 0 else sizes[::-1]:
                command = [sys.executable, "-m", "benchmarks.spectral", "--transform", directory]
                command += [str(number) for number in size]
                child = run_child(command, directory=REPOSITORY_DIR)
                seconds[size[place]].append(float(child.stdout))
                peak_mb[size[place]].append(child.peak_rss_bytes / 2**20)
    result: dict[str, Any] = {
        "sizes": list(seconds),
        "seconds": [float(np.median(values)) for values in seconds.values()],
        "peak_rss_mb": [float(np.median(values)) for values in peak_mb.values()],
        "rounds": rounds,
    }
    for key, name in (("seconds", "exponent_time"), ("peak_rss_mb", "exponent_memory")):
        result[name] = growth_exponent(result["sizes"], result[key])
    print(
        f"{axis}: time {result['exponent_time']:.2f}, memory {result['exponent_memory']:.2f}, "
        f"largest {max(result['peak_rss_mb']):.0f} MB"
    )
    return result


def write_tracks(directory: Path, n_frames: int, n_points: int) -> None:
    """Write (T, P, 2) tracks, block by block."""
    with h5py.File(directory / f"tracks_{n_frames}_{n_points}.h5", "w") as file:
        shape = (n_frames, n_points, 2)
        tracks = file.create_dataset("points", shape=shape, dtype=np.float32)
        rng = np.random.default_rng(0)
        rows = max(2**22 // n_points, 1)
        for start in range(0, n_frames, rows):
            n = min(rows, n_frames - start)
            tracks[start : start + n] = rng.standard_normal((n, n_points, 2), dtype=np.float32)


def transform_file(directory: Path, n_frames: int, n_points: int) -> None:
    """Make spectrograms of tracks in a file, into another; print the seconds."""
    bank = filter_bank()
    how = (
        bank,
        TransformOptions(DOWNSAMPLE_FACTOR, "valid", True, "fast"),
        Normalisation(0.95, 1.0, 0.5),
    )
    homes = np.zeros((n_points, 2))
    warm_up = np.random.default_rng(0).standard_normal((1_000, 4, 2))
    point_spectrograms(warm_up, homes[:4], *how)
    output = directory / "spectrograms.h5"
    with (
        h5py.File(directory / f"tracks_{n_frames}_{n_points}.h5") as tracks,
        h5py.File(output, "w") as file,
    ):
        n_windows = -(-(n_frames - bank.n_taps + 1) // DOWNSAMPLE_FACTOR)
        shape = (2, n_points, N_FREQUENCIES, n_windows)
        target = file.create_dataset("spectrograms", shape=shape, dtype=np.float32)
        started = time.perf_counter()
        point_spectrograms(tracks["points"], homes, *how, out=target)
        print(time.perf_counter() - started)
    output.unlink()


def plot(result: Mapping[str, Any], path: Path) -> Path:
    """Draw the error of each bin, and how time and memory grow."""
    from element_facerhythm.figures.style import (
        COLOURS,
        QUIET,
        new_figure,
        save_figure,
        tidy,
        title,
    )

    figure = new_figure(10.0, 2.9)
    errors, *panels = figure.subplots(1, 3)
    long = result["long"]
    for name, values, style in (
        ("expected for noise", long["expected_relative_rms"], "-"),
        ("fast", long["fast"]["relative_rms_of_bins"], "o"),
        ("exact", long["exact"]["relative_rms_of_bins"], "s"),
    ):
        positive = np.maximum(np.asarray(values, dtype=float), 1e-8)
        errors.loglog(
            long["frequencies_hz"], positive, style, markersize=3, linewidth=1, label=name
        )
    errors.axhline(GOALS["relative_rms"], color=QUIET, linestyle="--", linewidth=0.9)
    errors.set_xlabel("frequency (Hz)")
    errors.set_ylabel("relative difference (rms)")
    errors.legend(frameon=False, fontsize=7)
    title(errors, "from the vqt library")
    for axes, name, colour in zip(panels, ("frames", "points"), COLOURS, strict=False):
        grown = result[name]
        sizes, seconds = np.array(grown["sizes"]), np.array(grown["seconds"])
        axes.loglog(sizes, seconds, "o-", color=colour, markersize=4, linewidth=1.4)
        axes.loglog(sizes, seconds[-1] * sizes / sizes[-1], "--", color=QUIET, linewidth=0.9)
        axes.set_xlabel(f"number of {name}")
        axes.set_ylabel("time (s)")
        title(axes, f"exponent {grown['exponent_time']:.2f}")
    for axes in (errors, *panels):
        tidy(axes, grid=True)
    return save_figure(figure, path)


def print_summary(result: Mapping[str, Any]) -> None:
    """Print goals beside figures."""
    for key in ("long", "short"):
        for name in ("fast", "exact"):
            row = result[key][name]
            print(
                f"{result[key]['n_frames']} frames, {name}: {row['ratio']:.1f} x (goal {GOALS[name]:g}), "
                f"relative rms {row['relative_rms']:.1e} (goal {GOALS['relative_rms']:g})"
            )


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run all parts and write ``results/spectral.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="repetitions of each contestant")
    parser.add_argument("--quick", action="store_true", help="small sizes, one repetition")
    parser.add_argument("--dry", action="store_true", help="write no result file")
    parser.add_argument("--transform", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.transform:
        directory, n_frames, n_points = options.transform
        transform_file(Path(directory), int(n_frames), int(n_points))
        return {}
    rounds = 1 if options.quick else options.n
    shrink = 10 if options.quick else 1
    result = {
        "goals": GOALS,
        "long": compare(60_000 // shrink, rounds),
        "short": compare(6_000 // shrink, rounds),
        "frames": growth(
            "frames", [(n, 100) for n in (1_000, 3_000, 10_000, 30_000, 100_000 // shrink)], rounds
        ),
        "points": growth(
            "points", [(3_000, n) for n in (100, 300, 1_000, 3_000, 10_000 // shrink)], rounds
        ),
    }
    print_summary(result)
    if not options.dry and (not options.quick or "FACERHYTHM_BENCH_RESULTS" in os.environ):
        write_result("spectral", result)
    if not (options.quick or options.dry):
        plot(result, REPOSITORY_DIR / "docs" / "images" / "spectral.png")
    return result


if __name__ == "__main__":
    main()

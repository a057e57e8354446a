"""Tensor decomposition: time to tensorly's error, memory for tensors larger than it, growth of cost.

``python -m benchmarks.decomposition`` times this package's ``decompose`` against tensorly's ``CP_NN_HALS`` as
face-rhythm 0.3.3 calls it (200 iterations, tolerance 1e-9, truncated SVD), on a planted tensor of 1920 x 55 x
676, interleaved in one run. Errors are computed from the loadings in float64, by the same code for all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.common import (
    CACHE_DIR,
    growth_exponent,
    interleaved,
    ratio_of_medians,
    run_child,
    write_result,
)
from element_facerhythm.core.decomposition import (
    AxisPlan,
    CpModel,
    FitSettings,
    decompose,
    match_components,
    model_from_factors,
)
from element_facerhythm.io.lazy import LazyArray

N_PLANTED = 5
RANK = N_PLANTED + 1  # the floor that noise leaves in magnitudes is a component too
N_POINTS, N_FREQUENCIES, N_WINDOWS = 960, 55, 676
LONG_N_WINDOWS = 18_000  # an hour at 100 frames/s
PLAN = AxisPlan(pairs=(("xy", "points"),), element_axis="session")
NAMES = PLAN.tensor_names
TENSORLY_OPTIONS = {"n_iter_max": 200, "tol": 1e-9, "svd": "truncated_svd", "random_state": 0}
GOALS = {"ratio": 40.0, "peak_mb": 1500.0, "exponent": 1.05}


def planted_factors(n_points: int, n_frequencies: int, n_windows: int) -> dict[str, np.ndarray]:
    """Make loadings of overlapping rhythms: places in both directions, frequencies, courses in time."""
    rng = np.random.default_rng(20)
    place = np.linspace(0, 1, n_points)[:, None]
    space = np.concatenate(
        [
            np.exp(-0.5 * ((place - rng.random(N_PLANTED)) / 0.2) ** 2)
            * rng.uniform(0.2, 1, N_PLANTED)
            for _ in "xy"
        ]
    )
    pitch = np.linspace(0, 1, n_frequencies)[:, None]
    frequency = np.exp(-0.5 * ((pitch - np.linspace(0.1, 0.9, N_PLANTED)) / 0.12) ** 2)
    kernel = np.exp(-0.5 * (np.arange(-20, 21) / 7) ** 2)
    shared = rng.standard_normal(n_windows)
    drive = 0.7 * shared[:, None] + rng.standard_normal((n_windows, N_PLANTED))
    smooth = np.stack([np.convolve(d, kernel, "same") for d in drive.T], axis=1)
    course = 0.3 + np.clip(smooth / smooth.std(axis=0), -0.3, None)
    return dict(zip(NAMES, (space + 0.02, frequency + 0.02, course), strict=True))


def planted_spectrogram(
    factors: Mapping[str, np.ndarray], windows: slice = slice(None), noise: float = 0.28
) -> np.ndarray:
    """(2, P, F, W) magnitudes of the planted signal with complex noise added to it, float32."""
    space, frequency, course = (factors[name].astype(np.float32) for name in NAMES)
    joint = (space[:, None] * frequency).reshape(-1, N_PLANTED)
    signal = joint @ course[windows].T
    level = np.float32(noise * np.sqrt(np.mean(np.square(joint)) * N_PLANTED))
    rng = np.random.default_rng([21, windows.start or 0])
    signal += level * rng.standard_normal(signal.shape, dtype=np.float32)
    signal = np.hypot(signal, level * rng.standard_normal(signal.shape, dtype=np.float32))
    return signal.reshape(2, len(space) // 2, len(frequency), -1)


def ours(spectrogram: Any, device: str = "cpu", **options: Any) -> CpModel:
    """Decompose with this package, everything included, as `facerhythm run` does."""
    fit = FitSettings("CP_NN_HALS", RANK, seed=0, **options)
    return decompose({"0": spectrogram}, PLAN, fit, device=device).models["0"]


def tensorly(tensor: np.ndarray, init: str) -> Any:
    """Decompose with tensorly, numpy backend."""
    from tensorly.decomposition import CP_NN_HALS

    return CP_NN_HALS(RANK, init=init, **TENSORLY_OPTIONS).fit_transform(tensor)


def compare(n: int, n_windows: int, inits: list[str]) -> dict[str, Any]:
    """Time both on the same tensor, and compare what they reached."""
    factors = planted_factors(N_POINTS, N_FREQUENCIES, n_windows)
    spectrogram = planted_spectrogram(factors)
    tensor = spectrogram.reshape(-1, *spectrogram.shape[2:])
    runs: dict[str, Callable[[], Any]] = {"ours": lambda: ours(spectrogram)}
    for init in inits:
        runs[f"tensorly_{init}"] = lambda init=init: tensorly(tensor, init)
    ours(spectrogram[..., :60])  # loads and sets up what is set up once
    cpu_s: dict[str, list[float]] = {name: [] for name in runs}
    timings = interleaved(
        {name: _with_cpu_time(run, cpu_s[name]) for name, run in runs.items()}, n, warm_up=False
    )
    truth = CpModel(NAMES, factors, np.ones(N_PLANTED), *[np.zeros(N_PLANTED)] * 2, 0.0, 1.0)
    rows: dict[str, Any] = {}
    for name, timing in timings.items():
        model = timing.last_value
        if not isinstance(model, CpModel):
            loadings = dict(zip(NAMES, model.factors, strict=True))
            model = model_from_factors(tensor, NAMES, loadings, model.weights)
        rows[name] = {
            "seconds": timing.as_record(),
            "median_cpu_s": float(np.median(cpu_s[name])),
            "relative_error": model.relative_error,
            "r_squared": model.r_squared,
            "stability": model.stability_total,
            "least_congruence_with_planted": float(match_components(truth, model).congruence.min()),
        }
    for init in inits:
        peer = rows[f"tensorly_{init}"]
        peer["ratio"] = ratio_of_medians(timings, f"tensorly_{init}", "ours")
        peer["cpu_ratio"] = peer["median_cpu_s"] / rows["ours"]["median_cpu_s"]
        peer["our_error_over_theirs"] = rows["ours"]["relative_error"] / peer["relative_error"]
    return {"shape": list(tensor.shape), "rank": RANK, "runs": rows}


def _with_cpu_time(run: Callable[[], Any], spent: list[float]) -> Callable[[], Any]:
    """Note the CPU seconds of each call too: on a machine with other work, they say more."""

    def timed() -> Any:
        started = time.process_time()
        value = run()
        spent.append(time.process_time() - started)
        return value

    return timed


def write_long_spectrogram(n_windows: int) -> Path:
    """Make the HDF5 file of a long recording once, window block after window block."""
    path = CACHE_DIR / f"decomposition_{N_POINTS}_{N_FREQUENCIES}_{n_windows}.h5"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    factors = planted_factors(N_POINTS, N_FREQUENCIES, n_windows)
    with h5py.File(partial, "w") as file:
        shape = (2, N_POINTS, N_FREQUENCIES, n_windows)
        target = file.create_dataset("spectrograms/0", shape, dtype=np.float32)
        for start in range(0, n_windows, N_WINDOWS):
            windows = slice(start, min(start + N_WINDOWS, n_windows))
            target[..., windows] = planted_spectrogram(factors, windows)
    partial.replace(path)
    return path


def stream(n_windows: int) -> dict[str, Any]:
    """Decompose a file in a child process, and measure its memory from outside."""
    path = write_long_spectrogram(n_windows)
    child = run_child(
        [sys.executable, "-m", "benchmarks.decomposition", "--decompose-file", path],
        directory=Path(__file__).parents[1],
    )
    return {
        "n_windows": n_windows,
        "tensor_mb": path.stat().st_size / 2**20,
        **child.as_record(),
        **json.loads(child.stdout),
    }


def decompose_file(path: Path) -> None:
    """Decompose a file and print what came of it: what the child process does."""
    spectrogram = LazyArray(path, "spectrograms/0")
    truth = planted_factors(*spectrogram.shape[1:])
    started = time.perf_counter()
    model = ours(spectrogram)
    seconds = time.perf_counter() - started
    planted = CpModel(NAMES, truth, np.ones(N_PLANTED), *[np.zeros(N_PLANTED)] * 2, 0.0, 1.0)
    print(
        json.dumps(
            {
                "decompose_s": seconds,
                "relative_error": model.relative_error,
                "n_iterations": model.n_iterations,
                "least_congruence_with_planted": float(
                    match_components(planted, model).congruence.min()
                ),
            }
        )
    )


def growth(n: int, *, quick: bool) -> dict[str, Any]:
    """Seconds against points and windows, and the fitted exponents.

    Iterations are fixed, so that a size at which the fit needs fewer of them does not flatter the exponent.
    """
    scale = 4 if quick else 1
    cases = {
        "n_points": [(p // scale, N_FREQUENCIES, 676) for p in (240, 480, 960, 1920)],
        "n_windows": [(240 // scale, N_FREQUENCIES, w) for w in (676, 1352, 2704, 5408)],
    }
    grown: dict[str, Any] = {}
    for what, shapes in cases.items():
        axis = 0 if what == "n_points" else 2
        data = {shape: planted_spectrogram(planted_factors(*shape)) for shape in shapes}
        sizes = [shape[axis] for shape in shapes]
        cpu_s: dict[int, list[float]] = {size: [] for size in sizes}
        runs = {
            str(shape[axis]): _with_cpu_time(
                lambda values=data[shape]: ours(values, n_iter_max=40, tol=0.0), cpu_s[shape[axis]]
            )
            for shape in shapes
        }
        ours(data[shapes[0]], n_iter_max=2)  # loads and sets up what is set up once
        timings = interleaved(runs, n, warm_up=False)
        wall = [timings[str(size)].median_s for size in sizes]
        cpu = [float(np.median(cpu_s[size])) for size in sizes]
        grown[what] = {
            "sizes": sizes,
            "median_s": wall,
            "exponent": growth_exponent(sizes, wall),
            "median_cpu_s": cpu,
            "cpu_exponent": growth_exponent(sizes, cpu),
        }
    return grown


def print_summary(result: Mapping[str, Any]) -> None:
    """One line per figure."""
    for name, row in result.get("comparison", {"runs": {}})["runs"].items():
        ratio = (
            f", {row['ratio']:.1f} x ours ({row['cpu_ratio']:.1f} x its CPU time)"
            if "ratio" in row
            else ""
        )
        print(
            f"{name:16} {row['seconds']['median_s']:8.2f} s, error {row['relative_error']:.6f}, "
            f"planted found to {row['least_congruence_with_planted']:.4f}{ratio}"
        )
    for row in result.get("streaming", []):
        print(
            f"streaming {row['tensor_mb']:6.0f} MB: {row['decompose_s']:.1f} s, "
            f"peak {row['peak_rss_mb']:.0f} MB, error {row['relative_error']:.6f}"
        )
    for what, row in result.get("growth", {}).items():
        print(
            f"time grows with {what} to the power {row['exponent']:.2f} "
            f"(CPU time {row['cpu_exponent']:.2f})"
        )


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run all parts, print a table, write ``results/decomposition.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="repetitions of each contestant")
    parser.add_argument("--quick", action="store_true", help="small sizes, one repetition")
    parser.add_argument("--init", action="append", choices=["svd", "random"], help="of tensorly")
    parser.add_argument(
        "--part",
        dest="parts",
        action="append",
        choices=["comparison", "streaming", "growth"],
        help="only this part; then no result file is written",
    )
    parser.add_argument("--dry", action="store_true", help="write no result file")
    parser.add_argument("--decompose-file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.decompose_file:
        decompose_file(options.decompose_file)
        return {}
    n = 1 if options.quick else options.n
    lengths = (200, 400) if options.quick else (N_WINDOWS, LONG_N_WINDOWS // 4, LONG_N_WINDOWS)
    inits = options.init or (["random"] if options.quick else ["svd", "random"])
    parts: dict[str, Callable[[], Any]] = {
        "comparison": lambda: compare(n, 150 if options.quick else N_WINDOWS, inits),
        "streaming": lambda: [stream(length) for length in lengths],
        "growth": lambda: growth(n, quick=options.quick),
    }
    wanted = options.parts or list(parts)
    result: dict[str, Any] = {"goals": GOALS, "tensorly_options": TENSORLY_OPTIONS}
    result |= {part: parts[part]() for part in wanted}
    print_summary(result)
    if not options.dry and set(wanted) == set(parts):
        write_result("decomposition", result)
    return result


if __name__ == "__main__":
    main()

"""What every benchmark shares: the machine's record, interleaved timing, child processes, results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

REPOSITORY_DIR = Path(__file__).resolve().parent.parent
RESULTS_DIR = Path(
    os.environ.get("FACERHYTHM_BENCH_RESULTS", REPOSITORY_DIR / "benchmarks" / "results")
)
"""Where results are written and read; ``python -m benchmarks --quick`` points it elsewhere."""
CACHE_DIR = Path(os.environ.get("FACERHYTHM_BENCH_DIR", REPOSITORY_DIR / ".bench"))
"""Videos, the peer's environment and its cached results; never committed."""

RECORDED_PACKAGES = (
    "element-facerhythm",
    "av",
    "datajoint",
    "h5py",
    "numba",
    "numpy",
    "opencv-python-headless",
    "scipy",
    "tensorly",
    "torch",
    "triton",
    "torchcodec",
)
SAMPLING_INTERVAL_S = 0.05


@dataclass(frozen=True)
class Timing:
    """The timings of one contestant, in seconds, in the order in which they were taken."""

    seconds: list[float]
    last_value: Any = None

    @property
    def median_s(self) -> float:
        """Median of all repetitions."""
        return statistics.median(self.seconds)

    def as_record(self) -> dict[str, Any]:
        """Median, extremes and all repetitions, for a result file."""
        return {
            "median_s": self.median_s,
            "min_s": min(self.seconds),
            "max_s": max(self.seconds),
            "n": len(self.seconds),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class ChildRun:
    """What a child process took: wall and CPU seconds, and its peak resident memory with its own children."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    stdout: str
    stderr: str
    memory_curve: list[tuple[float, int]]
    """``(seconds since the start, resident bytes)``, sampled."""

    def as_record(self) -> dict[str, float]:
        """Numbers only, for a result file."""
        return {
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "peak_rss_mb": self.peak_rss_bytes / 2**20,
        }


class ChildFailedError(RuntimeError):
    """A benchmarked process failed; the message has its command and the end of what it said."""


def machine_record() -> dict[str, Any]:
    """Return what a reader needs to judge a figure: hardware, versions, command and load."""
    return {
        "cpu": _cpu_model(),
        "n_logical_cores": os.cpu_count(),
        "n_usable_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {
            name: version for name in RECORDED_PACKAGES if (version := _package_version(name))
        },
        "git_commit": _git("rev-parse", "--short=12", "HEAD"),
        "git_changed_files": len(
            (_git("status", "--porcelain", "--untracked-files=no") or "").splitlines()
        ),
        "command": " ".join(["python", "-m", _module_name(), *sys.argv[1:]]),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "taken_at_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "gpu": _gpu_name(),
    }


def write_result(name: str, result: Mapping[str, Any], *, results_dir: Path = RESULTS_DIR) -> Path:
    """Write ``<results_dir>/<name>.json`` with the machine's record, whole or not at all."""
    results_dir.mkdir(parents=True, exist_ok=True)
    path = results_dir / f"{name}.json"
    temporary_path = path.with_suffix(f".{os.getpid()}.tmp")
    document = {"benchmark": name, "machine": machine_record(), **result}
    temporary_path.write_text(json.dumps(document, indent=1, default=_as_json) + "\n")
    temporary_path.replace(path)
    return path


def read_result(name: str, *, results_dir: Path = RESULTS_DIR) -> dict[str, Any] | None:
    """Return the contents of a result file, or None where that benchmark was not run."""
    path = results_dir / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def options_of_rounds(description: str | None) -> argparse.Namespace:
    """Parse the command line of a benchmark that repeats rounds of one video."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--quick", action="store_true", help="one round of 120 frames")
    return parser.parse_args()


def interleaved(
    runs: Mapping[str, Callable[[], Any]], n: int, *, warm_up: bool = True
) -> dict[str, Timing]:
    """Time callables against each other in one run, so that a load from outside meets all of them.

    Every round calls each contestant once; each second round goes through them backwards. A callable may
    return a float: then that is taken as its seconds (what a child process measured itself). Anything else it
    returns is kept as ``last_value``.

    Parameters
    ----------
    runs : mapping of name to callable
    n : int
        Number of timed rounds.
    warm_up : bool
        Call each one once before, untimed: compilation and file caches are not what is compared.
    """
    if n < 1:
        raise ValueError(f"n is {n}: at least one round has to be timed")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    values: dict[str, Any] = dict.fromkeys(runs)
    if warm_up:
        for run in runs.values():
            run()
    for i_round in range(n):
        names = list(runs) if i_round % 2 == 0 else list(reversed(runs))
        for name in names:
            started = time.perf_counter()
            values[name] = runs[name]()
            elapsed = time.perf_counter() - started
            seconds[name].append(values[name] if isinstance(values[name], float) else elapsed)
    return {name: Timing(seconds[name], values[name]) for name in runs}


def ratio_of_medians(timings: Mapping[str, Timing], slow: str, fast: str) -> float:
    """How many times as fast ``fast`` is as ``slow``."""
    return timings[slow].median_s / timings[fast].median_s


def run_child(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout_s: float | None = None,
) -> ChildRun:
    """Run a command and measure it from outside: wall time, CPU time, peak memory of it and its children.

    The peak is the larger of the sampled sum over the process tree and the kernel's own high-water mark.

    Raises
    ------
    ChildFailedError
        If the command does not end with status 0.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, **(environment or {})},
    )
    sampler = _TreeSampler(process.pid, started)
    sampler.start()
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    finally:
        sampler.stop()
    wall_s = time.perf_counter() - started
    if process.returncode != 0:
        ending = (stderr or stdout)[-4000:]
        raise ChildFailedError(f"{command[0]} ended with status {process.returncode}:\n{ending}")
    return ChildRun(wall_s, sampler.cpu_s, sampler.peak_bytes, stdout, stderr, sampler.curve)


class _TreeSampler(threading.Thread):
    """Looks at a process and its children until it is told to stop."""

    def __init__(self, pid: int, started: float) -> None:
        super().__init__(daemon=True)
        self._since = started
        self._ended = threading.Event()
        self._process = psutil.Process(pid)
        self._cpu_s_by_pid: dict[int, float] = {}
        self.peak_bytes = 0
        self.curve: list[tuple[float, int]] = []

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes of the tree, as last seen."""
        return sum(self._cpu_s_by_pid.values())

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_INTERVAL_S):
            self._look()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join()

    def _look(self) -> None:
        try:
            processes = [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        sampled_bytes, high_water_bytes = 0, 0
        for process in processes:
            try:
                cpu_times = process.cpu_times()
                sampled_bytes += process.memory_info().rss
                high_water_bytes = max(high_water_bytes, _high_water_bytes(process.pid))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self._cpu_s_by_pid[process.pid] = cpu_times.user + cpu_times.system
        self.peak_bytes = max(self.peak_bytes, sampled_bytes, high_water_bytes)
        if sampled_bytes:
            self.curve.append((time.perf_counter() - self._since, sampled_bytes))


def _high_water_bytes(pid: int) -> int:
    """Peak resident memory of a process as the Linux kernel kept it, 0 elsewhere."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def _package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    finished = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY_DIR, capture_output=True, text=True, check=False
    )
    return finished.stdout.strip() if finished.returncode == 0 else None


def _module_name() -> str:
    path = Path(sys.argv[0]).resolve()
    return f"benchmarks.{path.stem}" if path.parent.name == "benchmarks" else path.stem


def _gpu_name() -> str | None:
    """Name of the CUDA device, only where torch is loaded already: asking must not cost an import."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Timing):
        return value.as_record()
    if isinstance(value, Path):
        return value.name
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be written to a result file")


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of a straight line through log value over log size."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])

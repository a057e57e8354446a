"""Point tracking: ours beside face-rhythm as installed and at its best, interleaved in one run.

``python -m benchmarks.tracking [--rounds 5] [--frames 6000] [--quick]``. Every contestant runs in a process
of its own that times its tracking stage (videos opened to points in memory; imports are not counted). The
real mouse under a tight threshold, where points violate and frames are replayed, needs
FACERHYTHM_REFERENCE_DATA.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bound import FlowAlone, MatchingAlone, decode_s
from benchmarks.common import Timing, interleaved, options_of_rounds, write_result
from benchmarks.ours import ask_ours, without_clahe
from benchmarks.peer import SETTINGS, Setting, ask_peer, job, usable_settings
from benchmarks.scenes import BenchVideo, face_video, real_video

INSTALLED, TUNED = "face-rhythm, as installed", "face-rhythm, tuned"
PEERS: dict[Setting, str] = {"installed": INSTALLED, "tuned": TUNED}
DEFAULT, EXACT = "ours, default", "ours, exact"
OURS, FLOW = "ours, without refinement", "ours, flow"
WITHOUT_CLAHE = "ours, flow without CLAHE"
VARIANT_OF = {OURS: "unrefined", EXACT: "exact", FLOW: "flow", WITHOUT_CLAHE: "flow"}
DECODE, LUCAS_KANADE, MATCHING = "decoding alone", "Lucas-Kanade alone", "matching alone"
QUICK_FRAMES = 120


def main() -> None:
    """Measure both videos, write the result."""
    options = options_of_rounds(__doc__)
    rounds = 1 if options.quick else options.rounds
    face = face_video(QUICK_FRAMES if options.quick else options.frames)
    result = {"textured": measure(face, rounds, with_bound=True)}
    real = None if options.quick else real_video()
    if options.quick:
        print("real video: left out when quick")
    elif real is None:
        print("real video: not measured, FACERHYTHM_REFERENCE_DATA is not set")
    else:
        result["violating"] = measure(real, rounds, with_bound=False)
    print(write_result("tracking", result))


def measure(bench: BenchVideo, rounds: int, *, with_bound: bool) -> dict[str, Any]:
    """Time all contestants on one video, then compare their points."""
    with tempfile.TemporaryDirectory() as scratch:
        contestants = _Contestants(bench, Path(scratch))
        runs: dict[str, Callable[[], float]] = contestants.runs()
        if with_bound:
            runs |= {
                DECODE: partial(decode_s, bench.video),
                LUCAS_KANADE: FlowAlone(bench).seconds,
                MATCHING: MatchingAlone(bench).seconds,
            }
        timings = interleaved(runs, rounds, warm_up=False)
        # what matters of the exact mode is whether it is exact: once is enough
        timings |= interleaved({EXACT: partial(contestants.ours, EXACT)}, 1, warm_up=False)
        result = {
            "video": bench.name,
            "n_frames": bench.n_frames,
            "n_points": bench.n_points,
            "timings": timings,
            "frames_per_s": {name: bench.n_frames / t.median_s for name, t in timings.items()},
            "facts": contestants.facts,
            "agreement": contestants.agreement(),
        }
    result["ratios"] = ratios(timings)
    _report(result)
    return result


def ratios(timings: dict[str, Timing]) -> dict[str, float]:
    """How many times as fast ours is; the last, how many times the bound of its method it takes."""
    median = {name: timing.median_s for name, timing in timings.items()}
    values = {
        f"{ours} over {theirs}": median[theirs] / median[ours]
        for ours in (DEFAULT, OURS, FLOW, WITHOUT_CLAHE, EXACT)
        for theirs in (INSTALLED, TUNED)
        if theirs in median
    }
    if DECODE in median:
        of_method = {ours: LUCAS_KANADE for ours in (OURS, FLOW, WITHOUT_CLAHE)}
        values |= {
            f"{ours} over the bound": median[ours] / max(median[DECODE], median[alone])
            for ours, alone in {DEFAULT: MATCHING, **of_method}.items()
        }
    return values


class _Contestants:
    """Runs each contestant and keeps its facts and its points of the last round."""

    def __init__(self, bench: BenchVideo, scratch: Path) -> None:
        self._bench = bench
        self._scratch = scratch
        self.facts: dict[str, dict[str, Any]] = {}

    def runs(self) -> dict[str, Callable[[], float]]:
        theirs = {PEERS[s]: partial(self._theirs, PEERS[s], s) for s in usable_settings()}
        ours = {name: partial(self.ours, name) for name in (DEFAULT, OURS, FLOW, WITHOUT_CLAHE)}
        return {**theirs, **ours}

    def agreement(self) -> dict[str, dict[str, float]]:
        """Distances in pixels between tracks at face-rhythm's parameters and face-rhythm's own."""
        theirs = np.load(self._path(TUNED))["points/0"]
        found = {}
        for name in (OURS, EXACT, INSTALLED):
            if not self._path(name).exists():
                continue
            apart = np.linalg.norm(np.load(self._path(name))["points/0"] - theirs, axis=-1)
            found[name] = {
                "median_px": float(np.median(apart)),
                "p99_px": float(np.quantile(apart, 0.99)),
                "max_px": float(apart.max()),
                "identical": bool((apart == 0).all()),
            }
        return found

    def _theirs(self, name: str, setting: Setting) -> float:
        answer = ask_peer([self._job(name, self._bench)], setting=setting)
        return self._keep(name, answer, setting=f"{SETTINGS[setting]}")

    def ours(self, name: str) -> float:
        """Run one of ours; return its seconds."""
        bench = self._bench
        if name == WITHOUT_CLAHE:
            bench = replace(bench, parameters=without_clahe(bench.parameters))
        variant = VARIANT_OF.get(name, "default")
        return self._keep(name, ask_ours([self._job(name, bench)], variant=variant))

    def _job(self, name: str, bench: BenchVideo) -> dict[str, Any]:
        return job([bench.video], bench.rois, bench.parameters, arrays=self._path(name))

    def _keep(self, name: str, answer: Any, **more: Any) -> float:
        (done,) = answer.jobs
        seconds = done.pop("seconds")
        self.facts[name] = {**done, **answer.child.as_record(), **more}
        return float(seconds["track"] + seconds.get("load_videos", 0.0))

    def _path(self, name: str) -> Path:
        return self._scratch / f"{name}.npz"


def _report(result: dict[str, Any]) -> None:
    print(f"{result['video']}: {result['n_frames']} frames, {result['n_points']} points")
    for name, speed in result["frames_per_s"].items():
        print(f"  {name:28} {speed:8.1f} frames/s")
    for name, value in result["ratios"].items():
        print(f"  {name:50} {value:6.2f}")
    for name, apart in result["agreement"].items():
        print(f"  {name:28} {apart}")


if __name__ == "__main__":
    main()

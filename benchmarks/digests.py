"""What the digests of contents cost: their share of a whole run.

``python -m benchmarks.digests [--rounds 5] [--frames 6000] [--quick]``. A run reads each product once more to
write the digest of its content, and once more to check it before it is put in numbers. So the cost is that of
computing all digests twice; it is timed in every round right after the run.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import REPOSITORY_DIR, options_of_rounds, run_child, write_result
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.tracking import QUICK_FRAMES
from benchmarks.whole import COMMAND_LINE, QUICK_MIN_FREQUENCY_HZ


def main() -> None:
    """Measure, print, write the result."""
    options = options_of_rounds(__doc__)
    bench = face_video(QUICK_FRAMES if options.quick else options.frames)
    if options.quick:
        bench.parameters["VQT_Analyzer"]["params_VQT"]["F_min"] = QUICK_MIN_FREQUENCY_HZ
    result = measure(bench, 1 if options.quick else options.rounds)
    print(
        f"{result['n_frames']} frames, {result['product_mb']:.0f} MB of products: digests "
        f"{result['digests_s']:.2f} s of a run of {result['run_s']:.1f} s ({result['share']:.2%})"
    )
    print(write_result("digests", result))


def measure(bench: BenchVideo, rounds: int) -> dict[str, Any]:
    """Time runs and the digests of what they wrote; medians over the rounds."""
    runs_s, digests_s, n_bytes = [], [], 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            runs_s.append(_run(bench, Path(scratch)))
            products = sorted(Path(scratch, "project", "analysis_files").glob("*.h5"))
            n_bytes = sum(path.stat().st_size for path in products)
            digests_s.append(_digests(products))
    run_s, digest_s = statistics.median(runs_s), statistics.median(digests_s)
    return {
        "n_frames": bench.n_frames,
        "n_points": bench.n_points,
        "product_mb": n_bytes / 1e6,
        "runs_s": runs_s,
        "all_digests_s": digests_s,
        "run_s": run_s,
        "digests_s": digest_s,
        "share": statistics.median(d / r for d, r in zip(digests_s, runs_s, strict=True)),
    }


def _run(bench: BenchVideo, scratch: Path) -> float:
    parameters = scratch / "parameters.json"
    parameters.write_text(json.dumps(bench.parameters))
    command = [sys.executable, "-c", COMMAND_LINE, "run", bench.video, "--rois", bench.rois]
    options = ["--params", parameters, "-o", scratch / "project", "--device", "cpu"]
    child = run_child(
        [*command, *options, "--no-figures", "--json"],
        environment={"PYTHONPATH": str(REPOSITORY_DIR)},
    )
    return child.wall_s


def _digests(products: list[Path]) -> float:
    """Seconds for the digests of all products, twice; the system still holds the files in memory."""
    from element_facerhythm.io.content_digest import content_sha256
    from element_facerhythm.io.h5 import open_h5

    started = time.perf_counter()
    for path in (*products, *products):
        with open_h5(path) as file:
            content_sha256(file)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

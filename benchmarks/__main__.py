"""``make bench``: every benchmark in turn, then one table of what was promised and what was measured.

``python -m benchmarks [--quick] [--only tracking,accuracy]``. With ``--quick`` every script runs on next to
nothing, once, and its results go to ``.bench/quick``: whether everything runs, not how fast.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys

from benchmarks.common import CACHE_DIR, REPOSITORY_DIR

ORDER = (
    "tracking",
    "whole",
    "short",
    "digests",
    "spectral",
    "decomposition",
    "accuracy",
    "real_pictures",
    "dic",
    "scaling",
    "memory",
    "keypoints",
    "signals",
    "behaviour",
    "pages",
    "movies",
    "cuda",
    "scale_database",
    "job_queue",
)
LEFT_OUT_WHEN_QUICK = ("memory", "dic")


def main() -> int:
    """Run what was asked for; return the exit status."""
    options = _options()
    environment = dict(os.environ)
    if options.quick:
        environment["FACERHYTHM_BENCH_RESULTS"] = str(CACHE_DIR / "quick")
    failed = []
    for name in options.only:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"\n==== {name}: not there ====", flush=True)
            continue
        print(f"\n==== {name} ====", flush=True)
        flags = ["--quick"] if options.quick else []
        if _run(f"benchmarks.{name}", flags, environment) != 0:
            failed.append(name)
    print("\n==== what was promised, and what was measured ====", flush=True)
    if _run("benchmarks.report", [] if options.quick else ["--docs"], environment) != 0:
        failed.append("report")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(module: str, flags: list[str], environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", module, *flags]
    return subprocess.run(command, cwd=REPOSITORY_DIR, env=environment, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything once on next to nothing")
    parser.add_argument("--only", type=lambda text: text.split(","), help="commas between")
    options = parser.parse_args()
    if options.only is None:
        options.only = [n for n in ORDER if not (options.quick and n in LEFT_OUT_WHEN_QUICK)]
    return options


if __name__ == "__main__":
    sys.exit(main())

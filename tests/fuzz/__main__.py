"""`python -m tests.fuzz`: try changed files on everything that reads files of others."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

# before numerical libraries start threads, which a fork would lose
for _name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ.update(BLOSC_NTHREADS="1", MPLBACKEND="Agg", DJ_IGNORE_CONFIG_FILE="true")
# pyarrow, which pandas imports where it is there, brings jemalloc
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"


def main() -> int:
    """Run what the arguments say; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, help="how many (default: until the time is over)")
    parser.add_argument("--seconds", type=float, help="for how long")
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[1], help="inputs are made from these, in turn"
    )
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="directory")
    parser.add_argument("--only", help="targets whose name holds this")
    parser.add_argument(
        "--reproduce", type=Path, metavar="FINDING", help="directory of one finding"
    )
    options = parser.parse_args()
    if options.inputs is None and options.seconds is None:
        options.seconds = 60.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.reproduce:
        return reproduce(options.reproduce.absolute())
    base = Path(tempfile.mkdtemp(prefix="facerhythm-fuzz-"))
    try:
        return campaign(options, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def campaign(options: argparse.Namespace, base: Path) -> int:
    """Try many inputs; 1 where something was found."""
    from tests.fuzz.campaign import Plan, Tally, run_campaign, table
    from tests.fuzz.prepare import prepare
    from tests.fuzz.targets import targets_named

    started = time.monotonic()
    good = prepare(base / "good")
    targets = targets_named(options.only)
    plan = Plan(
        tuple(options.seed),
        options.findings.absolute(),
        options.inputs,
        options.seconds,
        options.processes,
        targets=targets,
    )
    began = time.monotonic()
    seeds = " ".join(map(str, plan.seeds))
    print(f"seed {seeds}; ready after {began - started:.0f} s", flush=True)

    def tell(tally: Tally) -> None:
        rate = tally.n_inputs / (time.monotonic() - began)
        kinds = len(tally.findings)
        print(f"{tally.n_inputs} inputs, {rate:.0f}/s, {kinds} kinds of findings", flush=True)

    tally = run_campaign(plan, good, base, tell)
    print(table(tally, plan.findings))
    if tally.findings:
        print(f"run again with: python -m tests.fuzz --reproduce {options.findings}/NAME")
    unsound = tally.n_inputs == 0 or any("batch" in failure for failure in tally.failures)
    return 1 if tally.findings or unsound else 0


def reproduce(path: Path) -> int:
    """Try the input of one finding again, at the place whose paths it names."""
    from tests.fuzz import findings
    from tests.fuzz.campaign import try_input
    from tests.fuzz.inputs import Input, make_input
    from tests.fuzz.prepare import prepare
    from tests.fuzz.sandbox import Limits
    from tests.fuzz.surroundings import Surroundings
    from tests.fuzz.targets import targets_named

    finding, kept = findings.load(path)
    base = Path(finding.place).parent
    base.mkdir(mode=0o700)  # fails where somebody made it already
    try:
        good = prepare(base / "good")
        place = Surroundings(Path(finding.place))
        (target,) = (t for t in targets_named(finding.target) if t.name == finding.target)
        given = Input(target, place.root / finding.input, finding.changes)
        if kept.is_dir() and not kept.is_symlink():
            shutil.copytree(kept, given.path, symlinks=True)
        elif kept.is_symlink() or kept.exists():
            shutil.copy2(kept, given.path, follow_symlinks=False)
        else:  # a pipe or a socket cannot be kept
            given = make_input(finding.seed, finding.number, good, place)
        outcome = try_input(given, good, place, Limits())
        print(
            f"{finding.target}: exit {outcome.code}, {outcome.cpu_s:.1f} s, "
            f"{outcome.memory_bytes / 1e6:.0f} MB\n{outcome.text}"
        )
        print(f"FINDING: {outcome.finding}" if outcome.finding else "as it must be")
        place.close()
        return 1 if outcome.finding else 0
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

"""Many inputs, on all cores: forks of one process that has imported and computed everything once.

The first process forks one per core for a batch of inputs, and that one forks for every input. What a
batch's own process gathers over time goes with it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz.findings import Finding, finding_of, save
from tests.fuzz.inputs import Input, make_input
from tests.fuzz.sandbox import COSTS, Limits, Outcome, try_out
from tests.fuzz.seeds import Good
from tests.fuzz.surroundings import Surroundings
from tests.fuzz.targets import TARGETS, Target, filled_in

_BATCH = 400
_REAL_COMMANDS = 20
_COMMAND_S = 120.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Plan:
    """What a campaign tries.

    Attributes
    ----------
    seeds
        Their inputs are made in turn.
    n_inputs
        How many, None for no limit.
    seconds
        For how long, None for no limit.
    findings
        Directory that findings are kept in.
    n_processes
        At once.
    limits
        Of one input.
    targets
        What reads the inputs.
    """

    seeds: tuple[int, ...]
    findings: Path
    n_inputs: int | None = None
    seconds: float | None = None
    n_processes: int = 1
    limits: Limits = field(default_factory=Limits)
    targets: tuple[Target, ...] = TARGETS


@dataclass
class Tally:
    """What came of the inputs: outcomes by target and exit code, findings, and failures of our own."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    most_bytes: int = 0

    @property
    def n_inputs(self) -> int:
        """Inputs that were tried."""
        return sum(self.outcomes.values())

    def add(self, other: dict[str, Any]) -> None:
        """Add what a batch counted."""
        for name in ("outcomes", "findings", "failures"):
            getattr(self, name).update(other[name])
        self.slowest_s = max(self.slowest_s, other["slowest_s"])
        self.most_bytes = max(self.most_bytes, other["most_bytes"])


def run_campaign(plan: Plan, good: Good, base: Path, tell: Callable[[Tally], None]) -> Tally:
    """Try inputs until their number or the time is used up.

    Parameters
    ----------
    plan
        What to try.
    good
        Files that inputs are made from.
    base
        Directory for everything that is made on the way.
    tell
        Called with the counts after every batch.
    """
    gc.collect()
    gc.freeze()
    deadline = None if plan.seconds is None else time.monotonic() + plan.seconds
    tally, next_number = Tally(), 0
    running: dict[int, tuple[int, Path]] = {}
    free = list(range(plan.n_processes))
    batch = (
        _BATCH
        if plan.n_inputs is None
        else max(1, min(_BATCH, plan.n_inputs // (4 * plan.n_processes)))
    )
    try:
        while True:
            while free and _more(plan, next_number, deadline):
                last = next_number + batch
                last = last if plan.n_inputs is None else min(last, plan.n_inputs)
                slot, numbers = free.pop(), range(next_number, last)
                result = base / f"result-{slot}.json"
                # a place of its own: what a batch that died has left is in nobody's way
                place = base / f"{slot}-{next_number}"
                work = partial(_work, plan, good, place, numbers, deadline, result)
                running[_fork(work)] = (slot, result)
                next_number = last
            if not running:
                return tally
            process, status = os.wait()
            slot, result = running.pop(process)
            free.append(slot)
            _gather(tally, result, status)
            tell(tally)
    finally:
        for process in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _more(plan: Plan, next_number: int, deadline: float | None) -> bool:
    in_number = plan.n_inputs is None or next_number < plan.n_inputs
    return in_number and (deadline is None or time.monotonic() < deadline)


def _gather(tally: Tally, result: Path, status: int) -> None:
    if result.exists():
        tally.add(json.loads(result.read_text()))
        result.unlink()
    if status:
        tally.failures[f"a batch ended with status {os.waitstatus_to_exitcode(status)}"] += 1


def _fork(work: Callable[[], None]) -> int:
    """Run `work` in a process that dies with this one; return its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        die_with_parent()
        work()
        code = 0
    except BaseException:  # noqa: BLE001  nothing may come back into the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _work(
    plan: Plan, good: Good, base: Path, numbers: range, deadline: float | None, result: Path
) -> None:
    """Try a batch and write down what came of it."""
    tally = Tally()
    place = Surroundings(base)
    try:
        for number in numbers:
            if deadline is not None and time.monotonic() >= deadline:
                break
            _try_one(plan, good, place, number, tally)
            if number % 20 == 0 or number == numbers[-1]:
                _write(tally, result)
        _write(tally, result)
    finally:
        place.close()


def _write(tally: Tally, result: Path) -> None:
    beside = result.with_suffix(".new")
    beside.write_text(json.dumps(vars(tally)))
    beside.replace(result)


def _try_one(plan: Plan, good: Good, place: Surroundings, number: int, tally: Tally) -> None:
    seed = plan.seeds[number % len(plan.seeds)]
    place.clear()
    given = make_input(seed, number, good, place, plan.targets)
    for change in given.changes:
        if "failed" in change:
            tally.failures[change.split(":")[0]] += 1
    outcome = try_input(given, good, place, plan.limits)
    if outcome.finding in COSTS:  # a busy machine can be at fault once
        place.clear()
        given = make_input(seed, number, good, place, plan.targets)
        outcome = try_input(given, good, place, plan.limits)
    tally.outcomes[f"{given.target.name}|{outcome.code}"] += 1
    tally.slowest_s = max(tally.slowest_s, outcome.cpu_s)
    tally.most_bytes = max(tally.most_bytes, outcome.memory_bytes)
    finding = finding_of(outcome, given, seed, number, place.base)
    words = getattr(given.target.call, "words", None)
    if finding is None and words and number % _REAL_COMMANDS == 0 and not given.target.writes:
        outcome = _real_command(given, words, good, place)
        finding = finding_of(outcome, given, seed, number, place.base)
    if finding is not None:
        if given.target.writes:  # what it left is not what it was given
            place.clear()
            given = make_input(seed, number, good, place, plan.targets)
        tally.findings[finding.signature] += 1
        save(finding, given.path, plan.findings)


def try_input(given: Input, good: Good, place: Surroundings, limits: Limits) -> Outcome:
    """Give an input to its target, in a process of its own."""
    target = given.target
    call = partial(target.call, given.path, good)
    return try_out(call, place, given.path, limits, writes=target.writes, secret=target.secret)


def _real_command(given: Input, words: tuple[str, ...], good: Good, place: Surroundings) -> Outcome:
    """Run the command as a user would, in a new interpreter."""
    arguments = filled_in(words, given.path, good)[1:]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "element_facerhythm", *arguments],
            cwd=place.root,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, "a real command waits for ever", "", "", _COMMAND_S, 0)
    said = done.stderr[-6000:]
    wrong = "Traceback" in said or "defect of facerhythm" in said
    finding = "a real command failed" if wrong or done.returncode not in (0, 1, 2) else ""
    return Outcome(done.returncode, finding, said, f"exit {done.returncode}", 0.0, 0)


def table(tally: Tally, findings: Path) -> str:
    """Return what came of a campaign, as text."""
    by_target: dict[str, Counter[str]] = {}
    for key, count in tally.outcomes.items():
        target, _, code = key.rpartition("|")
        by_target.setdefault(target, Counter())[code] += count
    lines = [f"{'target':<34}{'exit 0':>9}{'exit 1':>9}{'exit 2':>9}{'died':>9}"]
    lines += [
        f"{target:<34}" + "".join(f"{codes[code]:>9}" for code in ("0", "1", "2", "None"))
        for target, codes in sorted(by_target.items())
    ]
    lines.append(
        f"largest: {tally.slowest_s:.1f} s of a processor, {tally.most_bytes / 1e6:.0f} MB"
    )
    lines += [f"our own: {count} x {what}" for what, count in tally.failures.most_common()]
    lines += [_line(findings, name, count) for name, count in tally.findings.most_common()]
    lines.append(f"{tally.n_inputs} inputs, {len(tally.findings)} kinds of findings")
    return "\n".join(lines)


def _line(findings: Path, name: str, count: int) -> str:
    record = findings / name / "finding.json"
    finding = Finding(**json.loads(record.read_text())) if record.exists() else None
    about = f"{finding.kind} | {finding.where}" if finding else ""
    return f"FINDING {count:>5} x {name}: {about}"

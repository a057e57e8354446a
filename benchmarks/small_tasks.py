"""Tasks that only sleep, to look at the queue itself; with a program that works on them.

`python small_tasks.py SCHEMA FLAG=VALUE ...` is a worker of its table, in a process of its own.
"""

import json
import sys
import time
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.pipeline.supervision import supervised

dj: Any = import_datajoint()
schema = dj.Schema()


@schema
class Task(dj.Manual):
    """What is to be done, and for how long it takes."""

    definition = """
    task_id  : int32
    ---
    sleep_s  : float64
    """


@schema
class Slept(dj.Computed):
    """A task that was done."""

    definition = """
    -> Task
    ---
    slept_s : float64
    """

    def make_fetch(self, key: dict[str, Any]) -> tuple[float]:
        """Give the time to sleep."""
        return (float((Task() & key).fetch1("sleep_s")),)

    @supervised
    def make_compute(self, key: dict[str, Any], sleep_s: float) -> tuple[float]:
        """Sleep."""
        time.sleep(sleep_s)
        return (sleep_s,)

    def make_insert(self, key: dict[str, Any], slept_s: float) -> None:
        """Write the row."""
        self.insert1({**key, "slept_s": slept_s})


def activate(prefix: str) -> None:
    """Bind the tables, and those of the fleet."""
    from element_facerhythm import fleet
    from element_facerhythm.database import embedded
    from element_facerhythm.database.table_creation import activating

    embedded.configure()
    with activating(schema, f"{prefix}small"):
        schema.activate(f"{prefix}small")
    fleet.activate(f"{prefix}fleet")


def main() -> None:
    """Work until idle; print the report and the seconds that it took."""
    from element_facerhythm.fleet.job_queue import JobQueue
    from element_facerhythm.fleet.worker import WorkerOptions, work

    activate(sys.argv[1])
    JobQueue(Slept).provide()  # before the clock starts
    print("ready", flush=True)
    sys.stdin.readline()
    options = {name: float(value) for name, value in (a.split("=") for a in sys.argv[2:])}
    max_jobs = options.pop("max_jobs", None)
    started = time.monotonic()
    report = work(
        [Slept],
        WorkerOptions(
            exit_when_idle=True, max_jobs=None if max_jobs is None else int(max_jobs), **options
        ),
    )
    print(json.dumps({**vars(report), "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main()

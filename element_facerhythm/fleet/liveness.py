"""Detection of silent workers, by one observer with one clock.

A worker is silent when its last heartbeat stayed the same while this observer polled it, without a gap, for
longer than the worker's lease. Times that others wrote are compared for equality only: neither a wrong
clock, nor a server that was unavailable for an hour, makes a live worker seem dead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class _Seen:
    """What is known of one worker: its last heartbeat, since when, and whether an earlier one was seen."""

    beat: Any
    since_s: float
    changed: bool


@dataclass
class Observer:
    """Heartbeats that one observer has seen.

    Parameters
    ----------
    longest_gap_s
        Time between two polls after which nothing that was seen before counts (the observer itself may have
        been frozen).
    """

    longest_gap_s: float
    silent: frozenset[str] = frozenset()
    alive: frozenset[str] = frozenset()
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _polled_s: float | None = None

    def poll(self, workers: Mapping[str, tuple[Any, float]], now_s: float) -> None:
        """Update from the last heartbeat and the lease of every worker that is present or has jobs.

        Afterwards `silent` are those that are lost and whose jobs may be requeued, and `alive` those that
        gave a heartbeat while they were observed, not longer than half a lease ago. The others are undecided.

        Parameters
        ----------
        workers
            By worker: any value that changes with every heartbeat; seconds that it may be silent.
        now_s
            Time by a clock that only goes forward.
        """
        if self._polled_s is None or now_s - self._polled_s > self.longest_gap_s:
            self._seen.clear()
        self._polled_s = now_s
        self._seen = {
            worker: self._now_seen(worker, beat, now_s) for worker, (beat, _) in workers.items()
        }
        quiet_s = {worker: now_s - seen.since_s for worker, seen in self._seen.items()}
        leases_s = {worker: lease_s for worker, (_, lease_s) in workers.items()}
        self.silent = frozenset(w for w in workers if quiet_s[w] > leases_s[w])
        self.alive = frozenset(
            w for w in workers if self._seen[w].changed and quiet_s[w] <= leases_s[w] / 2
        )

    def _now_seen(self, worker: str, beat: Any, now_s: float) -> _Seen:
        before = self._seen.get(worker)
        if before is None:
            return _Seen(beat, now_s, changed=False)
        return before if before.beat == beat else _Seen(beat, now_s, changed=True)

    def forget(self) -> None:
        """Forget what was seen: this observer could not read the heartbeats."""
        self._seen.clear()
        self._polled_s = None
        self.silent = self.alive = frozenset()

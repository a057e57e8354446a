"""How an attempt at a job ends, in the words of `JobAttempt.outcome`."""

DONE = "done"
FAILED = "failed"
RETRY = "retry"
GIVEN_BACK = "given back"
"""Its worker stopped, or the project was busy: it is requeued, and nothing counts against it."""
LOST = "lost"
"""Its worker sent no heartbeat for longer than its lease."""
RESET = "reset"
GONE = "gone"

COUNT_ANEW = (RESET, GONE)
"""Outcomes after which earlier attempts do not count: a user asked for a retry, or the key was deleted."""

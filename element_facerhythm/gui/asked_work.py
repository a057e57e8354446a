"""Work that pages ask for again and again until it is done; what nobody asks for any more is stopped."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from element_facerhythm.gui.preparation import Step, Work, carry_out

PATIENCE_S = 5.0
_KEPT = 32


class AskedWork:
    """Does one piece of work after another in a thread, each only while it is asked for.

    A page that is closed, or shows something else, asks no more: its work ends `PATIENCE_S` later.

    Parameters
    ----------
    patience_s
        How long work goes on after it was last asked for.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._steps: OrderedDict[str, Step] = OrderedDict()
        self._asked_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def step(self, name: str, work: Work) -> Step:
        """Return the step of a name as it stands; it is begun where there is none.

        One that failed is returned once, and begun anew when it is asked for again.

        Parameters
        ----------
        name
            What it makes: the same name is the same work.
        work
            Makes it.
        """
        with self._lock:
            step = self._steps.get(name)
            if step is None:
                step = self._steps[name] = Step(name, work)
            self._steps.move_to_end(name)
            self._asked_s[name] = time.monotonic()
            if step.state == "failed":
                self._forget(name)
            done = [own.name for own in self._steps.values() if own.state == "done"]
            for old in done[: max(len(self._steps) - _KEPT, 0)]:
                self._forget(old)
            if self._thread is None and step.state == "waiting" and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="asked", daemon=True)
                self._thread.start()
            return step

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop at the next occasion; what is half made leaves nothing."""
        self._is_closed = True
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                waiting = [step for step in self._steps.values() if step.state == "waiting"]
                if not waiting or self._is_closed:
                    self._thread = None
                    return
                step = waiting[-1]  # the one that was asked for last
            if not carry_out(step, lambda name=step.name: self._is_over(name)):  # type: ignore[misc]
                with self._lock:
                    self._forget(step.name)

    def _is_over(self, name: str) -> bool:
        asked_s = self._asked_s.get(name, 0.0)
        return self._is_closed or time.monotonic() - asked_s > self._patience_s

    def _forget(self, name: str) -> None:
        self._steps.pop(name, None)
        self._asked_s.pop(name, None)

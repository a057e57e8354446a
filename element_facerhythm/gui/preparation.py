"""What is made of a project in the background when its page is first opened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from element_facerhythm.errors import FaceRhythmError

logger = logging.getLogger(__name__)

Work = Callable[[Callable[[float], None]], Any]
"""Does something, and says which share of it is done."""


class StoppedError(Exception):
    """The server ends, or nobody waits for it any more."""


@dataclass(eq=False)
class Step:
    """Something that is made once.

    Attributes
    ----------
    name
        What pages call it.
    state
        `waiting`, `running`, `done` or `failed`.
    share
        How much is done, 0 to 1.
    error
        Why it failed; None where it did not.
    result
        What came of it, when it is done.
    """

    name: str
    work: Work = field(repr=False)
    state: str = "waiting"
    share: float = 0.0
    error: str | None = None
    result: Any = None

    def finished(self) -> Any:
        """Return what came of it; None while it is not done.

        Raises
        ------
        FaceRhythmError
            It failed.
        """
        if self.state == "failed":
            raise FaceRhythmError(self.error or f"{self.name} failed")
        return self.result

    def as_json(self) -> dict[str, Any]:
        """Return what pages are told."""
        return {"state": self.state, "share": round(self.share, 3), "error": self.error}


class Preparation:
    """Takes steps one after another in a thread; a step that fails does not keep the others from being taken.

    Parameters
    ----------
    steps
        What is to be done, in order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = {step.name: step for step in steps}
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="look", daemon=True)
        self._lock = threading.Lock()
        self._is_started = False

    def start(self) -> None:
        """Begin, the first time that it is called."""
        with self._lock:
            if not self._is_started:
                self._is_started = True
                self._thread.start()

    def result(self, name: str) -> Any:
        """Return what came of a step; None while it is not done.

        Raises
        ------
        FaceRhythmError
            The step failed.
        """
        return self.steps[name].finished()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop at the next occasion; what is half made leaves nothing."""
        self._is_stopped.set()
        with self._lock:
            is_started = self._is_started
        if is_started:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        for step in self.steps.values():
            if not carry_out(step, self._is_stopped.is_set):
                return


def carry_out(step: Step, is_stopped: Callable[[], bool]) -> bool:
    """Do the work of a step and keep what came of it; returns False where it was stopped.

    Parameters
    ----------
    step
        What to do.
    is_stopped
        Whether it shall end at the next occasion.
    """

    def note(share: float) -> None:
        if is_stopped():
            raise StoppedError
        step.share = share

    step.state = "running"
    try:
        note(0.0)
        step.result = step.work(note)
    except StoppedError:
        return False
    except (FaceRhythmError, OSError) as error:
        step.state, step.error = "failed", str(error)
        logger.warning("%s: %s", step.name, error)
    except Exception as error:  # else pages would wait for it for ever
        step.state, step.error = "failed", f"{type(error).__name__}: {error}"
        logger.exception("%s", step.name)
    else:
        step.state, step.share = "done", 1.0
    return True

"""Stop signals as an event, for verbs that run until stopped."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM or Ctrl-C sets; a second signal ends the process at once.

    The signals are blocked and awaited by a thread of their own. An exception raised by a handler could
    come in the middle of a statement to the database; besides, DataJoint installs its own SIGTERM handler
    while it populates. Enter the context before anything that starts threads (numpy does): a thread keeps
    the mask that it was started with.
    """
    stop, over = threading.Event(), threading.Event()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    waiter = threading.Thread(target=wait_for_signals, args=(stop, over), daemon=True)
    waiter.start()
    try:
        yield stop
    finally:
        over.set()
        if waiter.is_alive() and waiter.ident is not None:
            signal.pthread_kill(waiter.ident, SIGNALS[0])
        waiter.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def wait_for_signals(stop: threading.Event, over: threading.Event) -> None:
    """Set `stop` at the first signal, and end the process at the second, until `over` is set."""
    while True:
        number = signal.sigwait(SIGNALS)
        if over.is_set():
            return
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        typer.echo(
            "facerhythm: stopping at the next safe point; once more to stop at once", err=True
        )

"""Work that takes much memory, in a process of its own: the server has its memory back when it is done."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from element_facerhythm.errors import FaceRhythmError, ProcessingError

Note = Callable[[float], None]
_POLL_S = 0.2


def run_apart(work: Callable[..., None], *arguments: Any, note: Note) -> None:
    """Call a function in a new process, and wait for it; where the caller is stopped, the process is killed.

    Parameters
    ----------
    work
        A function of a module, called with a function that takes the share that is done, and the arguments.
    arguments
        What can be pickled.
    note
        Called with the share that is done, 0 to 1, several times a second; it raises to stop the work.

    Raises
    ------
    FaceRhythmError
        The work failed, in its own words.
    ProcessingError
        The process ended by something else, such as a signal.
    """
    context = multiprocessing.get_context(
        "spawn"
    )  # a fork of a process with threads may wait for ever
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        _follow(receiver, note)
        process.join()
    finally:
        process.kill()
        process.join()
        receiver.close()
    if process.exitcode != 0:
        raise ProcessingError(f"the process that does it ended with code {process.exitcode}")


def _follow(receiver: Connection, note: Note) -> None:
    """Hand on what the process says until it ends."""
    share = 0.0
    while True:
        if receiver.poll(_POLL_S):
            try:
                said = receiver.recv()
            except EOFError:
                return
            if isinstance(said, str):
                raise FaceRhythmError(said)
            share = said
        note(share)


def _call(sender: Connection, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        work(sender.send, *arguments)
    except FaceRhythmError as error:
        sender.send(str(error))

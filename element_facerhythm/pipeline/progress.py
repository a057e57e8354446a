"""Progress for runs that the caller does not start itself, such as those of a table's `make`.

`run_project(request, progress=...)` reports to the object that it is given. DataJoint calls it from
`make_compute`, which takes no further values; the caller of `populate` may therefore set it around the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from element_facerhythm.pipeline.records import NullProgress, Progress

_ambient: ContextVar[Progress | None] = ContextVar("facerhythm_progress", default=None)


@contextmanager
def use_progress(progress: Progress) -> Iterator[None]:
    """Report every run that starts inside the context to `progress`, unless it was given another."""
    token = _ambient.set(progress)
    try:
        yield
    finally:
        _ambient.reset(token)


def current_progress() -> Progress:
    """Return where a run that was given no progress reports to."""
    return _ambient.get() or NullProgress()

"""Progress for runs that something in between starts, such as a table's `make`.

`run_project(request, progress=...)` is told where to report. DataJoint calls it from `make_compute`, which
has no way to hand a value through; whoever calls `populate` may therefore set it around the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from element_facerhythm.pipeline.records import NullProgress, Progress

_ambient: ContextVar[Progress | None] = ContextVar("facerhythm_progress", default=None)


@contextmanager
def reporting_to(progress: Progress) -> Iterator[None]:
    """Report every run that starts inside the context to `progress`, unless it was given another."""
    token = _ambient.set(progress)
    try:
        yield
    finally:
        _ambient.reset(token)


def ambient_progress() -> Progress:
    """Return where a run that was given no progress reports to."""
    return _ambient.get() or NullProgress()

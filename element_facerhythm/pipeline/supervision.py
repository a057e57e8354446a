"""Supervisors of the computations that a table's `make` starts.

DataJoint calls `make_compute` itself, and no value can be passed to it. The caller of `populate` may
therefore set a supervisor around the call: it runs the computation, keeps its result until the rows are
inserted, and can stop it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Protocol


class Supervisor(Protocol):
    """Runs computations for a caller."""

    def compute(self, inputs: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        """Return the result of `run()`, or of an earlier call with equal `inputs`.

        Parameters
        ----------
        inputs
            All that the result depends on.
        run
            The computation, without arguments.
        """
        ...


_ambient: ContextVar[Supervisor | None] = ContextVar("facerhythm_supervisor", default=None)


@contextmanager
def use_supervisor(supervisor: Supervisor) -> Iterator[None]:
    """Run every computation that starts inside the context by `supervisor`."""
    token = _ambient.set(supervisor)
    try:
        yield
    finally:
        _ambient.reset(token)


def supervised(make_compute: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `make_compute(self, key, *inputs)` so that a supervisor, where there is one, runs it."""

    @wraps(make_compute)
    def compute(self: Any, key: dict[str, Any], *inputs: Any) -> Any:
        supervisor = _ambient.get()
        if supervisor is None:
            return make_compute(self, key, *inputs)
        about = (type(self).__name__, dict(key), *inputs)
        return supervisor.compute(about, lambda: make_compute(self, key, *inputs))

    return compute

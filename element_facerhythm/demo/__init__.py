"""What `facerhythm demo` does: a scene of known motion, through the database, compared with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from element_facerhythm.demo.runner import DemoReport, run_demo

__all__ = ["DemoReport", "run_demo"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from element_facerhythm.demo import runner

    return getattr(runner, name)

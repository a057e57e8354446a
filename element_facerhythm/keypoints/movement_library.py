"""The movement library, imported without what its import does to a user's home and process.

On import, movement makes `~/.movement`, logs into it and to stderr, and takes over Python's
warnings. A worker writes nothing into a home, and its log is its own.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from element_facerhythm.errors import ConfigurationError

logger = logging.getLogger(__name__)

_ADVICE = 'datasets of movement need: pip install "element-facerhythm[formats]"'


def import_movement() -> ModuleType:
    """Import movement with what is used of it, quietly.

    A process that imported it before keeps its log and its warnings as they are.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    was_there = "movement" in sys.modules
    try:
        with _elsewhere():
            import movement
            import movement.io.load_poses
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}; {_ADVICE}") from error
    if was_there or _forward in _HANDLED:
        return movement
    _HANDLED.append(_forward)
    from movement.utils.logging import logger as its_logger

    its_logger.remove()
    its_logger.add(_forward, level="WARNING", format="{message}")
    return movement


_HANDLED: list[Any] = []


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Run a block with another home directory; restore it, and Python's warnings, afterwards."""
    home, show = os.environ.get("HOME"), warnings.showwarning
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        os.environ["HOME"] = directory
        try:
            yield
        finally:
            warnings.showwarning = show
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home


def _forward(message: Any) -> None:
    logger.info("movement: %s", str(message).strip())

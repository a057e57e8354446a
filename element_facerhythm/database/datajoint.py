"""DataJoint, imported without its advice, and what is left out of its log."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_messages(beginning: str) -> Iterator[None]:
    """Suppress log messages of DataJoint that begin like this."""

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    logger = logging.getLogger("datajoint")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def import_datajoint() -> Any:
    """Import DataJoint without its advice to write a `datajoint.json`: running without one is supported."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No datajoint.json found")
        warnings.filterwarnings("ignore", message="datajoint.migrate is deprecated")
        import datajoint
    return datajoint

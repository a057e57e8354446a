"""What DataJoint logs, and need not be shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_messages(beginning: str) -> Iterator[None]:
    """Hold back what DataJoint logs meanwhile with this beginning."""

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    logger = logging.getLogger("datajoint")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)

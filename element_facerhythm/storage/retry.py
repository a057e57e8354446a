"""Failures of a store: tried again where that can help, and reported without secrets."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from element_facerhythm.errors import ConfigurationError, ProcessingError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

WAITS_S = (1.0, 2.0, 4.0)
"""Pauses between the attempts; the client libraries try several times within each, too."""

SECRETS = ("secret_key", "account_key", "connection_string", "token")

# base classes of what the client libraries raise beside OSError, by the module that holds them
_LIBRARY_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp": ("ClientError",),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "azure.core.exceptions": ("AzureError",),
}


def store_errors() -> tuple[type[Exception], ...]:
    """Exceptions by which the client libraries that are loaded say that a store failed."""
    found: list[type[Exception]] = [OSError]
    for module, names in _LIBRARY_ERRORS.items():
        if module in sys.modules:
            found += [getattr(sys.modules[module], name) for name in names]
    return tuple(found)


def with_retries(
    work: Callable[[], Result], what: str, spec: Mapping[str, Any], remedy: str = "Try again later"
) -> Result:
    """Call `work` on a store, several times if need be.

    Parameters
    ----------
    work
        What is done; it must be such that it can be done twice.
    what
        What it is, for the message: "PointTracker.h5 cannot be put into", for example.
    spec
        DataJoint's description of the store.
    remedy
        What to do where it does not answer.

    Raises
    ------
    ConfigurationError
        The store refuses the credentials, or has no such bucket; trying again would not help.
    ProcessingError
        It does not answer, or fails every time.
    """
    for wait_s in (*WAITS_S, None):
        try:
            return work()
        except store_errors() as error:
            if refuses(error):
                raise ConfigurationError(
                    f"{what} {store_label(spec)}: {redacted(error, spec)}. Check bucket, access_key and "
                    "secret_key of the DataJoint store (DJ_STORES, datajoint.json, .secrets/); `facerhythm "
                    "doctor` tries it"
                ) from None
            if wait_s is None:
                raise ProcessingError(
                    f"{what} {store_label(spec)}, tried {len(WAITS_S) + 1} times: "
                    f"{redacted(error, spec)}. {remedy}"
                ) from error
            logger.warning(
                "%s %s, trying again: %s", what, store_label(spec), redacted(error, spec)
            )
            time.sleep(wait_s)
    raise AssertionError("unreachable: the last attempt returns or raises")


def refuses(error: Exception) -> bool:
    """Return whether the store answered, and will answer the same next time."""
    no_login = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError")
    return isinstance(error, (PermissionError, FileNotFoundError)) or (
        type(error).__name__ in no_login
    )


def store_label(spec: Mapping[str, Any]) -> str:
    """Name a store for messages: where it is, without secrets."""
    bucket = spec.get("bucket") or spec.get("container") or ""
    parts = (spec.get("endpoint"), bucket, spec.get("location"))
    return f"{spec['protocol']} store {'/'.join(str(p).strip('/') for p in parts if p)}"


def redacted(error: Exception, spec: Mapping[str, Any]) -> str:
    """Return what a library says, on one line and without secrets.

    Parameters
    ----------
    error
        What it raised.
    spec
        DataJoint's description of the store; its values under `SECRETS` are left out.
    """
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for name in SECRETS:
        if spec.get(name):
            text = text.replace(str(spec[name]), "***")
    return text

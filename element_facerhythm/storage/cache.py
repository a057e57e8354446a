"""Files of a store or the database on the local disk: named by their digest, verified when they arrive.

`FACERHYTHM_CACHE_DIR` says where (the user's cache directory if not set), `FACERHYTHM_CACHE_GB` how much
may be kept (50 if not set). The directory may be deleted at any time; what is needed is read again.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from element_facerhythm.errors import ConfigurationError, ProcessingError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.atomic import TEMPORARY_SUFFIX, atomic_path
from element_facerhythm.storage.object_store import ObjectStore

DIRECTORY_VARIABLE = "FACERHYTHM_CACHE_DIR"
SIZE_VARIABLE = "FACERHYTHM_CACHE_GB"
DEFAULT_GB = 50.0
SUFFIXES = (".h5", ".pt")
"""Of products, and of weights of networks."""
ABANDONED_AFTER_S = 24 * 3600.0


def cache_dir() -> Path:
    """Directory of the cache; made when something is put into it."""
    given = os.environ.get(DIRECTORY_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("element-facerhythm") / "products"


def limit_bytes() -> int:
    """How much the cache may hold."""
    given = os.environ.get(SIZE_VARIABLE, str(DEFAULT_GB))
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < float("inf"):
        raise ConfigurationError(f"{SIZE_VARIABLE} is {given!r}; expected a number of gigabytes")
    return int(gigabytes * 1e9)


def cached_file(store: ObjectStore, name: str, sha256: str) -> Path:
    """Local path of an object's content, read from the store where it is not there yet.

    Parameters
    ----------
    store
        Where the object is.
    name
        Name of the object, as of `product_name`.
    sha256
        Digest of its content; the cache keeps it under this one.

    Raises
    ------
    ConfigurationError
        The store refuses the credentials, or `FACERHYTHM_CACHE_GB` is no number of gigabytes.
    ProcessingError
        The store does not answer or lacks the object, the content has another digest, or the cache cannot be
        written.
    """
    return cached_content(sha256, ".h5", lambda path: download_verified(store, name, sha256, path))


def cache_path(sha256: str, suffix: str) -> Path:
    """Return where the cache keeps a content, whether it is there or not.

    Parameters
    ----------
    sha256
        Digest of the content.
    suffix
        One of `SUFFIXES`.
    """
    return cache_dir() / f"{sha256}{suffix}"


def cached_content(sha256: str, suffix: str, fetch: Callable[[Path], None]) -> Path:
    """Local path of a content, fetched where it is not there yet.

    Parameters
    ----------
    sha256
        Digest of the content.
    suffix
        One of `SUFFIXES`.
    fetch
        Writes the content to a path, or raises where it has another digest.

    Raises
    ------
    ProcessingError
        The cache cannot be written.
    """
    path = cache_path(sha256, suffix)
    limit = limit_bytes()
    # the cache holds no links: one is replaced, wherever it leads
    if path.is_file() and not path.is_symlink() and file_sha256(path) == sha256:
        status = path.stat()
        os.utime(
            path, ns=(time.time_ns(), status.st_mtime_ns), follow_symlinks=False
        )  # used last; the content's time stays
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fetch(path)
    except OSError as error:
        raise ProcessingError(
            f"{path} cannot be written to the cache ({error.strerror}): make room or give it the rights, or "
            f"choose another directory ({DIRECTORY_VARIABLE})"
        ) from error
    _make_room(path, limit)
    return path


def download_verified(store: ObjectStore, name: str, sha256: str, path: Path) -> None:
    """Copy an object to a path, which appears only if the content has the digest.

    Parameters
    ----------
    store
        Where the object is.
    name
        Name of the object, as of `product_name`.
    sha256
        Digest that the row has of it.
    path
        The file to write; one that is there is replaced.

    Raises
    ------
    ConfigurationError
        The store refuses the credentials.
    ProcessingError
        The content has another digest, or the store does not answer or lacks the object.
    """
    with atomic_path(path) as temporary:
        store.download(name, temporary)
        with temporary.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise ProcessingError(
                f"object {name} of the {store} is damaged: its SHA-256 is {found[:12]}..., the row says "
                f"{sha256[:12]}.... Restore the object from a backup, or delete the row and populate again"
            )


def _make_room(kept: Path, limit: int) -> None:
    """Delete what was used least recently until the cache is within its limit; `kept` stays."""
    now = time.time()
    for part in kept.parent.glob(f".*{TEMPORARY_SUFFIX}"):
        if now - part.lstat().st_mtime > ABANDONED_AFTER_S:
            part.unlink(missing_ok=True)
    entries = [path for suffix in SUFFIXES for path in kept.parent.glob(f"*{suffix}")]
    files = sorted(((path.lstat(), path) for path in entries), key=lambda f: f[0].st_atime_ns)
    total = sum(status.st_size for status, _ in files)
    for status, path in files:
        if total <= limit:
            return
        if path != kept:
            path.unlink(missing_ok=True)
            total -= status.st_size

"""Content digests of files, each computed once as long as the file does not change, and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from element_facerhythm.files.regular import FileMemory, Signature, signature_of

_digests: FileMemory[str] = FileMemory(max_entries=1024)


def file_sha256(path: Path) -> str:
    """SHA-256 of a regular file's content, 64 hex digits.

    The digest is remembered for the file's signature (see `files.FileMemory`): a recording of many
    gigabytes is probed several times on its way into the database, and read for its digest once.

    Raises
    ------
    PathError, OSError
        There is no regular file, or it may not be read.
    """
    return _digests.recall(path, _sha256)


def file_change(path: Path, sha256: str, size_bytes: int | None = None) -> str | None:
    """Return how a file differs from the one that was entered or recorded; None where it is that one.

    Parameters
    ----------
    path
        The file as it is now.
    sha256, size_bytes
        Of the one that is expected; None where its size is not known.

    Raises
    ------
    PathError, OSError
        There is no regular file, or it may not be read.
    """
    return content_change(path, sha256, size_bytes, signature=signature_of, digest=file_sha256)


def content_change(
    path: Path,
    sha256: str,
    size_bytes: int | None,
    *,
    signature: Callable[[Path], Signature],
    digest: Callable[[Path], str],
) -> str | None:
    """Return how content differs from what is expected, its size before its digest; None where it does not.

    Parameters
    ----------
    path
        Where it is.
    sha256, size_bytes
        That are expected; a size of None is not asked for.
    signature, digest
        Give its size, and its SHA-256.
    """
    found = None if size_bytes is None else signature(path).size_bytes
    if found != size_bytes:
        return f"it has {found} bytes, and had {size_bytes}"
    return digest_change(digest(path), sha256)


def digest_change(found: str, sha256: str) -> str | None:
    """Return how a SHA-256 differs from the one that is expected; None where it does not.

    Parameters
    ----------
    found, sha256
        Digest now, and the one that is expected.
    """
    if found == sha256:
        return None
    return f"its SHA-256 is {found[:12]}..., and was {sha256[:12]}..."


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()

"""Content digests of files, each computed once as long as the file does not change."""

from __future__ import annotations

import hashlib
from io import BufferedReader
from pathlib import Path

from element_facerhythm.files import FileMemory

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


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()

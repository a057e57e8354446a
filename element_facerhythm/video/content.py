"""Content of a video, in one file or a directory of pictures: digest, signature, what is remembered of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.regular import FileMemory, Signature, signature_of, signature_of_all
from element_facerhythm.video.still_files import is_set_of_stills, still_files

T = TypeVar("T")


def video_signature(path: Path) -> Signature:
    """Signature of a file, or of all pictures of a directory; OSError where there is none."""
    return signature_of_all(still_files(path)) if is_set_of_stills(path) else signature_of(path)


def video_sha256(path: Path) -> str:
    """SHA-256 of a file's content; of a directory of pictures, of the names and digests of all in order.

    Raises
    ------
    VideoError, PathError, OSError
        There is nothing that can be read.
    """
    if not is_set_of_stills(path):
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in still_files(path):
        digest.update(f"{file_sha256(file)}  {file.name}\n".encode())
    return digest.hexdigest()


def recall(memory: FileMemory[T], path: Path, compute: Callable[[Path], T]) -> T:
    """Value of a video: remembered, or what `compute` makes of it.

    Parameters
    ----------
    memory
        Where values are remembered for as long as the video does not change.
    path
        The video: one file, or a directory or pattern of pictures.
    compute
        Called with `path`.

    Raises
    ------
    VideoError, PathError, OSError
        There is nothing that can be read.
    """
    if is_set_of_stills(path):
        return memory.recall_all(still_files(path), lambda: compute(path))
    return memory.recall(path, lambda _: compute(path))

"""Whether a video is still the file that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import VideoError
from element_facerhythm.video.metadata import VideoMetadata

Signature = tuple[int, int, int, int]
"""Device, inode, size and time of the last change: another one means, at most, another content."""


def signatures_of(paths: Iterable[Path]) -> tuple[Signature, ...]:
    """Take the signature of each file, before it is looked at; zeros where there is none."""
    return tuple(_signature(Path(path)) for path in paths)


def require_unchanged(videos: Sequence[VideoMetadata], signatures: Sequence[Signature]) -> None:
    """Check that videos are what they were when their signatures were taken.

    Raises
    ------
    VideoError
        One was replaced or written to meanwhile, so that what was computed is of neither content.
    """
    for video, before in zip(videos, signatures, strict=True):
        if _signature(video.path) == before:
            continue
        if not video.path.is_file() or file_sha256(video.path) != video.sha256:
            raise VideoError(
                f"{video.path} changed while it was analysed, so that nothing of it can be kept; restore the "
                "file, or enter the new one, and run again"
            )


def _signature(path: Path) -> Signature:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0, 0, 0)
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)

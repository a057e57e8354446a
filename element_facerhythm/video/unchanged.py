"""Whether a video is still the file that was examined, and the one that was entered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from element_facerhythm.errors import VideoError
from element_facerhythm.files.digest import content_change, digest_change
from element_facerhythm.files.regular import NO_SIGNATURE, Signature
from element_facerhythm.video.content import video_sha256, video_signature
from element_facerhythm.video.metadata import VideoMetadata


def signatures_of(paths: Iterable[Path]) -> tuple[Signature, ...]:
    """Signature of each file, taken before it is examined.

    `NO_SIGNATURE`, which equals that of no file, where there is no file, or where it changed so recently
    that another change could bear the same times.
    """
    now_ns = time.time_ns()
    taken = (_signature(Path(path)) for path in paths)
    return tuple(one if one.detects_changes_after(now_ns) else NO_SIGNATURE for one in taken)


def video_change(path: Path, sha256: str, size_bytes: int | None = None) -> str | None:
    """Return how a video differs from the one that is expected; None where it does not.

    Parameters
    ----------
    path
        A file, or a directory of pictures.
    sha256, size_bytes
        Of the one that is expected; None where its size is not known.

    Raises
    ------
    PathError, VideoError, OSError
        There is no video, or it may not be read.
    """
    return content_change(path, sha256, size_bytes, signature=video_signature, digest=video_sha256)


def require_unchanged(videos: Sequence[VideoMetadata], signatures: Sequence[Signature]) -> None:
    """Check that videos are what they were when their signatures were taken.

    Parameters
    ----------
    videos
        What `probe_video` found.
    signatures
        Of each, by `signatures_of` before it was probed; where they differ or say nothing, contents are
        compared.

    Raises
    ------
    VideoError
        One was replaced or written to meanwhile, so that what was computed is of neither content.
    """
    for video, before in zip(videos, signatures, strict=True):
        if before != NO_SIGNATURE and _signature(video.path) == before:
            continue
        if not video.path.exists() or video_change(video.path, video.sha256, video.size_bytes):
            raise VideoError(
                f"{video.path} changed while it was analysed, so that nothing of it can be kept; restore the "
                "file, or enter the new one, and run again"
            )


def require_entered(videos: Sequence[VideoMetadata], expected_sha256: Sequence[str]) -> None:
    """Check that videos hold the bytes that were entered for them.

    Parameters
    ----------
    videos
        What `probe_video` found.
    expected_sha256
        Digest that was stored for each, in the same order.

    Raises
    ------
    VideoError
        One has another content, or there are more or fewer of them.
    """
    if len(videos) != len(expected_sha256):
        raise VideoError(
            f"{len(videos)} videos are given and {len(expected_sha256)} were entered; give those of the "
            "recording, in its order"
        )
    for video, expected in zip(videos, expected_sha256, strict=True):
        change = digest_change(video.sha256, expected)
        if change is not None:
            raise VideoError(
                f"{video.path} changed since it was entered ({change}): restore the file from a backup. A "
                "video that was replaced on purpose is another recording: enter it under a number of its own"
            )


def require_entered_times(
    videos: Sequence[VideoMetadata], expected_sha256: Sequence[str | None]
) -> None:
    """Check that the times of the frames come from the files that were entered.

    Parameters
    ----------
    videos
        What `probe_video` found.
    expected_sha256
        Digest of each file of times; None where the times are the video's own.

    Raises
    ------
    VideoError
        A file of times has another content, is gone, or is new.
    """
    for video, expected in zip(videos, expected_sha256, strict=True):
        if video.times_sha256 != expected:
            names = ("the video's own stamps", video.times_source or "a file of times")
            before, now = (
                names if expected is None else (names[1], names[video.times_sha256 is not None])
            )
            raise VideoError(
                f"{video.path}: its recording was entered with the times of {before} and would be analysed "
                f"with those of {now}, which differ. Restore the file, or delete the RecordingInfo entry and "
                "populate again"
            )


def _signature(path: Path) -> Signature:
    try:
        return video_signature(path)
    except (FileNotFoundError, VideoError):  # what is wrong with it is reported where it is read
        return NO_SIGNATURE

"""Remarks on the frames of a recording that were left out, guessed or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from element_facerhythm.video import VideoMetadata

_N_RANGES = 3  # that are written out


def video_notes(videos: Sequence[VideoMetadata]) -> list[str]:
    """Remarks on the videos of one recording, each beginning with the name of its file."""
    return [f"{video.path.name}: {remark}" for video in videos for remark in _remarks(video)]


def _remarks(video: VideoMetadata) -> Iterator[str]:
    yield from _on_frames(video)
    yield from _on_pictures(video)
    yield from video.remarks


def _on_frames(video: VideoMetadata) -> Iterator[str]:
    if video.n_frames_header not in (None, video.n_frames):
        yield (
            f"the header says {video.n_frames_header} frames and the file holds {video.n_frames}; the "
            "counted number is used"
        )
    if video.is_incomplete:
        yield f"the file was cut off; its {video.n_frames} whole frames are analysed"
    if video.n_hidden_frames:
        yield (
            f"{video.n_hidden_frames} stored frames are left out, as no decoder shows them: what they are "
            "predicted from is missing (the file was cut, or packets were lost)"
        )
    if video.suspect_frames:
        yield (
            f"{video.n_suspect_frames} frames follow lost packets and may be wrong, up to the next keyframe: "
            f"{_ranges(video.suspect_frames)}"
        )


def _on_pictures(video: VideoMetadata) -> Iterator[str]:
    if video.rotation_deg or video.is_flipped:
        mirrored = "mirrored and " if video.is_flipped else ""
        yield (
            f"frames are shown {mirrored}turned by {video.rotation_deg} degrees clockwise, as the file says; "
            "regions and points are in pixels of the turned frames"
        )
    if video.pixel_aspect != 1:
        yield (
            f"pixels are {video.pixel_aspect:.4g} times as wide as high; frames are not stretched, and "
            "distances are in stored pixels"
        )
    if video.bit_depth > 8:
        yield _on_levels(video)


def _on_levels(video: VideoMetadata) -> str:
    if video.level_low is None or video.level_high is None:
        return f"of its {video.bit_depth} bits the high 8 are analysed"
    return (
        f"its {video.bit_depth} bits are analysed in 256 steps between the levels {video.level_low:g} and "
        f"{video.level_high:g}, found in the recording"
    )


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    shown = [
        f"{start}" if stop == start + 1 else f"{start} to {stop - 1}" for start, stop in ranges
    ]
    more = len(shown) - _N_RANGES
    return ", ".join(shown[:_N_RANGES]) + (f" and {more} more ranges" if more > 0 else "")

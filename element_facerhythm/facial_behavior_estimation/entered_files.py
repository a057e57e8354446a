"""Whether the files that are entered for a recording are still those that its facts were read from.

Files can be entered, removed, or replaced after `RecordingInfo` read them, in the database or on disk.
Everything that computes from a recording, or exports what was computed, calls this module first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from element_facerhythm.database.keys import key_of
from element_facerhythm.errors import VideoError
from element_facerhythm.facial_behavior_estimation.recording import (
    ENTERED_NAMES,
    Key,
    RecordingInfo,
    VideoRecording,
    resolved_times,
)
from element_facerhythm.linking import active_link, expected_path, resolve_path

_WAY_OUT = (
    "Undo the change (restore a file from a backup); or delete the recording's RecordingInfo entry, and with "
    "it what was computed, and populate again; or enter other videos as a recording of their own"
)


@dataclass(frozen=True)
class EnteredFile:
    """A video file of a recording, as it was when its facts were read.

    Attributes
    ----------
    path, times_path
        As entered: the file, and the choice of a file with the times of its frames.
    n_frames, frame_rate_hz, size_bytes, sha256, times_file, times_sha256
        As read; the last is None, and the name empty, where the times come from no file.
    has_given_rate
        Whether the rate was given, so that no file of times counts.
    """

    path: str
    times_path: str
    n_frames: int
    frame_rate_hz: float
    size_bytes: int
    sha256: str
    times_file: str
    times_sha256: str | None
    has_given_rate: bool


def entered_files(key: Key) -> tuple[EnteredFile, ...]:
    """Files of a recording in order of time, once it is certain that they are those that were read.

    None for a recording whose facts come from a project directory.

    Raises
    ------
    RequestError
        The key lacks a column of the recording's.
    VideoError
        Files were entered, taken out or changed in the database after the facts were read.
    """
    key = key_of(VideoRecording, key)
    changes = tuple(entry_changes(key))
    if changes:
        raise VideoError(_refusal(key, changes))
    rows = zip(*_rows(key), strict=True)
    given = _given_rate(key) is not None
    return tuple(
        EnteredFile(
            path=file["file_path"],
            times_path=file["times_path"],
            n_frames=int(fact["file_n_frames"]),
            frame_rate_hz=float(fact["file_frame_rate_hz"]),
            size_bytes=int(fact["file_size_bytes"]),
            sha256=fact["file_sha256"],
            times_file=fact["times_file"],
            times_sha256=fact["times_sha256"],
            has_given_rate=given,
        )
        for file, fact in rows
    )


def entry_changes(key: Key) -> Iterator[str]:
    """Yield how the entries of a recording's files differ from those that its facts were read by."""
    files, facts = _rows(key)
    info = (RecordingInfo() & key).fetch1()
    by_id = {row["file_id"]: row for row in facts}
    for file in files:
        fact = by_id.pop(file["file_id"], None)
        if fact is None:
            yield f"file {file['file_id']} ({file['file_path']}) was added"
            continue
        before = fact["entry_read"] or {}
        for name in ENTERED_NAMES:
            if name in before and before[name] != _plain(file[name]):
                yield f"{name} of file {file['file_id']} was {before[name]!r} and is {file[name]!r}"
    n_gone = len(by_id) or max(info["n_files"] - len(facts), 0)
    if n_gone and info["facts_source"] == "video":
        yield f"{n_gone} of its {info['n_files']} files were taken out"
    yield from _rate_changes(info, _given_rate(key))


def _content_changes(files: Sequence[EnteredFile], *, missing: list[str]) -> Iterator[str]:
    """Yield which files hold something else than what was read; those that are not here go into `missing`.

    Raises
    ------
    PathError
        A path leads out of the data directories.
    """
    roots = active_link().search_dirs()
    for file in files:
        place = expected_path(file.path, roots)
        if not place.exists():
            missing.append(file.path)
            continue
        change = _content_change(file)
        if change is not None:
            yield change


def require_same_content(key: Key, files: Sequence[EnteredFile]) -> tuple[str, ...]:
    """Refuse a recording one of whose files is not the one that was read; nothing here needs the database.

    Parameters
    ----------
    key
        Primary key of the recording, for the message; it may hold more.
    files
        The files, as `entered_files` returns them.

    Returns
    -------
    tuple
        A note on files that are not on this machine, and so were not compared.

    Raises
    ------
    VideoError
        The content of a video, or the file with the times of its frames, changed.
    PathError
        A path leads out of the data directories.
    """
    missing: list[str] = []
    changes = tuple(_content_changes(files, missing=missing))
    if changes:
        raise VideoError(_refusal(key, changes))
    if not missing:
        return ()
    return (f"not on this machine, and not compared with what was read: {', '.join(missing)}",)


def changes_since(key: Key) -> tuple[str, ...]:
    """Sentences on all changes of a recording's files since they were read, in their entries and contents."""
    if not RecordingInfo() & key:
        return ()
    changes = tuple(entry_changes(key))
    return changes or tuple(_content_changes(entered_files(key), missing=[]))


def _rows(key: Key) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a recording's files, and of the facts that were read from them, in order of time."""
    recording = key_of(VideoRecording, key)
    facts = (RecordingInfo.File() & recording).proj(*_FACTS)
    files = VideoRecording.File() & recording
    return files.to_dicts(order_by="file_id"), facts.to_dicts(order_by="file_id")


def _given_rate(key: Key) -> float | None:
    return (VideoRecording() & key).fetch1("given_frame_rate_hz")


def _rate_changes(info: Mapping[str, Any], given_hz: float | None) -> Iterator[str]:
    if info["facts_source"] != "video":
        return
    was_given = info["frame_rate_source"] == "given"
    if given_hz is None and was_given:
        yield f"its frame rate, {info['frame_rate_hz']:g} Hz, was given, and is not any more"
    elif given_hz is not None and not (was_given and info["frame_rate_hz"] == given_hz):
        yield f"a frame rate of {given_hz:g} Hz was given, and was not when it was read"


def _content_change(file: EnteredFile) -> str | None:
    from element_facerhythm.video import video_change
    from element_facerhythm.video.time_files import FROM_STAMPS, look_beside

    roots = active_link().search_dirs()
    place = resolve_path(file.path, roots)
    change = video_change(place, file.sha256, file.size_bytes)
    if change is not None:
        return f"{place} changed since it was entered ({change})"
    choice = FROM_STAMPS if file.has_given_rate else resolved_times(file.times_path, roots)
    try:
        times, _ = look_beside(place, file.n_frames, file.frame_rate_hz, choice)
    except VideoError as error:
        return str(error).rstrip(".")
    if (None if times is None else times.sha256) == file.times_sha256:
        return None
    now = "no file" if times is None else f"{times.source} (SHA-256 {times.sha256[:12]}...)"
    before = (
        "no file"
        if file.times_sha256 is None
        else f"{file.times_file} (SHA-256 {file.times_sha256[:12]}...)"
    )
    return f"{place}: the times of its frames came from {before} and would now come from {now}"


def _plain(value: Any) -> Any:
    """Value as `entry_read` holds it: a flag is a bool on every server."""
    return bool(value) if isinstance(value, (bool, int)) else value


def _refusal(key: Key, changes: Sequence[str]) -> str:
    own = key_of(VideoRecording, key)
    return f"recording {own}: {'; '.join(changes)}, after RecordingInfo read it. {_WAY_OUT}"


_FACTS = (
    "file_n_frames",
    "file_frame_rate_hz",
    "file_size_bytes",
    "file_sha256",
    "times_file",
    "times_sha256",
    "entry_read",
)

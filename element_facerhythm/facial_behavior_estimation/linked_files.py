"""Video files that the linking module names for a recording, entered once."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from element_facerhythm.database.columns import require_length
from element_facerhythm.database.keys import key_of, key_text
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.linking import active_link, relative_to_roots


def linked_file_rows(key: Mapping[str, Any]) -> list[Key]:
    """Rows of `VideoRecording.File` for the files that `get_facerhythm_video_files(key)` names.

    Parameters
    ----------
    key
        Primary key of the recording, which need not be entered yet. It is passed to the function.

    Raises
    ------
    ConfigurationError
        The linking module has no such function, or it returned no path, or one file twice.
    PathError
        A file does not exist, or lies outside of the data directories.
    RequestError
        A path is longer than its column.
    """
    link = active_link()
    recording = key_of(VideoRecording, key)
    paths = [relative_to_roots(path, link.search_dirs()) for path in link.video_files(recording)]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise ConfigurationError(
            f"{link.name}.get_facerhythm_video_files({key_text(recording)}) gave {min(twice)} twice; "
            "expected each file once, in order of time"
        )
    for path in paths:
        require_length(VideoRecording.File, "file_path", path)
    return [{**recording, "file_id": index, "file_path": path} for index, path in enumerate(paths)]


def insert_linked_files(key: Mapping[str, Any]) -> int:
    """Enter the files that the linking module names for an entered recording; return how many were new.

    The same call again changes nothing.

    Raises
    ------
    ConfigurationError
        As `linked_file_rows`; or the recording is not entered, or has other files.
    PathError, RequestError
        As `linked_file_rows`.
    """
    rows = linked_file_rows(key)
    recording = key_of(VideoRecording, key)
    if not (VideoRecording() & recording):
        raise ConfigurationError(
            f"recording {key_text(recording)} is not entered; enter it in VideoRecording first"
        )
    stored = (VideoRecording.File() & recording).to_arrays("file_path", order_by="file_id")
    paths = [row["file_path"] for row in rows]
    if len(stored) and list(stored) != paths:
        raise ConfigurationError(
            f"recording {key_text(recording)} has other files than "
            f"{active_link().name}.get_facerhythm_video_files() "
            f"names ({', '.join(stored)}; now {', '.join(paths)}); enter these as another recording"
        )
    if len(stored):
        return 0
    in_transaction = VideoRecording.connection.in_transaction
    with nullcontext() if in_transaction else VideoRecording.connection.transaction:
        VideoRecording.File.insert(rows)
    return len(rows)

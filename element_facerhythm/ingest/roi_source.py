"""Where the regions of a recording come from: a file, a file by subject, or the subject's last recording."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import PathError, RequestError, RoiError
from element_facerhythm.ingest.entering import modification_time, recordings_of_file
from element_facerhythm.ingest.rows import TableRows
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.ingest.typed_values import inherited_key, name_of, typed_value
from element_facerhythm.linking import active_link, relative_to_roots, resolve_path

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

LAST = "last"
"""In place of a file: the regions of the subject's most recent recording of the same frame size."""

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class RoiSource:
    """The source of the regions.

    Attributes
    ----------
    text
        A file, a file whose name has fields (`rois/{subject}.json`), or `last`.
    """

    text: str

    @property
    def is_file(self) -> bool:
        """Whether it is one file for all recordings."""
        return self.text != LAST and (_FIELD.search(self.text) is None or Path(self.text).exists())

    def read_file(self) -> None:
        """Read one that is for all recordings, so that a wrong one is refused before the database is opened.

        Raises
        ------
        RoiError
            It is malformed.
        """
        from element_facerhythm.io.rois_file import read_rois

        if self.is_file:
            read_rois(self.text)

    def rois(
        self,
        choice: SessionChoice,
        texts: Mapping[str, Any],
        videos: Sequence[Path],
        **probing: Any,
    ) -> "tuple[Rois, list[str]]":
        """Regions for a recording, and a note where they were chosen automatically.

        Parameters
        ----------
        choice
            Session of the recording.
        texts
            What is given of the recording, by column: the values of the fields.
        videos
            Its files.
        probing
            As of `video.probe_video`.

        Raises
        ------
        RequestError
            There are none, or the file is malformed.
        """
        from element_facerhythm.io.rois_file import read_rois

        if self.text == LAST:
            return _last_rois(choice, videos, **probing)
        if self.is_file:
            return read_rois(self.text), []
        path = Path(_FIELD.sub(lambda field: _safe_text(field[1], texts, self.text), self.text))
        if not path.exists():
            raise RoiError(f"ROI file {path} does not exist (by the pattern {self.text})")
        return read_rois(path), []


def _safe_text(name: str, texts: Mapping[str, Any], pattern: str) -> str:
    if name not in texts:
        raise RequestError(
            f"--rois {pattern}: {name} is not said of this recording; fields are {', '.join(texts) or 'none'}"
        )
    text = str(texts[name])
    if "/" in text or "\0" in text or text in ("", ".", ".."):
        raise RequestError(f"--rois {pattern}: {name} {text!r} cannot be a part of a file's name")
    return text


# ------------------------------------------------------------------ those of the last recording


def _last_rois(
    choice: SessionChoice, videos: Sequence[Path], **probing: Any
) -> "tuple[Rois, list[str]]":
    """Regions of the subject's most recent recording of the same frame size, and a note that says so.

    The most recent one is that with the latest time in its video files; where they have none, the time at
    which the files were written counts. A recording that is entered already keeps its own.

    Raises
    ------
    RequestError
        The pipeline's sessions have no subject, or no recording of it has regions for this frame size.
    """
    from element_facerhythm.video import probe_video

    subject = _subject_key(choice)
    own_path = relative_to_roots(videos[0].resolve(), active_link().search_dirs())
    for recording in recordings_of_file(TableRows(), own_path):
        entered = _regions_of(recording) if fbe.VideoRecording() & recording & subject else None
        if entered is not None:
            return entered[1], []
    metadata = probe_video(videos[0], **probing)
    size = metadata.width_px, metadata.height_px
    recordings = (fbe.VideoRecording() & subject & fbe.FaceRhythmROI().proj()).proj().to_dicts()
    dated = [(time, key) for key in recordings if (time := _time_of(key)) is not None]
    for _, key in sorted(dated, key=lambda pair: pair[0], reverse=True):
        if _frame_size(key, **probing) == size:
            found = _regions_of(key)
            assert found is not None  # the recordings are those that have some
            return found[1], [
                f"regions of interest are those of recording {key_text(key)} roi_id {found[0]}"
            ]
    undated = f"; {n} cannot be dated" if (n := len(recordings) - len(dated)) else ""
    raise RoiError(
        f"no recording of {key_text(subject)} has regions of interest for frames of {size[0]} x {size[1]} px "
        f"({len(recordings)} have any{undated}): draw some, and name their file with --rois"
    )


def _subject_key(choice: SessionChoice) -> dict[str, Any]:
    session = active_link().session
    said = {**choice.facts, **choice.key}
    names = [name for name in inherited_key() if name in said]
    if not names or len(names) < len(inherited_key()):
        raise RequestError(
            f"--rois {LAST} takes the regions of the subject, and the key of {name_of(session)} "
            + (f"needs {', '.join(inherited_key())}" if inherited_key() else "refers to none")
            + "; name a ROI file"
        )
    return {name: typed_value(session, name, said[name]) for name in names}


def _regions_of(recording: Mapping[str, Any]) -> "tuple[int, Rois] | None":
    """Return the regions of a recording that were entered last, with their number."""
    numbers = (fbe.FaceRhythmROI() & dict(recording)).to_arrays("roi_id")
    if not len(numbers):
        return None
    number = int(max(numbers))
    return number, fbe.FaceRhythmROI.fetch_rois({**recording, "roi_id": number})


def _first_file(key: Mapping[str, Any]) -> Path | None:
    """Path of the first file of a recording; None where it cannot be found from here."""
    rows = (fbe.VideoRecording.File() & dict(key)).to_dicts(order_by="file_id", limit=1)
    try:
        return resolve_path(rows[0]["file_path"], active_link().search_dirs()) if rows else None
    except PathError:
        return None


def _time_of(key: Mapping[str, Any]) -> datetime | None:
    known = (fbe.RecordingInfo() & dict(key)).to_dicts()
    if known and known[0]["recording_time"] is not None:
        time: datetime = known[0]["recording_time"]
        return time
    path = _first_file(key)
    return None if path is None else modification_time(path).replace(tzinfo=None)


def _frame_size(key: Mapping[str, Any], **probing: Any) -> tuple[int, int] | None:
    from element_facerhythm.errors import VideoError
    from element_facerhythm.video import probe_video

    known = (fbe.RecordingInfo() & dict(key)).proj("width_px", "height_px").to_dicts()
    if known:
        return int(known[0]["width_px"]), int(known[0]["height_px"])
    path = _first_file(key)
    try:
        metadata = None if path is None else probe_video(path, **probing)
    except VideoError:
        return None
    return None if metadata is None else (metadata.width_px, metadata.height_px)

"""What the server was started on: videos and projects, by identifiers that say nothing of their paths."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from element_facerhythm.errors import FaceRhythmError, RequestError, VideoError
from element_facerhythm.files.names import short_name
from element_facerhythm.io.events import EventTable
from element_facerhythm.io.layout import is_project
from element_facerhythm.io.project import Project
from element_facerhythm.movies.source import places_of_video, recorded_videos
from element_facerhythm.video import VideoMetadata, probe_video

VIDEO_SUFFIXES = frozenset(
    (".avi", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
)
MOST_IN_DIRECTORY = 1_000
_STAND_IN_HZ = 30.0


@dataclass(eq=False)
class OpenedVideo:
    """A video; it is examined when its page is opened.

    Attributes
    ----------
    id
        Of its path: the same whenever the server is started on it.
    path
        The file.
    rois_path
        ROI file that is drawn for it.
    """

    id: str
    path: Path
    rois_path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def project_dir(self) -> Path:
        """Where a run of it writes: beside the video, by the name that `facerhythm run` gives."""
        return self.path.with_name(short_name(self.path.stem, "-facerhythm"))

    @property
    def metadata(self) -> VideoMetadata:
        """What the file holds.

        Raises
        ------
        VideoError
            It is no video, or was changed so that it is none.
        """
        with self._lock:
            return self._metadata

    @cached_property
    def _metadata(self) -> VideoMetadata:
        try:
            return probe_video(self.path, allow_incomplete=True)
        except VideoError:  # pictures and some raw streams state no rate; drawing needs none
            return probe_video(self.path, frame_rate_hz=_STAND_IN_HZ, allow_incomplete=True)


@dataclass(frozen=True, eq=False)
class OpenedProject:
    """A project directory, and those of its videos that were found.

    Attributes
    ----------
    id
        Of its path.
    directory
        The project.
    videos
        Identifier of each of its videos; None where the file is not on this machine.
    """

    id: str
    directory: Path
    videos: tuple[str | None, ...]


class Opened:
    """Videos and projects that pages may ask for.

    Attributes
    ----------
    videos, projects
        By identifier.
    notes
        What was found and left out, in sentences.
    events
        Events that are shown beside the results; None where no file was given.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.videos: dict[str, OpenedVideo] = {}
        self.projects: dict[str, OpenedProject] = {}
        self.events: EventTable | None = None

    def add_video(self, path: Path, rois_path: Path | None = None) -> OpenedVideo:
        """Open a video; the same path twice is one video.

        Parameters
        ----------
        path
            The file.
        rois_path
            ROI file that is drawn for it (default: its name with `.rois.json`, beside it).
        """
        number = _identifier(path)
        if number not in self.videos:
            rois_path = rois_path or path.with_name(f"{path.stem}.rois.json")
            self.videos[number] = OpenedVideo(number, path, rois_path)
        return self.videos[number]

    def add_project(self, directory: Path) -> OpenedProject:
        """Open a project directory.

        Parameters
        ----------
        directory
            Of this package or of face-rhythm.

        Raises
        ------
        ProjectError
            It is no project.
        """
        number = _identifier(directory)
        if number not in self.projects:
            project = Project.open(directory)
            found = [
                next((place for place in places_of_video(project, video) if place.is_file()), None)
                for video in recorded_videos(project)
            ]
            self.projects[number] = OpenedProject(
                number,
                directory,
                tuple(None if path is None else self.add_video(path).id for path in found),
            )
        return self.projects[number]


def open_path(path: Path) -> Opened:
    """Open a video, a project, or a directory of both.

    Parameters
    ----------
    path
        What to open; of a directory, its videos and its projects, one level deep.

    Raises
    ------
    RequestError
        There is nothing that can be shown.
    """
    opened = Opened()
    if not path.exists():
        raise RequestError(
            f"{path} does not exist; give a video, a project, or a directory of both"
        )
    if path.is_file():
        video = opened.add_video(path)
        video.metadata  # noqa: B018  fails now rather than in the page
        return opened
    if is_project(path):
        opened.add_project(path)
        return opened
    entries = sorted(path.iterdir())
    if len(entries) > MOST_IN_DIRECTORY:
        opened.notes.append(
            f"{path} has {len(entries)} entries; the first {MOST_IN_DIRECTORY} are looked at"
        )
    for entry in entries[:MOST_IN_DIRECTORY]:
        if entry.is_dir() and is_project(entry):
            try:
                opened.add_project(entry)
            except FaceRhythmError as error:  # one that is damaged does not hide the others
                opened.notes.append(f"{entry.name} is left out: {error}")
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            opened.add_video(entry)
    if not opened.videos and not opened.projects:
        raise RequestError(
            f"{path} holds neither a video ({', '.join(sorted(VIDEO_SUFFIXES))}) nor a project directory"
        )
    return opened


def _identifier(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]

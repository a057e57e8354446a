"""Regions that are kept elsewhere than in the ROI file of a video: to copy from, and to enter into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import RequestError
from element_facerhythm.gui.opened import Opened
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois


@dataclass(frozen=True)
class RegionSource:
    """Regions of another recording.

    Attributes
    ----------
    id
        By which a page asks for them.
    name
        Which recording they are of, and what they are.
    """

    id: str
    name: str


@dataclass(frozen=True)
class RegionEntry:
    """Regions that are entered for a recording.

    Attributes
    ----------
    roi_id
        Their number in the recording.
    description
        What they are.
    """

    roi_id: int
    description: str


@dataclass(frozen=True)
class RegionRecording:
    """A recording of the database that regions can be entered for.

    Attributes
    ----------
    id
        By which a page names it: its key, as text.
    options
        Its key as options of a command line, quoted for a shell.
    entries
        Regions that it has.
    version
        Entity tag of these.
    """

    id: str
    options: str
    entries: tuple[RegionEntry, ...]
    version: str


class RegionSources(Protocol):
    """Regions of other recordings."""

    def sources(self, video: Path) -> list[RegionSource]:
        """Return the regions that may fit a video."""
        ...

    def regions(self, source: str) -> tuple[Rois, Path]:
        """Return regions, and the video that they were drawn on.

        Raises
        ------
        RequestError
            There are none of that name; or the video is not here.
        """
        ...


class StoredRegions(RegionSources, Protocol):
    """Regions in a database."""

    def recordings(self, video: Path) -> list[RegionRecording]:
        """Return the recordings that a video is a file of."""
        ...

    def enter(
        self, video: Path, recording: str, rois: Rois, description: str, seen: str
    ) -> RegionEntry:
        """Enter regions; the same ones under the same names are not entered twice.

        Parameters
        ----------
        video
            What they were drawn on.
        recording
            Its recording; see `RegionRecording.id`.
        rois
            The regions.
        description
            What they are.
        seen
            Version of the recording's entries that was read before.

        Raises
        ------
        RequestError
            There is no such recording of this video, or they cannot be entered.
        StaleVersionError
            Somebody else has entered regions meanwhile; nothing was entered.
        """
        ...


class RegionFiles:
    """Regions of the videos and projects that the server was started on.

    Parameters
    ----------
    opened
        What the server was started on.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def sources(self, video: Path) -> list[RegionSource]:
        """Return those of other videos with a ROI file, and of projects."""
        found = [
            RegionSource(f"file-{one.id}", one.rois_path.name)
            for one in list(self._opened.videos.values())
            if one.path != video and one.rois_path.is_file()
        ]
        for project in list(self._opened.projects.values()):
            own = next((one for one in project.videos if one is not None), None)
            if own is not None and self._opened.videos[own].path != video:
                found.append(RegionSource(f"project-{project.id}", project.directory.name))
        return found

    def regions(self, source: str) -> tuple[Rois, Path]:
        """Return regions, and the video that they were drawn on.

        Raises
        ------
        RequestError
            There are none of that name, or they are malformed.
        """
        kind, _, number = source.partition("-")
        if kind == "file" and number in self._opened.videos:
            video = self._opened.videos[number]
            return read_rois(video.rois_path), video.path
        if kind == "project" and number in self._opened.projects:
            project = self._opened.projects[number]
            own = next((one for one in project.videos if one is not None), None)
            if own is not None:
                return Project.open(project.directory).rois(), self._opened.videos[own].path
        raise RequestError("there are no regions of that name; load the page again")

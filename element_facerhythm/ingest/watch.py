"""Recordings that appear below a directory, entered as soon as their files are complete.

A poll finds the files that the pattern names, leaves out those that are in the database and those that are
still being written, and enters the rest, each recording in a transaction of its own. All state is in the
database: the next poll, also of another process, finds what is left.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pymysql

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import FaceRhythmError, PathError, RequestError, VideoError
from element_facerhythm.files.regular import Signature, signature_of_all
from element_facerhythm.fleet.reconnect import is_lost
from element_facerhythm.ingest.entering import enter_at_once, recordings_of_file
from element_facerhythm.ingest.parameter_choice import ParameterChoice
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.registration import check_videos, enter_videos
from element_facerhythm.ingest.roi_source import RoiSource
from element_facerhythm.ingest.rows import PlannedRows, TableRows, next_number
from element_facerhythm.ingest.sheet_paths import natural_key
from element_facerhythm.ingest.watch_fields import PatternFields, recording_number
from element_facerhythm.ingest.watched_files import UnchangedFiles, WatchedFile, matching_files
from element_facerhythm.linking import active_link, relative_to_roots

dj: Any = import_datajoint()

_FILES_PER_QUERY = 500
_OF_ONE_RECORDING = (
    FaceRhythmError, dj.errors.DataJointError, psycopg2.Error, pymysql.err.MySQLError,
)  # fmt: skip
"""Errors that can be of one recording alone; those of the connection are among them."""


@dataclass(frozen=True)
class WatchOptions:
    """What is watched, and facts of all recordings that appear there.

    Attributes
    ----------
    directory
        It lies below a root directory.
    pattern
        As of `PathPattern`; its fields are columns of the pipeline, `recording`, or `session_date`.
    rois, parameters, frame_rate_hz, allow_incomplete
        As of `register_videos`.
    key
        Columns that are the same for all, with their texts.
    unchanged_s
        Seconds for which a file must not have changed.
    together
        Whether the files of a directory are one recording.
    """

    directory: Path
    pattern: str
    rois: RoiSource
    parameters: ParameterChoice = field(default_factory=ParameterChoice)
    key: Mapping[str, str] = field(default_factory=dict)
    unchanged_s: float = 120.0
    together: bool = False
    frame_rate_hz: float | None = None
    allow_incomplete: bool = False


@dataclass(frozen=True)
class Event:
    """The outcome of a recording: `entered`, `failed`, or `waiting` until its files are complete."""

    kind: str
    files: tuple[Path, ...]
    registered: Registered | None = None
    message: str = ""


@dataclass
class PollResult:
    """How many recordings a poll entered, could not enter, and left for the next one."""

    n_entered: int = 0
    n_failed: int = 0
    n_waiting: int = 0


class _AlreadyEnteredError(Exception):
    """A file is in the database since another process entered it."""


class Watcher:
    """Polls a directory; nothing is reported twice.

    Parameters
    ----------
    options
        What is watched.
    on_event
        Called with the outcome of each recording, once.
    rows
        Where rows go; `PlannedRows` shows what would be entered.

    Raises
    ------
    RequestError
        The directory lies outside of the root directories, a field is no column, the pattern leaves a part of
        the session's key open, or the parameters are wrong.
    """

    def __init__(
        self,
        options: WatchOptions,
        on_event: Callable[[Event], None],
        rows: TableRows | None = None,
    ) -> None:
        self._options = options
        self._on_event = on_event
        self._rows = rows or TableRows()
        self._directory = options.directory.resolve()
        relative_to_roots(self._directory, active_link().search_dirs())
        self._fields = PatternFields(options.pattern, options.key)
        self._parameters, self._notes = options.parameters.load()
        self._unchanged = UnchangedFiles(options.unchanged_s)
        self._entered: set[Path] = set()
        self._reported: dict[tuple[Path, ...], str] = {}
        self._unreadable: dict[tuple[Path, ...], Signature] = {}

    def poll(self, stop: Callable[[], bool] = lambda: False) -> PollResult:
        """Enter what is complete by now.

        Parameters
        ----------
        stop
            Called before each recording; True ends the poll.

        Raises
        ------
        Exception
            The database does not answer, or refuses the account.
        """
        result = PollResult()

        def fault(path: Path, why: str) -> None:
            self._fail(result, (path,), f"{path} {why}" if str(path) not in why else why)

        found = list(matching_files(self._directory, self._fields.pattern, fault))
        self._recognise(file.path for file in found)
        for files in self._recordings(found):
            if stop():
                break
            if self._is_due(result, files):
                self._enter(result, files)
        return result

    # ------------------------------------------------------------------ which

    def _recognise(self, paths: Iterable[Path]) -> None:
        """Remember which files are in the database."""
        dirs = active_link().search_dirs()
        unknown = {}
        for path in paths:
            if path not in self._entered:
                with suppress(PathError):  # gone since it was found
                    unknown[relative_to_roots(path, dirs)] = path
        keys = [{"file_path": path} for path in unknown]
        for first in range(0, len(keys), _FILES_PER_QUERY):
            stored = fbe.VideoRecording.File() & keys[first : first + _FILES_PER_QUERY]
            for path in stored.to_arrays("file_path"):
                if path in unknown:  # exactly: a server may take names for one that differ in case
                    self._entered.add(unknown[path])

    def _recordings(self, found: list[WatchedFile]) -> list[list[WatchedFile]]:
        """Files of each recording that is not entered whole, in the order of their names."""
        groups: dict[Path, list[WatchedFile]] = defaultdict(list)
        for file in sorted(found, key=lambda file: natural_key(file.path)):
            groups[file.path.parent if self._options.together else file.path].append(file)
        return [
            files for files in groups.values()
            if not all(file.path in self._entered for file in files)
        ]  # fmt: skip

    def _is_due(self, result: PollResult, files: list[WatchedFile]) -> bool:
        """Whether all files of a recording are complete: unchanged for `unchanged_s` seconds."""
        growing = [file.path for file in files if not self._unchanged.is_unchanged(file.path)]
        if not growing:
            return True
        result.n_waiting += 1
        names = ", ".join(self._name(path) for path in growing)
        self._report(
            Event(
                "waiting",
                tuple(file.path for file in files),
                message=f"{names}: changed less than {self._options.unchanged_s:g} s ago; left for later",
            )
        )
        return False

    # ------------------------------------------------------------------ entering

    def _enter(self, result: PollResult, files: list[WatchedFile]) -> None:
        paths = tuple(file.path for file in files)
        try:
            signature = signature_of_all(paths)
        except OSError:
            return  # gone since it was found
        if self._unreadable.get(paths) == signature:  # unchanged since it could not be read
            result.n_failed += 1
            return
        try:
            registered = self._register(files, signature)
        except VideoError as error:
            self._unreadable[paths] = signature
            self._fail(result, paths, str(error))
        except _AlreadyEnteredError:
            self._recognise(paths)
        except _OF_ONE_RECORDING as error:
            if is_lost(error) or isinstance(error, dj.errors.AccessError):
                raise
            self._fail(result, paths, " ".join(str(error).split()))
        else:
            if registered is None:  # written while it was read
                result.n_waiting += 1
                return
            result.n_entered += 1
            self._entered.update(paths)
            for path in paths:
                self._unchanged.forget(path)
            self._unreadable.pop(paths, None)
            self._on_event(Event("entered", paths, registered))

    def _register(self, files: list[WatchedFile], signature: Signature) -> Registered | None:
        """Check and enter a recording; None where a file changed meanwhile."""
        options = self._options
        self._require_whole(files)
        texts = {**options.key, **self._texts(files)}
        choice = self._fields.choice(texts)
        paths = [file.path for file in files]
        probing: dict[str, Any] = {
            "frame_rate_hz": options.frame_rate_hz, "allow_incomplete": options.allow_incomplete,
        }  # fmt: skip
        rois, notes = options.rois.rois(choice, texts, paths, **probing)
        checked = check_videos(paths, rois, self._parameters, **probing)
        try:
            if signature_of_all(paths) != signature:
                return None
        except OSError:
            return None
        checked = checked.with_notes([*self._notes, *notes])
        file_paths = [row["file_path"] for row in checked.files]
        number = recording_number(texts)

        def recording_id(done: Registered) -> int:
            # the number is read first, so that a recording that is entered in between is recognised
            there = done.rows.find(fbe.VideoRecording, done.key)
            following = next_number(there, "recording_id", first=0)
            if any(recordings_of_file(done.rows, path) for path in file_paths):
                raise _AlreadyEnteredError
            return following if number is None else number

        def enter() -> Registered:
            return enter_videos(choice, checked, recording_id, self._rows)

        done = enter() if isinstance(self._rows, PlannedRows) else enter_at_once(enter)
        if not done.new_rows["VideoRecording"]:
            raise _AlreadyEnteredError  # by another process, between the two queries
        return done

    def _require_whole(self, files: list[WatchedFile]) -> None:
        """Refuse files that appeared beside those of a recording that is entered."""
        entered = [file.path for file in files if file.path in self._entered]
        if entered:
            late = [self._name(file.path) for file in files if file.path not in self._entered]
            raise RequestError(
                f"{', '.join(late)} came after the recording of {', '.join(map(self._name, entered))} was "
                "entered, and is not in it: move it to a directory of its own, or delete the recording so "
                "that all are entered again"
            )

    def _texts(self, files: list[WatchedFile]) -> dict[str, str]:
        """Texts of the fields, which the files of a recording share."""
        texts = files[0].texts
        for file in files[1:]:
            if file.texts != texts:
                raise RequestError(
                    f"{self._name(file.path)} and {self._name(files[0].path)} are in one directory, and say "
                    f"different things: {file.texts} and {texts}"
                )
        return texts

    # ------------------------------------------------------------------ reporting

    def _fail(self, result: PollResult, paths: tuple[Path, ...], message: str) -> None:
        result.n_failed += 1
        self._report(Event("failed", paths, message=message))

    def _report(self, event: Event) -> None:
        """Report an event, unless it is the last one that was reported of these files."""
        if self._reported.get(event.files) != event.message:
            self._reported[event.files] = event.message
            self._on_event(event)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self._directory)

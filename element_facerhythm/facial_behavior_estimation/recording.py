"""Recordings, and the facts in their video files."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import key_of, restriction_of
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    import numpy as np

    from element_facerhythm.io.project import Project
    from element_facerhythm.video import VideoMetadata
    from element_facerhythm.video.clock import Clock

Key = dict[str, Any]

GivenFile = tuple[str, str, bool]  # path, choice of its file of times, whether it may be cut off

ENTERED_NAMES = ("file_path", "times_path", "allow_incomplete")
"""Columns of `VideoRecording.File` that say what is read."""

_ROWS_PER_INSERT = 2000


@schema
class VideoRecording(dj.Manual):
    """A face video of a session, in one file or several."""

    definition = """
    # Face video of a session
    -> Session
    recording_id : int32 # number of the recording in its session
    ---
    -> [nullable] Device
    given_frame_rate_hz=null : float64 # frames per second, in place of what the files say; null: theirs
    """

    class File(dj.Part):
        """A video file of the recording; `file_id` gives the order in time."""

        definition = """
        # Video files of a recording, in the order of file_id
        -> master
        file_id   : int32        # order in time
        ---
        file_path : varchar(512) # relative to a root data directory; of pictures, their directory
        times_path='' : varchar(512) # file of its frames' times; 'stamps': its own; '': one beside it, if any
        allow_incomplete=0 : bool # whether what is whole is taken of a file that was cut off
        """


@schema
class RecordingInfo(dj.Imported):
    """Facts of the video files: frames are counted, not taken from the header."""

    definition = """
    # Facts read from the video files of a recording
    -> VideoRecording
    ---
    facts_source        : varchar(8)   # 'video': read from the files; 'project': from a loaded project
    n_files             : int32        # number of video files
    width_px            : int32        # frame width, pixels
    height_px           : int32        # frame height, pixels
    frame_rate_hz       : float64      # frames per second between gaps, as frame_rate_source says
    frame_rate_source   : varchar(16)  # 'stamps', 'header', 'bitstream', 'time file', 'given', 'project'
    header_frame_rate_hz=null : float64 # frames per second that the first file's header claims
    jitter_s=null       : float64      # standard deviation of the frames' times from equal distances, seconds
    rate_changes=null   : bool         # no equal distances fit the frames' times
    n_frames            : int64        # frames counted: sum of file_n_frames
    n_frames_header=null: int64        # frames that the file headers claim, all files
    n_dropped_frames=null : int64      # frames missing in gaps so short that traces are interpolated
    n_gaps=null         : int32        # longer gaps, which nothing is computed across
    duration_s          : float64      # sum of file_duration_s, seconds, gaps included
    size_bytes=null     : int64        # sum of file_size_bytes, bytes
    recording_time=null : datetime     # start of the recording, if a file says so; UTC
    """

    class File(dj.Part):
        """The same for each file."""

        definition = """
        # Facts read from each video file
        -> master
        -> VideoRecording.File
        ---
        file_n_frames        : int64       # frames counted
        file_n_frames_header=null : int64  # frames that the header claims
        file_frame_rate_hz   : float64     # frames per second between gaps, as frame_rate_source says
        file_duration_s      : float64     # seconds from the first frame to the end of the last
        codec                : varchar(32) # video codec
        pixel_format         : varchar(32) # pixel format
        file_size_bytes      : int64       # file size, bytes
        file_sha256          : char(64)    # digest of the file's content
        times_file=''        : varchar(512) # file that the frames' times are from; '': none
        times_sha256=null    : char(64)    # digest of that file
        file_frame_times=null : <blob>     # (T,) seconds of each frame; null: equally spaced
        acquisition=null     : json        # what metadata.json beside the file says
        file_recording_time=null : datetime # creation time in the file, if any; UTC
        rotation_deg=0       : int16       # clockwise turn of stored frames for showing, in degrees
        is_flipped=0         : bool        # whether they are mirrored (left, right) before that
        pixel_aspect=1       : float64     # width of a pixel over its height; frames are not stretched
        bit_depth=8          : int16       # bits of the deepest component of a pixel
        level_low=null       : float64     # value that is analysed as 0, of more than 8 bits
        level_high=null      : float64     # value that is analysed as 255, of more than 8 bits
        n_hidden_frames=0    : int64       # stored frames that no decoder shows; not in file_n_frames
        n_suspect_frames=0   : int64       # frames from lost packets to the next keyframe, maybe wrong
        is_incomplete=0      : bool        # whether the file was cut off; its whole frames are counted
        entry_read=null      : json        # columns of VideoRecording.File when it was read; null: not known
        """

    class Gap(dj.Part):
        """Where frames are missing."""

        definition = """
        # Gaps in the time of each video file
        -> master.File
        after_frame          : int64       # last frame before the gap, counted from 0
        ---
        start_s              : float64     # time of that frame, seconds
        gap_s                : float64     # time without frames, seconds: the interval less a usual one
        n_missing            : int64       # frames that would have fitted in
        bridged              : bool        # so short that traces are interpolated across it
        """

    @property
    def key_source(self) -> Any:
        """Recordings whose files are known."""
        return VideoRecording() & VideoRecording.File()

    def make_fetch(self, key: Key) -> tuple[tuple[int, ...], tuple[GivenFile, ...], float | None]:
        """Ids of the files and what was entered of each, in order, and the rate that was given for them."""
        rows = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        files = tuple(
            (row["file_path"], row["times_path"], bool(row["allow_incomplete"])) for row in rows
        )
        given_hz = (VideoRecording() & key).fetch1("given_frame_rate_hz")
        return tuple(int(row["file_id"]) for row in rows), files, given_hz

    @supervised
    def make_compute(
        self,
        key: Key,
        file_ids: tuple[int, ...],
        files: tuple[GivenFile, ...],
        given_hz: float | None,
    ) -> tuple[tuple[tuple[int, GivenFile, "VideoMetadata"], ...]]:
        """Read every file and check that they belong together.

        Parameters
        ----------
        key
            Primary key of the recording.
        file_ids, files, given_hz
            As `make_fetch` returns them; without a given rate it is the files' own.

        Returns
        -------
        Number, entry and facts of each file, in order.

        Raises
        ------
        VideoError
            A file or its times are unreadable, or it is of another format than the others.
        PathError
            A file does not exist below the data directories.
        """
        from element_facerhythm.pipeline.progress import current_progress
        from element_facerhythm.video import probe_video, require_same_format, share_levels

        roots = active_link().search_dirs()
        videos = []
        with current_progress().stage("recording_info", len(files), "files") as advance:
            for n_done, (path, times, may_be_cut) in enumerate(files):
                advance(n_done)
                videos.append(
                    probe_video(
                        resolve_path(path, roots),
                        frame_rate_hz=given_hz,
                        times=resolved_times(times, roots),
                        allow_incomplete=may_be_cut,
                    )
                )
        require_same_format(videos)
        return (tuple(zip(file_ids, files, share_levels(videos), strict=True)),)

    def make_insert(
        self, key: Key, files: tuple[tuple[int, GivenFile, "VideoMetadata"], ...]
    ) -> None:
        """Insert one row for the recording, one per file, and one per gap.

        Parameters
        ----------
        key
            Primary key of the recording.
        files
            As `make_compute` returns them.
        """
        self.insert1({**key, **_recording_facts([video for *_, video in files])})
        self.File.insert(
            {
                **key,
                "file_id": i,
                **_file_facts(video),
                "entry_read": dict(zip(ENTERED_NAMES, given, strict=True)),
            }
            for i, given, video in files
        )
        gaps = ({**key, "file_id": i, **row} for i, _, video in files for row in _gap_rows(video))
        self.Gap.insert(gaps, chunk_size=_ROWS_PER_INSERT)

    @classmethod
    def frame_times(cls, key: Key) -> tuple["np.ndarray | None", ...]:
        """(T,) seconds of each frame of each video file in order; None where they are equally spaced."""
        key = restriction_of(cls, key)
        rows = (cls.File() & key).to_dicts(order_by="file_id")
        return tuple(row["file_frame_times"] for row in rows)

    @classmethod
    def recording_times(cls, key: Key) -> "np.ndarray | None":
        """(T,) seconds of each frame of a recording, its files end to end; None where equally spaced."""
        from element_facerhythm.video.clock import end_to_end

        key = restriction_of(cls, key)
        rows = (cls.File() & key).to_dicts(order_by="file_id")
        if all(row["file_frame_times"] is None for row in rows):
            return None
        names = ("file_frame_times", "file_n_frames", "file_frame_rate_hz", "file_duration_s")
        return end_to_end([tuple(row[name] for name in names) for row in rows])

    @classmethod
    def insert_from_project(cls, key: Key, project: "Project") -> None:
        """Enter the facts that a project directory holds, for a recording whose videos are gone.

        A recording that has its facts already keeps them.

        Parameters
        ----------
        key
            Primary key of a `VideoRecording` without files.
        project
            An opened project directory.
        """
        key = key_of(cls, key)
        if cls() & key:  # `skip_duplicates` would need the right to update
            return
        height_px, width_px = project.example_image().shape[:2]
        n_frames = sum(project.n_frames)
        facts = {
            "facts_source": "project",
            "n_files": len(project.video_paths),
            "width_px": width_px,
            "height_px": height_px,
            **_time_facts(
                [project.clock(i) for i in range(len(project.n_frames))], project.frame_rate_hz
            ),
            "frame_rate_source": "project",
            "n_frames": n_frames,
        }
        cls.insert1({**key, **facts}, allow_direct_insert=True)


def _recording_facts(videos: "list[VideoMetadata]") -> dict[str, Any]:
    from element_facerhythm.video.clock import common_rate_hz

    first, clocks = videos[0], [video.clock for video in videos]
    header_counts = [video.n_frames_header for video in videos]
    times = [video.recording_time for video in videos if video.recording_time is not None]
    return {
        "facts_source": "video",
        "n_files": len(videos),
        "width_px": first.width_px,
        "height_px": first.height_px,
        **_time_facts(clocks, common_rate_hz(clocks)),
        "header_frame_rate_hz": first.header_frame_rate_hz,
        "n_frames": sum(video.n_frames for video in videos),
        "n_frames_header": None if None in header_counts else sum(header_counts),
        "size_bytes": sum(video.size_bytes for video in videos),
        "recording_time": without_zone(min(times)) if times else None,
    }


def _time_facts(clocks: "Sequence[Clock]", frame_rate_hz: float) -> dict[str, Any]:
    return {
        "frame_rate_hz": frame_rate_hz,
        "frame_rate_source": clocks[0].source,
        "jitter_s": max(clock.jitter_s for clock in clocks),
        "rate_changes": not all(clock.is_even for clock in clocks),
        "n_dropped_frames": sum(clock.n_dropped_frames for clock in clocks),
        "n_gaps": sum(len(clock.pauses) for clock in clocks),
        "duration_s": sum(clock.duration_s for clock in clocks),
    }


def _gap_rows(video: "VideoMetadata") -> Iterator[dict[str, Any]]:
    for gap in video.clock.gaps:
        yield {
            "after_frame": gap.after_frame,
            "start_s": float(video.clock.times_s[gap.after_frame]),
            "gap_s": gap.seconds,
            "n_missing": gap.n_missing,
            "bridged": gap.is_bridged,
        }


def _file_facts(video: "VideoMetadata") -> dict[str, Any]:
    time = video.recording_time
    return {
        "file_n_frames": video.n_frames,
        "file_n_frames_header": video.n_frames_header,
        "file_frame_rate_hz": video.frame_rate_hz,
        "file_duration_s": video.duration_s,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "file_size_bytes": video.size_bytes,
        "file_sha256": video.sha256,
        "times_file": _short_name(video.times_source),
        "times_sha256": video.times_sha256,
        "file_frame_times": None if video.clock.is_plain else video.clock.times_s,
        "acquisition": None if video.acquisition is None else dict(video.acquisition),
        "file_recording_time": None if time is None else without_zone(time),
        "rotation_deg": video.rotation_deg,
        "is_flipped": video.is_flipped,
        "pixel_aspect": video.pixel_aspect,
        "bit_depth": video.bit_depth,
        "level_low": video.level_low,
        "level_high": video.level_high,
        "n_hidden_frames": video.n_hidden_frames,
        "n_suspect_frames": video.n_suspect_frames,
        "is_incomplete": video.is_incomplete,
    }


def resolved_times(times_path: str, roots: "Sequence[Path]") -> Path | str | None:
    """Choice of a file of times as `probe_video` takes it.

    Parameters
    ----------
    times_path
        As `VideoRecording.File` has it: empty, `stamps`, or a path relative to a root directory.
    roots
        Directories that it may be relative to.

    Raises
    ------
    PathError
        The file does not exist, or lies outside of the roots.
    """
    from element_facerhythm.video.time_files import FROM_STAMPS

    if times_path in ("", FROM_STAMPS):
        return times_path or None
    return resolve_path(times_path, roots)


def _short_name(source: str | None) -> str:
    """Name of a file of times, with its member where it is an archive; the directory is the video's."""
    return "" if source is None else Path(source).name[-512:]


def without_zone(time: datetime) -> datetime:
    """Return a time as the database keeps it: UTC without zone, to the second."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None, microsecond=0)

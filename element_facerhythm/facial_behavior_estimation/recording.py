"""Recordings and what their video files say about themselves."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import VideoError
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

_ROWS_PER_INSERT = 2000


@schema
class VideoRecording(dj.Manual):
    """A face video of a session, in one file or several."""

    definition = """
    # Face video of a session
    -> Session
    recording_id : int32 # number of the recording in its session
    ---
    -> Device
    frame_rate_hz=null : float64 # frames per second to take in place of what the files say; null: theirs
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
    """What the video files say: frames are counted, not taken from the header."""

    definition = """
    # Facts read from the video files of a recording
    -> VideoRecording
    ---
    source              : varchar(8)   # 'video': read from the files; 'project': from a loaded project
    n_files             : int32        # number of video files
    width_px            : int32        # frame width
    height_px           : int32        # frame height
    frame_rate_hz       : float64      # frames per second between gaps
    frame_rate_source   : varchar(16)  # 'stamps', 'header', 'bitstream', 'time file', 'given', 'project'
    header_frame_rate_hz=null : float64 # frames per second that the first file's header claims
    jitter_s            : float64      # standard deviation of the frames' times from equal distances
    rate_changes        : bool         # no equal distances fit the frames' times
    n_frames            : int64        # frames counted, all files
    n_frames_header=null: int64        # frames that the file headers claim, all files
    n_dropped_frames    : int64        # frames missing in gaps so short that traces are interpolated
    n_gaps              : int32        # longer gaps, which nothing is computed across
    duration_s          : float64      # sum over the files, gaps included
    size_bytes=null     : int64        # size of all files
    recording_time=null : datetime     # start of the recording, if a file says so; UTC
    """

    class File(dj.Part):
        """The same for each file."""

        definition = """
        # Facts read from each video file
        -> master
        -> VideoRecording.File
        ---
        n_frames             : int64       # frames counted
        n_frames_header=null : int64       # frames that the header claims
        frame_rate_hz        : float64     # frames per second between gaps
        duration_s           : float64     # from the first frame to the end of the last, by their times
        codec                : varchar(32) # video codec
        pixel_format         : varchar(32) # pixel format
        size_bytes           : int64       # file size
        sha256               : char(64)    # digest of the file's content
        times_file=''        : varchar(512) # file that the frames' times are from; '': none
        times_sha256=null    : char(64)    # digest of that file
        frame_times=null     : <blob>      # (T,) seconds of each frame; null: equally spaced
        acquisition=null     : json        # what metadata.json beside the file says
        recording_time=null  : datetime    # creation time in the file, if any; UTC
        rotation_deg=0       : int16       # clockwise turn of stored frames for showing, in degrees
        is_flipped=0         : bool        # whether they are mirrored (left, right) before that
        pixel_aspect=1       : float64     # width of a pixel over its height; frames are not stretched
        bit_depth=8          : int16       # bits of the deepest component of a pixel
        level_low=null       : float64     # value that is analysed as 0, of more than 8 bits
        level_high=null      : float64     # value that is analysed as 255, of more than 8 bits
        n_hidden_frames=0    : int64       # stored frames that no decoder shows; not in n_frames
        n_suspect_frames=0   : int64       # frames from lost packets to the next keyframe, maybe wrong
        is_incomplete=0      : bool        # whether the file was cut off; its whole frames are counted
        """

    class Gap(dj.Part):
        """Where frames are missing."""

        definition = """
        # Gaps in the time of each video file
        -> master.File
        after_frame          : int64       # last frame before the gap, counted from 0
        ---
        start_s              : float64     # time of that frame
        gap_s                : float64     # time without frames: the interval less a usual one
        n_missing            : int64       # frames that would have fitted in
        bridged              : bool        # so short that traces are interpolated across it
        """

    @property
    def key_source(self):
        """Recordings whose files are known."""
        return VideoRecording() & VideoRecording.File()

    def make_fetch(self, key: Key) -> tuple[tuple[int, ...], tuple[GivenFile, ...], float | None]:
        """Ids of the files and what was entered of each, in order, and the rate that was given for them."""
        rows = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        files = tuple(
            (row["file_path"], row["times_path"], bool(row["allow_incomplete"])) for row in rows
        )
        given_hz = (VideoRecording() & key).fetch1("frame_rate_hz")
        return tuple(int(row["file_id"]) for row in rows), files, given_hz

    @supervised
    def make_compute(
        self,
        key: Key,
        file_ids: tuple[int, ...],
        files: tuple[GivenFile, ...],
        given_hz: float | None,
    ) -> tuple[tuple[tuple[int, "VideoMetadata"], ...]]:
        """Read every file and check that they belong together."""
        from element_facerhythm.pipeline.progress import ambient_progress
        from element_facerhythm.video import probe_video, require_same_format, share_levels

        roots = active_link().search_dirs()
        videos = []
        with ambient_progress().stage("recording_info", len(files), "files") as tell:
            for n_done, (path, times, may_be_cut) in enumerate(files):
                tell(n_done)
                videos.append(
                    probe_video(
                        resolve_path(path, roots),
                        frame_rate_hz=given_hz,
                        times=resolved_times(times, roots),
                        allow_incomplete=may_be_cut,
                    )
                )
        require_same_format(videos)
        return (tuple(zip(file_ids, share_levels(videos), strict=True)),)

    def make_insert(self, key: Key, files: tuple[tuple[int, "VideoMetadata"], ...]) -> None:
        """Write one row for the recording and one per file."""
        videos = [video for _, video in files]
        self.insert1({**key, **_recording_facts(videos)})
        self.File.insert({**key, "file_id": i, **_file_facts(video)} for i, video in files)
        gaps = ({**key, "file_id": i, **row} for i, video in files for row in _gap_rows(video))
        self.Gap.insert(gaps, chunk_size=_ROWS_PER_INSERT)

    @classmethod
    def entered_videos(cls, key: Key) -> tuple[tuple[str, str, int], ...]:
        """Path, SHA-256 and number of frames of each video file of a recording, in order of time.

        None for a recording whose facts come from a project directory.

        Raises
        ------
        VideoError
            Files were entered, or taken out, after the facts were read.
        """
        files = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        facts = (cls.File() & key).to_dicts(order_by="file_id")
        if [row["file_id"] for row in files] != [row["file_id"] for row in facts]:
            raise VideoError(
                f"recording {key} has {len(files)} video files, and RecordingInfo knows {len(facts)}: its "
                "files were changed after their facts were read. Delete its RecordingInfo entry and populate "
                "again, or enter the other files as a recording of their own"
            )
        return tuple(
            (file["file_path"], fact["sha256"], int(fact["n_frames"]))
            for file, fact in zip(files, facts, strict=True)
        )

    @classmethod
    def entered_times(cls, key: Key) -> tuple[tuple[str, str | None], ...]:
        """Choice of a file of times, and the digest of the one that was found, of each video in order."""
        paths = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        digests = (cls.File() & key).to_dicts(order_by="file_id")
        return tuple(
            (path["times_path"], row["times_sha256"])
            for path, row in zip(paths, digests, strict=True)
        )

    @classmethod
    def frame_times(cls, key: Key) -> tuple["np.ndarray | None", ...]:
        """(T,) seconds of each frame of each video file in order; None where they are equally spaced."""
        rows = (cls.File() & key).to_dicts(order_by="file_id")
        return tuple(row["frame_times"] for row in rows)

    @classmethod
    def recording_times(cls, key: Key) -> "np.ndarray | None":
        """(T,) seconds of each frame of a recording, its files end to end; None where equally spaced."""
        from element_facerhythm.video.clock import end_to_end

        rows = (cls.File() & key).to_dicts(order_by="file_id")
        if all(row["frame_times"] is None for row in rows):
            return None
        return end_to_end(
            [
                (row["frame_times"], int(row["n_frames"]), row["frame_rate_hz"], row["duration_s"])
                for row in rows
            ]
        )

    @classmethod
    def insert_from_project(cls, key: Key, project: "Project") -> None:
        """Enter the facts that a project directory knows, for a recording whose videos are gone.

        Parameters
        ----------
        key
            Primary key of a `VideoRecording` without files.
        project
            An opened project directory.

        A recording that has its facts already keeps them.
        """
        if cls() & key:  # `skip_duplicates` would ask for the right to update
            return
        height_px, width_px = project.example_image().shape[:2]
        n_frames = sum(project.n_frames)
        facts = {
            "source": "project",
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
        "source": "video",
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
        "n_frames": video.n_frames,
        "n_frames_header": video.n_frames_header,
        "frame_rate_hz": video.frame_rate_hz,
        "duration_s": video.duration_s,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "size_bytes": video.size_bytes,
        "sha256": video.sha256,
        "times_file": _short_name(video.times_source),
        "times_sha256": video.times_sha256,
        "frame_times": None if video.clock.is_plain else video.clock.times_s,
        "acquisition": None if video.acquisition is None else dict(video.acquisition),
        "recording_time": None if time is None else without_zone(time),
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
    """Choice of a file of times as `probe_video` takes it; PathError where it leads out of the roots."""
    from element_facerhythm.video.time_files import FROM_STAMPS

    if times_path in ("", FROM_STAMPS):
        return times_path or None
    return resolve_path(times_path, roots)


def _short_name(source: str | None) -> str:
    """Name of a file of times, with its member where it is an archive; the directory is the video's."""
    return "" if source is None else Path(source).name[-512:]


def without_zone(time: datetime) -> datetime:
    """Give a time as the database keeps it: UTC without zone, to the second."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None, microsecond=0)

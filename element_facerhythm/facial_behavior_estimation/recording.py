"""Recordings and what their video files say about themselves."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import VideoError
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project
    from element_facerhythm.video import VideoMetadata

Key = dict[str, Any]


@schema
class VideoRecording(dj.Manual):
    """A face video of a session, in one file or several."""

    definition = """
    # Face video of a session
    -> Session
    recording_id : int32 # number of the recording in its session
    ---
    -> Device
    """

    class File(dj.Part):
        """A video file of the recording; `file_id` gives the order in time."""

        definition = """
        # Video files of a recording, in the order of file_id
        -> master
        file_id   : int32        # order in time
        ---
        file_path : varchar(512) # relative to a root data directory; of pictures, their directory
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
    frame_rate_hz       : float64      # frames per second
    n_frames            : int64        # frames counted, all files
    n_frames_header=null: int64        # frames that the file headers claim, all files
    duration_s          : float64      # n_frames / frame_rate_hz
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
        duration_s           : float64     # n_frames / frame rate
        codec                : varchar(32) # video codec
        pixel_format         : varchar(32) # pixel format
        size_bytes           : int64       # file size
        sha256               : char(64)    # digest of the file's content
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

    @property
    def key_source(self):
        """Recordings whose files are known."""
        return VideoRecording() & VideoRecording.File()

    def make_fetch(self, key: Key) -> tuple[tuple[int, ...], tuple[str, ...], tuple[bool, ...]]:
        """Ids and paths of the files, and which may be cut off, in order."""
        rows = (VideoRecording.File() & key).to_dicts(order_by="file_id")
        ids = tuple(int(row["file_id"]) for row in rows)
        may_be_cut = tuple(bool(row["allow_incomplete"]) for row in rows)
        return ids, tuple(row["file_path"] for row in rows), may_be_cut

    @supervised
    def make_compute(
        self,
        key: Key,
        file_ids: tuple[int, ...],
        file_paths: tuple[str, ...],
        may_be_cut: tuple[bool, ...],
    ) -> tuple[tuple[tuple[int, "VideoMetadata"], ...]]:
        """Read every file and check that they belong together."""
        from element_facerhythm.pipeline.progress import ambient_progress
        from element_facerhythm.video import probe_video, require_same_format, share_levels

        roots = active_link().search_dirs()
        videos = []
        with ambient_progress().stage("recording_info", len(file_paths), "files") as tell:
            for n_done, (path, cut) in enumerate(zip(file_paths, may_be_cut, strict=True)):
                tell(n_done)
                videos.append(probe_video(resolve_path(path, roots), allow_incomplete=cut))
        require_same_format(videos)
        return (tuple(zip(file_ids, share_levels(videos), strict=True)),)

    def make_insert(self, key: Key, files: tuple[tuple[int, "VideoMetadata"], ...]) -> None:
        """Write one row for the recording and one per file."""
        videos = [video for _, video in files]
        self.insert1({**key, **_recording_facts(videos)})
        self.File.insert({**key, "file_id": i, **_file_facts(video)} for i, video in files)

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
            "frame_rate_hz": project.frame_rate_hz,
            "n_frames": n_frames,
            "duration_s": n_frames / project.frame_rate_hz,
        }
        cls.insert1({**key, **facts}, allow_direct_insert=True)


def _recording_facts(videos: "list[VideoMetadata]") -> dict[str, Any]:
    first = videos[0]
    header_counts = [video.n_frames_header for video in videos]
    times = [video.recording_time for video in videos if video.recording_time is not None]
    return {
        "source": "video",
        "n_files": len(videos),
        "width_px": first.width_px,
        "height_px": first.height_px,
        "frame_rate_hz": first.frame_rate_hz,
        "n_frames": sum(video.n_frames for video in videos),
        "n_frames_header": None if None in header_counts else sum(header_counts),
        "duration_s": sum(video.duration_s for video in videos),
        "size_bytes": sum(video.size_bytes for video in videos),
        "recording_time": without_zone(min(times)) if times else None,
    }


def _file_facts(video: "VideoMetadata") -> dict[str, Any]:
    time = video.recording_time
    return {
        "n_frames": video.n_frames,
        "n_frames_header": video.n_frames_header,
        "duration_s": video.duration_s,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "size_bytes": video.size_bytes,
        "sha256": video.sha256,
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


def without_zone(time: datetime) -> datetime:
    """Give a time as the database keeps it: UTC without zone, to the second."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None, microsecond=0)

"""Requests and records of runs that find keypoints: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from element_facerhythm.files.plain import plain
from element_facerhythm.pipeline.records import ProductRecord
from element_facerhythm.pipeline.run.ownership import DirectoryOwner

if TYPE_CHECKING:
    from element_facerhythm.keypoints.statistics import TrackStatistics

Corners = tuple[int, int, int, int]
"""x1, x2, y1, y2 in pixels of the full frame; x to the right, y down."""

BoxChoice = Literal["auto"] | tuple[Corners, ...] | None
"""What the network is shown: where the recording moves; one box per video or for all; everything."""


@dataclass(frozen=True)
class KeypointRequest:
    """Keypoints to predict with facemap's network.

    Attributes
    ----------
    videos
        Files of one recording, in order.
    model_file
        Weights, as facemap saves them.
    body_parts
        What the network's outputs are, in order.
    output_dir
        Directory of the result; made where it is missing.
    box
        What the network is shown.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``.
    model_sha256
        Expected digest of the weights; None does not check.
    owner
        The task that the directory belongs to; None for a run without a database.
    video_sha256
        Expected digest of each video, where they were entered before; None does not check.
    frame_rate_hz
        Frame rate to take in place of that of the videos; None takes theirs.
    recording_rate_hz
        Frame rate that the recording was entered with, by which speeds are stated; None takes that of the
        videos.
    batch_size, mixed_precision
        As in `keypoints.facemap_run.predict_keypoints`.
    """

    videos: tuple[Path, ...]
    model_file: Path
    body_parts: tuple[str, ...]
    output_dir: Path
    box: BoxChoice = None
    device: str = "auto"
    model_sha256: str | None = None
    owner: DirectoryOwner | None = None
    video_sha256: tuple[str, ...] | None = None
    frame_rate_hz: float | None = None
    recording_rate_hz: float | None = None
    batch_size: int | None = None
    mixed_precision: bool | None = None

    def __post_init__(self) -> None:
        """Convert paths as text, and boxes and numbers of numpy."""
        for name in ("model_file", "output_dir"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        object.__setattr__(self, "videos", tuple(map(Path, self.videos)))
        object.__setattr__(self, "body_parts", tuple(plain(self.body_parts)))
        object.__setattr__(self, "frame_rate_hz", plain(self.frame_rate_hz))
        object.__setattr__(self, "recording_rate_hz", plain(self.recording_rate_hz))
        object.__setattr__(self, "batch_size", plain(self.batch_size))
        rows: Any = plain(self.box)
        if isinstance(rows, list):
            rows = rows if all(isinstance(row, list) for row in rows) else [rows]
            object.__setattr__(self, "box", tuple(map(tuple, rows)))


@dataclass(frozen=True)
class KeypointRecord:
    """The result of a prediction, or of loading one.

    Attributes
    ----------
    product
        The file.
    statistics
        Of every track.
    tracks
        Name of the group of each track, by individual and body part.
    n_frames, n_dimensions, dtype
        Length of the tracks; 2 or 3; numpy type.
    source_software
        Who predicted.
    seconds
        What the prediction took; None where that is not known.
    device
        Where it was computed; ``"unknown"`` for loaded files.
    boxes
        What the network was shown of each video; empty for loaded files.
    versions
        Of this package and the libraries that computed.
    completed_utc
        When the file was written.
    reused
        Whether it was there already.
    individuals
        Names, in the order of the tracker.
    variables
        Names of what else the tracker says of each track.
    n_filled_frames
        Frames of which loaded files say nothing; their tracks are NaN.
    file_frame_rate_hz
        Frames per second that loaded files say; None where they say none.
    source_sha256
        Digests of the files of predictions that were loaded; empty for a prediction of this package.
    notes
        Remarks for people.
    """

    product: ProductRecord
    statistics: tuple[TrackStatistics, ...]
    tracks: dict[tuple[str, str], str]
    n_frames: int
    n_dimensions: int
    dtype: str
    source_software: str
    seconds: float | None
    device: str
    boxes: tuple[Corners, ...]
    versions: dict[str, str]
    completed_utc: str
    reused: bool
    individuals: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    n_filled_frames: int = 0
    file_frame_rate_hz: float | None = None
    source_sha256: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def frames_per_s(self) -> float | None:
        """Frames predicted per second; None where that is not known."""
        return self.n_frames / self.seconds if self.seconds else None

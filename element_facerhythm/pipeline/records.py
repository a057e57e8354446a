"""Requests and records of runs: frozen values without behaviour, cheap to import.

The database tables and the command line use these classes, too, so they hold only paths, numbers,
strings, tuples and (in the summaries) small arrays. The large arrays stay in the products; an `ArrayRef`
says where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from element_facerhythm.core.decomposition import ComponentSummary
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import AnyParameters, FittedValue
    from element_facerhythm.pipeline.run.ownership import DirectoryOwner
    from element_facerhythm.video import VideoMetadata
    from element_facerhythm.video.clock import Gap

STAGES: tuple[str, ...] = (
    "dataset",
    "rois",
    "point_tracking",
    "spectral_analysis",
    "decomposition",
)
"""Stages in the order in which they run."""

PRODUCT_OF_STAGE: dict[str, str] = {
    "dataset": "Dataset_videos",
    "rois": "ROIs",
    "point_tracking": "PointTracker",
    "spectral_analysis": "VQT_Analyzer",
    "decomposition": "TCA",
}
"""The product that each stage writes, by the name that face-rhythm gives it."""

SIGNAL_STAGE, SIGNAL_PRODUCT = "facial_signal", "FacialSignal"
"""The stage that runs beside the tracking where signals are asked for, and what it writes."""


@dataclass(frozen=True)
class RunRequest:
    """One recording to analyse.

    Attributes
    ----------
    videos
        Files of one recording, in the order in which they were recorded.
    rois
        Regions of interest, the path of a ROI file, or a mapping laid out as one.
    parameters
        Analysis parameters, or a mapping in face-rhythm's tree; what is open is fitted to the recording when
        the request is checked.
    project_dir
        Directory to write; made where it is missing.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``. Never part of a fingerprint.
    owner
        The task that the directory belongs to; None for a run without a database.
    video_sha256
        Expected digest of each video, where they were entered before; None does not check.
    frames
        First frame of the recording to analyse, and the one after the last; None takes all.
    frame_rate_hz
        Frame rate to take in place of that of the videos; None takes theirs.
    times
        For each video the file with the times of its frames, ``"stamps"`` for its own, or None to look
        for a file beside it; None looks beside all.
    times_sha256
        Expected digest of each file of times (None: no file), where they were entered before; None does not
        check.
    overwrite
        Whether results that were made with other parameters, or from other videos or regions, may be
        replaced.
    parameters_file
        File that the parameters were read of, which is kept byte for byte in the project; None for none.
    allow_incomplete
        Whether videos that were cut off, as by a recorder that died, are taken up to their last whole frame.
    """

    videos: tuple[Path, ...]
    rois: Rois | Path
    parameters: AnyParameters
    project_dir: Path
    device: str = "auto"
    owner: DirectoryOwner | None = None
    video_sha256: tuple[str, ...] | None = None
    overwrite: bool = True
    frames: tuple[int, int] | None = None
    frame_rate_hz: float | None = None
    times: tuple[str | Path | None, ...] | None = None
    times_sha256: tuple[str | None, ...] | None = None
    allow_incomplete: bool = False
    parameters_file: Path | None = None

    def __post_init__(self) -> None:
        """Convert mappings, paths as text and numpy's numbers; ParameterError or RoiError where wrong."""
        from element_facerhythm.pipeline.run.given import plain_fields

        for name, value in plain_fields(self).items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class StageRecord:
    """The result of one stage.

    `seconds` is the wall time of the computation that made the product (also where this run only
    reused it); None where it is not known, as in a project that face-rhythm wrote. `version` is that of
    the stage's computation; None where this package did not compute it.
    """

    name: str
    seconds: float | None
    reused: bool
    completed_utc: str
    device: str
    version: int | None = None


@dataclass(frozen=True)
class ProductRecord:
    """One HDF5 product on disk, by size and content digest (SHA-256, 64 hex digits).

    `layout` says who wrote it, in which layout; empty for files that are in none.
    """

    name: str
    path: Path
    size_bytes: int
    sha256: str
    layout: str = ""


@dataclass(frozen=True)
class RunRecord:
    """Record of a run, or of a loaded project.

    `videos` is None in load mode: the videos of a loaded project may be gone. `device` is
    ``"unknown"`` there unless the project recorded it. `layout` names the writer's layout, for
    example ``"element-facerhythm 1"`` or ``"face-rhythm 0.3"``; both, where products are of several.
    `parameters` are those of the results, with nulls for what a loaded project does not say, None where it
    says nothing; `parameters_fitted` are those that were fitted to the
    recording, with the reasons.
    """

    project_dir: Path
    stages: tuple[StageRecord, ...]
    products: tuple[ProductRecord, ...]
    device: str
    versions: dict[str, str]
    notes: tuple[str, ...]
    videos: tuple[VideoMetadata, ...] | None
    layout: str
    parameters: AnyParameters | None = None
    parameters_fitted: tuple[FittedValue, ...] = ()


@dataclass(frozen=True)
class ArrayRef:
    """Location of a large array: product name, dataset inside it, shape and dtype."""

    product: str
    dataset: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class VideoSummary:
    """One tracked video (with ``contiguous``: the whole recording as one).

    `n_violations` counts flagged (frame, point) entries, `violation_fraction` divides them by all
    entries, `violation_frame_fraction` is the fraction of frames with any flagged point.
    `n_held_frames` counts frames in which nothing could be tracked and all points were held in place,
    `n_dark_frames` those that are dark, `n_frozen_frames` those that repeat the frame before; None
    where the project does not say. `window_centres` (W,) are frame indices, `window_times_s` (W,) the
    seconds there. `frame_times` refers to (T,) seconds; None where the project stores none. `gaps` are
    those of its clock. `confidence` refers to (T, P) float16, and `point_confidence` (P,) is its mean over
    frames, both 0 to 1; None where the tracking tells none.
    """

    video_index: int
    file_name: str
    n_frames: int
    duration_s: float
    n_dropped_frames: int
    gaps: tuple[Gap, ...]
    rate_changes: bool
    n_violations: int
    violation_fraction: float
    violation_frame_fraction: float
    n_held_frames: int | None
    n_dark_frames: int | None
    n_frozen_frames: int | None
    n_windows: int
    points: ArrayRef
    spectrogram: ArrayRef
    window_centres: NDArray[np.float32]
    window_times_s: NDArray[np.float64]
    frame_times: ArrayRef | None
    confidence: ArrayRef | None = None
    point_confidence: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class PointSummary:
    """Movement of one point, over all videos of the recording.

    Displacements are distances from the seed position in pixels. `path_length_px` sums the
    distances between successive frames (videos of a recording are not bridged), and
    `mean_speed_px_s` divides it by the recording's duration without gaps. `point_mean_confidence` is the
    mean over all frames, 0 to 1; None where the tracking tells none.
    """

    point_index: int
    x_px: float
    y_px: float
    rms_displacement_px: float
    max_displacement_px: float
    path_length_px: float
    mean_speed_px_s: float
    point_violation_fraction: float
    point_mean_confidence: float | None = None


REAL, IMAGINARY = " (real)", " (imaginary)"
"""Endings of the dimensions of complex loadings, each part of which is a factor of its own."""


@dataclass(frozen=True)
class FactorSummary:
    """Loadings (n,) of one component along one dimension.

    `dimension` is the name of the axis after undoing concatenations where that was asked
    (``"frequency"``, ``"(xy points)"``, ``"time"`` ...), with `REAL` or `IMAGINARY` behind it where loadings
    are complex; `video_index` is set where the factor was split per video.
    """

    component_index: int
    dimension: str
    video_index: int | None
    loadings: NDArray[np.float32]


@dataclass(frozen=True)
class ModelSummary:
    """One decomposition: of the whole recording (key ``"0"``), or of one video each.

    `explained_variance` (``1 - relative_error ** 2``), `relative_error` and `r_squared` are those of
    `CpModel`, over all components together; NaN where the spectrogram that the model was fitted to cannot be
    rebuilt, or is not finite. `stability` is the mean over its components (see `CpModel.stability`), NaN
    where it is not known.
    """

    model_key: str
    method: str
    rank: int
    n_iterations: int | None
    explained_variance: float
    relative_error: float
    r_squared: float
    stability: float
    components: tuple[ComponentSummary, ...]
    factors: tuple[FactorSummary, ...]


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes
    ----------
    name
        Of the check, as of its limits in the parameter section `Quality`.
    value
        What was measured; None where it is not known.
    threshold
        The limit that was passed, or, where none was, the one that warns.
    verdict
        ``"ok"``, ``"warn"``, ``"red"`` or ``"unknown"``.
    message
        A sentence: what was found and what to do; of an unknown value, why it is not known.
    """

    name: str
    value: float | None
    threshold: float
    verdict: str
    message: str


@dataclass(frozen=True)
class ProjectSummary:
    """Everything about a project that fits in table rows."""

    frame_rate_hz: float
    n_points: int
    videos: tuple[VideoSummary, ...]
    points: tuple[PointSummary, ...]
    frequencies_hz: NDArray[np.float32]
    models: tuple[ModelSummary, ...]
    quality: tuple[Verdict, ...] = ()

    @property
    def gaps(self) -> tuple[tuple[int, Gap], ...]:
        """Every gap, with the frame before it counted over all frames that were analysed."""
        found, n_before = [], 0
        for video in self.videos:
            found += [(n_before + gap.after_frame, gap) for gap in video.gaps]
            n_before += video.n_frames
        return tuple(found)


class Progress(Protocol):
    """Receives what a run is doing.

    `stage` is entered when a stage starts; the callable that it yields gets the number of units
    done so far (not the increment). `total` is None where it is not known beforehand.
    """

    def stage(
        self, name: str, total: int | None, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a stage, from its start to its end.

        Parameters
        ----------
        name
            Name of the stage.
        total
            Number of its units; None where it is not known.
        unit
            What is counted, such as `frames`.
        """
        ...


class NullProgress:
    """A `Progress` that reports nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Yield a callable that ignores its argument.

        Parameters
        ----------
        name, total, unit
            As of `Progress.stage`.
        """
        yield _ignore


def _ignore(n_done: int) -> None:
    """Ignore a count."""

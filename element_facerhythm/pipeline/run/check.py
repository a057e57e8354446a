"""Everything that can be wrong with a request, found before any work and without writing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.device import device_name
from element_facerhythm.core.rois import PlacedRois, Rois, place_rois
from element_facerhythm.core.spectral import filter_length
from element_facerhythm.errors import ProjectError, VideoError
from element_facerhythm.io.atomic import TEMPORARY_SUFFIX
from element_facerhythm.io.layout import (
    CURATION_FILE,
    CURATION_LOCK,
    FILES,
    FOLDERS,
    INPUTS,
    PRODUCTS,
    TEXTS,
    product_path,
)
from element_facerhythm.io.product_stamps import FORMAT_VERSION, product_format
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import FittedValue, Parameters, as_open, check_parameters
from element_facerhythm.pipeline.records import SIGNAL_STAGE, RunRequest
from element_facerhythm.pipeline.run.directory import check_writable
from element_facerhythm.pipeline.run.fingerprint import (
    Fingerprint,
    signals_fingerprint,
    stage_fingerprints,
)
from element_facerhythm.pipeline.run.fit import close_parameters
from element_facerhythm.pipeline.run.given_files import GivenFile, given_files
from element_facerhythm.pipeline.run.lock import LOCK_NAME
from element_facerhythm.pipeline.run.ownership import OWNER, DirectoryOwner
from element_facerhythm.pipeline.run.sequences import (
    TrackedSequence,
    recording_rate_hz,
    tracked_sequences,
)
from element_facerhythm.pipeline.run.signal_settings import signal_notes, signal_settings
from element_facerhythm.pipeline.run.timing import stretch_lengths, time_notes
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import (
    Signature,
    VideoMetadata,
    probe_video,
    require_entered,
    require_entered_times,
    require_same_format,
    share_levels,
    signatures_of,
    without_levels,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from element_facerhythm.core.motion import SignalSettings

_OWN_ENTRIES = {*TEXTS, "analysis_files", "visualizations", INPUTS, CURATION_FILE, CURATION_LOCK}
_OWN_PREFIXES = (LOCK_NAME, OWNER)


@dataclass(frozen=True)
class CheckedRequest:
    """A request that can be run, with what checking it found out.

    `parameters` are closed; `parameters_fitted` says which of them were open and why they are what they are.
    `videos` are those that frames are taken of, `sequences` what is tracked as one; `n_recorded_frames`
    counts all frames of the recording, also where a part of them is asked for; `frame_rate_hz` is
    the rate that the recording is analysed with; `notes` say what was read differently from what was
    typed; `signals` say what is measured besides, None for nothing; `fingerprints` are those that the
    products will carry; `signatures` show whether a video is still the file that was checked; `given` are the
    parameter and ROI files that the request names.
    """

    request: RunRequest
    parameters: Parameters
    parameters_fitted: tuple[FittedValue, ...]
    videos: tuple[VideoMetadata, ...]
    rois: Rois
    placed: PlacedRois
    device: str
    sequences: tuple[TrackedSequence, ...]
    n_recorded_frames: int
    frame_rate_hz: float
    notes: tuple[str, ...]
    fingerprints: dict[str, Fingerprint]
    signatures: tuple[Signature, ...]
    signals: SignalSettings | None = None
    given: tuple[GivenFile, ...] = ()

    @property
    def n_frames(self) -> tuple[int, ...]:
        """Frames of each tracked sequence: of each video, or of all together."""
        return tuple(sequence.n_frames for sequence in self.sequences)

    @property
    def spectral_rate_hz(self) -> float:
        """Rate that the filters are made for; with `compat` as typed."""
        return self.parameters.spectral_rate_hz(self.frame_rate_hz)

    def frozen_frames(self) -> list[NDArray[np.bool_] | None]:
        """Per tracked sequence, (T,) frames in which the flow is ignored; None for none."""
        freeze = self.parameters.PointTracker.frames_freeze
        if not freeze:
            return [None] * len(self.sequences)
        first, stop = self.request.frames or (0, self.n_recorded_frames)
        flags = np.zeros(self.n_recorded_frames, dtype=bool)
        flags[np.array(freeze)] = True
        return list(np.split(flags[first:stop], np.cumsum(self.n_frames)[:-1]))


def check_request(request: RunRequest) -> CheckedRequest:
    """Check videos, ROIs, parameters, device and output directory; write nothing.

    Raises
    ------
    RequestError
        Whatever is wrong, as the child class that fits: `VideoError`, `RoiError`,
        `ParameterError`, `ProjectError`.
    """
    as_open(request.parameters).require_known()
    device = device_name(request.device)
    check_directory(request.project_dir, request.owner)
    signatures = signatures_of(request.videos)
    videos = _probe(request)
    if request.video_sha256 is not None:
        require_entered(videos, request.video_sha256)
    if request.times_sha256 is not None:
        require_entered_times(videos, request.times_sha256)
    rois = request.rois if isinstance(request.rois, Rois) else read_rois(request.rois)
    given = given_files(request)
    # the parameters that decide what is tracked as one sequence are never fitted
    known = as_open(request.parameters).stand_in
    sequences = tracked_sequences(videos, known, request.frames)
    own_rate_hz = recording_rate_hz(videos, known)
    rate_hz = known.sample_rate_hz(own_rate_hz)
    size = {"height_px": videos[0].height_px, "width_px": videos[0].width_px}
    parameters, fitted = close_parameters(
        request.parameters,
        rois,
        **size,
        frame_rate_hz=rate_hz,
        n_samples=stretch_lengths(sequences),
    )
    placed = place_rois(rois, **size, spacing_px=parameters.ROIs.make_rois.point_spacing)
    vqt = parameters.VQT_Analyzer.params_VQT
    n_taps = filter_length(
        frame_rate_hz=parameters.spectral_rate_hz(rate_hz), q_low=vqt.Q_lowF, freq_min_hz=vqt.F_min
    )
    n_recorded_frames = sum(video.n_frames for video in videos)
    notes = check_parameters(
        parameters,
        frame_rate_hz=own_rate_hz,
        n_frames=n_recorded_frames,
        n_samples=stretch_lengths(sequences),
        n_points=len(placed.point_positions),
        filter_length=n_taps,
    )
    signals = signal_settings(parameters, rois, sequences, device, **size)
    fingerprints = stage_fingerprints(sequences, rois, parameters, rate_hz)
    if signals is not None:
        fingerprints[SIGNAL_STAGE] = signals_fingerprint(sequences, rois, parameters)
    used = tuple(part.video for sequence in sequences for part in sequence.parts)
    return CheckedRequest(
        request=request,
        parameters=parameters,
        parameters_fitted=fitted,
        videos=used,
        rois=rois,
        placed=placed,
        device=device,
        sequences=sequences,
        n_recorded_frames=n_recorded_frames,
        frame_rate_hz=rate_hz,
        notes=(
            *video_notes(used),
            *time_notes(used, sequences, parameters, n_taps),
            *notes,
            *rois.notes,
            *_flow_notes(parameters, device),
            *signal_notes(signals),
        ),
        fingerprints=fingerprints,
        signals=signals,
        given=given,
        signatures=tuple(signatures[videos.index(video)] for video in used),
    )


def _flow_notes(parameters: Parameters, device: str) -> tuple[str, ...]:
    """Say that the optical flow does not use the GPU that was asked for."""
    if device == "cpu" or parameters.PointTracker.method != "flow":
        return ()
    return (
        "points are tracked on the CPU: tracking by optical flow (PointTracker.method: flow) does not run "
        f"on a GPU; the other stages compute on {device}",
    )


def _probe(request: RunRequest) -> tuple[VideoMetadata, ...]:
    paths = request.videos
    if not paths:
        raise VideoError("no video was given; give at least one file")
    twice = [str(path) for path, n in Counter(Path(p).resolve() for p in paths).items() if n > 1]
    if twice:
        raise VideoError(f"{twice[0]} is given twice; a recording holds each file once")
    times = (None,) * len(paths) if request.times is None else request.times
    if len(times) != len(paths):
        raise VideoError(
            f"{len(times)} files of frame times are given for {len(paths)} videos; give one for each, in "
            "their order"
        )
    videos = tuple(
        probe_video(
            Path(path),
            frame_rate_hz=request.frame_rate_hz,
            times=own,
            allow_incomplete=request.allow_incomplete,
        )
        for path, own in zip(paths, times, strict=True)
    )
    require_same_format(videos)
    if as_open(request.parameters).stand_in.rules.are_levels_shared:
        return share_levels(videos)
    return without_levels(videos)


def check_directory(directory: Path, owner: DirectoryOwner | None) -> None:
    """Refuse a directory that cannot be written or that holds something else.

    Parameters
    ----------
    directory
        The project directory; it may be missing.
    owner
        The task that it is for; None for a run without a database.

    Raises
    ------
    ProjectError
        It belongs to another task; it is not a directory, not writable, not empty and not a project of
        this package, of a newer format, or on several file systems.
    PathError
        A link in it leads out, or takes the place of one of its folders.
    """
    check_writable(directory, folders=FOLDERS, files=FILES, owner=owner)
    if directory.is_dir():
        _check_content(directory)


def _check_content(directory: Path) -> None:
    is_project = (directory / "run.json").is_file()
    for name in PRODUCTS:
        path = product_path(directory, name)
        version = product_format(path)
        if path.is_file() and version is None and not is_project:
            raise ProjectError(
                f"{path} was not written by this package; give another project directory, or load "
                "this project instead of running it"
            )
        if version is not None and version > FORMAT_VERSION:
            raise ProjectError(
                f"{path} has format version {version}; this package writes {FORMAT_VERSION}. "
                "Upgrade element-facerhythm, or give another project directory"
            )
        is_project = is_project or version is not None
    foreign_entries = sorted(
        entry.name
        for entry in directory.iterdir()
        if entry.name not in _OWN_ENTRIES
        and not entry.name.startswith(_OWN_PREFIXES)
        and not entry.name.endswith(TEMPORARY_SUFFIX)
    )
    if foreign_entries and not is_project:
        raise ProjectError(
            f"{directory} is neither empty nor a project: it holds {', '.join(foreign_entries[:3])}; "
            "give a new directory"
        )

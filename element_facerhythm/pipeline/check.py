"""Everything that can be wrong with a request, found before any work and without writing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.device import resolve_device
from element_facerhythm.core.rois import PlacedRois, Rois, place_rois
from element_facerhythm.core.spectral import filter_length
from element_facerhythm.errors import ProjectError, VideoError
from element_facerhythm.io.atomic import TEMPORARY_SUFFIX
from element_facerhythm.io.layout import FILES, FOLDERS, PRODUCTS, TEXTS, product_path
from element_facerhythm.io.product_stamps import FORMAT_VERSION, product_format
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import Parameters, check_parameters
from element_facerhythm.pipeline.directory import check_writable
from element_facerhythm.pipeline.fingerprint import Fingerprint, stage_fingerprints
from element_facerhythm.pipeline.lock import LOCK_NAME
from element_facerhythm.pipeline.ownership import OWNER, DirectoryOwner
from element_facerhythm.pipeline.records import RunRequest
from element_facerhythm.pipeline.video_notes import video_notes
from element_facerhythm.video import (
    Signature,
    VideoMetadata,
    probe_video,
    require_entered,
    require_same_format,
    share_levels,
    signatures_of,
    without_levels,
)

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_OWN_ENTRIES = {*TEXTS, "analysis_files", "visualizations"}
_OWN_BEGINNINGS = (LOCK_NAME, OWNER)


@dataclass(frozen=True)
class CheckedRequest:
    """A request that can be run, with what checking it found out.

    `frame_rate_hz` is the rate that the recording is analysed with; `notes` say what was read
    differently from what was typed; `fingerprints` are those that the products will carry; `signatures`
    tell whether a video is still the file that was checked.
    """

    request: RunRequest
    videos: tuple[VideoMetadata, ...]
    rois: Rois
    placed: PlacedRois
    device: torch.device
    frame_rate_hz: float
    notes: tuple[str, ...]
    fingerprints: dict[str, Fingerprint]
    signatures: tuple[Signature, ...]

    @property
    def parameters(self) -> Parameters:
        """Analysis parameters."""
        return self.request.parameters

    @property
    def n_frames(self) -> tuple[int, ...]:
        """Frames of each tracked sequence: of each video, or of all together."""
        n_frames = tuple(video.n_frames for video in self.videos)
        return (sum(n_frames),) if self.parameters.PointTracker.contiguous else n_frames

    def frozen_frames(self) -> list[NDArray[np.bool_] | None]:
        """Per tracked sequence, (T,) frames in which the flow is ignored; None for none."""
        freeze = self.parameters.PointTracker.frames_freeze
        if not freeze:
            return [None] * len(self.n_frames)
        flags = np.zeros(sum(self.n_frames), dtype=bool)
        flags[np.array(freeze)] = True
        return list(np.split(flags, np.cumsum(self.n_frames)[:-1]))


def check_request(request: RunRequest) -> CheckedRequest:
    """Check videos, ROIs, parameters, device and output directory; write nothing.

    Raises
    ------
    RequestError
        Whatever is wrong, as the child class that fits: `VideoError`, `RoiError`,
        `ParameterError`, `ProjectError`.
    """
    device = resolve_device(request.device)
    check_directory(request.project_dir, request.owner)
    signatures = signatures_of(request.videos)
    videos = _probe(request)
    if request.video_sha256 is not None:
        require_entered(videos, request.video_sha256)
    rois = request.rois if isinstance(request.rois, Rois) else read_rois(request.rois)
    parameters = request.parameters
    placed = place_rois(
        rois,
        height_px=videos[0].height_px,
        width_px=videos[0].width_px,
        spacing_px=parameters.ROIs.make_rois.point_spacing,
    )
    vqt = parameters.VQT_Analyzer.params_VQT
    rate_hz = parameters.spectral_rate_hz(videos[0].frame_rate_hz)
    notes = check_parameters(
        parameters,
        frame_rate_hz=videos[0].frame_rate_hz,
        n_frames=[video.n_frames for video in videos],
        n_points=len(placed.point_positions),
        filter_length=filter_length(frame_rate_hz=rate_hz, q_low=vqt.Q_lowF, freq_min_hz=vqt.F_min),
    )
    return CheckedRequest(
        request=request,
        videos=videos,
        rois=rois,
        placed=placed,
        device=device,
        frame_rate_hz=parameters.sample_rate_hz(videos[0].frame_rate_hz),
        notes=(*video_notes(videos), *notes),
        fingerprints=stage_fingerprints(videos, rois, parameters),
        signatures=signatures,
    )


def _probe(request: RunRequest) -> tuple[VideoMetadata, ...]:
    paths = request.videos
    if not paths:
        raise VideoError("no video was given; give at least one file")
    twice = [str(path) for path, n in Counter(Path(p).resolve() for p in paths).items() if n > 1]
    if twice:
        raise VideoError(f"{twice[0]} is given twice; a recording holds each file once")
    videos = tuple(
        probe_video(Path(path), allow_incomplete=request.allow_incomplete) for path in paths
    )
    require_same_format(videos)
    if request.parameters.compat == "face-rhythm":
        return without_levels(videos)
    return share_levels(videos)


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
        ours, of a newer format, or on several file systems.
    PathError
        A link in it leads out, or takes the place of one of its folders.
    """
    check_writable(directory, folders=FOLDERS, files=FILES, owner=owner)
    if directory.is_dir():
        _check_content(directory)


def _check_content(directory: Path) -> None:
    ours = (directory / "run.json").is_file()
    for name in PRODUCTS:
        path = product_path(directory, name)
        version = product_format(path)
        if path.is_file() and version is None and not ours:
            raise ProjectError(
                f"{path} was not written by this package; give another project directory, or load "
                "this project instead of running it"
            )
        if version is not None and version > FORMAT_VERSION:
            raise ProjectError(
                f"{path} has format version {version}; this package writes {FORMAT_VERSION}. "
                "Upgrade element-facerhythm, or give another project directory"
            )
        ours = ours or version is not None
    strangers = sorted(
        entry.name
        for entry in directory.iterdir()
        if entry.name not in _OWN_ENTRIES
        and not entry.name.startswith(_OWN_BEGINNINGS)
        and not entry.name.endswith(TEMPORARY_SUFFIX)
    )
    if strangers and not ours:
        raise ProjectError(
            f"{directory} is neither empty nor a project: it holds {', '.join(strangers[:3])}; "
            "give a new directory"
        )

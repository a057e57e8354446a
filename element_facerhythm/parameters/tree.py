"""The whole parameter tree."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from element_facerhythm.parameters.base import CountOrZero, Positive, Section
from element_facerhythm.parameters.decomposition import Tca
from element_facerhythm.parameters.quality import QualityLimits
from element_facerhythm.parameters.spectral import VqtAnalyzer
from element_facerhythm.parameters.tracking import RoiParameters, TrackerParameters


class ProjectSection(Section):
    """What concerns the whole run."""

    random_seed: CountOrZero = Field(
        default=0,
        description="Seed of everything random. null in a file is read as 0, so that every run "
        "can be repeated.",
    )


class DatasetVideos(Section):
    """The recording."""

    contiguous: bool = Field(
        default=False,
        description="Stored with the recording; PointTracker.contiguous decides the tracking.",
    )
    frame_rate_clamp: Positive | None = Field(
        default=None,
        description="Frame rate in Hz to use instead of the video's, for cameras whose header "
        "lies; null uses the video's.",
    )


class Parameters(Section):
    """Everything that changes the numbers, and (in `Quality`) how they are judged; nothing else.

    Section names and keys are face-rhythm's. Attributes that concern speed, pictures or paths are
    not here: a file may hold them and `read_parameters` lists them as unused.
    """

    project: ProjectSection = ProjectSection()
    Dataset_videos: DatasetVideos = DatasetVideos()
    ROIs: RoiParameters = RoiParameters()
    PointTracker: TrackerParameters = TrackerParameters()
    VQT_Analyzer: VqtAnalyzer = VqtAnalyzer()
    TCA: Tca = Tca()
    Quality: QualityLimits = QualityLimits()
    compat: Literal["face-rhythm"] | None = Field(
        default=None,
        description='"face-rhythm" brings back its numbers where this package mends a defect: the '
        "step applied twice after a rewind, matches on equalised frames (by OpenCV, bit for bit), the "
        "averaging of wrapped phase, the sampling rate as typed, and tensorly's fit of the components.",
    )

    @model_validator(mode="after")
    def _complex_needs_complex(self) -> Parameters:
        if self.TCA.rearrange_data.concat_complexDim and self.VQT_Analyzer.params_VQT.take_abs:
            raise ValueError(
                "TCA.rearrange_data.concat_complexDim is true while VQT_Analyzer.params_VQT."
                "take_abs is true; amplitudes have no imaginary part, so set take_abs to false"
            )
        return self

    @property
    def seed(self) -> int:
        """Seed of the decomposition: its own `random_state`, or the project's."""
        own = self.TCA.fit.params_method.random_state
        return self.project.random_seed if own is None else own

    def sample_rate_hz(self, video_frame_rate_hz: float) -> float:
        """Frame rate that the recording is analysed with, given the video's own."""
        clamp = self.Dataset_videos.frame_rate_clamp
        return video_frame_rate_hz if clamp is None else clamp

    def spectral_rate_hz(self, video_frame_rate_hz: float) -> float:
        """Give the filter bank's sampling rate: the recording's, or as typed under `compat`."""
        if self.compat == "face-rhythm":
            return self.VQT_Analyzer.params_VQT.Fs_sample
        return self.sample_rate_hz(video_frame_rate_hz)

    def to_tree(self) -> dict[str, Any]:
        """Nested dict of plain values with every default filled in; tuples are lists."""
        tree: dict[str, Any] = _plain(self.model_dump(mode="python"))
        return tree

    def canonical_json(self) -> str:
        """Spell the tree as JSON in one way: sorted keys, no spaces, one form per number."""
        return json.dumps(self.to_tree(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def sha256(self) -> str:
        """Digest of `canonical_json`, 64 hex digits."""
        return hashlib.sha256(self.canonical_json().encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    """Put lists for tuples, and 0.0 for -0.0: equal values must be spelled alike."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value

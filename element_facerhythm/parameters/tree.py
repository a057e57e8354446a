"""The whole parameter tree."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pydantic import Field, model_validator

from element_facerhythm.parameters.base import CountOrZero, Positive, Section
from element_facerhythm.parameters.compat import Compat, ComputationRules, rules_of
from element_facerhythm.parameters.decomposition import Tca
from element_facerhythm.parameters.quality import QualityLimits
from element_facerhythm.parameters.signals import FacialSignals
from element_facerhythm.parameters.spectral import VqtAnalyzer
from element_facerhythm.parameters.tracking import RoiParameters, TrackerParameters

_Section = TypeVar("_Section", bound=Section)


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

    Section names and keys are face-rhythm's. Attributes that concern speed, figures or paths are
    not here: a file may hold them and `read_parameters` lists them as unused.
    """

    project: ProjectSection = ProjectSection()
    Dataset_videos: DatasetVideos = DatasetVideos()
    ROIs: RoiParameters = RoiParameters()
    PointTracker: TrackerParameters = TrackerParameters()
    VQT_Analyzer: VqtAnalyzer = VqtAnalyzer()
    TCA: Tca = Tca()
    FacialSignal: FacialSignals = FacialSignals()
    Quality: QualityLimits = QualityLimits()
    compat: Compat | None = Field(
        default=None,
        description='"face-rhythm" reproduces its numbers where this package corrects a defect: the '
        "step applied twice after a rewind, matches on equalised frames (by OpenCV, bit for bit), the "
        "averaging of wrapped phase, the sampling rate as typed, and tensorly's fit of the components. "
        "method is then flow, refine false, averaging exact and n_restarts 1.",
    )

    @model_validator(mode="after")
    def _complex_needs_complex(self) -> Parameters:
        if self.TCA.rearrange_data.concat_complexDim and self.VQT_Analyzer.params_VQT.take_abs:
            raise ValueError(
                "TCA.rearrange_data.concat_complexDim is true while VQT_Analyzer.params_VQT."
                "take_abs is true; amplitudes have no imaginary part, so set take_abs to false"
            )
        return self

    @model_validator(mode="after")
    def _decided_by_compat(self) -> Parameters:
        fixed = self._as_computed()
        for name in self.rules.fixed_values:
            section = name.partition(".")[0]
            object.__setattr__(
                self, section, getattr(fixed, section)
            )  # no other value was ever there
        return self

    @property
    def rules(self) -> ComputationRules:
        """Whose numbers are computed where this package and face-rhythm differ."""
        return rules_of(self.compat)

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
        """Return the filter bank's sampling rate: the recording's, or as typed under `compat`."""
        if self.rules.is_rate_typed:
            return self.VQT_Analyzer.params_VQT.Fs_sample
        return self.sample_rate_hz(video_frame_rate_hz)

    def to_tree(self) -> dict[str, Any]:
        """Nested dict of plain values with every default filled in; tuples are lists."""
        tree: dict[str, Any] = _plain(self._as_computed().model_dump(mode="python"))
        return tree

    def _as_computed(self) -> Parameters:
        """Return the parameters with what `compat` decides, so that equal numbers have equal digests."""
        fixed = self
        for name, value in self.rules.fixed_values.items():
            fixed = _with(fixed, name.split("."), value)
        return fixed

    def canonical_json(self) -> str:
        """Spell the tree as JSON in one way: sorted keys, no spaces, one form per number.

        Signals that are not asked for are left out: parameters without them keep their digest.
        """
        return json.dumps(
            without_unasked(self.to_tree()), sort_keys=True, separators=(",", ":"), allow_nan=False
        )

    def sha256(self) -> str:
        """Digest of `canonical_json`, 64 hex digits."""
        return hashlib.sha256(self.canonical_json().encode("utf-8")).hexdigest()


def without_unasked(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a whole tree without the section `FacialSignal` where that is known to ask for nothing."""
    section = tree["FacialSignal"]
    matters = section["signals"] != [] or None in section.values()
    return tree if matters else {k: v for k, v in tree.items() if k != "FacialSignal"}


def _with(section: _Section, keys: list[str], value: Any) -> _Section:
    """Copy a section with another value under a path."""
    key, *rest = keys
    inner = _with(getattr(section, key), rest, value) if rest else value
    return section.model_copy(update={key: inner})


def _plain(value: Any) -> Any:
    """Replace tuples by lists and -0.0 by 0.0: equal values must be spelled alike."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value

"""What of the whole face is measured: settings of the core from parameters, regions and clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import Rois
from element_facerhythm.parameters import Parameters
from element_facerhythm.parameters.signals import DECOMPOSED
from element_facerhythm.pipeline.run.sequences import TrackedSequence

if TYPE_CHECKING:
    from element_facerhythm.core.motion import SignalSettings


def signal_settings(
    parameters: Parameters,
    rois: Rois,
    sequences: Sequence[TrackedSequence],
    device: str,
    *,
    height_px: int,
    width_px: int,
) -> SignalSettings | None:
    """Return settings of the core; None where no signal is asked for.

    Parameters
    ----------
    parameters
        Closed ones.
    rois
        Regions of interest.
    sequences
        Whose frames are measured.
    device
        Where decompositions are computed.
    height_px, width_px
        Size of the frame.

    Raises
    ------
    RoiError
        See `place_signal_regions`.
    """
    wanted = parameters.FacialSignal
    if not wanted.signals:
        return None
    from element_facerhythm.core.motion import (
        SignalSettings,
        excluded_pixels,
        place_signal_regions,
    )

    size = {"height_px": height_px, "width_px": width_px}
    regions = place_signal_regions(rois, wanted.signals, **size, bin_px=wanted.bin_px)
    return SignalSettings(
        regions=regions,
        hidden=tuple(excluded_pixels(rois, region) for region in regions),
        signals=wanted.signals,
        bin_px=wanted.bin_px,
        n_components=wanted.n_components,
        **size,
        n_frames=sum(sequence.n_frames for sequence in sequences),
        device=device,
    )


def signal_notes(settings: SignalSettings | None) -> tuple[str, ...]:
    """Say where there will be fewer components than were asked for."""
    if settings is None or set(DECOMPOSED).isdisjoint(settings.signals):
        return ()
    most = settings.n_frames - 1
    few = [
        f"{region.name}: {min(region.n_bins, most)}"
        for region in settings.regions
        if region.kind == "motion" and min(region.n_bins, most) < settings.n_components
    ]
    if not few:
        return ()
    return (
        f"fewer components than the {settings.n_components} of FacialSignal.n_components, because "
        f"there are no more bins or frames ({'; '.join(few)})",
    )


def following_frames(sequences: Sequence[TrackedSequence]) -> NDArray[np.bool_]:
    """Whether each frame of the recording (T,) was taken one frame after the one before it.

    The first frame of a video does not follow, nor does one before which frames are missing.
    """
    follows = []
    for sequence in sequences:
        own = np.ones(sequence.n_frames, bool)
        starts = np.cumsum([0, *(part.n_frames for part in sequence.parts[:-1])])
        own[starts] = False
        own[[gap.after_frame + 1 for gap in sequence.clock.gaps]] = False
        follows.append(own)
    return np.concatenate(follows)

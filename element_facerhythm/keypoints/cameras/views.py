"""Keypoints of several cameras side by side: the same body parts, at the same moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras.camera import Camera, Float64Array
from element_facerhythm.keypoints.cameras.matching import FrameMatch, match_frames
from element_facerhythm.keypoints.predictions import Predictions, shown_names

_OUTSIDE = 0.5
"""Part of the keypoints that may lie outside of the frames that a camera was calibrated for."""


@dataclass(frozen=True, eq=False)
class View:
    """What one camera saw.

    Attributes
    ----------
    camera
        Its name in the calibration.
    predictions
        Keypoints in its frames, or tracked points with names.
    frame_times_s
        (F,) times of all frames of its video on a clock that the cameras share, seconds; None where the
        predictions have times or a frame rate of their own.
    start_s
        Time of the first frame on that clock, where the times begin with the video.
    source
        The file, for messages.
    size_px
        Width and height of its video, where it is known.
    threshold_px, min_likelihood, tolerance_s
        Of this camera, in place of those of all; see `ReconstructionOptions`.
    """

    camera: str
    predictions: Predictions
    frame_times_s: Float64Array | None = None
    start_s: float = 0.0
    source: Path | str = ""
    size_px: tuple[int, int] | None = None
    threshold_px: float | None = None
    min_likelihood: float | None = None
    tolerance_s: float | None = None

    @property
    def frame_numbers(self) -> NDArray[np.int64]:
        """(T,) numbers of the frames in the video."""
        numbers = self.predictions.frame_numbers
        return np.arange(self.predictions.n_frames) if numbers is None else numbers.astype(np.int64)

    def times_s(self) -> Float64Array:
        """(T,) when the frames of the predictions were taken, on the clock that the cameras share.

        Raises
        ------
        KeypointError
            Nothing says when, or the times are of another number of frames.
        """
        times, numbers = self.frame_times_s, self.frame_numbers
        if times is not None:
            in_order = self.predictions.frame_numbers is None and len(numbers) != len(times)
            if in_order or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(times)):
                raise KeypointError(
                    f"camera {self.camera} has {len(times)} frame times, and {self.source} keypoints of "
                    f"{len(numbers)} frames{'' if in_order else f', up to frame {numbers.max()}'}: give "
                    "the times "
                    "of the video that the keypoints are of"
                )
            return times[numbers] + self.start_s
        if self.predictions.times_s is not None:
            return self.predictions.times_s.astype(np.float64) + self.start_s
        if self.predictions.frame_rate_hz is None:
            raise KeypointError(
                f"nothing says when the frames of camera {self.camera} were taken ({self.source}): give "
                "their "
                f"times (--times {self.camera}=FILE), or the rate (--frame-rate)"
            )
        return numbers / self.predictions.frame_rate_hz + self.start_s

    @property
    def begins_with_its_video(self) -> bool:
        """Whether its times count from its own first frame, and nobody said when that was."""
        times = self.frame_times_s
        counts = self.predictions.times_s is None if times is None else bool(times[0] == 0)
        return counts and self.start_s == 0


@dataclass(frozen=True, eq=False)
class Aligned:
    """Keypoints of V cameras at the T moments of the first one.

    Attributes
    ----------
    pixels
        (V, T, I, K, 2); NaN where a camera has no frame, no such body part, or did not see it.
    likelihood
        (V, T, I, K), 0 to 1; NaN likewise, and where a tracker does not say.
    body_parts, individuals
        K and I names.
    times_s
        (T,) on the clock of the cameras.
    match
        Which frames belong together.
    frame_numbers
        (V, T) numbers of the frames in each video; -1 where there is none.
    notes
        What was left out.
    """

    pixels: Float64Array
    likelihood: Float64Array
    body_parts: tuple[str, ...]
    individuals: tuple[str, ...]
    times_s: Float64Array
    match: FrameMatch
    frame_numbers: NDArray[np.int64]
    notes: tuple[str, ...]


def cameras_of(cameras: Sequence[Camera], views: Sequence[View]) -> tuple[Camera, ...]:
    """Return the cameras of views, in the order of the views.

    Parameters
    ----------
    cameras
        All that are calibrated.
    views
        Two or more, each of another camera.

    Raises
    ------
    KeypointError
        There are too few views, two of one camera, or one of a camera that is not calibrated, or that was
        calibrated for other frames.
    """
    known = {camera.name: camera for camera in cameras}
    names = [view.camera for view in views]
    strange = [name for name in names if name not in known]
    if strange:
        raise KeypointError(
            f"keypoints are given for {shown_names(strange)}; the calibration has the cameras "
            f"{shown_names(list(known))}"
        )
    if len(names) < 2 or len(set(names)) != len(names):
        raise KeypointError(
            f"keypoints are given for {shown_names(names) or 'no camera'}; expected two cameras or more, "
            "each once"
        )
    for view in views:
        _require_frames(known[view.camera], view)
    return tuple(known[name] for name in names)


def _require_frames(camera: Camera, view: View) -> None:
    """Refuse keypoints of frames of another size than the camera was calibrated for."""
    if view.predictions.n_dimensions != 2:
        raise KeypointError(
            f"{view.source or 'what is given'} for camera {camera.name} has positions in space; expected "
            "positions in its frames"
        )
    if camera.size_px is None:
        return
    if view.size_px is not None and view.size_px != camera.size_px:
        raise KeypointError(
            f"camera {camera.name} was calibrated for frames of {camera.size_px[0]} x "
            f"{camera.size_px[1]} px, its "
            f"video has {view.size_px[0]} x {view.size_px[1]}: calibrate for these frames"
        )
    places = view.predictions.positions.reshape(-1, 2)
    places = places[np.isfinite(places).all(axis=1)]
    outside = ((places < -0.5) | (places > np.array(camera.size_px) - 0.5)).any(axis=1)
    if len(places) and outside.mean() > _OUTSIDE:
        raise KeypointError(
            f"{outside.mean():.0%} of the keypoints of camera {camera.name} ({view.source}) lie outside "
            "of the "
            f"{camera.size_px[0]} x {camera.size_px[1]} px that it was calibrated for: they are of other "
            "frames, or "
            "of another camera"
        )


def aligned(views: Sequence[View], tolerance_s: float | None = None) -> Aligned:
    """Lay the keypoints of cameras side by side, at the moments of the first one.

    Body parts and individuals go by their names; where every camera has one individual, that is the same
    one. A body part that a single camera has is left out, with a note.

    Parameters
    ----------
    views
        Two or more.
    tolerance_s
        As of `matching.match_frames`.

    Raises
    ------
    KeypointError
        No body part, or no individual, is seen by two cameras; or as of `match_frames`.
    """
    names = [view.camera for view in views]
    single = all(len(view.predictions.individuals) == 1 for view in views)
    first = views[0].predictions.individuals[0]
    owners = [((first,) if single else view.predictions.individuals) for view in views]
    body_parts, alone = _shared([view.predictions.body_parts for view in views])
    individuals, lone = _shared(owners)
    for what, shared, left in (
        ("body part", body_parts, alone), ("individual", individuals, lone),
    ):  # fmt: skip
        if not shared:
            raise KeypointError(
                f"no {what} is seen by two cameras under one name: {shown_names(left)}; give them the "
                "same names "
                "(--rename OLD=NEW)"
            )
    times = [view.times_s() for view in views]
    tolerances = [tolerance_s if v.tolerance_s is None else v.tolerance_s for v in views]
    match = match_frames(times, names, tolerances)
    shape = (len(views), match.rows.shape[1], len(individuals), len(body_parts))
    pixels, likelihood = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    numbers = np.full(shape[:2], -1, dtype=np.int64)
    for v, view in enumerate(views):
        there = match.rows[v] >= 0
        rows = match.rows[v, there]
        numbers[v, there] = view.frame_numbers[rows]
        for i, individual in enumerate(owners[v]):
            for k, part in enumerate(view.predictions.body_parts):
                if individual in individuals and part in body_parts:
                    place = (v, there, individuals.index(individual), body_parts.index(part))
                    pixels[place] = view.predictions.positions[rows, i, k]
                    likelihood[place] = view.predictions.likelihood[rows, i, k]
    gone = np.isnan(pixels).any(axis=4)
    pixels[gone], likelihood[gone] = np.nan, np.nan
    notes = list(match.notes(names))
    if alone or lone:
        notes.append(f"seen by a single camera, and left out: {shown_names([*alone, *lone])}")
    begun = [view.camera for view in views if view.begins_with_its_video]
    if len(begun) > 1:
        notes.append(f"the first frames of {shown_names(begun)} are taken to be of one moment")
    return Aligned(
        pixels, likelihood, body_parts, individuals, times[0], match, numbers, tuple(notes)
    )


def _shared(names: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[str]]:
    """Names that two cameras or more have, in the order in which they come first, and the others."""
    every = list(dict.fromkeys(name for of_one in names for name in of_one))
    n_cameras = {name: sum(name in of_one for of_one in names) for name in every}
    return tuple(n for n in every if n_cameras[n] > 1), [n for n in every if n_cameras[n] == 1]

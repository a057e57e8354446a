"""The synthetic scene: what is planted, and where every point truly is in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import BoolArray, Float64Array
from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic.drawing import EYE_CENTER, EYE_RADII
from element_facerhythm.demo.synthetic.paw import Paw, make_paw
from element_facerhythm.demo.synthetic.sources import Layout, Source, planted_sources
from element_facerhythm.errors import RequestError
from element_facerhythm.io.atomic import atomic_path

_SEED_POLYGON = (
    *((142, 90), (176, 96), (210, 107), (240, 119), (261, 127), (272, 131), (279, 141)),
    *((275, 154), (264, 163), (248, 171), (234, 183), (208, 192), (172, 198), (140, 197)),
    (134, 130),
)
_MASK_POLYGON = (
    *((118, 50), (180, 68), (250, 92), (300, 112), (306, 168), (266, 192), (240, 214)),
    *((190, 226), (112, 226), (106, 120)),
)
_LIGHT_FREQUENCY_HZ = 7.3
_MIN_SIDE_PX = 64


@dataclass(frozen=True)
class Scene:
    """A face-like scene whose motion is known in closed form.

    A material point that is at x in frame 0 is at ``x + sum(weight * time_course * direction)``
    over `sources` in frame i, taken at ``t = i / frame_rate_hz``. Gray levels also change by flicker
    of the light, by sensor noise, by the lid of the eye and by a paw in front of the face: none of
    these moves a point.

    Attributes
    ----------
    flicker_fraction
        Amplitude of the light's sine, as a fraction of the gray level.
    noise_sd
        Standard deviation of the sensor noise, gray levels.
    paw
        The occluding paw; None for a scene without one.
    """

    width_px: int
    height_px: int
    frame_rate_hz: float
    n_frames: int
    seed: int
    flicker_fraction: float
    noise_sd: float
    sources: tuple[Source, ...]
    paw: Paw | None
    rois: Rois
    path: Path | None = None

    @property
    def duration_s(self) -> float:
        """Frames over frame rate."""
        return self.n_frames / self.frame_rate_hz

    @property
    def layout(self) -> Layout:
        """Where the drawing lies in the frame."""
        return Layout(self.width_px, self.height_px)

    def source(self, name: str) -> Source:
        """Return the source called `name`; KeyError when none is."""
        return {source.name: source for source in self.sources}[name]

    def times_s(self, frame_indices: npt.ArrayLike | None = None) -> Float64Array:
        """(T,) times of frames, of all of them by default."""
        if frame_indices is None:
            frame_indices = np.arange(self.n_frames)
        return np.asarray(frame_indices, dtype=np.float64) / self.frame_rate_hz

    def light(self, times_s: npt.ArrayLike) -> Float64Array:
        """(T,) factor by which the light multiplies gray levels."""
        phase = 2 * np.pi * _LIGHT_FREQUENCY_HZ * np.asarray(times_s, dtype=np.float64)
        return np.asarray(1 + self.flicker_fraction * np.sin(phase))

    def source_displacements(
        self, source: Source, points_px: npt.ArrayLike, frame_indices: npt.ArrayLike | None = None
    ) -> Float64Array:
        """(T, P, 2) part of the displacement in pixels that one source makes.

        Parameters
        ----------
        source
            One of `sources`.
        points_px
            (P, 2) positions in frame 0.
        frame_indices
            (T,) frames; None for all of them.
        """
        course = source.time_course(self.times_s(frame_indices))
        pattern = source.region.weight(points_px)[:, None] * np.asarray(source.direction)
        return course[:, None, None] * pattern

    def true_positions(
        self, points_px: npt.ArrayLike, frame_indices: npt.ArrayLike | None = None
    ) -> Float64Array:
        """(T, P, 2) positions (x, y) in pixels that points have in the course of the scene.

        Parameters
        ----------
        points_px
            (P, 2) positions in frame 0.
        frame_indices
            (T,) frames; None for all of them.
        """
        points = np.asarray(points_px, dtype=np.float64)
        parts = (self.source_displacements(s, points, frame_indices) for s in self.sources)
        return points + sum(parts, np.zeros(2))

    def occluded(
        self, points_px: npt.ArrayLike, frame_indices: npt.ArrayLike | None = None
    ) -> BoolArray:
        """(T, P) true where the paw or the closing lid hides a point.

        Parameters
        ----------
        points_px
            (P, 2) positions in frame 0.
        frame_indices
            (T,) frames; None for all of them.
        """
        points = np.asarray(points_px, dtype=np.float64)
        times = self.times_s(frame_indices)
        hidden = self._under_lid(points)[None, :] & self._lid_moves(times)[:, None]
        if self.paw is not None:
            positions = self.true_positions(points, frame_indices)
            for index in np.flatnonzero(self.paw.present(times)):
                hidden[index] |= self.paw.hides(positions[index], float(times[index]))
        return hidden

    def save_truth(self, path: Path | str, *, spacing_px: int = 8) -> None:
        """Write the truth to an npz file, for readers that do not have this package.

        It holds `points_px` (P, 2), a grid inside the seed polygon; `positions_px` (T, P, 2);
        `occluded` (T, P); `times_s` (T,); `frame_rate_hz`; and for each source `names`, `frequencies_hz` (NaN
        for an event), `amplitudes_px`, `directions` (S, 2), `time_courses_px` (S, T), `weights` (S, P).

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        spacing_px
            Of the grid of points.

        Raises
        ------
        RoiError
            No point fits inside the seed polygon at this spacing.
        """
        points = self._seed_points(spacing_px)
        times = self.times_s()
        frequencies = [np.nan if s.frequency_hz is None else s.frequency_hz for s in self.sources]
        arrays: dict[str, npt.NDArray[Any]] = {
            "points_px": points,
            "positions_px": self.true_positions(points).astype(np.float32),
            "occluded": self.occluded(points),
            "times_s": times,
            "frame_rate_hz": np.array(self.frame_rate_hz),
            "names": np.array([source.name for source in self.sources]),
            "frequencies_hz": np.array(frequencies),
            "amplitudes_px": np.array([source.amplitude_px for source in self.sources]),
            "directions": np.array([source.direction for source in self.sources]),
            "time_courses_px": np.stack([source.time_course(times) for source in self.sources]),
            "weights": np.stack([source.region.weight(points) for source in self.sources]),
        }
        _save_npz(Path(path), arrays)

    def _seed_points(self, spacing_px: int) -> npt.NDArray[np.float32]:
        from element_facerhythm.core.rois import place_rois

        size = {"height_px": self.height_px, "width_px": self.width_px}
        return place_rois(self.rois, **size, spacing_px=spacing_px).point_positions

    def _under_lid(self, points_px: Float64Array) -> BoolArray:
        center = self.layout.to_px(EYE_CENTER)
        radii = np.asarray(EYE_RADII) * self.layout.scale
        return np.asarray(np.sum(((points_px - center) / radii) ** 2, axis=-1) < 1)

    def _lid_moves(self, times_s: Float64Array) -> BoolArray:
        return np.asarray(self.lid(times_s) > 0.05)

    def lid(self, times_s: npt.ArrayLike) -> Float64Array:
        """(T,) how far the eye is closed, 0 (open) to 1."""
        lids = [s.envelope(times_s) for s in self.sources if s.name == "blink"]
        return sum(lids, np.zeros(np.shape(times_s)))


def plan_scene(
    *,
    n_frames: int = 600,
    frame_rate_hz: float = 60.0,
    width_px: int = 320,
    height_px: int = 240,
    seed: int = 0,
    flicker_fraction: float = 0.03,
    noise_sd: float = 1.5,
    with_paw: bool = True,
) -> Scene:
    """Return the scene, its truth included, without making a picture of it.

    Parameters
    ----------
    n_frames
        Length; bouts of movement are shares of it.
    frame_rate_hz
        Above 20, twice the fastest rhythm.
    width_px, height_px
        Size of the frame, even; the scene is scaled to fit.
    seed
        Of background, fur, whiskers and noise: the same seed gives the same video.
    flicker_fraction
        Amplitude of the light's sine, as a fraction of the gray level.
    noise_sd
        Standard deviation of the sensor noise, gray levels.
    with_paw
        Whether a paw passes once over the face.

    Raises
    ------
    RequestError
        For a frame smaller than 64 pixels on a side, an odd side (which H.264 cannot hold), fewer
        than two frames, or a frame rate that cannot show the fastest rhythm.
    """
    _check_size(width_px=width_px, height_px=height_px, n_frames=n_frames)
    layout = Layout(width_px, height_px)
    duration_s = n_frames / frame_rate_hz
    sources = planted_sources(layout, duration_s=duration_s)
    fastest_hz = max(source.frequency_hz or 0.0 for source in sources)
    if not frame_rate_hz > 2 * fastest_hz:
        raise RequestError(
            f"frame_rate_hz is {frame_rate_hz:g}; the scene holds a rhythm of {fastest_hz:g} Hz "
            f"and needs more than {2 * fastest_hz:g}"
        )
    seeds = layout.to_px(_SEED_POLYGON)
    return Scene(
        width_px=width_px,
        height_px=height_px,
        frame_rate_hz=float(frame_rate_hz),
        n_frames=n_frames,
        seed=seed,
        flicker_fraction=flicker_fraction,
        noise_sd=noise_sd,
        sources=sources,
        paw=make_paw(layout, duration_s=duration_s) if with_paw else None,
        rois=Rois(seed_polygons=(seeds,), mask_polygons=(layout.to_px(_MASK_POLYGON),)),
    )


def _check_size(*, width_px: int, height_px: int, n_frames: int) -> None:
    for name, side in (("width_px", width_px), ("height_px", height_px)):
        if side < _MIN_SIDE_PX or side % 2:
            raise RequestError(f"{name} is {side}; give an even number of at least {_MIN_SIDE_PX}")
    if n_frames < 2:
        raise RequestError(f"n_frames is {n_frames}; a scene with motion needs at least 2")


def _save_npz(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)

"""One animal on several days: the same face, a camera that was moved, movements that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from element_facerhythm.core.arrays import Float64Array, GrayFrame
from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic.render import Renderer, write_gray_video
from element_facerhythm.demo.synthetic.scene import Scene, plan_scene
from element_facerhythm.demo.synthetic.sources import Region, Source

LATE_MOVEMENT = "twitching"
"""A rhythm above the eye that is not there on all days."""
_RHYTHMS = ("whisking", "sniffing", "chewing")
_MOST_SHIFT, _MOST_TURN_DEG, _MOST_ZOOM = 0.05, 4.0, 0.02
_N_BOUTS = 4
_KEY_INTERVAL = 30  # so that the mean picture is of the whole recording, as that of a long one is


@dataclass(frozen=True, eq=False)
class Day:
    """One recording of the animal.

    Attributes
    ----------
    name
        Such as ``day1``.
    scene
        What moves, as the camera of the first day would see it.
    camera
        (2, 3) from pixels of the first day's camera to those of this day's.
    noise_seed
        Of the sensor noise.
    """

    name: str
    scene: Scene
    camera: Float64Array
    noise_seed: int

    @property
    def rhythms(self) -> tuple[Source, ...]:
        """Movements of the day that have a frequency and come in bouts."""
        return tuple(s for s in self.scene.sources if s.name in (*_RHYTHMS, LATE_MOVEMENT))

    @property
    def rois(self) -> Rois:
        """Region that seeds points on the first day, where it lies for this day's camera."""
        (seeds,) = self.scene.rois.seed_polygons
        return Rois(seed_polygons=(seeds @ self.camera[:, :2].T + self.camera[:, 2],))

    def frames(self) -> Iterator[GrayFrame]:
        """Yield every frame (H, W), as the camera of the day sees it."""
        import cv2

        quiet = replace(self.scene, noise_sd=0.0)
        rng = np.random.default_rng(self.noise_seed)
        for frame in Renderer(quiet).frames():
            seen = cv2.warpAffine(
                frame, self.camera, frame.shape[::-1], flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT,
            )  # fmt: skip
            noisy = seen + self.scene.noise_sd * rng.standard_normal(seen.shape)
            yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    def write(self, path: Path, *, on_frame: Callable[[int], None] | None = None) -> None:
        """Encode the day's video.

        Parameters
        ----------
        path
            The file, written whole or not at all.
        on_frame
            Called with the number of frames done.
        """
        write_gray_video(
            path, self.frames(), frame_rate_hz=self.scene.frame_rate_hz, key_interval=_KEY_INTERVAL,
            on_frame=on_frame,
        )  # fmt: skip


def plan_days(
    missing: Sequence[Sequence[str]],
    *,
    seed: int = 0,
    n_frames: int = 600,
    frame_rate_hz: float = 60.0,
    width_px: int = 320,
    height_px: int = 240,
) -> tuple[Day, ...]:
    """Plan the days of one animal: bouts at other times, other amplitudes, frequencies a little different.

    Parameters
    ----------
    missing
        For each day, names of the movements that are not there: of ``whisking``, ``sniffing``, ``chewing``
        and ``twitching``.
    seed
        Of the animal and of its days.
    n_frames, frame_rate_hz, width_px, height_px
        As of `plan_scene`.

    Returns
    -------
    One day for each entry of `missing`. The camera of the first stands where that of the scene does; the
    others are shifted by up to 5 % of the frame, turned by up to 4 degrees and 2 % closer or further.

    Raises
    ------
    RequestError
        As of `plan_scene`.
    """
    scene = plan_scene(
        n_frames=n_frames, frame_rate_hz=frame_rate_hz, width_px=width_px, height_px=height_px,
        seed=seed, with_paw=False,
    )  # fmt: skip
    rng = np.random.default_rng([seed, 1])
    return tuple(
        Day(
            f"day{number}",
            replace(scene, sources=_sources(scene, absent, rng)),
            np.eye(2, 3) if number == 1 else _camera(scene, rng),
            noise_seed=1000 * seed + number,
        )
        for number, absent in enumerate(missing, 1)
    )


def _sources(scene: Scene, absent: Sequence[str], rng: np.random.Generator) -> tuple[Source, ...]:
    scale = scene.layout.scale
    x, y = scene.layout.to_px((160.0, 116.0))
    late = Source(
        LATE_MOVEMENT, 14.0, 2.4 * scale, (0.6, -0.8),
        Region((float(x), float(y)), (16 * scale, 13 * scale)), (),
    )  # fmt: skip
    kept = [s for s in (*scene.sources, late) if s.name not in absent]
    return tuple(
        replace(
            source,
            frequency_hz=(source.frequency_hz or 0.0) * rng.uniform(0.96, 1.04),
            amplitude_px=source.amplitude_px * rng.uniform(0.85, 1.15),
            active_intervals_s=_bouts(scene.duration_s, rng),
        )
        if source.name in (*_RHYTHMS, LATE_MOVEMENT)
        else source
        for source in kept
    )


def _bouts(duration_s: float, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """Half of the time, in bouts at random, none at the very beginning."""
    length = duration_s / (2 * _N_BOUTS)
    starts = (np.arange(_N_BOUTS) + rng.uniform(0.05, 0.45, _N_BOUTS)) * 2 * length
    return tuple((float(start), float(start + length)) for start in starts)


def _camera(scene: Scene, rng: np.random.Generator) -> Float64Array:
    import cv2

    turn = rng.uniform(-_MOST_TURN_DEG, _MOST_TURN_DEG)
    middle = ((scene.width_px - 1) / 2, (scene.height_px - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, turn, 1 + rng.uniform(-_MOST_ZOOM, _MOST_ZOOM))
    matrix[:, 2] += rng.uniform(-_MOST_SHIFT, _MOST_SHIFT, 2) * scene.width_px
    return np.asarray(matrix)

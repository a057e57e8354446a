"""Proposes regions of interest from what moves, so that a first run needs no drawing tool.

Motion energy is the mean absolute change of gray level between consecutive frames, after the
light's flicker has been divided out. Energy above the still background, smoothed, is cut near
Otsu's threshold. The strongest connected regions, rounded out as a person draws them and kept to where the
picture has structure to follow, become polygons of seed points of few vertices; the same regions grown become
the mask within which the tracker may look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.outline import outline_region
from element_facerhythm.core.rois import Polygon, Rois
from element_facerhythm.core.texture import texture_map
from element_facerhythm.errors import RoiError

Energy = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# A region is its convex hull, grown by this fraction of the frame's longer side, ...
_SEED_GROWTH = 0.05
# ... where the texture is at least this fraction of the median of the part that moves.
_LEAST_TEXTURE_FRACTION = 0.5
_TEXTURE_SIDE = 0.025

# Fraction of Otsu's cut (on the root of the energy) down to which a moving region extends.
_FLANK = 0.7


@dataclass(frozen=True)
class ProposalReport:
    """What a proposal rests on.

    Attributes
    ----------
    background_image, first_frame
        (H, W) uint8: mean of the first frames of all runs or blocks, and the first frame of all; what a
        region is drawn on.
    energy
        (H, W) motion energy, gray levels per frame, flicker removed, noise and still background
        included.
    background_level, background_spread
        Median and robust standard deviation of the energy where nothing moves.
    threshold
        Energy above which a pixel counts as moving, gray levels per frame.
    energy_fraction
        Share of the energy above background that the seed polygons hold, 0..1.
    area_fraction
        Share of the frame that the seed polygons cover, 0..1.
    flicker_fraction
        Standard deviation of the frames' gain (1 = the first frame): how much the light flickers.
    n_pairs, n_regions
        Pairs of consecutive frames compared; seed polygons proposed.
    """

    background_image: GrayFrame
    first_frame: GrayFrame
    energy: Energy
    background_level: float
    background_spread: float
    threshold: float
    energy_fraction: float
    area_fraction: float
    flicker_fraction: float
    n_pairs: int
    n_regions: int


def propose_rois(
    frames: Iterable[GrayFrame | Sequence[GrayFrame]],
    *,
    n_regions_max: int = 3,
    n_frames_per_block: int = 10,
    block_quantile: float = 0.8,
    margin_px: int = 4,
    mask_growth_fraction: float = 0.06,
    min_region_fraction: float = 0.15,
    min_contrast: float = 6.0,
) -> tuple[Rois, ProposalReport]:
    """Propose seed and mask polygons from consecutive frames.

    Parameters
    ----------
    frames
        Consecutive (H, W) uint8 frames; or runs of consecutive ones from all over a long video,
        each (N, H, W) with N of at least 2 (pairs will do). An iterator is read once.
    n_regions_max
        At most this many polygons, largest energy first.
    n_frames_per_block, block_quantile
        Energy is taken per block of frames (or per run), and this quantile over the blocks is
        kept: something that passes once (a paw) fills few blocks and does not count.
    margin_px
        Seed polygons keep this far from the frame's border.
    mask_growth_fraction
        The mask reaches this fraction of the frame's longer side beyond the seed polygons.
    min_region_fraction
        Regions with less than this fraction of the strongest region's energy are dropped.
    min_contrast
        Something moves when the smoothed energy rises above the background by this many background
        spreads and by half of the background itself.

    Raises
    ------
    RoiError
        When nothing moves, fewer than two frames are given, or their sizes differ.
    """
    runs = _runs(frames, n_frames_per_block=n_frames_per_block)
    looks = _Looks()
    energy, gains, n_pairs = _motion_energy(looks.of(runs), block_quantile=block_quantile)
    smooth = _smooth(energy)
    level, spread = _background(smooth)
    threshold = _threshold(smooth, level=level, spread=spread, min_contrast=min_contrast)
    excess = np.clip(energy - level - 2 * spread, 0, None)
    moving = _clean(smooth > threshold, margin_px=margin_px)
    regions = _strongest_regions(
        moving, excess, n_regions_max=n_regions_max, min_region_fraction=min_region_fraction
    )
    if not regions:
        raise _nothing_moves(n_pairs)
    regions = _drawn(regions, looks.texture(), margin_px=margin_px)
    seeds = tuple(outline_region(region) for region in regions)
    masks = _mask_polygons(regions, growth_fraction=mask_growth_fraction)
    inside = np.any(regions, axis=0)
    report = ProposalReport(
        background_image=looks.background_image(),
        first_frame=looks.first_frame,
        energy=energy,
        background_level=level,
        background_spread=spread,
        threshold=threshold,
        energy_fraction=float(excess[inside].sum() / max(float(excess.sum()), 1e-12)),
        area_fraction=float(inside.mean()),
        flicker_fraction=float(np.std(gains)),
        n_pairs=n_pairs,
        n_regions=len(regions),
    )
    return Rois(seed_polygons=seeds, mask_polygons=masks), report


class _Looks:
    """What the runs look like, gathered while they pass: their mean first frame, and the first of all."""

    def __init__(self) -> None:
        self.first_frame: GrayFrame = np.zeros((0, 0), np.uint8)
        self._sum: npt.NDArray[np.float64] | float = 0.0
        self._texture: Energy | float = 0.0
        self._n_frames = 0

    def of(self, runs: Iterable[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        """Pass runs of one size on."""
        for run in runs:
            if not self._n_frames:
                self.first_frame = run[0].copy()
            if run[0].shape != self.first_frame.shape:
                raise RoiError(
                    f"frames of {run[0].shape} and of {self.first_frame.shape} (height, width) pixels "
                    "were given: give frames of one size"
                )
            self._sum = self._sum + run[0]
            side_px = round(_TEXTURE_SIDE * max(run[0].shape))
            self._texture = self._texture + texture_map(run[0].astype(np.float32), side_px)
            self._n_frames += 1
            yield run

    def background_image(self) -> GrayFrame:
        """(H, W) mean."""
        return np.rint(np.asarray(self._sum) / self._n_frames).astype(np.uint8)

    def texture(self) -> Energy:
        """(H, W) mean texture."""
        return np.asarray(self._texture / self._n_frames, dtype=np.float32)


def _motion_energy(
    runs: Iterable[npt.NDArray[np.uint8]], *, block_quantile: float
) -> tuple[Energy, list[float], int]:
    """(H, W) energy, the gain of each frame, and how many pairs of frames were compared."""
    reference: Energy | None = None
    gains: list[float] = []
    blocks: list[Energy] = []
    for run in runs:
        blurred = [_blurred(frame) for frame in run]
        reference = blurred[0] if reference is None else reference
        run_gains = [_gain(frame, reference) for frame in blurred]
        level = np.stack([f / np.float32(g) for f, g in zip(blurred, run_gains, strict=True)])
        blocks.append(np.abs(np.diff(level, axis=0)).mean(axis=0))
        gains.extend(run_gains)
    if not blocks:
        raise RoiError("fewer than 2 frames were given: motion is a change from one to the next")
    energy: Energy = np.quantile(np.stack(blocks), block_quantile, axis=0).astype(np.float32)
    return energy, gains, len(gains) - len(blocks)


def _runs(
    frames: Iterable[GrayFrame | Sequence[GrayFrame]], *, n_frames_per_block: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield (N, H, W) runs: those given, or frames gathered, a run starting where one ends."""
    pending: list[npt.NDArray[np.uint8]] = []
    n_yielded = 0
    for item in frames:
        array = np.asarray(item)
        if array.ndim == 3:
            yield array
            continue
        if pending and array.shape != pending[0].shape:
            raise RoiError(
                f"frames of {array.shape} and of {pending[0].shape} (height, width) pixels were "
                "given: give frames of one size"
            )
        pending.append(array)
        if len(pending) > n_frames_per_block:
            yield np.stack(pending)
            n_yielded += 1
            pending = pending[-1:]
    if len(pending) > 1 and (n_yielded == 0 or len(pending) > n_frames_per_block // 2):
        yield np.stack(pending)


def _blurred(frame: GrayFrame) -> Energy:
    import cv2

    blurred: Energy = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 1.0)
    return blurred


def _gain(frame: Energy, reference: Energy) -> float:
    """Brightness of `frame` against `reference`: a median, which a moving part hardly changes."""
    lit = reference[::2, ::2] > max(8.0, float(reference.mean()) * 0.5)
    if not lit.any():
        return 1.0
    ratio = float(np.median(frame[::2, ::2][lit] / reference[::2, ::2][lit]))
    return ratio if ratio > 0 else 1.0


def _smooth(energy: Energy) -> Energy:
    """Join what moves together: texture makes energy patchy even where a whole patch moves."""
    import cv2

    sigma = max(1.5, 0.014 * max(energy.shape))
    smooth: Energy = cv2.GaussianBlur(energy, (0, 0), sigma)
    return smooth


def _background(smooth: Energy) -> tuple[float, float]:
    """Level and spread of the energy of what is still: the quieter half of the frame."""
    values = np.sort(smooth.ravel())
    quiet = values[: max(1, values.size // 2)]
    level = float(np.median(quiet))
    spread = 1.4826 * float(np.median(np.abs(quiet - level)))
    return level, max(spread, 0.02)


def _threshold(smooth: Energy, *, level: float, spread: float, min_contrast: float) -> float:
    """Energy that separates still from moving: below Otsu's cut, never inside the background's spread.

    Otsu's cut is made on the square root of the energy above background, so that one strongly
    moving part does not hide weaker ones, and is lowered to take in the weaker flanks of a
    movement, whose points carry the same rhythm.
    """
    peak = float(smooth.max()) - level
    if peak < max(min_contrast * spread, 0.5 * level):
        raise RoiError(
            f"nothing moves more than its surroundings: the strongest change is {peak:.3g} gray "
            f"levels per frame above a background of {level:.3g} +- {spread:.3g}; give frames in "
            "which the animal moves, or draw the ROIs"
        )
    root = np.sqrt(np.clip(smooth - level, 0, None))
    cut = _FLANK * _otsu_cut(root)
    return level + max(cut**2, min_contrast / 2 * spread)


def _otsu_cut(values: Energy, *, n_bins: int = 256) -> float:
    """Cut that separates values into two groups whose means lie furthest apart, weighted by their sizes."""
    counts, edges = np.histogram(values, bins=n_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    n_below = np.cumsum(counts)[:-1]
    n_above = counts.sum() - n_below
    sum_below = np.cumsum(counts * centres)[:-1]
    sum_above = (counts * centres).sum() - sum_below
    distance = sum_below / np.maximum(n_below, 1) - sum_above / np.maximum(n_above, 1)
    return float(centres[np.argmax(n_below * n_above * distance**2)])


def _clean(moving: Mask, *, margin_px: int) -> Mask:
    """Close gaps, remove specks, fill holes, keep off the border."""
    import cv2
    from scipy.ndimage import binary_fill_holes

    size = max(moving.shape)
    close, remove = _disk(0.02 * size), _disk(0.012 * size)
    padded = np.pad(moving.astype(np.uint8), size // 20)
    padded = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, close)
    padded = cv2.morphologyEx(padded, cv2.MORPH_OPEN, remove)
    cut = slice(size // 20, -(size // 20))
    clean = np.asarray(binary_fill_holes(padded[cut, cut] > 0))
    inside = np.zeros_like(clean)
    keep = slice(margin_px, -margin_px or None)
    inside[keep, keep] = clean[keep, keep]
    return inside


def _disk(radius_px: float) -> GrayFrame:
    import cv2

    side = 2 * max(1, round(radius_px)) + 1
    disk: GrayFrame = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return disk


def _strongest_regions(
    moving: Mask, excess: Energy, *, n_regions_max: int, min_region_fraction: float
) -> list[Mask]:
    import cv2

    n_labels, labels = cv2.connectedComponents(moving.astype(np.uint8))
    strengths = np.bincount(labels.ravel(), weights=excess.ravel(), minlength=n_labels)
    order = [label for label in np.argsort(-strengths) if label != 0][:n_regions_max]
    strong = [n for n in order if strengths[n] >= min_region_fraction * strengths[order[0]]]
    return [labels == label for label in strong]


def _drawn(regions: list[Mask], texture: Energy, *, margin_px: int) -> list[Mask]:
    """Regions as a person draws them: rounded out, on what can be followed, and apart from each other."""
    import cv2

    size = max(texture.shape)
    drawn: list[Mask] = []
    taken = np.zeros(texture.shape, dtype=bool)
    for region in regions:
        least = _LEAST_TEXTURE_FRACTION * float(np.median(texture[region]))
        textured = cv2.morphologyEx(
            (texture >= least).astype(np.uint8), cv2.MORPH_CLOSE, _disk(0.03 * size)
        )
        others = np.any([other for other in regions if other is not region] or [taken], axis=0)
        grown = cv2.dilate(_hull(region).astype(np.uint8), _disk(_SEED_GROWTH * size)) > 0
        wanted = _clean((grown & (textured > 0)) & ~taken & ~others, margin_px=margin_px)
        drawn.append(_largest(wanted if wanted.any() else region))
        taken |= drawn[-1]
    return drawn


def _largest(region: Mask) -> Mask:
    """Largest connected part."""
    import cv2

    _, labels, facts, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    largest: Mask = labels == 1 + np.argmax(facts[1:, cv2.CC_STAT_AREA])
    return largest


def _mask_polygons(regions: list[Mask], *, growth_fraction: float) -> tuple[Polygon, ...]:
    """Hulls of the grown regions; neighbours that touch become one."""
    import cv2

    together = np.any(regions, axis=0).astype(np.uint8)
    grown = cv2.dilate(together, _disk(growth_fraction * max(together.shape)))
    n_labels, labels = cv2.connectedComponents(grown)
    return tuple(outline_region(_hull(labels == label)) for label in range(1, n_labels))


def _hull(region: Mask) -> Mask:
    """Return the convex hull of a region; a notch in the mask could cut a track off."""
    import cv2

    rows, columns = np.nonzero(region)
    hull = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
    filled: GrayFrame = cv2.fillConvexPoly(region.astype(np.uint8), hull, 1)
    return filled > 0


def _nothing_moves(n_pairs: int) -> RoiError:
    return RoiError(
        f"nothing moves in a connected region over {n_pairs} pairs of frames: give frames in which "
        "the animal moves, or draw the ROIs"
    )

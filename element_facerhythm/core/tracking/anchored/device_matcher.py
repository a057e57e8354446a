"""Matching on a GPU, in torch: all points of all frames of a block at once.

Other than on the CPU, no frame begins where the one before ended: every frame is searched through halved
frames, with the usual appearance of each point, from where the sampled frames around it say; then, where a
patch is unlike that appearance, with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.tracking.anchored.matcher import (
    AGAIN,
    COARSE,
    FIRST,
    MANY_LOST,
    NOISE_FACTOR,
    OUTLIER_LOSES,
    OUTLIER_PX,
    MatchedBlock,
    Matcher,
    Matches,
    confidence_of,
)
from element_facerhythm.core.tracking.anchored.patch_kernel import UNLIKE
from element_facerhythm.core.tracking.anchored.templates import MatchSettings
from element_facerhythm.core.tracking.anchored.torch_matching import DeviceTemplates, halved
from element_facerhythm.core.tracking.anchored.torch_neighbours import (
    deform,
    expected_error,
    settle,
    sharpen,
)

_N_SWEEPS = 48


class DeviceMatcher(Matcher):
    """Matches blocks of frames on a device, as `Matcher` does on the CPU.

    Parameters
    ----------
    matcher
        With the templates, from `build_matcher`.
    device
        Where matches are computed.
    """

    def __init__(self, matcher: Matcher, device: torch.device) -> None:
        super().__init__(
            matcher.templates,
            matcher._appearances,
            matcher.home,
            matcher._neighbors,
            matcher._threshold_px,
        )
        self._device = device
        self._scales = [DeviceTemplates(scale, device) for scale in matcher.templates]
        self._at_home, self._beside = self._sent(self.home), self._sent(self._neighbors)
        self._rows = self._sent(self._appearances.rows)
        self._usual, self._least = self._sent(self._appearances.usual), self._sent(self._floors)
        self._undone, self._gradient = self._sent(self._sharpening), self._sent(self._slopes)
        self._leverage = self._sent(self._finest.leverage)

    def match(
        self, stack: NDArray[np.int16] | Tensor, starts: NDArray[np.float32] | None = None
    ) -> MatchedBlock:
        """Find the points in all frames of a block.

        Parameters
        ----------
        stack
            (B, h, w) int16 smoothed frames.
        starts
            (P, 2) or (B, P, 2) places to begin the search from; None is home.
        """
        levels = self._pyramid(stack)
        shape = (len(levels[0]), *self._at_home.shape)
        begin = self._at_home if starts is None else self._sent(starts)
        matches = self._search(levels, begin.expand(shape))
        if starts is not None:
            lost = self._is_lost(matches).float().mean(1) > MANY_LOST
            self._search_from_home(levels, torch.nonzero(lost)[:, 0], matches)
        settled, _ = self._weighed(matches)
        apart = (matches.found - settled).norm(dim=2) > OUTLIER_PX
        frames, points = torch.nonzero(apart | self._is_lost(matches), as_tuple=True)
        if len(frames):
            matches.correlations[apart] -= OUTLIER_LOSES
            again = settled[frames, points] + self._at_home[points]
            matches.try_appearances(
                self._matching(levels[0], AGAIN), self._rows, self._at_home, frames, points, again
            )
            settled, _ = self._weighed(matches)
        leverage = self._leverage[matches.rows]
        deform(settled, self._beside, self._gradient, leverage, matches.found)
        settled, information = self._weighed(matches)
        square = expected_error(
            matches.found, settled, information, self._beside, float(self._stiffness)
        )
        displacement = sharpen(settled, self._beside, self._undone)
        parts = (displacement, ~self._is_lost(matches), matches.correlations, matches.rows, square)
        places, taken, correlations, rows, square_here = (part.cpu().numpy() for part in parts)
        return MatchedBlock(places, taken, correlations, rows, confidence_of(square_here, taken))

    def _sent(self, array: NDArray[Any] | Tensor) -> Tensor:
        tensor = array if isinstance(array, Tensor) else torch.from_numpy(array)
        return tensor.to(self._device, non_blocking=True)

    def _pyramid(self, stack: NDArray[np.int16] | Tensor) -> list[Tensor]:
        levels = [self._sent(stack)]
        while len(levels) < len(self._scales):
            levels.append(halved(levels[-1]))
        return levels

    def _is_lost(self, matches: Matches) -> Tensor:
        return torch.lt(matches.correlations, self._least[matches.rows])

    def _matching(
        self, stack: Tensor, settings: MatchSettings
    ) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return what matches rows of the finest templates in frames, from starts."""

        def match(frames: Tensor, rows: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
            return self._scales[0].match(stack, frames, rows, starts, settings)

        return match

    def _search(self, levels: list[Tensor], starts: Tensor) -> Matches:
        """Search for the usual appearance, coarse scales first; at the finest for the others, too."""
        usual = self._rows[:, 0]
        places, correlations = starts, torch.empty(0)
        for level in range(len(levels) - 1, -1, -1):
            starts = places
            found, correlations = self._scales[level].match_block(
                levels[level], usual, starts / 2**level, COARSE if level else FIRST
            )
            places = found * 2**level
        rows = usual.repeat(len(places), 1)
        matches = Matches(places - self._at_home, correlations, rows)
        unlike = correlations < self._usual[usual] - float(UNLIKE)
        frames, points = torch.nonzero(unlike, as_tuple=True)
        matches.try_appearances(
            self._matching(levels[0], FIRST), self._rows[:, 1:], self._at_home, frames, points,
            starts[frames, points],
        )  # fmt: skip
        return matches

    def _search_from_home(self, levels: list[Tensor], lost: Tensor, matches: Matches) -> None:
        """Search once more in frames in which many points were lost."""
        if not len(lost):
            return
        n_points = len(self._at_home)
        again = self._search(
            [level[lost] for level in levels], self._at_home.expand(len(lost), -1, -1)
        )
        everyone = torch.arange(n_points, device=lost.device).repeat(len(lost))
        found, correlations, rows = (
            part.flatten(0, 1) for part in (again.found, again.correlations, again.rows)
        )
        matches.improve(
            lost.repeat_interleave(n_points), everyone, Matches(found, correlations, rows)
        )

    def _weighed(self, matches: Matches) -> tuple[Tensor, Tensor]:
        """Displacements after the neighbours are heard; information, 0 where no match is taken."""
        matches.correlations[matches.found.norm(dim=2) > self._threshold_px] = -1
        information = self._scales[0].information(matches.correlations, matches.rows, NOISE_FACTOR)
        information *= ~self._is_lost(matches)[..., None]
        stiffness = float(self._stiffness)
        return settle(matches.found, information, self._beside, stiffness, _N_SWEEPS), information

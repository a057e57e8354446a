"""Pictures of sessions, each registered to the picture of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from element_facerhythm.core.alignment import Alignment, align
from element_facerhythm.core.arrays import Float64Array, GrayFrame
from element_facerhythm.core.rois import BoolMask
from element_facerhythm.errors import RoiError


@dataclass(frozen=True, eq=False)
class Registration:
    """How the camera of a session stood, compared with that of the reference.

    Attributes
    ----------
    session
        Name of the session.
    alignment
        From pixels of the reference to those of the session; None where there is none.
    refused
        Why the session is not compared with the others; empty where it is.
    """

    session: str
    alignment: Alignment | None
    refused: str = ""

    def to_reference(self, positions_px: Float64Array) -> Float64Array:
        """(P, 2) positions of the session, in pixels of the reference.

        Raises
        ------
        RoiError
            The session was not aligned.
        """
        if self.alignment is None:
            raise RoiError(f"{self.session} is not aligned: {self.refused}")
        back = cv2.invertAffineTransform(self.alignment.matrix)
        return np.asarray(positions_px @ back[:, :2].T + back[:, 2])


def register(
    images: Mapping[str, GrayFrame],
    reference: str,
    region: BoolMask,
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> tuple[Registration, ...]:
    """Register the picture of each session to that of the reference, directly: errors do not add up.

    Parameters
    ----------
    images
        (H, W) uint8 background image of each session, by its name.
    reference
        Name of the session in whose pixels all others are expressed.
    region
        (H, W) true where the reference has regions of interest.
    advance
        Called with the number of sessions done.

    Returns
    -------
    One registration for each session, in their order; that of the reference is the identity. One that cannot
    be trusted (`Alignment.doubts`), or that is of another size of frame, says why in `refused`.
    """
    found = []
    for n_done, (session, image) in enumerate(images.items(), 1):
        found.append(_registered(session, image, reference, images[reference], region))
        advance(n_done)
    return tuple(found)


def _registered(
    session: str, image: GrayFrame, reference: str, target: GrayFrame, region: BoolMask
) -> Registration:
    if session == reference:
        return Registration(session, Alignment(np.eye(2, 3), 1.0, 0.0, 0))
    try:
        alignment = align(target, image, region)
    except RoiError as error:
        return Registration(session, None, f"it cannot be aligned with {reference}: {error}")
    doubts = alignment.doubts()
    if doubts:
        why = f"its picture does not align with that of {reference}: {', '.join(doubts)}"
        return Registration(session, alignment, why)
    return Registration(session, alignment)

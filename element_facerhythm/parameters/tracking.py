"""Parameters of seeding and tracking points."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from element_facerhythm.files.texts import shortened
from element_facerhythm.parameters.base import (
    AsTuple,
    Count,
    CountOrZero,
    Fraction,
    NonNegative,
    Positive,
    Section,
)

_WindowSide = Annotated[int, Field(ge=3, le=1000)]
_Tiles = Annotated[Count, Field(le=1000)]
_Levels = Annotated[CountOrZero, Field(le=30)]


def _frames(value: Any) -> tuple[Any, ...] | None:
    """One true or false per frame, or numbers of frames, as a tuple.

    There may be millions; pydantic would report each that is wrong.
    """
    if value is None:
        return None
    kinds = {type(item) for item in value} if isinstance(value, (list, tuple)) else {object}
    if kinds - {bool} and (kinds - {int} or min(value) < 0):
        raise ValueError(
            f"given {shortened(value)}, expected null, one true or false for each frame, or the numbers of "
            "frames, 0 or more"
        )
    return tuple(value)


_Frames = PlainValidator(_frames)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"given {value}, expected an odd number")
    return value


class MakeRois(Section):
    """Where points are seeded."""

    point_spacing: Count = Field(
        default=9, description="Distance between neighbouring seed points, in pixels."
    )


class RoiParameters(Section):
    """Regions of interest."""

    make_rois: MakeRois = MakeRois()


class LucasKanade(Section):
    """The arguments of the optical flow itself."""

    winSize: Annotated[tuple[_WindowSide, _WindowSide], AsTuple] = Field(
        default=(20, 20), description="Width and height of the matching window, in pixels."
    )
    maxLevel: _Levels = Field(
        default=2, description="Pyramid levels above the full image; 0 uses the image alone."
    )
    criteria: Annotated[tuple[Literal[1, 2, 3], Count, NonNegative], AsTuple] = Field(
        default=(3, 2, 0.03),
        description="When the search for a point stops: kind (1 count, 2 step, 3 either), largest "
        "number of iterations, smallest step in pixels.",
    )


class OpticalFlow(Section):
    """How points follow the image and each other (method "flow"; `mesh_n_neighbors` is of both)."""

    method: Literal["lucas_kanade"] = Field(
        default="lucas_kanade", description="The only method there is."
    )
    mesh_rigidity: Fraction = Field(
        default=0.025,
        description="Fraction of a point's deviation from its neighbours taken back per frame.",
    )
    mesh_n_neighbors: Count = Field(
        default=8, description="Nearest points that form the mesh, the point itself included."
    )
    relaxation: Fraction = Field(
        default=0.0015,
        description="Fraction of the way home that a point goes per frame. A track is a leaky "
        "integral of the flow and remembers about 1 / relaxation frames; 0 measures displacement.",
    )
    kwargs_method: LucasKanade = LucasKanade()
    refine: bool = Field(
        default=True,
        description="Match points on the raw frames, since equalised frames displace matches a "
        "little; search on equalised frames only where that match is not reliable, and move occluded "
        'points with their neighbours. false (and compat "face-rhythm") always takes the match on '
        "equalised frames.",
    )


class Clahe(Section):
    """Contrast equalisation (method "flow"); both keys are needed where the section is given."""

    clipLimit: Positive = Field(description="Contrast limit.")
    tileGridSize: Annotated[tuple[_Tiles, _Tiles], AsTuple] = Field(
        description="Number of tiles across and down (a number of tiles, not their size)."
    )


class OutlierHandling(Section):
    """What happens when a point strays."""

    threshold_displacement: Positive = Field(
        default=150.0,
        description="Distance from home, in pixels, beyond which a point is not looked for; by flow, beyond "
        "which it and its neighbours are flagged.",
    )
    framesHalted_before: CountOrZero = Field(
        default=10,
        description="By flow: frames before the event in which the flagged points are held in place.",
    )
    framesHalted_after: CountOrZero = Field(
        default=10, description="By flow: frames from the event on in which they are held in place."
    )


class Anchored(Section):
    """Matching against references (method "anchored")."""

    window_px: Annotated[int, Field(ge=9, le=63), AfterValidator(_odd)] = Field(
        default=29, description="Width and height of the window around a point, in pixels; odd."
    )
    n_reference_frames: Annotated[Count, Field(ge=8, le=1000)] = Field(
        default=96,
        description="Frames of the recording, spread evenly, that the references are made of.",
    )


class TrackerParameters(Section):
    """Point tracking."""

    method: Literal["flow", "anchored"] = Field(
        default="anchored",
        description='"anchored" matches every frame against what each point looks like in the whole '
        "recording: tracks are displacements, do not drift, and have a confidence in each frame. "
        '"flow" follows the optical flow from frame to frame, as face-rhythm does, on the CPU.',
    )
    params_anchored: Anchored = Anchored()

    contiguous: bool = Field(
        default=False,
        description="Track the videos as one uninterrupted sequence; the products then hold one "
        "sequence with all frames.",
    )
    params_optical_flow: OpticalFlow = OpticalFlow()
    params_clahe: Clahe | None = Field(
        default=Clahe(clipLimit=40.0, tileGridSize=(150, 150)),
        description="Contrast equalisation before tracking by flow; null switches it off.",
    )
    params_outlier_handling: OutlierHandling = OutlierHandling()
    frames_per_block: Count | None = Field(
        default=None,
        description="By flow: track long videos in blocks of so many frames side by side, each after a "
        "warm-up; tracks then deviate by some thousandths of a pixel, and only where relaxation is "
        "0.036 or more. null tracks each video in one piece.",
    )
    frames_freeze: Annotated[tuple[bool, ...] | tuple[int, ...] | None, _Frames] = Field(
        default=None,
        description="Frames in which what the picture shows is ignored: one true or false per frame of the "
        "recording, or the indices of the frames; null for none.",
    )
    relaxation_during_freeze_frames: bool = Field(
        default=True, description="By flow: whether mesh and relaxation still act in those frames."
    )

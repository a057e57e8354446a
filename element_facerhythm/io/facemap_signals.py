"""Signals that facemap measured, laid out as in FacialSignal.h5.

facemap's numbers are kept; what it stores otherwise than FacialSignal.h5 is moved, and what it does not
know, or stores in a place where it cannot be told what it is of, is left out. Notes say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.outline import outline_region
from element_facerhythm.errors import ProjectError
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.facemap_proc import REGION_TYPES, Array, FacemapProc

_CHUNK_FRAMES = 500
_UNIT_LENGTH = 1e-2
_MAX_VERTICES = 24
_DECOMPOSITIONS = {
    "motion_svd": ("motSVD", "motMask", "motSv"),
    "movie_svd": ("movSVD", "movMask", "movSv"),
}


@dataclass
class FacemapRegion:
    """A region with what facemap measured in it, laid out as in FacialSignal.h5.

    Attributes
    ----------
    index, name, kind
        Number (0: the whole frame), name and kind.
    polygon
        (V, 2) in (x, y) pixels.
    tree
        Datasets by name.
    """

    index: int
    name: str
    kind: str
    polygon: NDArray[np.float64]
    tree: dict[str, Any]


@dataclass
class FacemapSignals:
    """All regions, mean images, and what was left out or changed."""

    regions: list[FacemapRegion] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def signals_of_facemap(proc: FacemapProc) -> FacemapSignals:
    """Lay a result of facemap out as regions of FacialSignal.h5.

    Raises
    ------
    ProjectError
        It holds no signal, or its traces, masks and regions do not fit each other.
    """
    found = FacemapSignals()
    n_frames = proc.n_frames
    if n_frames == 0:
        raise ProjectError(f"{proc.path} holds no trace: facemap measured nothing there")
    for index, kind, region, place in _places(proc):
        tree = _ranges(proc, region, kind)
        if kind == "motion":
            tree |= _motion(proc, place, n_frames, found)
        elif kind == "pupil":
            tree |= _pupil(proc, place, tree, n_frames)
        else:
            tree |= _trace(proc, kind, place, n_frames)
        if len(tree) > len(_ranges(proc, region, kind)):
            polygon = _polygon(proc, region, tree)
            found.regions.append(
                FacemapRegion(index, _name(index, kind, place), kind, polygon, tree)
            )
    if not found.regions:
        raise ProjectError(f"{proc.path} holds no signal: all of its traces are empty or zero")
    for name, own in (("avgframe", "mean_frame"), ("avgmotion", "mean_motion")):
        images = [image for image in proc.arrays[name] if image.size == np.prod(proc.binned_shape)]
        if images:
            found.summary[own] = images[0].reshape(proc.binned_shape).astype(np.float32)
    found.summary["bin_px"] = np.int64(proc.bin_px)
    found.notes += _kind_notes(found.regions)
    return found


def cut_between_videos(signals: FacemapSignals, n_frames: Sequence[int]) -> None:
    """Take motion energy and running out of the first frame of each video that follows another.

    Parameters
    ----------
    signals
        Changed in place.
    n_frames
        Of each video, in order.
    """
    firsts = np.cumsum(n_frames[:-1], dtype=np.int64)
    for region in signals.regions:
        for name in {"motion", "running"} & set(region.tree):
            region.tree[name][firsts] = np.nan
    if len(firsts):
        signals.notes.append(
            "motion energy and running have no value in the first frame of a video that follows another"
        )


def _places(proc: FacemapProc) -> Iterator[tuple[int, str, Mapping[str, Any], int]]:
    """Yield number, kind and place among its kind of the whole frame and of every region."""
    yield 0, "motion", {}, 0
    n_of: dict[str, int] = {"motion": 1}
    for index, region in enumerate(proc.regions, 1):
        number = np.atleast_1d(np.asarray(region.get("rind", -1))).ravel()
        kind = REGION_TYPES.get(int(number[0])) if number.dtype.kind in "iuf" else None
        if kind is not None:
            place = n_of.get(kind, 0)
            n_of[kind] = place + 1
            yield index, kind, region, place


def _name(index: int, kind: str, place: int) -> str:
    if index == 0:
        return "whole frame"
    return f"{kind} {place if kind == 'motion' else place + 1}"


def _ranges(proc: FacemapProc, region: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Half-open ranges of pixels, and of bins where motion is measured."""
    if not region:
        height, width = proc.binned_shape
        edges = {
            "x_range": (0, proc.width_px), "y_range": (0, proc.height_px),
            "x_range_bin": (0, width), "y_range_bin": (0, height),
        }  # fmt: skip
        return {name: np.array(edge, np.int64) for name, edge in edges.items()}
    names = ["xrange", "yrange"] + (["xrange_bin", "yrange_bin"] if kind == "motion" else [])
    own = {f"{name[0]}_{name[1:]}": _edge(proc, region, name) for name in names}
    if own["x_range"][1] > proc.width_px or own["y_range"][1] > proc.height_px:
        raise ProjectError(
            f"{proc.path}: a region of {kind} reaches beyond the frame of {proc.width_px} x "
            f"{proc.height_px} px"
        )
    return own


def _edge(proc: FacemapProc, region: Mapping[str, Any], name: str) -> NDArray[np.int64]:
    pixels = np.atleast_1d(np.asarray(region.get(name, ()))).ravel()
    if pixels.size == 0 or pixels.dtype.kind not in "iuf" or not (np.diff(pixels) == 1).all():
        raise ProjectError(
            f"{proc.path}: {name} of a region is {shortened(region.get(name))}; expected pixels that follow "
            "each other"
        )
    if pixels[0] < 0:
        raise ProjectError(f"{proc.path}: {name} of a region begins at {pixels[0]}")
    return np.array([int(pixels[0]), int(pixels[-1]) + 1], np.int64)


def _polygon(
    proc: FacemapProc, region: Mapping[str, Any], tree: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Outline of the ellipse of a region, else its rectangle, through the centres of its pixels."""
    (x0, x1), (y0, y1) = tree["x_range"], tree["y_range"]
    ellipse = np.asarray(region.get("ellipse", ()))
    if ellipse.shape == (y1 - y0, x1 - x0) and ellipse.any():
        outline = outline_region(
            ellipse.astype(np.bool_), max_vertices=_MAX_VERTICES, tolerance=0.01
        )
        return outline + np.array([x0, y0])
    corners = [[x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1], [x0, y1 - 1]]
    return np.array(corners, np.float64)


def _motion(proc: FacemapProc, place: int, n_frames: int, found: FacemapSignals) -> dict[str, Any]:
    """Motion energy and decompositions of a region; what is empty or zero was not measured."""
    where = "the whole frame" if place == 0 else f"motion {place}"
    tree: dict[str, Any] = {}
    energy = _at(proc.arrays["motion"], place)
    if energy is not None and len(energy):
        _require_length(proc, f"motion[{place}]", energy, n_frames)
        if np.any(energy):
            tree["motion"] = _on_its_frame(energy, found)
        else:
            found.notes.append(
                f"motion energy of {where} is 0 throughout: facemap did not measure it"
            )
    for name, (projection, mask, values) in _DECOMPOSITIONS.items():
        svd = _svd(proc, place, (projection, mask, values), n_frames, where, found)
        if svd:
            tree[name] = svd
    return tree


def _on_its_frame(energy: Array, found: FacemapSignals) -> NDArray[np.float32]:
    """Motion energy (T,) of each frame since the one before; NaN in the first.

    facemap works in chunks of 500 frames. In the first, which has no frame before it, the difference of two
    frames is stored with the earlier of them, and the last entry stays 0; in the others with the later.
    """
    moved = energy.astype(np.float32)
    stop = min(_CHUNK_FRAMES, len(moved))
    if energy[stop - 1] == 0:
        moved[1:stop] = energy[: stop - 1]
        note = (
            f"facemap stores the motion energy of the first {stop} frames one frame early; it was moved, as "
            "its projections are"
        )
        if note not in found.notes:
            found.notes.append(note)
    moved[0] = np.nan
    return moved


def _svd(
    proc: FacemapProc,
    place: int,
    names: tuple[str, str, str],
    n_frames: int,
    where: str,
    found: FacemapSignals,
) -> dict[str, Any]:
    """Projections, masks and singular values of a region; empty where they were not computed."""
    projection_name, mask_name, values_name = names
    projection = _at(proc.arrays[projection_name], place)
    if projection is None or projection.size == 0 or not np.any(projection):
        return {}
    projection = projection.reshape(len(projection), -1)
    _require_length(proc, f"{projection_name}[{place}]", projection, n_frames)
    n = projection.shape[1]
    masks = _masks(proc, mask_name, place, n)
    tree: dict[str, Any] = {"projection": projection.astype(np.float32)}
    if masks is not None:
        tree["mask"] = masks
    values = _singular_values(proc, values_name, projection_name, place, n)
    if values is None and masks is not None:
        lengths = np.linalg.norm(masks.reshape(n, -1), axis=1)
        if np.abs(lengths - 1).max() > _UNIT_LENGTH:
            values = lengths
            found.notes.append(
                f"{values_name} of {where} is not stored, and was taken from its masks, which facemap leaves "
                "multiplied by them in videos of fewer than 2,000 frames"
            )
    if values is None:
        found.notes.append(
            f"{values_name} of {where} is not known: facemap keeps that of the last region alone"
        )
    else:
        tree["singular_values"] = np.asarray(values, np.float64)
    return tree


def _masks(proc: FacemapProc, name: str, place: int, n: int) -> NDArray[np.float32] | None:
    """Masks (n, y, x) of a region: those in the shape of the picture, else the flat ones of the frame."""
    shaped = _at(proc.arrays[f"{name}_reshape"], place)
    if shaped is None and place == 0:
        flat = _at(proc.arrays[name], place)
        if flat is not None and flat.size == np.prod(proc.binned_shape) * n:
            shaped = flat.reshape(*proc.binned_shape, n)
    if shaped is None or shaped.size == 0:
        return None
    if shaped.ndim == 2:  # a .mat drops an axis of one component
        shaped = shaped[:, :, None]
    if shaped.ndim != 3 or shaped.shape[2] != n:
        raise ProjectError(
            f"{proc.path}: {name}_reshape[{place}] has shape {shaped.shape}, and there are {n} projections"
        )
    return np.ascontiguousarray(np.moveaxis(shaped, 2, 0), np.float32)


def _singular_values(
    proc: FacemapProc, values_name: str, projection_name: str, place: int, n: int
) -> Array | None:
    """Singular values where it is certain that they are of this region: of the last that was decomposed."""
    values = proc.singular_values.get(values_name)
    last = max(i for i, own in enumerate(proc.arrays[projection_name]) if own.size)
    if values is None or not np.any(values) or place != last or len(values) < n:
        return None
    return values[:n]


def _pupil(
    proc: FacemapProc, place: int, ranges: Mapping[str, Any], n_frames: int
) -> dict[str, Any]:
    """Area, centre in the frame, semi-axes and angle of a pupil."""
    if place >= len(proc.pupils):
        raise ProjectError(
            f"{proc.path} has {place + 1} regions of pupils, and {len(proc.pupils)} pupils"
        )
    pupil = proc.pupils[place]
    shapes = {
        "area": (n_frames,),
        "com": (n_frames, 2),
        "axlen": (n_frames, 2),
        "axdir": (n_frames, 2, 2),
    }
    for name, shape in shapes.items():
        if name in pupil and pupil[name].shape != shape:
            raise ProjectError(
                f"{proc.path}: {name} of pupil {place + 1} has shape {pupil[name].shape}, expected {shape}"
            )
    tree: dict[str, Any] = {}
    if "area" in pupil:
        tree["area"] = pupil["area"].astype(np.float64)
    if "com" in pupil:  # rows and columns of the region
        start = [ranges["x_range"][0], ranges["y_range"][0]]
        tree["centre"] = pupil["com"][:, ::-1].astype(np.float64) + start
    if "axlen" in pupil:  # squares of the semi-axes
        tree["axes"] = np.sqrt(np.maximum(pupil["axlen"], 0)).astype(np.float64)
    if "axdir" in pupil:
        first = pupil["axdir"][:, :, 0].astype(np.float64)
        tree["angle"] = np.arctan2(first[:, 0], first[:, 1])
    return tree


def _trace(proc: FacemapProc, kind: str, place: int, n_frames: int) -> dict[str, Any]:
    """Return the opening of an eye, or shifts of a wheel in x and y."""
    values = _at(proc.arrays[kind], place)
    if values is None or not values.size:
        return {}
    _require_length(proc, f"{kind}[{place}]", values, n_frames)
    if kind == "blink":
        return {"opening": values.ravel().astype(np.float64)}
    shifts = values.reshape(n_frames, 2)[:, ::-1].astype(np.float64)
    shifts[0] = np.nan  # there is no frame before the first
    return {"running": shifts}


def _kind_notes(regions: Sequence[FacemapRegion]) -> Iterator[str]:
    kinds = {region.kind for region in regions}
    if "pupil" in kinds:
        yield "pupils are facemap's raw fits, not its smoothed ones; it has no confidence for them"
    if "blink" in kinds:
        yield "the opening of an eye is facemap's sum of darkness in the region: its unit is arbitrary"


def _require_length(proc: FacemapProc, name: str, values: Array, n_frames: int) -> None:
    if len(values) != n_frames:
        raise ProjectError(f"{proc.path}: {name} has {len(values)} frames, other traces {n_frames}")


def _at(arrays: Sequence[Array], place: int) -> Array | None:
    return arrays[place] if place < len(arrays) else None

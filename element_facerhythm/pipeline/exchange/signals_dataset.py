"""Signals of regions as a dataset: motion energy, pupils, eyes, running, and singular vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import (
    FRAME_AXES,
    SIGNAL_KINDS,
    StoredRegion,
    StoredSvd,
    signals_of_project,
)
from element_facerhythm.keypoints.predictions import SPACE
from element_facerhythm.pipeline.exchange.lazy_variables import Stacked, Stored, lazy_variable
from element_facerhythm.pipeline.exchange.points_dataset import SOFTWARE
from element_facerhythm.pipeline.exchange.recording_axis import signal_coordinates

_ABOUT = {
    "motion": ("1", "motion energy: how much gray levels change from the frame before"),
    "area": ("px2", "area of the pupil"),
    "centre": ("px", "middle of the pupil in the frame"),
    "axes": ("px", "semi-axes of the pupil's ellipse"),
    "angle": ("rad", "direction of the longer semi-axis"),
    "opening": ("1", "how far the eye is open"),
    "running": ("px", "movement from the frame before"),
    "confidence": ("1", "how sure the values of the region are, 0 to 1"),
}
_LAST_AXIS = {"centre": "space", "running": "space", "axes": "semi_axis"}
_NAMES = {"motion": "motion", "running": "running", "opening": "eye_opening"}


def signals_of(project: Project) -> xr.Dataset:
    """Signals of all regions of a project, which stay on disk until sliced; see `datasets.to_xarray`."""
    signals = signals_of_project(project)
    coordinates: dict[str, Any] = {"space": list(SPACE[:2])}
    if signals.n_frames is not None:
        coordinates |= signal_coordinates(project, signals.n_frames, signals.video_n_frames)
    variables: dict[str, xr.Variable] = {}
    for kind in SIGNAL_KINDS:
        regions = [region for region in signals.regions if region.kind == kind]
        if regions:
            dim = f"{kind}_region"
            coordinates[dim] = xr.Variable(dim, _names(regions), {"long_name": "region"})
            coordinates[f"{dim}_number"] = (dim, [region.index for region in regions])
            variables |= dict(_traces(kind, regions))
        for region in regions:
            for name, svd in region.svd.items():
                variables |= dict(_decomposition(region, name, svd))
    for name, image in signals.images.items():
        about = {"long_name": f"{name.replace('_', ' ')} of the recording, in bins"}
        variables[name] = lazy_variable(("bin_y", "bin_x"), Stored(image), about)
    facts: dict[str, str | int] = {
        "source_software": SOFTWARE,
        "signal_source": signals.source,
        "regions": json.dumps([_facts(region) for region in signals.regions]),
        "notes": "; ".join(signals.notes),
    }
    if signals.bin_px is not None:
        facts["bin_px"] = signals.bin_px
    return xr.Dataset(variables, coordinates, facts)


def _names(regions: Sequence[StoredRegion]) -> list[str]:
    """Names of regions, with their numbers where two have the same."""
    names = [region.name for region in regions]
    if len(set(names)) == len(names):
        return names
    return [f"{region.name} {region.index}" for region in regions]


def _traces(kind: str, regions: Sequence[StoredRegion]) -> Iterator[tuple[str, xr.Variable]]:
    """Arrays by frame of all regions of a kind; NaN for a region that lacks one."""
    for name in (*(n for n, (of, _) in FRAME_AXES.items() if of == kind), "confidence"):
        arrays = [region.arrays.get(name) for region in regions]
        if all(array is None for array in arrays):
            continue
        source = Stacked([None if array is None else Stored(array) for array in arrays])
        dims = ("time", f"{kind}_region", *([_LAST_AXIS[name]] if name in _LAST_AXIS else []))
        units, what = _ABOUT[name]
        shown = _NAMES.get(name, f"{kind}_{name}")
        yield shown, lazy_variable(dims, source, {"units": units, "long_name": what})


def _decomposition(
    region: StoredRegion, name: str, svd: StoredSvd
) -> Iterator[tuple[str, xr.Variable]]:
    """Singular vectors of one region; the number of the region ends all names."""
    component, number = f"{name}_component_{region.index}", region.index
    about: dict[str, Any] = {"region": region.name}
    if svd.projection is not None:
        yield f"{name}_projection_{number}", lazy_variable(
            ("time", component), Stored(svd.projection),
            about | {"long_name": "projection of each frame on the masks"},
        )  # fmt: skip
    if svd.mask is not None:
        dims = (component, f"mask_y_{number}", f"mask_x_{number}")
        yield f"{name}_mask_{number}", lazy_variable(dims, Stored(svd.mask), about)
    known = {"total_variance": svd.total_variance, "relative_error": svd.relative_error}
    measures = {what: value for what, value in known.items() if value is not None}
    values = about | measures | {"method": svd.method}
    yield f"{name}_singular_values_{number}", xr.Variable(component, svd.singular_values, values)
    yield (
        f"{name}_share_of_variance_{number}",
        xr.Variable(component, svd.share_of_variance, about),
    )


def _facts(region: StoredRegion) -> dict[str, Any]:
    """Return what is known of the place of a region."""
    polygon = None if region.polygon is None else np.asarray(region.polygon).tolist()
    return {
        "number": region.index,
        "name": region.name,
        "kind": region.kind,
        "polygon": polygon,
        **{name: list(edge) for name, edge in region.edges.items()},
    }

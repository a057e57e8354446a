"""Spectrograms of tracked points as a dataset."""

from __future__ import annotations

import numpy as np
import xarray as xr

from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.predictions import SPACE
from element_facerhythm.pipeline.exchange.lazy_variables import Joined, Stored, lazy_variable
from element_facerhythm.pipeline.exchange.points_dataset import SOFTWARE, point_coordinates
from element_facerhythm.pipeline.exchange.recording_axis import window_coordinates

FREQUENCY = {"units": "Hz", "long_name": "centre frequency of the filter"}


def frequency_coordinate(project: Project) -> xr.Variable:
    """Centre frequencies of a project's filters."""
    return xr.Variable("frequency", project.frequencies_hz, FREQUENCY)


def spectrograms_of(project: Project) -> xr.Dataset:
    """Spectrograms of all videos, which stay on disk until sliced; see `datasets.to_xarray`."""
    parts = [Stored(project.spectrogram(i)) for i in range(len(project.video_keys))]
    attrs = {
        "units": "1",
        "long_name": "magnitude of the displacement's variable-Q transform, as it was normalised",
    }
    if any(np.issubdtype(part.dtype, np.complexfloating) for part in parts):
        attrs["long_name"] = "variable-Q transform of the displacement, as it was normalised"
    dims = ("space", "points", "frequency", "time")
    return xr.Dataset(
        {"spectrogram": lazy_variable(dims, Joined(parts, axis=3), attrs)},
        {
            "space": list(SPACE[:2]),
            **point_coordinates(project, "points"),
            "frequency": frequency_coordinate(project),
            **window_coordinates(project),
        },
        {"source_software": SOFTWARE, "layout": project.layout},
    )

"""Requests as people write them: paths as text, numbers of numpy, parameters and regions as mappings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from element_facerhythm.core.rois import Rois
from element_facerhythm.files.plain import plain, whole_number
from element_facerhythm.io.rois_file import rois_from_mapping
from element_facerhythm.parameters import open_parameters_from_mapping


def plain_fields(request: Any) -> dict[str, Any]:
    """Return the fields of a `RunRequest` that can be written in several ways, as they are worked with.

    Raises
    ------
    ParameterError, RoiError
        The parameters or the regions are malformed.
    RequestError
        `frames` are no whole numbers.
    """
    videos: Any = request.videos
    fields: dict[str, Any] = {
        "videos": tuple(map(Path, [videos] if isinstance(videos, (str, PurePath)) else videos)),
        "project_dir": Path(request.project_dir),
        "frame_rate_hz": plain(request.frame_rate_hz),
    }
    if isinstance(request.parameters, Mapping):
        fields["parameters"] = open_parameters_from_mapping(request.parameters).parameters
    if isinstance(request.rois, Mapping):
        fields["rois"] = rois_from_mapping(request.rois)
    elif not isinstance(request.rois, Rois):
        fields["rois"] = Path(request.rois)
    if request.parameters_file is not None:
        fields["parameters_file"] = Path(request.parameters_file)
    if request.frames is not None:
        fields["frames"] = tuple(whole_number("frames", frame) for frame in request.frames)
    return fields

"""The ROI file of a video, which several tabs may have open: none overwrites what it has not seen."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.files.texts import read_json
from element_facerhythm.io.rois_file import rois_from_mapping, write_rois

NO_FILE = '"none"'
"""Version of a file that is not there."""

_writing = threading.Lock()


class StaleVersionError(RequestError):
    """The file is no longer the version that was read."""


def version_of(path: Path) -> str:
    """Return an entity tag of a file's content; `NO_FILE` where it is not there."""
    if not path.exists():
        return NO_FILE
    return f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"'


def read_roi_file(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Return what a ROI file holds, None where it is not there, and its version.

    Raises
    ------
    RoiError, TextError
        It is no ROI file.
    """
    version = version_of(path)
    if version == NO_FILE:
        return None, version
    value = read_json(path)
    rois_from_mapping(value, str(path))
    return value, version


def save_roi_file(path: Path, value: Any, seen: str) -> str:
    """Write a ROI file where it still is the version that was seen; return its new version.

    Parameters
    ----------
    path
        The file.
    value
        What it is to hold.
    seen
        Version that was read before.

    Raises
    ------
    RoiError
        The regions are malformed.
    StaleVersionError
        Somebody else has written meanwhile.
    """
    rois = rois_from_mapping(value, str(path))
    with _writing:
        if version_of(path) != seen:
            raise StaleVersionError(
                f"{path.name} was changed elsewhere since it was read; reload the page to see it, or save "
                "under another name"
            )
        write_rois(rois, path)
        return version_of(path)

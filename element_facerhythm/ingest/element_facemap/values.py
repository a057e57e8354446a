"""Values of DataJoint 0.14's columns, in the form that this package takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import RequestError


def unpacked(blob: Any, where: str) -> Any:
    """Return what a blob of DataJoint 0.14 holds; None for a null.

    Parameters
    ----------
    blob
        Bytes of the column; None for a null.
    where
        Name of the column and row, for the message.

    Raises
    ------
    RequestError
        It is no such blob.
    """
    if blob is None:
        return None
    dj = import_datajoint()
    wrong = (dj.DataJointError, ValueError, TypeError, KeyError, IndexError, AssertionError)
    try:
        value = dj.blob.unpack(bytes(blob))
        if value is None and bytes(blob) != dj.blob.pack(
            None
        ):  # raised by DataJoint for values that it does not know
            raise ValueError("it does not begin as one")
    except wrong as error:
        raise RequestError(
            f"{where} is no blob that DataJoint 0.14 wrote ({type(error).__name__}: {error}); correct or "
            "remove that row there"
        ) from error
    return value


def attachment(content: bytes, where: str) -> tuple[str, bytes]:
    """Return file name (without directories) and content of an attachment of DataJoint 0.14.

    Parameters
    ----------
    content
        Bytes of the column.
    where
        Name of the column and row, for the message.

    Raises
    ------
    RequestError
        It is no attachment, or its name is none of a file.
    """
    name, end, data = bytes(content).partition(b"\0")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    base = text.replace("\\", "/").rsplit("/", 1)[-1]
    if not end or base in ("", ".", ".."):
        raise RequestError(f"{where} is no attachment that DataJoint 0.14 wrote")
    return base, data


def box_of(bbox: Any, where: str) -> list[int] | list[list[int]] | None:
    """Boxes as `KeypointInferenceTask.bbox` has them (x1, x2, y1, y2); None for none.

    Parameters
    ----------
    bbox
        Box or boxes as Element Facemap has them (y1, y2, x1, x2); None or empty for none.
    where
        Name of the column and row, for the message.

    Raises
    ------
    RequestError
        It is neither empty, nor four whole numbers, nor a list of such.
    """
    values = np.asarray([] if bbox is None else bbox)
    if values.size == 0:
        return None
    is_number = values.dtype.kind in "iuf" and values.ndim in (1, 2) and values.shape[-1] == 4
    if not is_number or not np.all(values == np.round(values)):
        raise RequestError(f"{where} is {bbox!r}; expected four whole numbers, or a list of such")
    turned: list[int] | list[list[int]] = values.astype(int)[..., [2, 3, 0, 1]].tolist()
    return turned


def regions_of(params: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """Regions of motion that facemap's parameters hold, as a ROI file has them, and the names of others.

    facemap's region is the rectangle that its ranges of pixels span.

    Parameters
    ----------
    params
        Content of facemap's `_proc.npy`.
    """
    rois = params.get("rois") if isinstance(params, Mapping) else None
    polygons, names, others = [], [], []
    for index, roi in enumerate(rois if isinstance(rois, (Sequence, np.ndarray)) else []):
        name = _name(roi, index)
        name = f"{name[:58]}_{index}" if name in names else name
        spans = [_span(roi, axis) for axis in ("xrange", "yrange")]
        is_motion = str(_entry(roi, "rtype") or "").lower() == "motion svd"
        if not is_motion or int(_entry(roi, "ivid") or 0) != 0 or None in spans:
            others.append(name)
            continue
        (x0, x1), (y0, y1) = spans  # type: ignore[misc]
        polygons.append([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        names.append(name)
    if not polygons:
        return None, others
    return {"points": polygons, "names": names, "kinds": ["motion"] * len(names)}, others


def _entry(roi: Any, name: str) -> Any:
    return roi.get(name) if isinstance(roi, Mapping) else None


def _name(roi: Any, index: int) -> str:
    """Name of a region as Element Facemap makes it, of its kind and number."""
    number = _entry(roi, "iROI")
    return f"{_entry(roi, 'rtype') or 'region'}_{index if number is None else number}"[:64]


def _span(roi: Any, axis: str) -> tuple[float, float] | None:
    values = np.asarray(_entry(roi, axis) if _entry(roi, axis) is not None else [], dtype=float)
    if values.size < 2 or values.min() == values.max():
        return None
    return float(values.min()), float(values.max())

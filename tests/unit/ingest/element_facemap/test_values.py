"""Values that DataJoint 0.14 wrote for Element Facemap, in our terms."""

from typing import Any

import numpy as np
import pytest

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import RequestError
from element_facerhythm.ingest.element_facemap.values import (
    attachment,
    box_of,
    regions_of,
    unpacked,
)

BOX = bytes.fromhex(
    "646a300002040000000000000004000000000000000a01000504000000000000000a01007304000000000000000a01000a"
    "05000000000000000a02009600"
)
"""`[5, 115, 10, 150]`, packed by DataJoint 0.14.6."""


def region(kind: str, number: int, x: Any = (40, 120), y: Any = (40, 90), **more: Any) -> Any:
    return {"rtype": kind, "iROI": number, "xrange": np.arange(*x), "yrange": np.arange(*y), **more}


def test_a_box_is_turned_from_rows_first_to_columns_first() -> None:
    assert box_of(unpacked(BOX, "bbox"), "bbox") == [10, 150, 5, 115]
    assert box_of([[0, 1, 2, 3], [4, 5, 6, 7]], "bbox") == [[2, 3, 0, 1], [6, 7, 4, 5]]
    assert [box_of(none, "bbox") for none in (None, [], unpacked(None, "bbox"))] == [None] * 3
    for wrong in ([1, 2, 3], [0.5, 1, 2, 3], "face", [[[1, 2, 3, 4]]], {"x": 1}):
        with pytest.raises(RequestError, match="expected four whole numbers"):
            box_of(wrong, "bbox")


@pytest.mark.parametrize("content", [b"", b"no blob", b"mYm\0xx", b"ZL123\0abc", b"dj0\0\2\4"])
def test_what_datajoint_did_not_write_is_told(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"bbox of task 3 is no blob that DataJoint 0\.14 wrote"):
        unpacked(content, "bbox of task 3")
    assert unpacked(import_datajoint().blob.pack(None), "bbox") is None


def test_an_attachment_has_its_name_and_nothing_of_a_path() -> None:
    assert attachment(b"w.pt\0PK\3\4\0", "file") == ("w.pt", b"PK\3\4\0")
    assert attachment(b"/home/me\\w.pt\0x", "file") == ("w.pt", b"x")
    for wrong in (b"w.pt", b"\0x", b"..\0x", b"a/..\0x", b"\xff\0x"):
        with pytest.raises(RequestError, match="is no attachment"):
            attachment(wrong, "file")


def test_regions_of_motion_become_rectangles_with_their_names() -> None:
    rois = [
        region("motion SVD", 0),
        region("Pupil", 1),
        region("motion SVD", 2, ivid=1),
        region("motion SVD", 0, x=(0, 9), y=(3, 5)),
        {"rtype": "motion SVD", "iROI": 4},
    ]
    regions, others = regions_of({"rois": rois})
    assert regions == {
        "points": [
            [[40, 40], [119, 40], [119, 89], [40, 89]],
            [[0, 3], [8, 3], [8, 4], [0, 4]],
        ],
        "names": ["motion SVD_0", "motion SVD_0_3"],
        "kinds": ["motion", "motion"],
    }
    assert others == ["Pupil_1", "motion SVD_2", "motion SVD_4"]
    for nothing in (None, {}, {"rois": None}, {"rois": [3]}, {"rois": "rois"}, [1, 2]):
        assert regions_of(nothing)[0] is None

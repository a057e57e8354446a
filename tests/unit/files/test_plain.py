"""Values of numpy and pandas become Python's own; what is no row is refused."""

import json
from collections import namedtuple
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.files.plain import plain, plain_row, whole_number


def test_everything_that_json_has_comes_out_of_what_numpy_has() -> None:
    given = {
        "a": [np.int8(1), (np.float64(0.5), np.bool_(True)), {np.str_("b"): np.array([[1, 2]])}],
        "c": np.array(3), "d": pd.Series([1, 2]), "e": Path("x/y"), "f": None, "g": (), "h": np.float32(0.5),
    }  # fmt: skip
    made = plain(given)
    assert json.loads(json.dumps(made)) == {
        "a": [1, [0.5, True], {"b": [[1, 2]]}], "c": 3, "d": [1, 2], "e": "x/y", "f": None, "g": [], "h": 0.5,
    }  # fmt: skip
    assert type(made["a"][1][1]) is bool and type(made["c"]) is int
    assert type(next(iter(made["a"][2]))) is str
    assert given["a"][0].dtype == np.int8  # what was given stays as it is


def test_what_is_plain_is_not_copied() -> None:
    given = {"a": [[1, 2.5, "b", None, True]] * 3}
    assert plain(given) is given
    assert plain([Decimal("1.5")]) == [Decimal("1.5")]


def test_rows_in_every_shape() -> None:
    expected = {"subject": "m", "session": 3}
    frame = pd.DataFrame([expected])
    record = namedtuple("record", expected)(**expected)
    for given in (
        expected, frame.iloc[0], frame.to_records(index=False)[0], record, pd.Series(expected),
        next(frame.itertuples(index=False)), {"subject": np.str_("m"), "session": np.int64(3)},
    ):  # fmt: skip
        row = plain_row(given)
        assert row == expected
        assert [type(value) for value in row.values()] == [str, int]
    for wrong in ("subject = 'm'", 3, None, frame, np.arange(3), ["m", 3]):
        with pytest.raises(RequestError, match="expected a mapping"):
            plain_row(wrong)


def test_times_of_numpy_are_those_of_python() -> None:
    at = datetime(2026, 3, 1, 10, 30)
    for given in (np.datetime64("2026-03-01T10:30", "ns"), np.datetime64(at), pd.Timestamp(at), at):
        assert plain_row({"time": given}) == {"time": at}


@pytest.mark.parametrize("value", [3, np.uint8(3), 3.0, np.float32(3), np.array(3)])
def test_whole_numbers(value: object) -> None:
    number = whole_number("roi_id", value)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize("value", [3.5, "3", None, True, np.bool_(1), float("nan"), [3], np.inf])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(RequestError, match=r"roi_id is .*; expected a whole number"):
        whole_number("roi_id", value)


def test_keypoint_requests_and_options_take_numpys_numbers() -> None:
    from element_facerhythm.keypoints.reading_options import ReadingOptions
    from element_facerhythm.pipeline.keypoint_records import KeypointRequest

    options = ReadingOptions(
        video=np.int64(1), frame_rate_hz=np.float32(60), first_frame=np.int16(2), first_time_s=np.float64(0.5)
    )  # fmt: skip
    assert options == ReadingOptions(video=1, frame_rate_hz=60.0, first_frame=2, first_time_s=0.5)
    assert json.loads(json.dumps(options.to_json())) == options.to_json()

    for box in (np.array([1, 9, 2, 8]), np.array([[1, 9, 2, 8]]), [(1, 9, 2, 8)], ((1, 9, 2, 8),)):
        request = KeypointRequest(
            ("a.mp4",), "m.pt", np.array(["nose"]), "out", box=box, frame_rate_hz=np.float32(60)
        )
        assert request == KeypointRequest(
            (Path("a.mp4"),),
            Path("m.pt"),
            ("nose",),
            Path("out"),
            box=((1, 9, 2, 8),),
            frame_rate_hz=60.0,
        )
    assert KeypointRequest(("a",), "m", ("nose",), "out", box="auto").box == "auto"
    assert KeypointRequest(("a",), "m", ("nose",), "out").box is None

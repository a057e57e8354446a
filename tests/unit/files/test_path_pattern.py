"""What paths say by a pattern."""

from datetime import datetime

import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.files.path_pattern import PathPattern

DATE = r"\d{4}-\d{2}-\d{2}"


@pytest.mark.parametrize(
    ("pattern", "path", "texts"),
    [
        (
            "{subject}/{session_date}/*.mp4",
            "m 1/2026-03-01/a.b.mp4",
            {"subject": "m 1", "session_date": "2026-03-01"},
        ),
        ("{subject}/{session_date}/*.mp4", "m1/2026-03-01/deep/a.mp4", None),
        ("{subject}/{session_date}/*.mp4", "m1/2026-03-01/a.avi", None),
        ("{subject}/**/face_?.mp4", "m1/face_1.mp4", {"subject": "m1"}),
        ("{subject}/**/face_?.mp4", "m1/x/y/face_2.mp4", {"subject": "m1"}),
        ("{subject}/**", "m1/x/y", {"subject": "m1"}),
        ("raw/{subject}/cam[0-2].mp4", "raw/ü-鼠/cam2.mp4", {"subject": "ü-鼠"}),
        ("raw/{subject}/cam[!0-2].mp4", "raw/m1/cam2.mp4", None),
        ("raw/{subject}/{}.(x)+mp4", "raw/m1/a.(x)+mp4", {"subject": "m1"}),
        ("raw/{subject}.mp4", "raw/m1xmp4", None),
        # a number comes last, whatever the subject's name holds
        ("{subject}_{session_id}.mp4", "m_1_2.mp4", {"subject": "m_1", "session_id": "2"}),
        (
            "{subject}_{session_datetime:%Y%m%d_%H%M}*.mp4",
            "m_1_20260301_0930_cam.mp4",
            {"subject": "m_1", "session_datetime": "20260301_0930"},
        ),
        (
            "{subject}/{subject}_{session_id}.mp4",
            "m1/m1_4.mp4",
            {"subject": "m1", "session_id": "4"},
        ),
    ],
)
def test_texts_of_fields(pattern: str, path: str, texts: dict[str, str] | None) -> None:
    shapes = {"session_id": r"-?\d+", "session_date": DATE}
    assert PathPattern(pattern, shapes).match(path) == texts


def test_texts_that_have_no_shape_are_given_and_not_left_out() -> None:
    pattern = PathPattern("{subject}/{session_date}/*.mp4", {"session_date": DATE})
    assert pattern.match("m1/2026-3-1/a.mp4") == {"subject": "m1", "session_date": "2026-3-1"}


@pytest.mark.parametrize(
    ("pattern", "path", "message"),
    [
        ("{subject}_{note}.mp4", "a_b_c.mp4", "several ways"),
        ("{subject}/{subject}_{session_id}.mp4", "m1/m2_4.mp4", "says subject twice"),
    ],
)
def test_paths_that_say_no_one_thing(pattern: str, path: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        PathPattern(pattern, {"session_id": r"\d+"}).match(path)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "/data/{subject}/*.mp4", "../{subject}.mp4", "{subject}//x", "{subject/x.mp4", "sub}ject.mp4",
        "{sub ject}/x.mp4", "{day:%Q}/x.mp4", "{day:2026}/x.mp4", "a**/{subject}", "{day:%d/%m}.mp4",
    ],
)  # fmt: skip
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(RequestError):
        PathPattern(pattern)


def test_times_are_read_by_their_format() -> None:
    field = PathPattern("{session_datetime:%Y-%m-%d_%H-%M}.mp4").fields["session_datetime"]
    assert field.read("2026-03-01_09-30") == datetime(2026, 3, 1, 9, 30)
    with pytest.raises(RequestError, match="2026-13-01"):
        field.read("2026-13-01_09-30")


def test_only_directories_that_may_hold_files_are_entered() -> None:
    pattern = PathPattern("raw/{subject}/s*/*.mp4")
    assert pattern.leads_on(("raw",))
    assert pattern.leads_on(("raw", "m1", "s1"))
    assert not pattern.leads_on(("processed",))
    assert not pattern.leads_on(("raw", "m1", "x1"))
    assert not pattern.leads_on(("raw", "m1", "s1", "deep"))
    assert PathPattern("raw/**/*.mp4").leads_on(("raw", "a", "b", "c"))

"""Names that are too long for a file system are cut, and stay apart."""

import unicodedata
from pathlib import Path

import pytest

from element_facerhythm.facial_behavior_estimation.task_directories import directory_name
from element_facerhythm.files.names import MAX_NAME_BYTES, short_name, short_names
from element_facerhythm.io.atomic import atomic_path


def test_what_fits_stays() -> None:
    for name in ("mouse", "m" * MAX_NAME_BYTES, "鼠" * 85):
        assert short_name(name) == name
    assert short_name("mouse", ".png") == "mouse.png"


@pytest.mark.parametrize("letter", ["m", "é", "鼠", "🐁", "\udcff"])
def test_what_does_not_fit_is_cut_by_bytes_and_keeps_its_ending(
    letter: str, tmp_path: Path
) -> None:
    long = [letter * 300 + end for end in ("a", "b")]
    for ending in ("", ".png", "-facerhythm"):
        one, other = (short_name(name, ending) for name in long)
        assert one != other
        assert one.endswith(ending) and one.startswith(letter.replace("\udcff", ""))
        for name in (one, other):
            assert len(name.encode()) <= MAX_NAME_BYTES
            (tmp_path / name).touch()


def test_one_spelling_of_a_letter_is_not_the_other() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é" * 300) for form in ("NFC", "NFD"))
    assert short_name(composed) != short_name(decomposed)
    assert directory_name("subject", "é") != directory_name(
        "subject", unicodedata.normalize("NFD", "é")
    )


def test_a_path_of_many_long_names_has_room_for_all() -> None:
    names = ["subject-short", "n" * 255, "m" * 255, "recording-0"]
    made = short_names(names, 300, 40)
    assert len("/".join(made)) <= 300
    assert (made[0], made[3]) == (names[0], names[3])
    assert short_names(names[:1], 300, 40) == names[:1]
    assert short_names(["a" * 200, "b" * 99], 300, 40) == ["a" * 200, "b" * 99]
    others = short_names([*names[:2], "m" * 254 + "x", names[3]], 300, 40)
    assert [a == b for a, b in zip(made, others, strict=True)] == [True, True, False, True]


def test_names_of_keys_are_as_they_were() -> None:
    assert directory_name("subject", "mouse1") == "subject-mouse1"
    assert directory_name("session_id", 3) == "session-3"
    assert directory_name("subject", "m 01/x") == "subject-m_01_x-a1ae7d0a"
    assert directory_name("subject", "\udcff").startswith("subject-_-")


def test_a_file_with_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".csv")
    with atomic_path(path) as temporary:
        temporary.write_text("1")
    assert path.read_text() == "1"
    assert list(tmp_path.iterdir()) == [path]

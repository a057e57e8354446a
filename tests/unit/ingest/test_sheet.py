"""Tables of recordings, as spreadsheets and people write them."""

from pathlib import Path

import pytest

from element_facerhythm.errors import PathError, TextError
from element_facerhythm.files.sheet import read_sheet
from element_facerhythm.ingest.sheet_paths import find_file, find_files

ROWS = [
    {"subject": "m1", "video": "a.mp4; b.mp4", "note": 'said "no", twice\nand left'},
    {"subject": "鼠"},
]
PLAIN = 'subject,video,note\n m1 ,"a.mp4; b.mp4","said ""no"", twice\nand left"\n,,\n鼠,,\n\n'
EXCEL = (
    'sep=;\r\nsubject;video;note;\r\nm1;"a.mp4; b.mp4";"said ""no"", twice\nand left";\r\n;;;\r\n'
    "鼠;;;\r\n"
)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (PLAIN.encode(), [2, 5]),
        (PLAIN.encode("utf-8-sig"), [2, 5]),
        (PLAIN.replace(",", "\t").replace('no""\t', 'no"",').encode("utf-16"), [2, 5]),
        (EXCEL.encode("utf-8-sig"), [3, 6]),
        (EXCEL.partition("\n")[2].encode(), [2, 5]),
    ],
)
def test_rows_and_their_lines(content: bytes, lines: list[int], tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    sheet = read_sheet(path)
    assert sheet.columns == ("subject", "video", "note")
    assert [dict(row.cells) for row in sheet.rows] == ROWS
    assert [row.line for row in sheet.rows] == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n,,\n", "is empty"),
        (b"subject,video\n", "no row below"),
        (b"subject,subject\nm1,m2\n", "two columns are called subject"),
        (b"subject,,video\nm1,x,a.mp4\n", "column 2 has no name"),
        (b"subject,video\nm1,a.mp4\nm2,b.mp4,c.mp4\n", "line 3: 3 cells"),
        (b'subject,video\nm1,"a.mp4\n', "line 2"),
        ("subject,video\nmüller,a.mp4\n".encode("cp1252"), "save it as UTF-8"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_table(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextError, match=message):
        read_sheet(path)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Two directories with files."""
    one, two = tmp_path / "one", tmp_path / "two [x]"
    names = ["a.mp4", "part10.mp4", "part2.mp4", "odd;name.mp4", "odd[1].mp4"]
    for directory, there in ((one, names), (two, ["a.mp4", "b.mp4"])):
        directory.mkdir()
        for name in there:
            (directory / name).touch()
    return one, two


def test_files_of_a_cell(places: tuple[Path, Path]) -> None:
    one, two = places
    assert find_files("part2.mp4; b.mp4", places) == ([one / "part2.mp4", two / "b.mp4"], [])
    files, notes = find_files("part*.mp4", places)
    assert [path.name for path in files] == ["part2.mp4", "part10.mp4"]
    assert notes == ["part*.mp4: part2.mp4, part10.mp4"]
    assert find_files(f"{two}/b.mp4", places)[0] == [two / "b.mp4"]
    assert find_files("odd;name.mp4", places)[0] == [one / "odd;name.mp4"]
    assert find_files("odd[1].mp4", places)[0] == [one / "odd[1].mp4"]
    # one directory under two names is no second place
    assert find_file("a.mp4", (one, one.parent / "two [x]" / ".." / "one")) == one / "a.mp4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4", "say which one"),
        ("*.mp4", "matches files in"),
        ("gone.mp4", "does not exist"),
        ("gone*.mp4", "matches no file"),
        (";", "names no file"),
    ],
)
def test_files_that_are_not_there_or_several(
    text: str, message: str, places: tuple[Path, Path]
) -> None:
    with pytest.raises(PathError, match=message):
        find_files(text, places)

"""JSON and YAML from anybody: refused in one sentence that quotes nothing, or read as written."""

import os
import time

import pytest
import yaml

from element_facerhythm.errors import TextError
from element_facerhythm.files import texts as text_files
from element_facerhythm.files.texts import (
    parse_json,
    parse_yaml,
    read_json,
    read_yaml,
    shortened,
)

SECRET = "S3CRETVALUE"


def aliases(n_levels, width=9):
    """The "billion laughs": each list holds the one before `width` times."""
    lines = ["a0: &a0 [" + ",".join(["1"] * width) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * width) + "]" for i in range(1, n_levels)]
    return "\n".join(lines)


def nested_aliases(n_levels):
    """A nesting that is deep only where the aliases are followed."""
    return "\n".join(["a0: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, n_levels))])


JSON_FAULTS = {
    "deep list": ("[" * 100_000, "nested deeper than 50 levels"),
    "deep objects": ('{"a":' * 60 + "1" + "}" * 60, "nested deeper than 50 levels"),
    "key twice": (f'{{"a": {{"{SECRET}": 1, "{SECRET}": 2}}}}', "a key .* is given twice"),
    "digits": ("[" + "9" * 301 + "]", "more than 300 digits"),
    "half": (f'{{"{SECRET}": ', "line 1, column 17: Expecting value"),
    "escape": (f'{{"{SECRET}": "\\q"}}', "line 1, column 18: Invalid escape"),
    "words": (f'{{"a": 1,\n"b": {SECRET}}}', "line 2, column 6: Expecting value"),
    "NUL": ('{"a": "\0"}', "Invalid control character"),
    "nothing": ("", "Expecting value"),
}

YAML_FAULTS = {
    "aliases": (aliases(9), "unfolds to more than 100000 values"),
    "many values": ("a: [" + ",".join(["1"] * 100_001) + "]", "unfolds to more than 100000 values"),
    "nested aliases": (nested_aliases(60), "nested deeper than 50 levels"),
    "deep": ("[" * 20_000, "nested deeper than 50 levels"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(60)), "nested deeper than 50 levels"),
    "recursion": ("a: &a [*a]", "an alias stands for nothing, or for what holds it"),
    "no anchor": (f"a: *{SECRET}", "an alias stands for nothing"),
    "key twice": (f"a:\n  {SECRET}: 1\n  {SECRET}: 2\n", "line 3, column 3: a key is given twice"),
    "tag of Python": (
        f"a: !!python/name:os.{SECRET}",
        "line 1, column 4: something is there that is not",
    ),
    "tag of nobody": (f"a: !{SECRET} 1", "something is there that is not"),
    "tuple": ("a: !!python/tuple [1]", "something is there that is not"),
    "digits": ("a: " + "9" * 5000, "too many digits"),
    "base 60": ("a: 1" + ":10" * 30_000, "too many digits"),
    "date": ("a: 2001-99-99", "that does not exist"),
    "no int": (f"a: !!int {SECRET}", "that does not exist"),
    "no bool": (f"a: !!bool {SECRET}", "that does not exist"),
    "no timestamp": (f"a: !!timestamp {SECRET}", "that does not exist"),
    "empty int": ("a: !!int ''", "that does not exist"),
    "unclosed": (f'a: [unclosed "{SECRET}\n', "line 2, column 1: "),
    "colons": (f"{SECRET}: {SECRET}: 1", "line 1, column 25: mapping values are not allowed"),
    "control": (f"a: {SECRET}\1", "character .* may not stand in a text"),
    "two documents": (f"--- {SECRET}\n--- {SECRET}\n", "a second document"),
}


@pytest.mark.parametrize("kind", JSON_FAULTS)
def test_wrong_json_is_refused_without_being_quoted(kind):
    text, words = JSON_FAULTS[kind]
    with pytest.raises(TextError, match=words) as refusal:
        parse_json(text)
    assert SECRET not in str(refusal.value) and len(str(refusal.value)) < 200


@pytest.mark.parametrize("kind", YAML_FAULTS)
@pytest.mark.parametrize("loader", ["C", "Python"])
def test_wrong_yaml_is_refused_without_being_quoted(kind, loader, monkeypatch):
    if loader == "Python":
        slow = type(
            "Slow", (text_files._BoundedComposer, yaml.SafeLoader), {"base": yaml.SafeLoader}
        )
        monkeypatch.setattr(text_files, "_Loader", slow)
    text, words = YAML_FAULTS[kind]
    started = time.process_time()
    with pytest.raises(TextError, match=words if loader == "C" else ".") as refusal:
        parse_yaml(text)
    assert SECRET not in str(refusal.value) and len(str(refusal.value)) < 200
    assert time.process_time() - started < 30


def test_what_is_sound_is_read():
    assert parse_json('{"a": [1, 2.5, null, true, "\\u00e9"], "b": {}}') == {
        "a": [1, 2.5, None, True, "é"],
        "b": {},
    }
    assert parse_yaml("a: &a {x: 1, y: [2, 3]}\nb: {<<: *a, x: 5}\nc: *a\n'1': é\n") == {
        "a": {"x": 1, "y": [2, 3]},
        "b": {"x": 5, "y": [2, 3]},
        "c": {"x": 1, "y": [2, 3]},
        "1": "é",
    }
    assert parse_yaml("a: !!python/tuple [1, !!python/tuple [2]]", tuples=True) == {"a": (1, (2,))}
    assert parse_yaml("") is None


def test_files_that_are_none_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    (tmp_path / "zip.json").write_bytes(b'\xff\xfe{\0"\0')
    monkeypatch.setattr(text_files, "MAX_JSON_BYTES", 100)
    (tmp_path / "large.json").write_text(f'["{SECRET * 10}"]')
    for name, words in (
        ("pipe", "is a named pipe; expected a regular file"),
        ("/dev/zero", "is a device; expected a regular file"),
        (".", "is a directory; expected a regular file"),
        ("missing.json", "does not exist"),
        ("a\0b.json", "cannot be read"),
        ("latin.json", "is not a text in UTF-8: byte 7"),
        ("zip.json", "is not a text in UTF-8"),
        ("large.json", "is too large; at most 100 bytes"),
    ):
        for read in (read_json, read_yaml):
            if (read, name) != (read_yaml, "large.json"):
                with pytest.raises(TextError, match=words) as refusal:
                    read(tmp_path / name, what="settings")
                assert str(refusal.value).startswith(
                    f"settings {tmp_path / name} ".replace("\0", r"\x00")
                )


def test_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == read_yaml(path) == {"a": 1}


def test_values_in_messages_are_short():
    for value in ("x" * 10**6, [["x" * 1000] * 1000] * 1000, 10**299, 10**5000, {"a": "x" * 10**6}):
        assert len(shortened(value)) < 210
    assert shortened([20, 1]) == "[20, 1]"

"""The page of compatibility names tests that exist, and says why where it names none."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "compatibility.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| statement")
]
ANSWERS = ("yes", "partly", "no")


def test_every_answer_is_shown_by_a_test_or_says_why_not() -> None:
    assert len(ROWS) > 70
    for statement, answer, *shown in ROWS:
        assert re.match(r"(yes|partly|no)\b", answer), statement
        if not shown or not shown[0].strip("| "):
            assert answer.startswith("no: ") or answer.startswith("no, "), statement


def test_tests_that_it_names_exist() -> None:
    named = re.findall(r"`([a-z_/0-9]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 60
    for path, name in named:
        text = (TESTS / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"^\s*def {name}\b", text, re.MULTILINE), f"{path}::{name}"

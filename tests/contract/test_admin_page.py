"""The page of roles says what the code grants."""

import re
from pathlib import Path

from element_facerhythm.admin import KINDS, ROLES
from element_facerhythm.cli.admin import RoleName

PAGE = Path(__file__).parents[2] / "docs" / "admin.md"
WORDS = {"read": "SELECT", "enter": "INSERT", "correct": "UPDATE", "delete": "DELETE"}


def test_page_and_code_give_the_same_rights() -> None:
    rows = re.findall(
        r"^\| `(\w+)`: [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE
    )
    described = {
        kind: {
            role: tuple(WORDS[word] for word in cell.split(", "))
            for role, cell in zip(("viewer", "analyst", "worker"), cells, strict=True)
        }
        for kind, *cells in rows
    }
    assert described == KINDS
    assert set(ROLES) == {"viewer", "analyst", "worker"} == {role.value for role in RoleName}

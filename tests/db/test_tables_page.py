"""The page of tables describes every table, part and column, and nothing else."""

import re
from pathlib import Path

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import fleet
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.database.datajoint import import_datajoint

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"


def declared_columns() -> dict[str, set[str]]:
    """Own columns of every table and part, from the definitions."""
    dj = import_datajoint()
    masters = [getattr(module, name) for module in (fbe, kpi, fleet) for name in module.__all__]
    masters = [cls for cls in masters if isinstance(cls, type) and issubclass(cls, dj.Table)]
    tables = {cls.__name__: cls for cls in masters}
    for cls in masters:
        parts = (v for v in vars(cls).values() if isinstance(v, type) and issubclass(v, dj.Part))
        tables |= {f"{cls.__name__}.{part.__name__}": part for part in parts}
    column = re.compile(r"^\s*(\w+)\s*(?:=\s*\S+)?\s*:", re.MULTILINE)
    return {name: set(column.findall(cls.definition)) for name, cls in tables.items()}


def described_columns() -> dict[str, set[str]]:
    """Columns that the page lists under each heading."""
    sections = re.split(r"^#{2,3} (\S+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    column = re.compile(r"^\| \**`(\w+)`\** \| `[^`]+` \| \S.* \|$", re.MULTILINE)
    return {
        name: set(column.findall(text))
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_table_and_column_is_described() -> None:
    declared = declared_columns()
    assert len(declared) == 63
    assert described_columns() == declared

"""The page on scale says what was measured, and what an administrator is told fits the tables."""

import re
from pathlib import Path

import pytest

from benchmarks.common import read_result
from benchmarks.scale_report import RESULT, SCALE_SECTIONS
from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import keypoint_inference as kpi

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
PAGE = (Path(__file__).parents[3] / "docs" / "scale.md").read_text()


@pytest.mark.parametrize("name", SCALE_SECTIONS)
def test_tables_of_the_page_are_those_of_the_result(name: str) -> None:
    written = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", PAGE, re.DOTALL)
    assert written is not None
    assert written[1].strip() == SCALE_SECTIONS[name]()


def test_ten_thousand_recordings_with_a_million_components_were_measured() -> None:
    result = read_result(RESULT, results_dir=RESULTS)
    (size,) = [size for size in result["sizes"] if size["n_recordings"] == 10_000]
    assert size["tables"]["FacialRhythm.Component"]["n_rows"] == 1_000_000
    assert 9_900 <= size["queue"]["n_pending"] <= 10_000
    assert max(query["median_ms"] for query in size["queries"]) <= 200


def test_statements_for_older_installations_make_the_indices_that_are_declared() -> None:
    tables = {
        "_facial_rhythm": fbe.FacialRhythm,
        "_facial_rhythm__decomposition": fbe.FacialRhythm.Decomposition,
        "_facial_rhythm__component": fbe.FacialRhythm.Component,
        "__keypoint_inference__body_part_position": kpi.KeypointInference.BodyPartPosition,
    }
    statements = re.findall(r"CREATE INDEX \w+\s+ON facerhythm_\w+\.(\w+) \((.+)\);", PAGE)
    declared = [
        (name, columns)
        for name, table in tables.items()
        for columns in re.findall(r"^\s*index \((.+)\)$", table.definition, re.MULTILINE)
    ]
    assert sorted(statements) == sorted(declared)
    assert len(declared) == 4

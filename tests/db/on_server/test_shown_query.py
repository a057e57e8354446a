"""What the page shows as the query of a row, run as it stands, gives the numbers that the page shows."""

import json
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_the_query_of_a_row_gives_the_numbers_of_the_page(
    processed: dict[str, Any], fbe: ModuleType, workflow: ModuleType, tmp_path: Path
) -> None:
    from starlette.requests import Request

    from element_facerhythm.cli.gui_recordings import DatabaseRecordings
    from element_facerhythm.gui.look_api import LookApi
    from element_facerhythm.gui.look_facts import point_facts, summary_facts
    from element_facerhythm.gui.opened import Opened
    from element_facerhythm.pipeline import summarise_project

    fbe.FacialRhythm.populate(processed)
    recordings = DatabaseRecordings()
    names = list(recordings.columns()[0].values)
    row = next(
        n for n, name in enumerate(names) if all(f"{k}={v}" in name for k, v in processed.items())
    )
    directory = recordings.project_dir(row)
    opened = Opened()
    api = LookApi(opened, recordings)
    try:
        look = api.look(opened.add_project(directory).id)
        query = b"component=1&points=2,5&of=region:0&first=0&stop=40"
        scope = {"type": "http", "query_string": query, "path_params": {}, "headers": []}
        texts = json.loads(bytes(api.query(look, Request(scope)).body))
    finally:
        api.close()
    summary = summarise_project(directory)
    shown = summary_facts(summary)
    component = shown["models"]["0"]["components"][1]
    points = [point_facts(summary, point) for point in (2, 5)]
    assert texts["has_key"] and "SUBJECT" not in texts["sql"]

    quality_rows, component_rows, point_rows = (
        list(workflow.dj.conn().query(text, as_dict=True)) for text in statements(texts["sql"])
    )
    check_rows(quality_rows, component_rows, point_rows, shown["quality"], component, points)

    program = tmp_path / "shown.py"
    program.write_text(texts["python"])
    found = runpy.run_path(str(program))
    check_rows(
        sorted(found["quality"], key=lambda one: one["quality_name"]), [found["component_row"]],
        found["point_rows"], shown["quality"], component, points,
    )  # fmt: skip
    assert found["numbers"].explained_variance == component["explained_variance"]
    assert found["mean_trace"].shape == (40, 2)


def statements(sql: str) -> list[str]:
    """The queries of a text, as a client runs them."""
    return [text.strip() for text in sql.split(";") if text.strip()]


def check_rows(
    quality_rows: list[dict[str, Any]],
    component_rows: list[dict[str, Any]],
    point_rows: list[dict[str, Any]],
    quality: list[dict[str, Any]],
    component: dict[str, Any],
    points: list[dict[str, Any]],
) -> None:
    assert {one["quality_name"]: one["verdict"] for one in quality_rows} == {
        one["name"]: one["verdict"] for one in quality
    }
    (own,) = component_rows
    for name in ("peak_frequency_hz", "bandwidth_hz", "explained_variance", "squared_correlation"):
        assert own[name] == pytest.approx(component[name], rel=1e-12)
    assert sorted(one["point_index"] for one in point_rows) == [2, 5]
    for one in point_rows:
        expected = points[(2, 5).index(one["point_index"])]
        for name in ("x_px", "rms_displacement_px", "max_displacement_px"):
            assert one[name] == pytest.approx(expected[name], rel=1e-12)


def test_keys_stand_in_sql_as_they_are(workflow: ModuleType, fbe: ModuleType) -> None:
    """The condition compares with exactly the values of the key, whatever they hold."""
    from element_facerhythm.cli.gui_recordings import DatabaseRecordings

    recordings = DatabaseRecordings()
    subject = "o'neil 100% \\n"
    key = {name: 1 for name in fbe.FacialRhythm.primary_key} | {"subject": subject}
    recordings._key_of[Path("/nowhere")] = key
    row = recordings.row_of(Path("/nowhere"))
    assert row is not None
    quote = workflow.dj.conn().adapter.quote_identifier
    columns = [f"{'%s' if name == 'subject' else key[name]} AS {quote(name)}" for name in key]
    condition = row.condition.replace(
        "%", "%%"
    )  # the driver's way to leave it alone beside arguments
    found = workflow.dj.conn().query(
        f"SELECT COUNT(*) FROM (SELECT {', '.join(columns)}) AS one WHERE {condition}",
        args=(subject,),
    )
    assert found.fetchone()[0] == 1
    assert recordings.row_of(Path("/elsewhere")) is None

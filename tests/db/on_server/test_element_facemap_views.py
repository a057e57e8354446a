"""Views under Element Facemap's names, and the page that lists them."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from element_facerhythm.errors import ConfigurationError
from element_facerhythm.linking.element_facemap_names import (
    FUNCTIONS,
    TABLES,
    names_as_markdown,
)

Key = dict[str, Any]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "coming-from-element-facemap.md"

# as its users ask a database of DataJoint 0.14, but for the name of the schema
QUESTION = """
SELECT r.{px_width}, r.{nframes}, m.{model_name}, f.{model_file}, p.{body_part}
FROM {schema}.{facemap_inference_task} t
JOIN {schema}.{_recording_info} r USING (subject, session_id, recording_id)
JOIN {schema}.{facemap_model} m USING (model_id)
JOIN {schema}.{facemap_model__file} f USING (model_id)
JOIN {schema}.{__facemap_inference__body_part_position} p
  USING (subject, session_id, recording_id, model_id)
WHERE t.{task_mode} = 'trigger' AND t.session_id = %s AND p.{x_pos} IS NOT NULL
ORDER BY p.body_part
"""


def test_every_view_has_element_facemaps_names(
    workflow: ModuleType, inferred: Key, kpi: ModuleType, facerhythm: Callable[..., Any]
) -> None:
    from element_facerhythm.admin.views import create_views, view_rights

    connection, schema = kpi.schema.connection, f"{workflow.prefix}element_facemap"
    assert schema not in workflow.dj.list_schemas()
    try:
        viewed = [table.in_sql for table in TABLES if table.here is not None]
        assert not view_rights("viewer", schema)
        made = facerhythm("admin", "views", "--json")
        assert made.code == 0, made.err
        assert json.loads(made.out) == {"schema": schema, "views": viewed}
        assert create_views(schema) == viewed
        rights = {right.table: right.privileges for right in view_rights("viewer", schema)}
        assert rights == dict.fromkeys(viewed, ("SELECT",))
        for table in TABLES:
            columns = connection.query(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s",
                args=(schema, table.in_sql),
            ).fetchall()
            expected = {name for name, own in table.columns.items() if own is not None}
            found = {name for (name,) in columns}
            assert expected <= found if table.here else not found
        quote = connection.adapter.quote_identifier
        rows = connection.query(
            QUESTION.format_map(Quoted(quote, schema)), args=(inferred["session_id"],)
        ).fetchall()
        assert [row[4] for row in rows] == sorted(kpi.KeypointModel.body_parts_of(inferred))
        assert rows[0][:4] == (160, 180, "small", "small.pt")
    finally:
        connection.query(f"DROP SCHEMA {quote(schema)}{_cascade(workflow)}")


def test_a_schema_of_tables_is_not_taken_for_one_of_views(
    workflow: ModuleType, kpi: ModuleType
) -> None:
    from element_facerhythm.admin import create_views

    connection, schema = kpi.schema.connection, f"{workflow.prefix}facemap_of_a_lab"
    adapter = connection.adapter
    connection.query(adapter.create_schema_sql(schema))
    table = adapter.make_full_table_name(schema, "facemap_model")
    connection.query(f"CREATE TABLE {table} (model_id int PRIMARY KEY)")
    try:
        with pytest.raises(
            ConfigurationError, match=r"holds tables of these names already \(facemap_m"
        ):
            create_views(schema)
    finally:
        connection.query(f"DROP SCHEMA {adapter.quote_identifier(schema)}{_cascade(workflow)}")


def test_the_page_has_the_tables_of_names(fbe: ModuleType, kpi: ModuleType) -> None:
    page = PAGE.read_text()
    assert names_as_markdown() in page, f"put this into {PAGE.name}:\n{names_as_markdown()}"
    for function in FUNCTIONS:
        module, _, name = function.here.partition(".")
        owner = {"facial_behavior_estimation": fbe, "keypoint_inference": kpi}.get(module)
        owner = owner or getattr(kpi, module, None) or getattr(fbe, module, None)
        if name:
            assert callable(getattr(owner, name)), function.here


class Quoted(dict[str, str]):
    """Every name of a question, quoted as the server wants it."""

    def __init__(self, quote: Any, schema: str) -> None:
        super().__init__(schema=quote(schema))
        self.quote = quote

    def __missing__(self, name: str) -> str:
        return str(self.quote(name))


def _cascade(workflow: ModuleType) -> str:
    return " CASCADE" if workflow.dj.config.database.backend == "postgresql" else ""

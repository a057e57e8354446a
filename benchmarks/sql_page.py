"""The queries of the documentation's page, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.common import REPOSITORY_DIR

PAGE = REPOSITORY_DIR / "docs" / "reference" / "sql.md"
SERVERS = {"mysql": "MySQL", "postgresql": "PostgreSQL", "duckdb": "DuckDB"}
"""What the first line of a query says that is not meant for all."""


def page_queries(server: str) -> Iterator[tuple[str, str]]:
    """Yield the queries that are meant for one of `SERVERS`: the paragraph before each, and its SQL."""
    text = PAGE.read_text()
    for block in re.finditer(r"```sql\n(.*?)```", text, re.DOTALL):
        sql = block[1]
        first = sql.split("\n")[0]
        if not first.startswith("-- ") or SERVERS[server] in first:
            before = text[: block.start()].rstrip().rsplit("\n\n", 1)[-1]
            yield " ".join(before.split()).removesuffix(":"), sql

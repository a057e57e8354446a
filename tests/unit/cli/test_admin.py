"""Accounts are for a shared MySQL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("backend", ["postgresql", None])
def test_a_database_without_accounts_by_role_is_refused_unopened(
    facerhythm: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    backend: str | None,
) -> None:
    from element_facerhythm.database.datajoint import import_datajoint
    from element_facerhythm.database.embedded import status

    settings = import_datajoint().config.database
    if backend is not None:
        monkeypatch.setattr(settings, "backend", backend)
    monkeypatch.setattr(settings, "__pydantic_fields_set__", set())
    monkeypatch.setenv("FACERHYTHM_EMBEDDED_DIR", str(tmp_path))
    outcome = facerhythm("admin", "grants", "--role", "viewer", "--user", "anna")
    assert outcome.code == 2
    assert "are for a configured MySQL or MariaDB" in outcome.err
    assert not status().running

"""`facerhythm health` looks at a file."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def health_file(tmp_path: Path) -> Path:
    path = tmp_path / "health.json"
    path.write_text(json.dumps({"worker_id": "abc", "working": True, "database_away_s": 12.0}))
    return path


def test_a_fresh_sign_of_life_is_health_even_without_a_database(
    facerhythm: Command, health_file: Path
) -> None:
    outcome = facerhythm("health", "--health-file", health_file)
    assert outcome.code == 0
    assert outcome.out == "worker abc is working; the database has not answered for 12.0 s\n"
    about = json.loads(facerhythm("health", "--health-file", health_file, "--json").out)
    assert about["age_s"] < 60


def test_an_old_one_or_none_is_not(
    facerhythm: Command, health_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = time.time() - 100
    os.utime(health_file, (old, old))
    outcome = facerhythm("health", "--health-file", health_file)
    assert outcome.code == 1
    assert "its last heartbeat 1 min 40 s ago" in outcome.err
    assert facerhythm("health", "--health-file", health_file, "--max-age", "200").code == 0
    health_file.unlink()
    assert facerhythm("health", "--health-file", health_file).code == 1
    monkeypatch.delenv("FACERHYTHM_HEALTH_FILE", raising=False)
    assert facerhythm("health").code == 2

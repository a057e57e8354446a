"""Without the extra, an export says what to install, before it looks for a database."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_an_export_without_pyarrow_names_the_extra(
    facerhythm: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = facerhythm("export", "lake", tmp_path / "lake")
    assert refused.code == 2
    assert 'pip install "element-facerhythm[lake]"' in refused.err
    assert not (tmp_path / "lake").exists()

"""Figures are in the database: its rows alone give the pictures, and a changed one is noticed."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.figures import figure_bytes

pytestmark = pytest.mark.slow

Key = dict[str, Any]
NAMES = ["components", "cycles", "displacements", "rois", "spectrogram", "violations"]


def test_rows_alone_hold_the_figures_that_are_drawn_of_the_files(
    processed: Key, fbe: ModuleType, workflow: ModuleType, tmp_path: Path
) -> None:
    report = (fbe.FacialRhythmReport & processed).fetch1()
    assert (report["n_figures"], report["report_notes"]) == (6, [])
    table = fbe.FacialRhythmReport.Figure().full_table_name
    where = f"WHERE session_id = {processed['session_id']} AND subject = 'mouse1'"
    rows = workflow.dj.conn().query(
        f"SELECT figure_name, figure_format, figure_content, figure_sha256 FROM {table} {where} "
        "ORDER BY figure_name"
    )
    found = {name: (kind, bytes(content), sha256) for name, kind, content, sha256 in rows}
    assert list(found) == NAMES
    for name, (kind, content, sha256) in found.items():
        assert kind == "png" and hashlib.sha256(content).hexdigest() == sha256
        figure = fbe.FacialRhythm.figure(processed, name)  # the same code, the same picture
        assert content == figure_bytes(figure, "png")
        assert min(cv2.imdecode(np.frombuffer(content, np.uint8), 1).shape[:2]) > 200

    path = fbe.FacialRhythmReport.write_figure(processed, "cycles", tmp_path)
    assert path == tmp_path / "cycles.png" and path.read_bytes() == found["cycles"][1]
    for key, name, place, message in [
        (processed, "cycle", tmp_path, "it holds components, cycles"),
        (processed, "cycles", tmp_path / "a.svg", "does not end in .png"),
        ({**processed, "roi_id": 99}, "cycles", tmp_path, "populate FacialRhythmReport"),
    ]:
        with pytest.raises(RequestError, match=message):
            fbe.FacialRhythmReport.write_figure(key, name, place)
    assert [one.name for one in tmp_path.iterdir()] == ["cycles.png"]


def test_a_changed_picture_is_noticed(
    processed: Key, fbe: ModuleType, facerhythm: Callable[..., Any]
) -> None:
    figure = fbe.FacialRhythmReport.Figure & processed & {"figure_name": "rois"}
    row = figure.fetch1()
    content = bytearray(row["figure_content"])
    content[-1] ^= 1
    fbe.FacialRhythmReport.Figure.update1({**row, "figure_content": bytes(content)})
    where = f"session_id = {processed['session_id']}"
    try:
        with pytest.raises(ProjectError, match="not what was entered"):
            fbe.FacialRhythmReport.picture(processed, "rois")
        outcome = facerhythm("verify", "--where", where)
        assert outcome.code == 3 and "FacialRhythmReport.Figure" in outcome.out
    finally:
        fbe.FacialRhythmReport.Figure.update1(row)
    assert facerhythm("verify", "--where", where).code == 0


def test_a_worker_without_figures_leaves_them_to_others(
    register: Callable[..., Key],
    videos: list[Path],
    fbe: ModuleType,
    facerhythm: Callable[..., Any],
) -> None:
    key = register(395, videos[:1])
    try:
        for table in fbe.POPULATED[:3]:
            table.populate(key)
        assert len(fbe.FacialRhythm & key) == 1
        outcome = facerhythm("worker", "--exit-when-idle", "--no-figures")
        assert outcome.code == 0, outcome.err
        assert len(fbe.FacialRhythmReport & key) == 0
        fbe.FacialRhythmReport.populate(
            key
        )  # as a worker with figures does with all that is pending
        assert (fbe.FacialRhythmReport & key).fetch1("n_figures") == 6
    finally:
        (fbe.VideoRecording & key).delete(prompt=False)

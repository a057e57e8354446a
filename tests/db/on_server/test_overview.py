"""The table of all recordings says what the rows say, and what a page opens is the project of its row."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_each_recording_has_its_numbers(
    processed: dict[str, Any], register: Callable[..., dict[str, Any]], fbe: ModuleType
) -> None:
    from element_facerhythm.cli.gui_recordings import DatabaseRecordings
    from element_facerhythm.errors import RequestError
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.results.at_a_glance import gravest

    fbe.FacialRhythm.populate(processed)
    register(77)
    recordings = DatabaseRecordings()
    columns = {one.name: one.values for one in recordings.columns()}
    names = list(columns["recording"])
    row = next(
        n for n, name in enumerate(names) if all(f"{k}={v}" in name for k, v in processed.items())
    )
    empty = next(n for n, name in enumerate(names) if "session_id=77" in name)
    stored = (fbe.FacialRhythm & processed).fetch1()
    info = (fbe.RecordingInfo & processed).fetch1()
    for name in ("n_points", "violation_fraction"):
        assert columns[name][row] == stored[name]
    for name in ("n_frames", "duration_s", "frame_rate_hz"):
        assert columns[name][row] == info[name]
    component = fbe.FacialRhythm.Component & processed
    assert columns["n_components"][row] == len(component)
    assert columns["peak_frequency_hz"][row] == (component & "component_index=0").fetch1(
        "peak_frequency_hz"
    )
    quality = (fbe.FacialRhythm.Quality & processed).to_dicts()
    assert columns["verdict"][row] == gravest([one["verdict"] for one in quality])
    assert {one["name"]: one["verdict"] for one in recordings.checks(row)} == {
        one["quality_name"]: one["verdict"] for one in quality
    }
    assert len(Project.open(recordings.project_dir(row)).point_positions) == stored["n_points"]
    assert columns["n_points"][empty] is None
    assert recordings.checks(empty) == []
    with pytest.raises(RequestError, match="nothing was computed"):
        recordings.project_dir(empty)


def test_decisions_in_the_page_of_a_row_are_rows(
    processed: dict[str, Any], fbe: ModuleType
) -> None:
    from element_facerhythm.cli.gui_recordings import DatabaseRecordings
    from element_facerhythm.curation import JudgeComponent, append
    from element_facerhythm.errors import CurationConflictError

    fbe.FacialRhythm.populate(processed)
    recordings = DatabaseRecordings()
    names = list(recordings.columns()[0].values)
    row = next(
        n for n, name in enumerate(names) if all(f"{k}={v}" in name for k, v in processed.items())
    )
    directory = recordings.project_dir(row)
    before, result = recordings.read(directory)
    named = append(before, JudgeComponent("0", 0, verdict="keep", name="whisking"), result, "ana")
    recordings.write(directory, named, before.revision)
    try:
        own = {"curation_revision": named.revision}
        stored = (fbe.ComponentCuration.Component & processed & own).fetch1()
        assert (stored["curated_component"], stored["component_verdict"]) == (0, "keep")
        assert recordings.read(directory)[0] == named
        with pytest.raises(CurationConflictError):
            recordings.write(directory, named, before.revision)
    finally:
        (fbe.ComponentCuration & processed).delete(prompt=False)

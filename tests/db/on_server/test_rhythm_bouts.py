"""Rhythms and bouts in the tables: rows say what the library says of the same project."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

Key = dict[str, Any]


@pytest.fixture(scope="module")
def whisked(register: Callable[..., Key], fbe: ModuleType, root_dir: Path) -> Key:
    """Key of a run of ten seconds, followed in time; its bouts were found by the default."""
    from element_facerhythm.demo.synthetic import make_scene_video

    video = root_dir / "bouts" / "face.mp4"
    video.parent.mkdir()
    make_scene_video(video, n_frames=600, width_px=160, height_px=120)
    key = register(977, [video])
    for table in fbe.POPULATED:
        table.populate(key)
    return key


def project_of(fbe: ModuleType, key: Key) -> Path:
    directory = (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    return fbe.processing.project_dir(directory)


def test_rows_are_what_the_library_finds(whisked: Key, fbe: ModuleType) -> None:
    from element_facerhythm.pipeline.results.component_rhythms import (
        component_rhythms,
        rhythm_bouts,
    )

    expected = component_rhythms(project_of(fbe, whisked))
    assert (fbe.ComponentRhythm & whisked).fetch1("n_rhythms") == len(expected.rhythms) > 0
    found = fbe.ComponentRhythm.rhythms(whisked)
    for mine, theirs in zip(found, expected.rhythms, strict=True):
        assert (mine.component_index, mine.band_hz) == (theirs.component_index, theirs.band_hz)
        for name in ("analytic_px", "times_s", "frequency_hz", "phase_rad"):
            one, other = (getattr(rhythm.videos[0], name) for rhythm in (mine, theirs))
            assert np.array_equal(one, other, equal_nan=True), name
    (alone,) = fbe.ComponentRhythm.rhythms(whisked, component_index=1)
    assert alone.component_index == 1

    rows = (fbe.RhythmBout.Bout & whisked).to_dicts(order_by="KEY")
    bouts = [
        (own.component_index, one.bout)
        for own in rhythm_bouts(expected.rhythms)
        for one in own.bouts
    ]
    assert len(rows) == len(bouts) == (fbe.RhythmBout & whisked).fetch1("n_bouts") > 2
    for row, (component, bout) in zip(rows, bouts, strict=True):
        assert row["component_index"] == component
        numbers = [row[name] for name in ("onset_s", "offset_s", "n_cycles", "bout_mean_hz")]
        expected_numbers = [bout.onset_s, bout.offset_s, bout.n_cycles, bout.mean_frequency_hz]
        assert numbers == pytest.approx(expected_numbers)
        assert (row["onset_frame"], row["is_cut"]) == (bout.first_frame, bout.is_cut)


def test_another_set_finds_other_bouts_of_the_same_rhythms(whisked: Key, fbe: ModuleType) -> None:
    from element_facerhythm.core.rhythm.bouts import BoutSettings
    from element_facerhythm.errors import ParameterError

    sets, strict = fbe.RhythmBoutParamSet, BoutSettings(high_px=1e6)
    assert sets.insert_new_params(None, "default again", BoutSettings()) == 0
    number = sets.insert_new_params(None, "nothing moves so far", strict)
    assert sets.insert_new_params(None, "the same", strict) == number > 0
    with pytest.raises(ParameterError, match="holds other values"):
        sets.insert_new_params(0, "not the default", BoutSettings(high_share=0.5))
    with pytest.raises(ParameterError, match=f"already as bout_paramset_id {number}"):
        sets.insert_new_params(number + 1, "twice", strict)
    fbe.RhythmBout.populate(whisked)
    by_set = {row["bout_paramset_id"]: row for row in (fbe.RhythmBout & whisked).to_dicts()}
    assert by_set[number]["n_bouts"] == 0 < by_set[0]["n_bouts"]
    component = fbe.RhythmBout.Component & whisked & {"bout_paramset_id": number}
    assert set(component.to_arrays("reach_px")) == {1e6}
    (sets & {"bout_paramset_id": number}).delete(prompt=False)


def test_long_traces_are_cut_into_rows_and_joined_again(fbe: ModuleType) -> None:
    from element_facerhythm.core.rhythm.oscillation import Oscillation
    from element_facerhythm.facial_behavior_estimation import rhythm_rows
    from element_facerhythm.pipeline.results.component_rhythms import Rhythm

    n = 2 * rhythm_rows.FRAMES_PER_ROW + 7
    times = np.arange(n) / 60
    values = np.exp(2j * np.pi * 6 * times).astype(np.complex64)
    values[:100] = np.nan
    rhythm = Rhythm("0", 0, 6.0, (4.0, 8.0), np.ones((3, 2)), 0.1, {2: Oscillation(values, times)})
    parts = {name: list(rows) for name, rows in rhythm_rows.rhythm_part_rows([rhythm])}
    assert [row["n_frames_of_row"] for row in parts["Trace"]] == [65_536, 65_536, 7]
    (again,) = rhythm_rows.rhythms_of_rows(parts["Component"], parts["Trace"], parts["FrameTime"])
    assert np.array_equal(again.videos[2].analytic_px, values, equal_nan=True)
    assert np.array_equal(again.videos[2].times_s, times)
    assert parts["Component"][0]["rhythm_mean_hz"] == pytest.approx(6, rel=1e-3)

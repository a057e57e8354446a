"""Keys of a populated table are counted once each, and as DataJoint counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from element_facerhythm.fleet.key_counts import KeyCounts

Key = dict[str, Any]


def count_keys(table: Any) -> KeyCounts:
    from element_facerhythm.fleet.key_counts import count_keys

    return count_keys(table)


@pytest.fixture
def tasks(fbe: ModuleType, register: Callable[..., Key]) -> Iterator[list[Key]]:
    """Five tasks, four of which can be done: the video of the last has not been read."""
    keys = [register(session_id) for session_id in range(60, 65)]
    fbe.RecordingInfo.populate([{"session_id": key["session_id"]} for key in keys[:4]])
    yield keys
    (fbe.FaceRhythmTask & keys).delete(prompt=False)
    (fbe.FaceRhythmProcessing.jobs & keys).delete_quick()


def increase(counts: KeyCounts, before: KeyCounts) -> dict[str, int]:
    return {name: value - vars(before)[name] for name, value in vars(counts).items()}


def test_every_key_is_counted_once_by_what_became_of_it(
    fbe: ModuleType, processed: Key, tasks: list[Key]
) -> None:
    table = fbe.FaceRhythmProcessing
    queue = table.jobs
    queue.refresh(delay=-1)
    before = count_keys(table)
    failed, running, set_aside, unknown, unread = tasks
    assert queue.reserve(failed) and queue.reserve(running)
    queue.error(failed, "RuntimeError: as expected")
    queue.ignore(set_aside)
    (queue & unknown).delete_quick()

    counts = count_keys(table)
    changed = {"done": 0, "running": 1, "failed": 1, "pending": -3, "set_aside": 1}
    assert increase(counts, before) == changed
    remaining, total = table().progress()
    assert (counts.done, counts.total) == (total - remaining, total)
    assert counts.done >= 1

    # the queue keeps the job of a task that is gone until it is refreshed
    (fbe.FaceRhythmTask & [failed, unread]).delete(prompt=False)
    assert len(queue.errors & failed) == 1
    assert increase(count_keys(table), counts) == {**dict.fromkeys(vars(counts), 0), "failed": -1}


def test_counting_declares_no_queue(fbe: ModuleType, kpi: ModuleType, inferred: Key) -> None:
    table = kpi.KeypointRhythm
    table.jobs.drop()
    counts = count_keys(table)
    remaining, total = table().progress()
    assert (counts.done, counts.pending, counts.total) == (total - remaining, remaining, total)
    dj = fbe.schema.connection
    name = "~~keypoint_rhythm"
    found = dj.query(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        args=(table.database, name),
    )
    assert found.fetchone()[0] == 0


def test_keys_of_a_source_that_leaves_some_out(
    fbe: ModuleType, workflow: ModuleType, processed: Key
) -> None:
    """A recording without files is no key of `RecordingInfo`, whatever it holds."""
    recording = {"subject": processed["subject"], "session_id": 1, "recording_id": 77}
    before = count_keys(fbe.RecordingInfo)
    device = (fbe.VideoRecording & processed).fetch1("device")
    fbe.VideoRecording.insert1({**recording, "device": device})
    try:
        assert count_keys(fbe.RecordingInfo) == before
        assert before.total == fbe.RecordingInfo().progress()[1]
    finally:
        (fbe.VideoRecording & recording).delete(prompt=False)

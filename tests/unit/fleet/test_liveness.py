"""Who is silent, by one observer's looks."""

from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.fleet.liveness import Observer

LEASE_S = 60.0


def look(observer: Observer, now_s: float, **beats: object) -> None:
    observer.poll({worker: (beat, LEASE_S) for worker, beat in beats.items()}, now_s)


def test_a_worker_is_silent_when_nothing_changed_for_longer_than_its_lease() -> None:
    observer = Observer(longest_gap_s=30)
    for now_s in range(0, 61, 20):
        look(observer, now_s, dead="12:00", live=now_s)
        assert not observer.silent
    look(observer, 80, dead="12:00", live=80)
    assert observer.silent == {"dead"}
    assert observer.alive == {"live"}
    look(observer, 100, dead="12:01", live=100)
    assert not observer.silent
    assert observer.alive == {"dead", "live"}


def test_what_was_not_watched_does_not_count() -> None:
    observer = Observer(longest_gap_s=30)
    look(observer, 0, worker="12:00")
    look(observer, 1000, worker="12:00")  # the observer was frozen, or the database away
    assert not observer.silent
    for now_s in (1020, 1040):
        look(observer, now_s, worker="12:00")
    observer.forget()
    look(observer, 1070, worker="12:00")
    assert not observer.silent and not observer.alive


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 60), st.booleans()), min_size=1, max_size=60),
    start=st.integers(-(10**9), 10**9),
)
def test_a_worker_that_beats_within_its_lease_is_never_silent(
    steps: list[tuple[float, bool]], start: int
) -> None:
    """Whatever its clock says: beats are compared for equality only."""
    observer, now_s, beat, quiet_s = Observer(longest_gap_s=30), 0.0, start, 0.0
    for gap_s, beats in steps:
        now_s, quiet_s = now_s + gap_s, quiet_s + gap_s
        if beats or quiet_s > LEASE_S - 1e-6:
            beat, quiet_s = beat - 7, 0.0  # a clock may even go backwards
        look(observer, now_s, worker=beat)
        assert "worker" not in observer.silent

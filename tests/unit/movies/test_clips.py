"""Episodes are the strongest, share no frame, and each clip shows its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.decomposition.loadings import TimeCourse
from element_facerhythm.io.project import Project
from element_facerhythm.movies.clips import ClipsRequest, columns_of, plan_clips, write_clips
from element_facerhythm.movies.component import shown_components
from element_facerhythm.movies.episodes import Episode, strongest_episodes
from element_facerhythm.movies.source import frame_source
from element_facerhythm.movies.view import around_points
from element_facerhythm.video.clock import even_clock
from tests.unit.movies.conftest import HEIGHT, HOMES, WIDTH, Made, number_in, play

MakeProject = Callable[..., Made]
RATE_HZ, STEP = 10.0, 5  # a window at every fifth frame

heights = st.lists(st.integers(0, 9) | st.none(), min_size=1, max_size=60)


def overlap(one: Episode, other: Episode) -> bool:
    is_same = one.video_index == other.video_index
    return is_same and bool(set(range(one.first, one.stop)) & set(range(other.first, other.stop)))


def episode_of_window(video: int, n_frames: int, window: int, n: int) -> set[int]:
    """Frames of the episode around a window, counted out anew."""
    first = min(max(window * STEP - n // 2, 0), n_frames - n)
    return {(video, frame) for frame in range(first, first + n)}


@settings(max_examples=200, deadline=None)
@given(st.lists(heights, min_size=1, max_size=3), st.integers(1, 8), st.integers(1, 6))
def test_episodes_are_the_strongest_that_do_not_overlap(
    videos: list[list[int | None]], n: int, seconds: int
) -> None:
    courses, clocks, peaks = [], [], []
    for video, values in enumerate(videos):
        course = np.array([np.nan if v is None else float(v) for v in values])
        n_frames = STEP * len(values)
        clocks.append(even_clock(n_frames, RATE_HZ, "given"))
        times_s = STEP * np.arange(len(values)) / RATE_HZ
        courses.append(TimeCourse(0, video, times_s, course))
        length = min(round(seconds * RATE_HZ), n_frames)
        known = [0 if v is None else v for v in values]
        for i, value in enumerate(known):
            before, after = ([0, *known][i], [*known, 0][i + 1])
            if value > before and value >= after:
                peaks.append((value, episode_of_window(video, n_frames, i, length)))
    found = strongest_episodes(courses, clocks, n=n, seconds=seconds)
    top = max((value for value, _ in peaks), default=1)
    chosen = [
        (e.strength * top, {(e.video_index, f) for f in range(e.first, e.stop)}) for e in found
    ]
    assert not any(overlap(a, b) for i, a in enumerate(found) for b in found[:i])
    assert [s for s, _ in chosen] == sorted((s for s, _ in chosen), reverse=True)
    for strength, frames in chosen:
        assert any(np.isclose(strength, v) and frames == own for v, own in peaks)
    for value, frames in peaks:  # what was left out is in the way of a stronger one, or too weak
        blocked = any(frames & own and strength >= value - 1e-9 for strength, own in chosen)
        full = len(found) == n and chosen[-1][0] >= value - 1e-9
        assert blocked or full
    assert len(found) <= n and bool(found) == bool(peaks)


def test_each_clip_shows_its_frames_in_step_and_again(
    make_project: MakeProject, tmp_path: Path
) -> None:
    times = np.full((45, 2), 0.01)
    times[[5, 22, 40], 0] = (
        0.5,
        1.0,
        0.8,
    )  # windows of frames 10 and 44 of the first, 20 of the second
    made = make_project((60, 29), times=times, flags=())
    project = Project.open(made.directory)
    components, _ = shown_components(project)
    clocks = [project.clock(i) for i in range(2)]
    request = ClipsRequest(n=3, seconds=0.4, width_px=960)
    plan = plan_clips(components[0], lambda i: frame_source(project, i), clocks, request)
    spans = [(e.video_index, e.first, e.stop) for e in plan.episodes]
    assert spans == [(0, 32, 56), (1, 5, 29), (0, 0, 24)] and plan.notes == ()
    write_clips(plan, project, tmp_path / "a.mp4")
    movie, columns = play(tmp_path / "a.mp4"), columns_of(plan, project)
    width = (960 - 4 * (columns - 1)) // columns
    view = around_points(HOMES, (WIDTH, HEIGHT), width, 1.0)
    assert len(movie.pictures) == 24
    for i, (video, first, _) in enumerate(spans):
        corner = np.array([i % columns, i // columns]) * (np.array(view.shown_px) + 4)
        numbers = [
            number_in(picture, lambda points, corner=corner: view.places(points) + corner)
            for picture in movie.pictures
        ]
        begin = first + (60 if video else 0)
        assert numbers == list(range(begin, begin + 24))


def test_a_clip_that_is_shorter_is_shown_again(make_project: MakeProject, tmp_path: Path) -> None:
    times = np.full((35, 2), 0.01)
    times[[20, 32], 0] = (1.0, 0.5)
    made = make_project((60, 10), times=times, flags=())
    project = Project.open(made.directory)
    clocks = [project.clock(i) for i in range(2)]
    request = ClipsRequest(n=2, seconds=0.4, width_px=960)
    component = shown_components(project)[0][0]
    plan = plan_clips(component, lambda i: frame_source(project, i), clocks, request)
    assert [e.stop - e.first for e in plan.episodes] == [24, 10]
    write_clips(plan, project, tmp_path / "a.mp4")
    columns = columns_of(plan, project)
    view = around_points(HOMES, (WIDTH, HEIGHT), (960 - 4 * (columns - 1)) // columns, 1.0)
    corner = np.array([1 % columns, 1 // columns]) * (np.array(view.shown_px) + 4)
    pictures = play(tmp_path / "a.mp4").pictures
    numbers = [number_in(p, lambda points: view.places(points) + corner) for p in pictures]
    assert numbers == [60 + k % 10 for k in range(24)]


def test_command_line(make_project: MakeProject, tmp_path: Path, facerhythm: Any) -> None:
    made, out = make_project(flags=()), tmp_path / "clips"
    arguments = ("export", "clips", made.directory, "--n", 12, "--seconds", 0.25, "-o", out)
    outcome = facerhythm(*arguments, "--width", 640, "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["files"] == [str(out / f"component_{i}.mp4") for i in range(2)]
    for component in told["components"]:
        episodes = component["episodes"]
        assert 1 <= len(episodes) <= 4  # of a second in all
        assert episodes[0]["strength"] == 1.0
        said = [n for n in told["notes"] if f"component {component['component_index']}:" in n]
        assert f"{len(episodes)} of 12 clips" in said[0]
        assert play(Path(component["file"])).duration_s == 0.25
    content = (out / "component_1.mp4").read_bytes()
    (out / "component_0.mp4").unlink()
    refused = facerhythm(*arguments)
    assert refused.code == 2 and "component_1.mp4 exists" in refused.err
    assert not (out / "component_0.mp4").exists()
    assert facerhythm(*arguments, "--component", 0).code == 0
    assert (out / "component_1.mp4").read_bytes() == content
    assert facerhythm(*arguments, "--component", 5).code == 2

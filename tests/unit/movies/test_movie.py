"""What a movie shows is what the project says: frames, places, flags, lengths; and its file plays."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.figures.style import FLAG_COLOUR
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints import Predictions
from element_facerhythm.keypoints.product import write_keypoints
from element_facerhythm.movies.canvas import rgb
from element_facerhythm.movies.encoding import movie_writer
from element_facerhythm.movies.layers import ARROW_COLOUR, POINT_COLOUR
from element_facerhythm.movies.movie import MovieRequest, plan_movie, write_movie
from element_facerhythm.movies.source import frame_source
from element_facerhythm.movies.view import whole_frame
from tests.unit.movies.conftest import HEIGHT, HOMES, WIDTH, Made, Movie, number_in, play

MakeProject = Callable[..., Made]


def film(made: Made, path: Path, **wanted: Any) -> Movie:
    """Write a movie of a project, and play it."""
    project = Project.open(made.directory)
    request = MovieRequest(**wanted)
    plan = plan_movie(project, frame_source(project, request.video_index), request)
    write_movie(plan, path)
    return play(path)


def numbers_of(movie: Movie, width: int | None = None) -> list[int]:
    """Numbers of the frames that a movie shows."""
    view = whole_frame((WIDTH, HEIGHT), width)
    return [number_in(picture, view.places) for picture in movie.pictures]


def patches(
    picture: np.ndarray, colour: tuple[int, int, int], least: float = 3, reach: int = 70
) -> np.ndarray:
    """(N, 2) middles of the patches of a colour, below the words."""
    distance = np.abs(picture.astype(int) - colour).max(axis=2)
    distance[: picture.shape[0] // 8] = 255
    weight = (np.clip(reach - distance, 0, reach) / reach).astype(np.float32)
    n, labels = cv2.connectedComponents((weight > 0.1).astype(np.uint8), connectivity=8)
    y, x = np.indices(labels.shape)
    found = []
    for label in range(1, n):
        inside = weight * (labels == label)
        if inside.sum() >= least:
            found.append([(inside * x).sum() / inside.sum(), (inside * y).sum() / inside.sum()])
    return np.array(found).reshape(-1, 2)


def distances(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Of each expected place from the nearest that was found."""
    return np.linalg.norm(expected[:, None] - found[None], axis=2).min(axis=1)


def test_each_picture_shows_its_frame(make_project: MakeProject, tmp_path: Path) -> None:
    movie = film(make_project(), tmp_path / "a.mp4", frames=(13, 40))
    assert numbers_of(movie) == list(range(13, 40))
    assert movie.rate_hz == pytest.approx(60) and movie.duration_s == pytest.approx(27 / 60)


def test_what_is_too_fast_for_screens_is_thinned_and_told(
    make_project: MakeProject, tmp_path: Path
) -> None:
    made = make_project((60,), rate=240)
    movie = film(made, tmp_path / "a.mp4", frames=(3, 60))
    assert numbers_of(movie) == list(range(3, 60, 4)) and movie.rate_hz == pytest.approx(60)
    project = Project.open(made.directory)
    plan = plan_movie(project, frame_source(project, 0), MovieRequest(frames=(3, 60)))
    assert any("of 4 frames one is shown" in n and "--speed 0.25" in n for n in plan.notes)


@pytest.mark.parametrize(("rate", "speed"), [(60, 0.25), (60, 0.5), (240, 0.25), (60, 1.04)])
def test_duration_is_span_over_speed(
    rate: float, speed: float, make_project: MakeProject, tmp_path: Path
) -> None:
    movie = film(make_project((60,), rate=rate), tmp_path / "a.mp4", frames=(0, 60), speed=speed)
    assert movie.duration_s == pytest.approx(60 / rate / speed, rel=2e-3)
    assert numbers_of(movie) == list(range(60)) and len(movie.steps) == 1


def test_seconds_are_those_of_the_clock(make_project: MakeProject, tmp_path: Path) -> None:
    made = make_project()
    movie = film(made, tmp_path / "a.mp4", span_s=(0.25, 0.5))
    assert numbers_of(movie) == list(range(15, 30))
    assert numbers_of(film(made, tmp_path / "b.mp4", span_s=(0.9, None))) == list(range(54, 60))
    assert numbers_of(film(made, tmp_path / "c.mp4", span_s=(None, 0.1))) == list(range(6))


def test_videos_that_were_tracked_as_one_are_shown_as_one(
    make_project: MakeProject, tmp_path: Path
) -> None:
    made = make_project((20, 31), rate=120, contiguous=True)
    movie = film(made, tmp_path / "a.mp4", frames=(5, 51))
    assert numbers_of(movie) == list(range(5, 51, 2))
    apart = make_project((20, 31), name="apart")
    assert numbers_of(film(apart, tmp_path / "b.mp4", video_index=1)) == list(range(20, 51))


@pytest.mark.parametrize(("width", "magnify"), [(320, None), (640, 3.0), (1998, None)])
def test_points_lie_where_the_tracks_say(
    width: int, magnify: float | None, make_project: MakeProject, tmp_path: Path
) -> None:
    made = make_project(flags=())
    movie = film(made, tmp_path / "a.mp4", frames=(20, 26), width_px=width, magnify=magnify)
    view = whole_frame((WIDTH, HEIGHT), width)
    assert {picture.shape for picture in movie.pictures} == {(view.shown_px[1], width, 3)}
    for number, picture in zip(range(20, 26), movie.pictures, strict=True):
        moved = HOMES + (magnify or 1) * (made.tracks[0][number] - HOMES)
        found = patches(picture, POINT_COLOUR)
        assert len(found) == len(HOMES)
        assert distances(view.places(moved), found).max() < 0.6  # pixels of the movie


def test_arrows_lead_from_home_to_the_magnified_place(
    make_project: MakeProject, tmp_path: Path
) -> None:
    made = make_project(flags=())
    movie = film(made, tmp_path / "a.mp4", frames=(9, 10), what="arrows", magnify=5, width_px=640)
    (picture,), view = movie.pictures, whole_frame((WIDTH, HEIGHT), 640)
    is_arrow = np.abs(picture.astype(int) - ARROW_COLOUR).max(axis=2) < 90
    ends = view.places(HOMES + 5 * (made.tracks[0][9] - HOMES))
    y, x = np.nonzero(is_arrow)
    assert distances(ends, np.stack([x, y], axis=1)).max() < 3
    assert distances(view.places(HOMES), np.stack([x, y], axis=1)).max() < 4


@pytest.mark.parametrize("what", ["points", "flags"])
def test_flags_are_shown_in_their_frame_alone(
    what: str, make_project: MakeProject, tmp_path: Path
) -> None:
    made = make_project()  # point 2 is flagged in frame 7
    movie = film(made, tmp_path / "a.mp4", frames=(5, 10), what=what, width_px=640)
    view = whole_frame((WIDTH, HEIGHT), 640)
    for number, picture in zip(range(5, 10), movie.pictures, strict=True):
        found = patches(picture, rgb(FLAG_COLOUR), reach=50)
        assert len(found) == (number == 7)
        if number == 7:
            assert distances(view.places(made.tracks[0][7][2:3]), found).max() < 2


def test_a_component_lights_up_where_it_is_strong(
    make_project: MakeProject, tmp_path: Path
) -> None:
    times = np.full((30, 2), 0.05)
    times[20, 1] = 1  # component 1 at the window of frame 40
    made = make_project((60,), flags=(), times=times)
    made_movie = film(made, tmp_path / "a.mp4", what="component", component=1, width_px=640)
    movie, view = made_movie.pictures, whole_frame((WIDTH, HEIGHT), 640)
    maps = np.hypot(*made.maps[:, 1].reshape(2, -1))
    strongest = int(np.argmax(maps))

    def light(number: int) -> float:
        x, y = np.rint(view.places(made.tracks[0][number][strongest][None])[0]).astype(int)
        return float(movie[number][y, x].max())

    assert light(40) > 230 and light(10) < 150


def test_keypoints_have_to_be_likely(make_project: MakeProject, tmp_path: Path) -> None:
    made = make_project((20, 30), name="two")
    positions = np.full((50, 1, 2, 2), np.nan)
    positions[:, 0, 0] = (60.0, 90.0)
    positions[:, 0, 1, 0], positions[:, 0, 1, 1] = np.arange(50) * 3 + 120, 140.0
    likelihood = np.full((50, 1, 2), 0.9)
    likelihood[:, 0, 0] = 0.3
    file = tmp_path / "Keypoints.h5"
    write_keypoints(file, Predictions(positions, likelihood, ("eye", "nose")))
    wanted = {"what": "keypoints", "keypoints": file, "video_index": 1, "frames": (4, 6)}
    shown = film(made, tmp_path / "a.mp4", **wanted, width_px=640)
    view = whole_frame((WIDTH, HEIGHT), 640)
    for number, picture in zip((24, 25), shown.pictures, strict=True):
        found = patches(picture, (255, 255, 255), least=15)  # the ring around each, and the bits
        nose = view.places(positions[number, 0, 1][None])
        assert distances(nose, found).max() < 1.5
        assert distances(view.places(np.array([[60.0, 90.0]])), found).min() > 30
    all_of_them = film(made, tmp_path / "b.mp4", **wanted, likelihood=0.2, width_px=640)
    found = patches(all_of_them.pictures[0], (255, 255, 255), least=15)
    assert distances(view.places(np.array([[60.0, 90.0]])), found).max() < 1.5


def test_the_file_plays_everywhere(make_project: MakeProject, tmp_path: Path) -> None:
    movie = film(make_project(), tmp_path / "a.mp4", frames=(0, 30), width_px=501)
    assert (movie.codec, movie.pixel_format) == ("h264", "yuv420p")
    height, width = movie.pictures[0].shape[:2]
    assert width in (500, 502) and height % 2 == 0
    assert len(movie.steps) == 1  # a constant rate
    content = (tmp_path / "a.mp4").read_bytes()
    assert content[4:8] == b"ftyp" and 0 < content.index(b"moov") < content.index(b"mdat")


def test_colours_are_those_that_were_drawn(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :32], picture[:, 32:64], picture[:, 64:] = (230, 159, 0), (86, 180, 233), (128,) * 3
    with movie_writer(tmp_path / "a.mp4", size_px=(96, 64), frame_rate_hz=25) as add:
        for _ in range(3):
            add(picture)
    shown = play(tmp_path / "a.mp4").pictures[1].astype(int)
    for column in (16, 48, 80):
        assert np.abs(shown[32, column] - picture[32, column]).max() <= 6


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    with (
        pytest.raises(KeyboardInterrupt),
        movie_writer(path, size_px=(64, 48), frame_rate_hz=30) as add,
    ):
        add(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_killed_leaves_no_movie(tmp_path: Path) -> None:
    script = (
        "import sys, time, numpy as np; from pathlib import Path\n"
        "from element_facerhythm.movies.encoding import movie_writer\n"
        "with movie_writer(Path(sys.argv[1]), size_px=(64, 48), frame_rate_hz=30) as add:\n"
        "    for i in range(100): add(np.full((48, 64, 3), i, np.uint8))\n"
        "    print('added', flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "a.mp4"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "added\n"
        process.send_signal(signal.SIGKILL)
    assert not path.exists() and all(p.name.endswith(".part") for p in tmp_path.iterdir())


WRONG = [
    ({"frames": (0, 61)}, "has 60"),
    ({"frames": (2, 5), "span_s": (0.1, None)}, "not both"),
    ({"span_s": (0.5, 3.0)}, "lasts from 0 to 1 s"),
    ({"speed": 0.0}, "--speed is 0"),
    ({"what": "component", "component": 2}, "has 2, numbered from 0"),
    ({"what": "everything"}, "expected points, arrows"),
    ({"what": "keypoints"}, "needs a file of keypoints"),
    ({"magnify": -1.0}, "--magnify is -1"),
    ({"width_px": 100}, "give a --width of 160"),
]


@pytest.mark.parametrize(("wanted", "says"), WRONG, ids=lambda value: str(value)[:30])
def test_wrong_requests_are_refused(
    wanted: dict[str, Any], says: str, make_project: MakeProject
) -> None:
    project = Project.open(make_project().directory)
    with pytest.raises(RequestError, match=says):
        plan_movie(project, frame_source(project, 0), MovieRequest(**wanted))


def test_command_line(make_project: MakeProject, tmp_path: Path, facerhythm: Any) -> None:
    made, path = make_project(), tmp_path / "a.mp4"
    arguments = ("export", "movie", made.directory, "--frames", "10:40", "--speed", 0.5, "-o", path)
    first = facerhythm(*arguments, "--json")
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert told["frames"] == [10, 40] and told["duration_s"] == pytest.approx(1.0)
    assert numbers_of(play(path)) == list(range(10, 40))
    content = path.read_bytes()
    again = facerhythm(*arguments)
    assert again.code == 2 and "--overwrite" in again.err and path.read_bytes() == content
    assert facerhythm(*arguments, "--what", "component:1", "--overwrite").code == 0
    assert path.read_bytes() != content
    before = sorted(tmp_path.iterdir())
    for wrong, says in (
        (("-o", tmp_path / "b.avi"), "does not end with .mp4"),
        (("--what", "component:x", "-o", tmp_path / "b.mp4"), "component:0"),
        (("--video-index", 1, "-o", tmp_path / "b.mp4"), "has 1 tracked sequence"),
        (("--subject", "m1", "-o", tmp_path / "b.mp4"), "not both"),
    ):
        refused = facerhythm("export", "movie", made.directory, *wrong)
        assert refused.code == 2 and says in refused.err, refused.err
    assert sorted(tmp_path.iterdir()) == before


def test_videos_are_looked_for(
    make_project: MakeProject,
    tmp_path: Path,
    facerhythm: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, moved = make_project((40,)), tmp_path / "elsewhere" / "raw"
    moved.mkdir(parents=True)
    other = make_project((41,), name="other").videos[0]
    place = made.videos[0].rename(moved / made.videos[0].name)
    wanted = ("export", "movie", made.directory, "--overwrite", "-o", tmp_path / "a.mp4")
    lost = facerhythm(*wanted)
    assert lost.code == 2 and "p_0.mkv" in lost.err and "--video" in lost.err
    assert str(made.videos[0]) in lost.err and not (tmp_path / "a.mp4").exists()
    assert facerhythm(*wanted, "--video", place).code == 0
    longer = facerhythm(*wanted, "--video", other)
    assert longer.code == 2 and "41 frames" in longer.err and "40" in longer.err
    monkeypatch.setenv("FACERHYTHM_ROOT_DATA_DIR", str(tmp_path / "elsewhere"))
    found = facerhythm(*wanted, "--json")
    assert found.code == 0, found.err
    assert any(
        "no digest" in note and str(place) in note for note in json.loads(found.out)["notes"]
    )

"""Times that a camera's software wrote, found beside a video and read in every usual spelling."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import probe_video
from element_facerhythm.video.time_columns import times_in_array, times_in_text
from element_facerhythm.video.time_files import read_frame_times

N = 40
TIMES = np.arange(N) / 25 + np.r_[np.zeros(20), np.full(20, 2.0)]


def table(times, spell="{:.6f}", separator="\n"):
    return separator.join(spell.format(time) for time in times)


START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPELLINGS = {
    "seconds": table(TIMES),
    "milliseconds beside numbers": "\n".join(f"{i},{t * 1e3:.3f}" for i, t in enumerate(TIMES)),
    "nanoseconds since 1970": "\n".join(
        str(1_767_000_000_000_000_000 + round(t * 1e9)) for t in TIMES
    ),
    "microseconds, blanks": "\n".join(f"{t * 1e6:.0f} 0" for t in TIMES),
    "semicolons and a header": "Frame;Time (s)\n"
    + "\n".join(f"{i};{t:.6f}" for i, t in enumerate(TIMES)),
    "named column after another": "exposure,timestamp\n"
    + "\n".join(f"{2 * t:.6f},{t:.6f}" for t in TIMES),
    "dates": "\n".join((START + timedelta(seconds=float(t))).isoformat() for t in TIMES),
    "dates of Bonsai": "\n".join(
        f"{START.replace(tzinfo=None) + timedelta(seconds=float(t)):%Y-%m-%dT%H:%M:%S.%f}0-05:00"
        for t in TIMES
    ),
    "a byte order mark and comments": "\ufeff# camera 1\n" + table(TIMES),
}


@pytest.fixture
def video(write_video, tmp_path):
    """A video of 40 frames at 25 frames/s."""
    return write_video("cam.mp4")


def gaps(video, **options):
    return [gap.after_frame for gap in probe_video(video, **options).clock.gaps]


@pytest.mark.parametrize("kind", SPELLINGS)
def test_columns_and_units_are_told_apart(kind):
    column = times_in_text(SPELLINGS[kind].removeprefix("\ufeff"), 25.0)
    np.testing.assert_allclose(column.times_s, TIMES, atol=2e-6)


def test_arrays_are_read_and_frame_numbers_are_no_times():
    numbered = np.stack([np.arange(N), TIMES * 1e3], axis=1)
    np.testing.assert_allclose(times_in_array(numbered, 25.0).times_s, TIMES, atol=1e-9)
    assert times_in_array(np.arange(N), 30.0) is None
    assert times_in_array(TIMES[::-1].copy(), 25.0) is None
    assert times_in_text("x,y,likelihood\n1,2,0.5\n3,1,0.25", 25.0) is None


@pytest.mark.parametrize(
    "name",
    [
        "cam_timestamps.csv",
        "cam.times.txt",
        "cam-ts.tsv",
        "timestamps.txt",
        "depth_ts.txt",
        "cam.csv",
    ],
)
def test_files_of_the_usual_names_are_found(video, name):
    video.with_name(name).write_text(table(TIMES))
    found = probe_video(video)
    assert found.clock.source == "time file" and found.times_source.endswith(name)
    assert gaps(video) == [19] and gaps(video, times="stamps") == []
    assert gaps(video, frame_rate_hz=30.0) == []


def test_a_file_of_another_name_is_taken_when_it_is_given(video):
    other = video.with_name("camera1.log")
    other.write_text(table(TIMES))
    assert gaps(video) == [] and gaps(video, times=other) == [19]


def test_files_in_a_directory_with_other_videos_are_nobodys(video, write_video):
    write_video("other.mp4")
    video.with_name("timestamps.csv").write_text(table(TIMES))
    video.with_name("metadata.json").write_text("{}")
    found = probe_video(video)
    assert found.clock.source == "stamps" and found.acquisition is None


@pytest.mark.parametrize(("end", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
def test_the_archive_of_the_session_is_searched(video, end, mode):
    content = {
        "session/metadata.json": json.dumps({"SubjectName": "m1"}),
        "session/depth.dat": "x" * 100_000,
        "session/depth_ts.txt": "\n".join(f"{t * 1e3:.1f} 0" for t in TIMES),
    }
    with tarfile.open(video.with_name(f"session{end}"), mode) as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    found = probe_video(video)
    assert found.times_source.endswith(f"session{end}:depth_ts.txt")
    assert [gap.after_frame for gap in found.clock.gaps] == [19]
    assert found.acquisition == {"SubjectName": "m1"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cam_times.csv", table(TIMES[:-1]), r"holds 39 times and video .* has 40 frames"),
        ("cam_times.csv", table(TIMES[::-1]), "no column of rising times"),
        ("cam_times.csv", "nothing\n", "no column of rising times"),
        ("cam_times.npy", "no array", "is no array of numbers"),
        ("metadata.json", "{", "not valid JSON"),
        ("session.tar", "no archive", "cannot be searched for frame times"),
    ],
)
def test_what_does_not_fit_is_refused_and_names_the_way_out(video, name, content, words):
    video.with_name(name).write_text(content)
    with pytest.raises(VideoError, match=words) as refusal:
        probe_video(video)
    assert name in str(refusal.value)
    if name != "metadata.json":
        assert probe_video(video, times="stamps").clock.source == "stamps"


def test_two_files_are_asked_about(video):
    for name in ("cam_times.csv", "cam_timestamps.csv"):
        video.with_name(name).write_text(table(TIMES))
    with pytest.raises(VideoError, match="say which with --times FILE"):
        probe_video(video)


def test_links_are_not_followed(video, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text(table(TIMES))
    video.with_name("cam_timestamps.csv").symlink_to(outside)
    assert probe_video(video).clock.source == "stamps"


def test_an_archive_that_unpacks_to_too_much_is_refused(video, monkeypatch):
    monkeypatch.setattr("element_facerhythm.video.time_files._MAX_UNPACKED", 1_000_000)
    with tarfile.open(video.with_name("s.tgz"), "w:gz") as archive:
        member = tarfile.TarInfo("depth.dat")
        member.size = 50_000_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(VideoError, match="unpacks to more than"):
        probe_video(video)


@pytest.mark.parametrize(
    ("rows", "first_s"),
    [
        (["12.5", "12.51", "12.52"], 12.5),
        (["1767225600000000000", "1767225600010000000", "1767225600020000000"], 1_767_225_600.0),
        (["2026-01-01T00:00:00.25", "2026-01-01T00:00:00.26", "2026-01-01T00:00:00.27"], 1_767_225_600.25),
        (["2026-01-01T02:00:00+02:00", "2026-01-01T02:00:00.01+02:00"], 1_767_225_600.0),
    ],
)  # fmt: skip
def test_a_file_by_itself_says_when_it_begins(tmp_path, rows, first_s):
    """Cameras that share a clock are matched by it."""
    path = tmp_path / "camera_times.csv"
    path.write_text("timestamp\n" + "\n".join(rows))
    found = read_frame_times(path, 100.0)
    assert found.first_s == pytest.approx(first_s, abs=1e-6)
    np.testing.assert_allclose(found.times_s, np.arange(len(rows)) / 100, atol=1e-7)
    path.write_text("timestamp\n3\n2\n1\n")
    with pytest.raises(VideoError, match="holds no column of rising times"):
        read_frame_times(path)

"""Points move as the scene does in the picture that people see, whatever its turn and depth."""

import struct

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from element_facerhythm.cli import app
from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ProcessingError
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline import check_request, run_project

WIDTH, HEIGHT, N, RATE_HZ = 160, 120, 90, 60
DISPLACEMENT_PX = 2.0 * np.sin(2 * np.pi * 6.0 * np.arange(N) / RATE_HZ)
UPPER_LEFT = np.array([[20, 20], [60, 20], [60, 45], [20, 45]], float)
LOWER_RIGHT = np.array([WIDTH - 1, HEIGHT - 1]) - UPPER_LEFT


def scene():
    """Gray frames in which the upper left quarter moves along x, 2 px at 6 Hz."""
    rng = np.random.default_rng(0)
    texture = np.zeros((HEIGHT + 40, WIDTH + 40), np.float32)
    for sigma in (1.5, 4):
        part = cv2.GaussianBlur(
            rng.standard_normal(texture.shape).astype(np.float32), (0, 0), sigma
        )
        texture += sigma * part / part.std()
    texture = 255 * (texture - texture.min()) / np.ptp(texture)
    still = texture[20 : 20 + HEIGHT, 20 : 20 + WIDTH]
    for shift in DISPLACEMENT_PX:
        matrix = np.float32([[1, 0, shift - 20], [0, 1, -20]])
        moved = cv2.warpAffine(texture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        frame = still.copy()
        frame[: HEIGHT // 2, : WIDTH // 2] = moved[: HEIGHT // 2, : WIDTH // 2]
        yield frame.clip(0, 255)


def encode(path, codec, pixel_format, pictures, format):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        if codec == "libx264":
            stream.options = {"crf": "10", "x264-params": "log-level=none"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format=format)
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    path = tmp_path_factory.mktemp("turned") / "turned.mp4"
    encode(path, "libx264", "yuv420p", (f.astype(np.uint8) for f in scene()), "gray")
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    at += 8 + (32 if content[at + 4] else 20) + 16
    content[at : at + 36] = struct.pack(">9i", -65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
    """The scene in 33 steps of one high byte."""
    path = tmp_path_factory.mktemp("depth") / "depth.mkv"
    pictures = ((545 + frame / 8).astype(np.uint16) for frame in scene())
    return encode(path, "ffv1", "gray16le", pictures, "gray16le")


def tracks(recording, video, polygon, project_dir, **changes):
    rois = Rois(seed_polygons=(polygon,))
    run_project(recording.request(project_dir, videos=(video,), rois=rois, **changes))
    project = Project.open(project_dir)
    points = np.asarray(project.tracking(0).points, float)
    return np.median(points - points[0], axis=1), project


def test_regions_lie_in_the_turned_picture(recording, turned, tmp_path):
    moving, project = tracks(recording, turned, LOWER_RIGHT, tmp_path / "a")
    assert np.abs(moving[:, 0] + DISPLACEMENT_PX).max() < 0.5, "turned, it moves the other way"
    still, _ = tracks(recording, turned, UPPER_LEFT, tmp_path / "b")
    assert np.abs(still).max() < 0.1
    image = project.example_image()
    shown = cv2.VideoCapture(str(turned)).read()[1][..., ::-1]
    assert np.abs(image.astype(int) - shown).max() <= 1


def test_depth_is_tracked_between_its_levels(recording, depth, parameters_with, tmp_path):
    moving, project = tracks(recording, depth, UPPER_LEFT, tmp_path / "a")
    assert np.abs(moving[:, 0] - DISPLACEMENT_PX).max() < 0.5
    image = project.example_image()
    assert image.min() == 0 and image.max() == 255
    compat = parameters_with(compat="face-rhythm")
    with pytest.raises(ProcessingError, match="no point moves"):  # one high byte is one gray level
        tracks(recording, depth, UPPER_LEFT, tmp_path / "b", parameters=compat)
    assert any(
        "the high 8 are analysed" in note for note in project_notes(recording, depth, compat)
    )


def project_notes(recording, video, parameters):
    request = recording.request(
        video.parent / "not-written",
        videos=(video,),
        rois=Rois(seed_polygons=(UPPER_LEFT,)),
        parameters=parameters,
    )
    return check_request(request).notes


def test_levels_belong_to_what_tracking_was_made_from(recording, depth, turned, tmp_path):
    def fingerprints_of(video, **changes):
        rois = Rois(seed_polygons=(UPPER_LEFT,))
        request = recording.request(tmp_path / "p", videos=(video,), rois=rois, **changes)
        return check_request(request).fingerprints

    def tracking_of(video, **changes):
        return fingerprints_of(video, **changes)["point_tracking"]["parameters"]

    low, high = tracking_of(depth)["levels"]
    assert 545 <= low < high <= 577
    assert "levels" not in tracking_of(turned)
    (video,) = fingerprints_of(turned)["dataset"]["inputs"]["videos"]
    assert (video["rotation_deg"], video["is_flipped"]) == (180, False)
    (video,) = fingerprints_of(depth)["dataset"]["inputs"]["videos"]
    assert set(video) == {"size_bytes", "n_frames", "sha256"}
    compat = Parameters.model_validate({**recording.parameters.to_tree(), "compat": "face-rhythm"})
    assert "levels" not in tracking_of(depth, parameters=compat)


def test_a_recording_that_was_cut_off_is_asked_about(recording, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = encode(tmp_path / "a.mkv", "ffv1", "gray", (f.astype(np.uint8) for f in scene()), "gray")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    (tmp_path / "rois.json").write_text('{"points": [[[20, 20], [60, 20], [60, 45]]], "mask": []}')
    (tmp_path / "p.yaml").write_text(
        "VQT_Analyzer: {params_VQT: {Q_lowF: 2, Q_highF: 4, F_min: 8, F_max: 25, n_freq_bins: 6}}\n"
        "TCA: {fit: {params_method: {rank: 2}}}\n"
    )
    words = ["run", "a.mkv", "--rois", "rois.json", "--params", "p.yaml", "--dry-run", "--json"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code != 0 and "--incomplete takes the" in str(refused.exception)
    taken = CliRunner().invoke(app, [*words, "--incomplete"])
    assert taken.exit_code == 0, taken.output
    assert "the file was cut off; its" in taken.output

"""Figures show the numbers of the project, in the right place and unit."""

import re
import shutil

import cv2
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ProjectError, RequestError, RoiError
from element_facerhythm.figures import (
    component_figure,
    displacement_figure,
    draw_figure,
    figure_names,
    overlay_rois,
    spectrogram_figure,
    violation_figure,
    write_figures,
)
from element_facerhythm.figures import traces as traces_module
from element_facerhythm.figures.components import component_panels
from element_facerhythm.figures.spectra import mean_spectrogram
from element_facerhythm.figures.style import write_bytes
from element_facerhythm.figures.traces import drawn_traces, pick_points, rms_motion
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.axes import has_parts

NAMES = ["rois", "displacements", "violations", "spectrogram", "components"]


def test_every_figure_is_written_as_a_picture_that_shows_something(project, tmp_path):
    drawn = write_figures(project, tmp_path / "out")
    paths = list(drawn.paths)
    assert drawn.notes == ()
    assert paths == [tmp_path / "out" / f"{name}.png" for name in NAMES]
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in paths
    )
    for path in paths:
        picture = cv2.imread(str(path))
        assert picture is not None and min(picture.shape[:2]) > 200
        assert (picture < 250).mean() > 0.05


def test_figures_are_the_same_on_every_run(project, tmp_path):
    first = write_figures(project, tmp_path / "a").paths
    second = write_figures(project, tmp_path / "b").paths
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_unfinished_project_gets_the_figures_of_what_is_there(project, tmp_path):
    for name in ("config.yaml", "run_info.json"):
        (tmp_path / name).write_bytes((project.directory / name).read_bytes())
    (tmp_path / "analysis_files").mkdir()
    for name in ("Dataset_videos", "ROIs"):
        source = project.product_path(name)
        (tmp_path / "analysis_files" / source.name).write_bytes(source.read_bytes())
    drawn = write_figures(Project.open(tmp_path), tmp_path / "out")
    assert [path.stem for path in drawn.paths] == ["rois"] and not drawn.failed
    assert len(drawn.left_out) == 4
    assert "spectrogram is left out: analysis_files/PointTracker.h5 and" in drawn.left_out[2]
    with pytest.raises(ProjectError, match=r"analysis_files/PointTracker\.h5"):
        draw_figure(Project.open(tmp_path), "violations")


def test_a_figure_that_fails_takes_no_other_with_it(project, tmp_path):
    copy = shutil.copytree(project.directory, tmp_path / "project")
    path = copy / "analysis_files" / "TCA.h5"
    path.write_bytes(path.read_bytes()[:2000])
    drawn = write_figures(Project.open(copy), tmp_path / "out")
    assert [path.stem for path in drawn.paths] == NAMES[:-1]
    (told,) = drawn.failed
    assert told.startswith("figure components could not be drawn: ") and "TCA.h5" in told


def test_figures_are_drawn_by_name(project):
    assert figure_names(project) == tuple(NAMES)
    figure = draw_figure(project, "components")
    assert len(figure.axes) == 4 * 3
    shown = cv2.imdecode(np.frombuffer(figure._repr_png_(), np.uint8), 1)  # by any notebook
    assert (shown < 250).mean() > 0.05
    with pytest.raises(RequestError, match=r"'component' of .*expected one of rois, displacements"):
        draw_figure(project, "component")


def test_time_courses_of_the_videos_lie_one_after_the_other(project):
    pictures = component_panels(project)
    assert len(pictures) == 3
    first_end_s = project.n_frames[0] / project.frame_rate_hz
    for picture in pictures:
        (times_a, loadings_a), (times_b, loadings_b) = picture.time_courses
        assert times_a.max() < first_end_s < times_b.min()
        assert times_b.max() < sum(project.n_frames) / project.frame_rate_hz
        assert len(times_a) == len(loadings_a) and len(times_b) == len(loadings_b)
    whole = project.models()["0"].factors
    time_name = next(name for name in whole if has_parts(name, "time"))
    joined = np.concatenate([loadings for _, loadings in pictures[0].time_courses])
    np.testing.assert_array_equal(joined, whole[time_name][:, 0])


def test_component_sheet_has_a_row_per_component_with_units(project):
    axes = component_figure(project).axes
    assert len(axes) == 4 * 3
    labels = {label for axis in axes for label in (axis.get_xlabel(), axis.get_ylabel())}
    assert {"frequency (Hz)", "time (s)"} <= labels
    headings = [axis.get_title(loc="left") for axis in axes[::4]]
    peaks = [float(re.search(r"([\d.]+) Hz", heading).group(1)) for heading in headings]
    expected = [picture.peak_frequency_hz for picture in component_panels(project)]
    np.testing.assert_allclose(peaks, expected, atol=0.05)


def test_mean_spectrogram_is_the_mean_in_seconds_and_hertz(project):
    expected = np.abs(np.asarray(project.spectrogram(1)[:])).mean(axis=(0, 1))
    np.testing.assert_allclose(mean_spectrogram(project, 1), expected, rtol=1e-5)
    figure = spectrogram_figure(project)
    panel = figure.axes[1]
    assert panel.get_yscale() == "log" and panel.get_ylabel() == "frequency (Hz)"
    assert panel.get_xlim()[1] == pytest.approx(project.n_frames[1] / project.frame_rate_hz)


def test_violation_figure_counts_every_flag_once(project):
    figure = violation_figure(project)
    flags = sum(len(project.tracking(i).violation_rows) for i in range(2))
    assert flags > 0
    share = flags / (sum(project.n_frames) * len(project.point_positions))
    assert f"{100 * share:.2f} %" in figure.axes[0].get_title(loc="left")
    raster = np.asarray(figure.axes[1].images[0].get_array())
    assert raster.sum() == flags


def test_traces_are_drawn_in_pixels_from_home(project):
    figure = displacement_figure(project, n_points=4)
    traces = figure.axes[1]
    labels = [label.get_text() for label in traces.get_yticklabels()]
    points = [int(label.split()[1]) for label in labels]
    assert len(set(points)) == 4
    base = traces.get_yticks()[0]
    drawn = traces.lines[0].get_ydata() - base
    tracked = np.asarray(project.tracking(0).points)[:, points[0], 0]
    np.testing.assert_allclose(drawn, tracked - project.point_positions[points[0], 0], atol=1e-4)


def test_picked_points_are_lively_and_apart():
    positions = np.stack([np.arange(20.0), np.zeros(20)], axis=-1).astype(np.float32)
    displacement = np.zeros((50, 20, 2), np.float32)
    displacement[:, 4:7, 0] = np.sin(np.arange(50))[:, None] * [2, 3, 2]
    displacement[:, 17, 1] = np.sin(np.arange(50))
    motion = rms_motion(displacement + positions, positions)
    np.testing.assert_allclose(motion, np.sqrt((displacement**2).mean(axis=(0, 2))), atol=1e-6)
    chosen = pick_points(motion, positions, n_points=3)
    assert chosen[0] == 5 and 17 in chosen
    assert len(pick_points(motion, positions, n_points=99)) == 20


def test_long_traces_are_drawn_by_their_extremes(monkeypatch):
    positions = np.random.default_rng(0).random((3, 2)).astype(np.float32)
    displacement = np.random.default_rng(1).standard_normal((1_003, 3, 2)).astype(np.float32)
    monkeypatch.setattr(traces_module, "_N_COLUMNS", 25)
    for block_bytes in (1, 5_000, 2**20):
        monkeypatch.setattr(traces_module, "_BLOCK_BYTES", block_bytes)
        frames, drawn = drawn_traces(displacement + positions, positions, [2, 0])
        assert len(frames) == len(drawn) == 2 * 101  # runs of ten frames
        assert (np.diff(frames) == 5).all()
        run = displacement[30:40, [2, 0]]
        np.testing.assert_allclose(drawn[6:8], [run.min(axis=0), run.max(axis=0)], atol=1e-6)
        np.testing.assert_allclose(
            drawn.max(axis=0), displacement[:, [2, 0]].max(axis=0), atol=1e-6
        )


def test_overlay_darkens_what_is_hidden_and_marks_every_point():
    frame = np.full((60, 80, 3), 120, np.uint8)
    square = np.array([[20, 15], [60, 15], [60, 45], [20, 45]], float)
    mask = np.array([[10, 5], [70, 5], [70, 55], [10, 55]], float)
    figure = overlay_rois(frame, Rois((square,), (mask,)), spacing_px=10)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown[30, 40].max() == pytest.approx(120 / 255)
    assert shown[2, 2].max() == pytest.approx(40 / 255)
    followed, weak = (line.get_xydata() for line in figure.axes[0].lines)
    assert len(followed) == 0 and len(weak) == 12  # the frame is even: there is nothing to follow
    np.testing.assert_array_equal(weak.min(axis=0), [20, 15])


def test_overlay_refuses_regions_of_another_frame():
    far = np.array([[200, 15], [260, 15], [260, 45]], float)
    with pytest.raises(RoiError):
        overlay_rois(np.zeros((60, 80, 3), np.uint8), Rois((far,)))


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"before")
    write_bytes(path, b"after")
    assert path.read_bytes() == b"after"
    assert [item.name for item in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.reference
def test_figures_of_a_project_that_face_rhythm_wrote(reference_data, tmp_path):
    drawn = write_figures(Project.open(reference_data / "project"), tmp_path)
    assert [path.stem for path in drawn.paths] == NAMES and drawn.notes == ()

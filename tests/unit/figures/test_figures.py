"""Figures show the numbers of the project, in the right place and unit."""

import re
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ProjectError, RequestError, RoiError
from element_facerhythm.figures import (
    component_figure,
    components,
    cycle_figure,
    displacement_figure,
    draw_figure,
    figure_names,
    overlay_rois,
    spectrogram_figure,
    violation_figure,
    write_figures,
)
from element_facerhythm.figures import cycles as cycles_module
from element_facerhythm.figures import traces as traces_module
from element_facerhythm.figures.component_maps import ellipse_axes
from element_facerhythm.figures.components import component_panels
from element_facerhythm.figures.cycles import component_cycle
from element_facerhythm.figures.spectra import mean_spectrogram
from element_facerhythm.figures.style import write_bytes
from element_facerhythm.figures.time_axis import spans_s
from element_facerhythm.figures.traces import pick_points, rms_motion, trace_envelope
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.axes import has_parts
from element_facerhythm.video.clock import even_clock

NAMES = ["rois", "displacements", "violations", "spectrogram", "components", "cycles"]


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
    assert len(drawn.left_out) == 5
    assert "spectrogram is left out: analysis_files/PointTracker.h5 and" in drawn.left_out[2]
    with pytest.raises(ProjectError, match=r"analysis_files/PointTracker\.h5"):
        draw_figure(Project.open(tmp_path), "violations")


def test_a_figure_that_fails_takes_no_other_with_it(project, tmp_path):
    copy = shutil.copytree(project.directory, tmp_path / "project")
    path = copy / "analysis_files" / "TCA.h5"
    path.write_bytes(path.read_bytes()[:2000])
    drawn = write_figures(Project.open(copy), tmp_path / "out")
    assert [path.stem for path in drawn.paths] == NAMES[:-2]
    for name, told in zip(NAMES[-2:], drawn.failed, strict=True):
        assert told.startswith(f"figure {name} could not be drawn: ") and "TCA.h5" in told


def test_figures_are_drawn_by_name(project):
    assert figure_names(project) == tuple(NAMES)
    figure = draw_figure(project, "components")
    assert len(figure.axes) == 3 * 3 + 1  # and the scale of the maps
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
    *axes, scale = component_figure(project).axes
    assert "1 = largest of all" in scale.get_xlabel()
    labels = {label for axis in axes for label in (axis.get_xlabel(), axis.get_ylabel())}
    assert {"frequency (Hz)", "time (s)"} <= labels
    for row, panel in zip(np.reshape(axes, (-1, 3)), component_panels(project), strict=True):
        place, spectrum, course = (axis.get_title(loc="left") for axis in row)
        told = f"explained variance {100 * panel.explained_variance:.1f} %"
        assert (told in place) != ("explains only" in place)
        assert ("explains only" in place) == (panel.explained_variance < 0.01)
        low, high = panel.half_power_hz
        assert low <= panel.peak_frequency_hz <= high
        assert (
            spectrum == f"peak {panel.peak_frequency_hz:.1f} Hz, half power {low:.1f}–{high:.1f} Hz"
        )
        assert course == f"stability {panel.stability:.2f}"


def test_what_explains_little_is_drawn_small_and_faded(project, monkeypatch):
    strong = component_panels(project)[0]
    weak = replace(strong, norm=strong.norm / 100, explained_variance=0.0001)
    monkeypatch.setattr(components, "component_panels", lambda *_: [strong, weak])
    first, second = np.reshape(component_figure(project).axes[:6], (2, 3))
    dots = [row[0].collections[0] for row in (first, second)]
    largest = [max(own._widths.max(), own._heights.max()) for own in dots]
    assert largest[1] < 0.15 * largest[0]
    assert dots[1].get_array().max() == pytest.approx(dots[0].get_array().max() / 100)
    assert (
        dots[0].get_array().max() == pytest.approx(1) and dots[0].get_clim() == dots[1].get_clim()
    )
    for column in (1, 2):
        own, faded = first[column].lines[0], second[column].lines[0]
        dotted = [line for line in second[column].lines if len(line.get_xdata()) > 2]
        enlarged = dotted[len(dotted) // 2]  # after the faded ones, of each video one
        np.testing.assert_allclose(faded.get_ydata(), np.asarray(own.get_ydata()) / 100, rtol=1e-9)
        assert faded.get_alpha() < own.get_alpha() == 1
        np.testing.assert_allclose(enlarged.get_ydata(), np.asarray(own.get_ydata()), rtol=1e-9)
        assert "dotted: × 100" in [text.get_text() for text in second[column].texts]
    assert second[0].get_title(loc="left") == "component 1  ·  explains only 0.01 %"


def test_dots_are_as_wide_and_high_as_points_move_along_x_and_y():
    widths, heights = ellipse_axes(np.array([[1.0, 0.0, 0.18, 0.0], [0.0, 0.25, 0.24, 0.0]]), 10.0)
    assert widths[0] == 10 and heights[0] <= 3
    assert heights[1] == 5 and widths[1] < 2  # a quarter of the share is a quarter of the area
    assert heights[2] / widths[2] == pytest.approx(0.24 / 0.18)
    assert widths[3] == heights[3] == 0


def test_every_format_holds_the_figure_and_texts_stay_texts(project, tmp_path):
    drawn = write_figures(project, tmp_path, formats=("svg", "pdf", "png"))
    assert [path.name for path in drawn.paths[:3]] == ["rois.svg", "rois.pdf", "rois.png"]
    assert len(drawn.paths) == 3 * len(NAMES) and drawn.notes == ()
    svg = (tmp_path / "components.svg").read_text()
    for panel in component_panels(project):
        assert f"peak {panel.peak_frequency_hz:.1f} Hz" in svg
    assert "frequency (Hz)" in svg and "data:image/png;base64," in svg
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert (tmp_path / "rois.pdf").read_bytes().startswith(b"%PDF")
    again = write_figures(project, tmp_path / "again", formats=("svg", "pdf"))
    for path in again.paths:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    with pytest.raises(RequestError, match="the format is 'gif'; expected one or more of png, svg"):
        write_figures(project, tmp_path / "none", formats=("png", "gif"))
    assert not (tmp_path / "none").exists()


def test_of_a_long_recording_the_strongest_moments_are_averaged_and_it_is_said(
    project, monkeypatch
):
    panel, whole = component_panels(project)[0], sum(project.n_frames)
    assert component_cycle(project, panel).n_cycle_frames == whole
    assert "averaged" not in cycle_figure(project).get_supxlabel()
    monkeypatch.setattr(cycles_module, "_MOST_FRAMES", whole // 2)
    cycle = component_cycle(project, panel)
    assert cycle.n_cycle_frames == whole // 2
    assert "averaged are the" in cycle_figure(project).get_supxlabel()
    times_s, loadings = panel.time_courses[0]
    pieces = list(cycles_module._strongest(project, panel, whole // 2))
    (_, video, first, stop) = max(pieces)
    of_frames = np.interp(project.clock(video).times_s, times_s, np.abs(loadings))
    sums = np.convolve(of_frames, np.ones(stop - first), "valid")
    assert sums[first] == pytest.approx(sums.max())


def test_strong_moments_that_are_too_short_take_no_place_from_others(project, monkeypatch):
    panel, whole = component_panels(project)[0], project.n_frames[0]
    short = [(9.0, 0, first, first + 3) for first in range(0, whole // 2, 3)]
    monkeypatch.setattr(cycles_module, "_MOST_FRAMES", whole // 2)
    monkeypatch.setattr(
        cycles_module, "_strongest", lambda *_: iter([*short, (1.0, 0, whole // 2, whole)])
    )
    first = next(cycles_module._pieces(project, panel))
    assert len(first) == whole // 2
    assert component_cycle(project, panel).n_averaged_frames > 0


def test_mean_cycles_are_drawn_for_what_explains_something(project):
    panels = component_panels(project)
    shown = [i for i, panel in enumerate(panels) if panel.explained_variance >= 0.01]
    axes = [own for own in cycle_figure(project).axes if own.get_title(loc="left")]
    headings = [own.get_title(loc="left") for own in axes]
    assert [int(re.match(r"component (\d+)", heading)[1]) for heading in headings] == shown
    assert any("motion ×" in heading for heading in headings)
    index = next(i for i, heading in enumerate(headings) if "motion ×" in heading)
    cycle = component_cycle(project, panels[shown[index]])
    factor = float(re.search(r"motion × ([\d.]+)", headings[index])[1])
    (paths,) = axes[index].collections
    reach = max(np.ptp(path.vertices, axis=0).max() for path in paths.get_paths()) / 2
    assert reach <= factor * cycle.reach_px.max() * 1.01
    assert f"largest {cycle.reach_px[cycle.followed >= 0.25].max():.2g} px" in headings[index]


def test_mean_spectrogram_is_the_mean_in_seconds_and_hertz(project):
    expected = np.abs(np.asarray(project.spectrogram(1)[:])).mean(axis=(0, 1))
    np.testing.assert_allclose(mean_spectrogram(project, 1), expected, rtol=1e-5)
    figure = spectrogram_figure(project)
    panel = figure.axes[1]
    assert panel.get_yscale() == "log" and panel.get_ylabel() == "frequency (Hz)"
    times_s = project.window_times_s(1)
    start_s, stop_s = panel.get_xlim()
    step_s = times_s[1] - times_s[0]
    expected_s = (times_s[0] - step_s / 2, times_s[-1] + step_s / 2)
    assert (start_s, stop_s) == pytest.approx(expected_s, abs=step_s / 4)
    lost = start_s + project.n_frames[1] / project.frame_rate_hz - stop_s
    told = "need what lies before and after" in panel.get_title(loc="left")
    assert told == (lost > 0.05 * project.n_frames[1] / project.frame_rate_hz)


def test_violation_figure_counts_every_flag_once(project):
    figure = violation_figure(project)
    flags = sum(len(project.tracking(i).violation_rows) for i in range(2))
    assert flags > 0
    share = flags / (sum(project.n_frames) * len(project.point_positions))
    axes = {own.get_ylabel(): own for own in figure.axes}
    assert f"{100 * share:.2f} %" in axes["flagged (%)"].get_title(loc="left")
    raster = np.asarray(axes["points, top to bottom"].images[0].get_array())
    assert raster.sum() == flags
    face = next(own for own in figure.axes if own.get_title(loc="left") == "where")
    (dots,) = face.collections
    percent = np.asarray(dots.get_array())
    assert percent.sum() == pytest.approx(100 * flags / sum(project.n_frames))
    most = np.argmax(
        np.bincount(np.concatenate([project.tracking(i).violation_cols for i in (0, 1)]))
    )
    np.testing.assert_allclose(dots.get_offsets()[-1], project.point_positions[most])


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


def test_what_was_flagged_is_shaded_from_its_first_to_the_end_of_its_last_frame():
    clock = even_clock(100, 50.0, "header")
    assert spans_s(np.array([], int), clock, 800) == []
    spans = spans_s(np.array([10, 11, 12, 40]), clock, 800)
    np.testing.assert_allclose(spans, [(0.2, 0.06), (0.8, 0.02)])
    (wide,) = spans_s(np.array([40]), clock, 10)
    assert wide == pytest.approx((0.8, 0.2))  # never less than a column


def test_long_traces_are_drawn_by_their_extremes(monkeypatch):
    positions = np.random.default_rng(0).random((3, 2)).astype(np.float32)
    displacement = np.random.default_rng(1).standard_normal((1_003, 3, 2)).astype(np.float32)
    monkeypatch.setattr(traces_module, "_N_COLUMNS", 25)
    for block_bytes in (1, 5_000, 2**20):
        monkeypatch.setattr(traces_module, "_BLOCK_BYTES", block_bytes)
        drawn = trace_envelope(displacement + positions, positions, [2, 0])
        assert not drawn.is_exact and len(drawn.frames) == 26  # runs of forty frames
        assert (np.diff(drawn.frames) == 40).all()
        run = displacement[120:160, [2, 0]]
        np.testing.assert_allclose(drawn.low[3], run.min(axis=0), atol=1e-6)
        np.testing.assert_allclose(drawn.high[3], run.max(axis=0), atol=1e-6)
        whole = displacement[:, [2, 0]]
        np.testing.assert_allclose(drawn.high.max(axis=0), whole.max(axis=0), atol=1e-6)


def test_overlay_darkens_what_is_hidden_and_marks_every_point():
    frame = np.full((60, 80, 3), 120, np.uint8)
    square = np.array([[20, 15], [60, 15], [60, 45], [20, 45]], float)
    mask = np.array([[10, 5], [70, 5], [70, 55], [10, 55]], float)
    hidden = np.array([[62, 15], [68, 15], [68, 45], [62, 45]], float)
    rois = Rois((square,), (mask,), exclude_polygons=(hidden,))
    figure = overlay_rois(frame, rois, spacing_px=10)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown[30, 65].max() == pytest.approx(40 / 255)
    assert shown[30, 40].max() == pytest.approx(120 / 255)
    assert shown[2, 2].max() == pytest.approx(40 / 255)
    followed, weak, _length = (line.get_xydata() for line in figure.axes[0].lines)
    assert "inside ROIs" in figure.axes[0].get_title(loc="left")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "ROI: points are seeded here", "edge of what the tracker sees (dark: hidden)",
        "excluded: no points, and hidden", "12 points with nothing to follow",
    ]  # fmt: skip
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

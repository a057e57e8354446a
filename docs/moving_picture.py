"""Draw `images/rhythms.webp`, the moving picture of the front pages: `python docs/moving_picture.py`.

It shows the demo's video, tracked and decomposed as `facerhythm demo` does it, without a database.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from element_facerhythm.demo.settings import scene_parameters
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.figures.components import ComponentPanels, component_panels
from element_facerhythm.figures.style import COLOURS
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import RunRequest, run_project
from element_facerhythm.video import iterate_gray_frames

PICTURE = Path(__file__).with_name("images") / "rhythms.webp"
N_FRAMES = 600  # of the demo: ten seconds
SHOWN = range(306, N_FRAMES, 2)  # after the paw has passed; thirty pictures a second
MS_PER_PICTURE = 33
GROUND, INK = "#16181d", "#e8e8e8"
REST = np.array([0.85, 0.85, 0.85, 0.35])
COMPONENT_COLOURS = np.array([to_rgba(COLOURS[index]) for index in (4, 5, 3)])
"""One for each component that is shown, the strongest first: bright ones, on a dark ground."""


def analyse(directory: Path) -> Project:
    """Make the demo's video in a directory, and run everything on it."""
    video = directory / "face.mp4"
    scene = make_scene_video(video, n_frames=N_FRAMES)
    run_project(RunRequest((video,), scene.rois, scene_parameters(), directory / "project"))
    return Project.open(directory / "project")


def course_of(picture: ComponentPanels, times_s: np.ndarray) -> np.ndarray:
    """(T,) time course at the times of the frames, 0 to 1."""
    at_s, loadings = picture.time_courses[0]
    return np.interp(times_s, at_s, loadings) / loadings.max()


def place_of(picture: ComponentPanels) -> np.ndarray:
    """(P,) how much a point takes part, 0 to 1."""
    loadings = np.linalg.norm(picture.maps, axis=0)
    return loadings / loadings.max()


def draw(project: Project, video: Path) -> Iterator[Image.Image]:
    """Yield the pictures: the points, lit by the component that moves them most, and the courses in time."""
    components = component_panels(project)[: len(COMPONENT_COLOURS)]
    times_s = project.clock(0).times_s
    courses = np.stack([course_of(component, times_s) for component in components])
    places = np.stack([place_of(component) for component in components])
    tracks = np.asarray(project.tracking(0).points)
    shown_s = times_s[SHOWN.start :]

    figure = Figure(figsize=(8.0, 3.6), dpi=120, facecolor=GROUND)
    canvas = FigureCanvasAgg(figure)
    face = figure.add_axes((0.0, 0.0, 0.6, 1.0))
    image = face.imshow(project.example_image(), cmap="gray", vmin=0, vmax=255)
    points = face.scatter(*tracks[0].T, linewidths=0)
    face.set_axis_off()
    lines = []
    for index, (component, colour) in enumerate(zip(components, COMPONENT_COLOURS, strict=True)):
        axes = figure.add_axes((0.645, 0.7 - 0.3 * index, 0.32, 0.14), ylim=(-0.05, 1.05))
        axes.set_xlim(shown_s[0], shown_s[-1])
        axes.set_axis_off()
        axes.plot(times_s, courses[index], color=INK, alpha=0.3, linewidth=1)
        lines.append(axes.plot([], [], color=colour, linewidth=2.4)[0])
        axes.text(
            0, 1.25, f"component {index}: {component.peak_frequency_hz:.1f} Hz", color=colour,
            transform=axes.transAxes, fontsize=12, fontweight="bold",
        )  # fmt: skip

    for number, frame in enumerate(iterate_gray_frames(video)):
        if number not in SHOWN:
            continue
        image.set_data(frame)
        strength = places * courses[:, number, None]
        strongest = strength.argmax(axis=0)
        light = strength.max(axis=0)[:, None]
        points.set_offsets(tracks[number])
        points.set_sizes(5 + 40 * light[:, 0])
        points.set_facecolor(REST * (1 - light) + COMPONENT_COLOURS[strongest] * light)
        for line, course in zip(lines, courses, strict=True):
            line.set_data(times_s[SHOWN.start : number + 1], course[SHOWN.start : number + 1])
        canvas.draw()
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def main(picture: Path = PICTURE) -> None:
    with tempfile.TemporaryDirectory() as directory:
        first, *others = draw(analyse(Path(directory)), Path(directory) / "face.mp4")
    first.save(
        picture, save_all=True, append_images=others, duration=MS_PER_PICTURE, loop=0, quality=55,
        method=6,
    )  # fmt: skip
    print(f"{picture}: {len(others) + 1} pictures, {picture.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

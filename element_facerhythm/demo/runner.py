"""The main job from a video to SQL answers, with everything that a newcomer would have to set up."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import key_text
from element_facerhythm.demo.questions import Answer, ask_everything, text_table
from element_facerhythm.demo.settings import scene_parameters
from element_facerhythm.demo.truth import Truth, compare_with_truth
from element_facerhythm.errors import ConfigurationError, RequestError
from element_facerhythm.figures.style import write_bytes
from element_facerhythm.io.atomic import writing_inside
from element_facerhythm.pipeline.run.directory import check_writable

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.demo.synthetic import Scene
    from element_facerhythm.parameters import AnyParameters
    from element_facerhythm.pipeline import Progress

_N_SCENE_FRAMES = 600
_FILES = ("face.mp4", "truth.npz", "rois.json", "report.html")
Echo = Callable[[str], None]


@dataclass(frozen=True)
class DemoReport:
    """What the demo did and where it lies.

    `truth` is None for a video of one's own. `rows` counts the rows of each table under `key`.
    """

    directory: Path
    database: str
    key: Mapping[str, Any]
    rows: Mapping[str, int]
    answers: tuple[Answer, ...]
    truth: Truth | None
    video: Path
    project_dir: Path
    figures: tuple[Path, ...]
    report_path: Path
    seconds: float


@dataclass(frozen=True)
class _Material:
    """What is analysed."""

    video: Path
    rois: Rois
    parameters: AnyParameters
    scene: Scene | None


def run_demo(
    directory: Path,
    *,
    video: Path | None = None,
    rois: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    echo: Echo = lambda text: None,
) -> DemoReport:
    """Analyse a video through the database and answer questions by SQL.

    Without a video, a face-like scene is made whose motion is known, and the answers are compared with
    it. Without a configured database, the embedded one is used. What an earlier demo in the same
    directory made is reused.

    Parameters
    ----------
    directory
        Made where it is missing; gets the video, ROIs, figures and the page.
    video
        A recording of one's own; None makes the scene.
    rois
        ROI file of `video`; None proposes regions from what moves in it.
    device
        ``auto``, ``cpu`` or ``cuda[:n]``.
    progress
        Progress callback.
    echo
        Prints what the user should read, line by line or as tables.

    Raises
    ------
    RequestError
        The video, the ROIs or the database are not usable.
    ProcessingError
        The analysis failed.
    """
    from element_facerhythm.pipeline import NullProgress

    started = time.monotonic()
    progress = NullProgress() if progress is None else progress
    _check_request(directory, video, rois, device)
    directory = directory.resolve()
    if video is None:
        material = _scene_material(directory, progress)
    else:
        material = _own_material(directory, video.resolve(), rois, progress, echo)
    key, rows, answers, project_dir, database = _through_database(
        directory, material, device, progress, echo
    )
    report = _finish(
        directory, material, progress,
        DemoReport(
            directory=directory, database=database, key=key, rows=rows, answers=answers,
            truth=None, video=material.video, project_dir=project_dir, figures=(),
            report_path=directory / "report.html", seconds=0.0,
        ),
        started,
    )  # fmt: skip
    _print_summary(report, echo)
    return report


def _check_request(directory: Path, video: Path | None, rois: Path | None, device: str) -> None:
    from element_facerhythm.core.device import resolve_device
    from element_facerhythm.linking.settings import LINKING_VARIABLE, pipeline_settings

    resolve_device(device)
    if pipeline_settings().is_of_a_lab:
        raise ConfigurationError(
            f"the demo enters an animal that does not exist, and {LINKING_VARIABLE} names a lab's own "
            "pipeline: unset it for the demo, which then uses schemas of its own"
        )
    check_writable(directory, folders=("figures",), files=_FILES)
    if video is None and rois is not None:
        raise RequestError(f"ROIs ({rois}) were given without a video; give both or neither")


def _scene_material(directory: Path, progress: Progress) -> _Material:
    """Make the synthetic scene, or take the one that lies there already."""
    from dataclasses import replace

    from element_facerhythm.demo.synthetic import make_scene_video, plan_scene
    from element_facerhythm.io.rois_file import write_rois

    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "face.mp4"
    if path.is_file():
        scene = replace(plan_scene(n_frames=_N_SCENE_FRAMES), path=path)
    else:
        with progress.stage("make the video", _N_SCENE_FRAMES, "frames") as done:
            scene = make_scene_video(path, n_frames=_N_SCENE_FRAMES, on_frame=done)
    scene.save_truth(directory / "truth.npz")
    write_rois(scene.rois, directory / "rois.json")
    return _Material(path, scene.rois, scene_parameters(), scene)


def _own_material(
    directory: Path, video: Path, rois_path: Path | None, progress: Progress, echo: Echo
) -> _Material:
    """Check a video of the user's own; propose ROIs for it where none are given.

    Nothing is written before everything is checked. ROIs that an earlier demo proposed in the same
    directory are kept, as they may have been corrected by hand.
    """
    from element_facerhythm.io.rois_file import read_rois, write_rois
    from element_facerhythm.parameters import open_parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest, check_request
    from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video
    from element_facerhythm.video import probe_video

    metadata = probe_video(video)
    proposed = directory / "rois.json"
    if rois_path is not None or proposed.is_file():
        rois = read_rois(rois_path or proposed)
    else:
        rois, _ = propose_rois_for_video(video, metadata.n_frames, progress=progress)
    parameters = open_parameters_from_mapping({}).parameters
    check_request(RunRequest((video,), rois, parameters, project_dir=directory / "not-written"))
    directory.mkdir(parents=True, exist_ok=True)
    if rois_path is None:
        if not proposed.is_file():
            write_rois(rois, proposed)
        echo(
            f"ROIs were proposed from what moves: look at {directory / 'figures' / 'rois.png'}; if "
            f"they are not what you want, correct {proposed} and run again\n"
        )
    return _Material(video, rois, parameters, None)


def _through_database(
    directory: Path, material: _Material, device: str, progress: Progress, echo: Echo
) -> tuple[dict[str, Any], dict[str, int], tuple[Answer, ...], Path, str]:
    """Register, populate and ask; everything that touches the database."""
    from element_facerhythm.pipeline.progress import use_progress

    with _environment(material.video, device), progress.stage("open the database", None, ""):
        from element_facerhythm import ingest, workflow
    tables: Any = workflow.facial_behavior_estimation
    with _environment(material.video, device):
        choice = ingest.SessionChoice.numbered(
            _subject(directory), 1, sex="U", subject_birth_date=date(2025, 11, 1)
        )
        registered = ingest.register_videos(
            choice, [material.video], material.rois, material.parameters,
            recording_id=_recording_id(material),
        )  # fmt: skip
        with use_progress(progress):
            tables.RecordingInfo.populate(registered.key)
            tables.FaceRhythmProcessing.populate(registered.key)
        with progress.stage("fill the tables", None, ""):
            tables.FacialRhythm.populate(registered.key)
            tables.FacialRhythmReport.populate(registered.key)
            tables.ComponentRhythm.populate(registered.key)
            tables.RhythmBout.populate(registered.key)
        rows = ingest.count_rows(registered.key)
        output_dir = (tables.FaceRhythmProcessing & registered.key).fetch1("project_dir")
        project_dir = tables.processing.project_dir(output_dir)
    answers = ask_everything(tables, registered.key)
    return registered.key, rows, answers, project_dir, _describe_database(workflow)


@contextmanager
def _environment(video: Path, device: str) -> Iterator[None]:
    """Make the workflow find a video outside the configured root directories, and set the device."""
    from element_facerhythm.database.embedded import database_is_configured
    from element_facerhythm.linking import ROOT_VARIABLE

    roots = [root for root in os.environ.get(ROOT_VARIABLE, "").split(os.pathsep) if root]
    inside = any(video.is_relative_to(Path(root).resolve()) for root in roots)
    wanted = {} if device == "auto" else {"FACERHYTHM_DEVICE": device}
    if not inside and (roots or database_is_configured()):
        wanted[ROOT_VARIABLE] = os.pathsep.join([*roots, str(video.parent)])
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _subject(directory: Path) -> str:
    """Name of at most eight letters, different for each demo directory."""
    return "demo" + hashlib.sha256(str(directory).encode()).hexdigest()[:4]


def _recording_id(material: _Material) -> int:
    """0 for the scene; for other videos a number of their own, so that they can share a directory."""
    if material.scene is not None:
        return 0
    return 1 + int(hashlib.sha256(str(material.video).encode()).hexdigest()[:6], 16) % 9999


def _describe_database(workflow: Any) -> str:
    if workflow.embedded_database is not None:
        return f"embedded PostgreSQL, schema prefix {workflow.prefix} (facerhythm db url)"
    settings = workflow.dj.config.database
    where = f"{settings.host}:{settings.port}"
    return f"{settings.backend} at {where} as {settings.user}, schema prefix {workflow.prefix}"


def _finish(
    directory: Path, material: _Material, progress: Progress, report: DemoReport, started: float
) -> DemoReport:
    """Draw the figures, compare with the truth, write the page."""
    from dataclasses import replace

    from element_facerhythm.figures import write_figures
    from element_facerhythm.io.project import Project

    project = Project.open(report.project_dir)
    with progress.stage("draw figures", None, ""), writing_inside(directory):
        drawn = write_figures(project, directory / "figures")
    truth = None
    if material.scene is not None:
        truth = compare_with_truth(project, material.scene)
    seconds = time.monotonic() - started
    report = replace(report, figures=drawn.paths, truth=truth, seconds=seconds)
    with progress.stage("write the page", None, ""):
        page = _page(report)
    with writing_inside(directory):
        write_bytes(report.report_path, page.encode())
    return report


def _page(report: DemoReport) -> str:
    from element_facerhythm.demo.report_page import report_html
    from element_facerhythm.report import gather_facts

    return report_html(
        gather_facts(report.project_dir),
        title=f"Facial rhythms of {report.video.name}",
        places=_places(report),
        notes=() if report.truth is None else (_SCENE_NOTE,),
        truth=() if report.truth is None else truth_tables(report.truth),
        answers=report.answers,
    )


_SCENE_NOTE = (
    "The video is synthetic: a face-like scene whose motion is a formula, with flickering light, "
    "sensor noise and a paw that passes once. So the answers can be compared with the truth."
)


def truth_tables(
    truth: Truth,
) -> tuple[tuple[str, tuple[Sequence[str], Sequence[Sequence[Any]]]], ...]:
    """Return the comparison as (heading, (columns, rows)) tables."""
    tracking = truth.tracking
    distances = ("points in plain view", tracking.error_median_px, tracking.error_p95_px)
    rhythms = [
        (r.name, r.planted_hz, r.found_hz, r.bin_width_hz, r.component_index, r.place_congruence,
         r.time_congruence)
        for r in truth.rhythms
    ]  # fmt: skip
    columns = ("planted", "Hz", "found Hz", "bin Hz", "component", "place", "time course")
    return (
        ("How far are the tracks from the truth?", (("pixels", "median", "95 %"), [distances])),
        ("Were the planted rhythms found? (place and time course: 1 is the same)",
         (columns, rhythms)),
    )  # fmt: skip


def _places(report: DemoReport) -> list[tuple[str, str]]:
    return [
        ("page", str(report.report_path)),
        ("figures", str(report.directory / "figures")),
        ("video", str(report.video)),
        ("project", str(report.project_dir)),
        ("database", report.database),
        ("key", key_text(report.key)),
    ]


def _print_summary(report: DemoReport, echo: Echo) -> None:
    filled = [(name, count) for name, count in report.rows.items() if count]
    echo("Rows in the database:")
    echo(text_table(("table", "rows"), filled))
    if report.truth is not None:
        for heading, (columns, rows) in truth_tables(report.truth):
            echo(f"\n{heading}\n")
            echo(text_table(columns, rows))
        hidden = report.truth.tracking
        echo(
            f"\nThe paw and the eye's lid hid {hidden.n_hidden} point-frames; "
            f"{hidden.hidden_flagged_fraction:.0%} of them were flagged as violations."
        )
    for answer in report.answers:
        echo(f"\n{answer.question}\n\n{_indented(answer.sql)};\n")
        echo(text_table(answer.columns, answer.rows) if answer.rows else "(none)")
    echo("")
    for what, where in _places(report):
        echo(f"{what:<10}{where}")
    echo(f"{'time':<10}{report.seconds:.0f} s")


def _indented(sql: str) -> str:
    return "\n".join(f"    {line}" for line in sql.splitlines())

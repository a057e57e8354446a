"""`facerhythm export movie` and `facerhythm export clips`: results drawn on the frames of their videos."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.cli.recording_options import FramesOption
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project
    from element_facerhythm.movies.movie import MoviePlan, MovieRequest
    from element_facerhythm.movies.source import FrameSource

ProjectArgument = Annotated[
    Path | None,
    typer.Argument(help="Project directory, of this package or of face-rhythm.", metavar="PROJECT"),
]
VideosOption = Annotated[
    list[Path] | None,
    typer.Option("--video", help="Where a video is now; once for each of the project, in order."),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Key of the decomposition (default: the first).")
]
SpeedOption = Annotated[float, typer.Option("--speed", help="1 is real time, 0.25 slow motion.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
WHAT_HELP = "points, arrows, component:K, flags or keypoints."


@dataclass(frozen=True, eq=False)
class Filmed:
    """A project that is shown, where its videos are looked for, and what it is called in a result."""

    project: "Project"
    of: Mapping[str, Any]
    videos: tuple[Path, ...]
    roots: tuple[Path, ...]

    def source(self, video_index: int) -> "FrameSource":
        """Find the frames of one sequence."""
        from element_facerhythm.movies.source import frame_source

        return frame_source(self.project, video_index, given=self.videos, roots=self.roots)


def movie(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write, .mp4.")],
    project: ProjectArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    what: Annotated[str, typer.Option("--what", help=WHAT_HELP)] = "points",
    start_s: Annotated[
        float | None, typer.Option("--from", metavar="S", help="First second of the video.")
    ] = None,
    stop_s: Annotated[
        float | None, typer.Option("--to", metavar="S", help="Second at which it ends.")
    ] = None,
    frames: FramesOption = None,
    speed: SpeedOption = 1.0,
    magnify: Annotated[
        float | None,
        typer.Option("--magnify", help="Factor on displacements (default: 1; for arrows, chosen)."),
    ] = None,
    video_index: Annotated[
        int, typer.Option("--video-index", help="Number of the tracked video, from 0.")
    ] = 0,
    keypoints: Annotated[
        str | None,
        typer.Option(
            "--keypoints",
            metavar="FILE|NAME=VALUE",
            help="Keypoints.h5, or facemap's own file; of a row, a column of KeypointInference.",
        ),
    ] = None,
    likelihood: Annotated[
        float, typer.Option("--likelihood", help="Least likelihood of a keypoint.", min=0, max=1)
    ] = 0.5,
    width: Annotated[
        int | None,
        typer.Option("--width", help="Width in pixels (default: the video's, 480 to 1280)."),
    ] = None,
    model: ModelOption = None,
    video: VideosOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw tracks, a component, flags or keypoints on the frames of a recording, as a movie.

    Give a project directory, or the row of one run. Without a span, ten seconds are shown: those in which
    points move most, or in which the component is strongest.

    Example: `facerhythm export movie mouse-project --what component:0 --speed 0.5 -o component0.mp4`
    """
    from element_facerhythm.movies.movie import MovieRequest
    from element_facerhythm.pipeline.run.frame_range import frame_range

    chosen = key_texts(subject, session, recording, key)
    kind, component = kind_and_component(what)
    of_rows = keypoints is not None and is_column_value(keypoints)
    if of_rows and not chosen.texts:
        raise RequestError(
            f"--keypoints {keypoints} names a row of the database, and the movie is of a directory: give a "
            "file, or say which run (--subject, --session, --recording, --key)"
        )
    request = MovieRequest(
        what=kind,
        component=component,
        model_key=model,
        video_index=video_index,
        frames=frame_range(frames),
        span_s=(start_s, stop_s),
        speed=speed,
        magnify=magnify,
        width_px=width,
        keypoints=None if keypoints is None else Path(keypoints),
        likelihood=likelihood,
    )
    require_movie_place(output, overwrite=overwrite)
    with quiet_stdout(), progress_bars() as progress:
        filmed = to_film(project, chosen, video, video_index)
        if keypoints is not None and of_rows:
            request = replace(request, keypoints=keypoints_of(filmed.of["key"], keypoints))
        plan = written(filmed, request, output, progress)
    show_movie(filmed, plan, output, as_json)


def clips(
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for the movies.")],
    project: ProjectArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    component: Annotated[
        list[int] | None,
        typer.Option("--component", help="Number of a component, once for each (default: all)."),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Episodes of a component, at most.")] = 12,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of an episode.")] = 5.0,
    speed: SpeedOption = 1.0,
    magnify: Annotated[float, typer.Option("--magnify", help="Factor on displacements.")] = 1.0,
    width: Annotated[int, typer.Option("--width", help="Width of a movie in pixels.")] = 1280,
    model: ModelOption = None,
    video: VideosOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the moments at which each component is strongest, side by side: a movie for each component.

    Example: `facerhythm export clips mouse-project --n 9 --seconds 3 -o clips`
    """
    from element_facerhythm.movies.clips import ClipsRequest, check_clips, plan_clips, write_clips
    from element_facerhythm.movies.component import one_component, shown_components

    request = ClipsRequest(n, seconds, speed, magnify, width)
    check_clips(request)
    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout(), progress_bars() as progress:
        filmed = to_film(project, chosen, video)
        opened = filmed.project
        every, notes = shown_components(opened, model)
        numbers = range(len(every)) if component is None else dict.fromkeys(component)
        shown = {output / f"component_{i}.mp4": one_component(every, i) for i in numbers}
        for path in shown:
            require_place(path, overwrite=overwrite)
        clocks = [opened.clock(i) for i in range(len(opened.video_keys))]
        plans = {
            path: plan_clips(one, filmed.source, clocks, request) for path, one in shown.items()
        }
        with progress.stage("clips", len(plans), "movies") as advance:
            for n_done, (path, plan) in enumerate(plans.items(), start=1):
                write_clips(plan, opened, path)
                advance(n_done)
    notes = (*notes, *(note for plan in plans.values() for note in plan.notes))
    show_clips(filmed, plans, notes, as_json)


def kind_and_component(what: str) -> tuple[str, int | None]:
    """Split `--what`: a kind, and the number of a component.

    Raises
    ------
    RequestError
        What follows `component:` is no number.
    """
    kind, sign, number = what.partition(":")
    if not sign:
        return kind, None
    if kind != "component" or not number.isdecimal():
        raise RequestError(f"--what is {what!r}; expected {WHAT_HELP[:-1]}, such as component:0")
    return kind, int(number)


def is_column_value(keypoints: str) -> bool:
    """Whether `--keypoints` is NAME=VALUE, and no file of that name is there."""
    return (
        keypoints.partition("=")[0].isidentifier()
        and "=" in keypoints
        and not Path(keypoints).exists()
    )


def keypoints_of(run: Mapping[str, Any], column_value: str) -> Path:
    """File of the keypoints of a run's recording, as it was entered; from the store where it is not here.

    Raises
    ------
    RequestError
        The rows that are named are none or several of this recording.
    """
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation import VideoRecording
    from element_facerhythm.facial_behavior_estimation.product_files import fetch_verified_file
    from element_facerhythm.keypoint_inference import KeypointInference

    recording = {name: run[name] for name in VideoRecording.primary_key}
    named = key_texts(key=[column_value]).key(KeypointInference())
    rows = (KeypointInference() & recording & named).proj("keypoints_path", "keypoints_sha256")
    found = rows.to_dicts(limit=2)
    if len(found) != 1:
        there = (KeypointInference() & recording).proj().to_dicts(order_by="KEY")
        texts = (key_text({n: v for n, v in row.items() if n not in recording}) for row in there)
        raise RequestError(
            f"--keypoints {column_value} is {'several runs' if found else 'no run'} of keypoints of this "
            f"recording; expected one of {'; '.join(texts) or 'none: nothing was inferred for it'}"
        )
    return fetch_verified_file(found[0]["keypoints_path"], found[0]["keypoints_sha256"])


def require_movie_place(output: Path, *, overwrite: bool) -> None:
    """Refuse a file that is no .mp4, or that cannot be written.

    Raises
    ------
    RequestError
        The message says what is in the way.
    """
    if output.suffix.lower() != ".mp4":
        raise RequestError(f"{output} does not end with .mp4, which is the format that is written")
    require_place(output, overwrite=overwrite)


def to_film(
    project: Path | None, chosen: KeyTexts, videos: list[Path] | None, video_index: int = 0
) -> Filmed:
    """Open a project directory, or the one of the run that is chosen.

    Raises
    ------
    RequestError
        None or both were given, no run is chosen or several, or the project cannot be shown.
    """
    from element_facerhythm.linking import environment_root_dirs
    from element_facerhythm.pipeline.results.filming import project_to_film

    if (project is None) != bool(chosen.texts):
        raise RequestError(
            "give a project directory, or say which row (--subject, --session, --recording, --key), and "
            "not both"
        )
    given = tuple(videos or ())
    if project is not None:
        opened = project_to_film(project, (), video_index)
        return Filmed(opened, {"project_dir": project}, given, environment_root_dirs())
    return of_row(chosen, given, video_index)


def of_row(chosen: KeyTexts, videos: tuple[Path, ...], video_index: int) -> Filmed:
    """Open the project of the run that is chosen; its videos are those of its recording.

    Raises
    ------
    RequestError
        No run is chosen, or several; or its files are not here.
    """
    from element_facerhythm.cli.database_access import pipeline_to_read
    from element_facerhythm.cli.figures import chosen_runs
    from element_facerhythm.pipeline.results.filming import project_to_film

    pipeline_to_read()
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation.run_directory import present_run
    from element_facerhythm.linking import active_link

    runs = chosen_runs(chosen, None)
    if len(runs) > 1:
        raise RequestError(
            f"{len(runs)} runs are chosen, and a movie is of one; say more of its key, as "
            f"{' '.join(f'--key {name}=VALUE' for name in runs[0])}: {'; '.join(map(key_text, runs[:5]))}"
        )
    (run,) = runs
    roots = active_link().search_dirs()
    opened = project_to_film(present_run(run), roots, video_index)
    return Filmed(opened, {"key": run}, videos or entered_videos(run, opened), tuple(roots))


def entered_videos(run: Mapping[str, Any], project: "Project") -> tuple[Path, ...]:
    """Where the videos of a run's recording are, in the project's order; none where one is not here."""
    from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
    from element_facerhythm.linking import active_link, expected_path
    from element_facerhythm.movies.source import recorded_videos

    roots = active_link().search_dirs()
    places = {file.sha256: expected_path(file.path, roots) for file in entered_files(dict(run))}
    found = [places.get(video.sha256 or "") for video in recorded_videos(project)]
    here = tuple(place for place in found if place is not None and place.exists())
    return here if len(here) == len(found) else ()


def written(filmed: Filmed, request: "MovieRequest", output: Path, progress: Any) -> "MoviePlan":
    """Plan a movie, and write it."""
    from element_facerhythm.movies.movie import plan_movie, write_movie

    plan = plan_movie(filmed.project, filmed.source(request.video_index), request)
    with progress.stage("movie", plan.span.n_pictures, "frames") as advance:
        write_movie(plan, output, advance)
    return plan


def show_movie(filmed: Filmed, plan: "MoviePlan", output: Path, as_json: bool) -> None:
    """Print what was written."""
    span, (width, height) = plan.span, plan.view.shown_px
    if as_json:
        print_json(
            {
                **filmed.of,
                "file": output,
                "frames": [span.first, span.stop],
                "step": span.step,
                "n_pictures": span.n_pictures,
                "frame_rate_hz": span.shown_rate_hz,
                "duration_s": span.duration_s,
                "width_px": width,
                "height_px": height,
                "notes": plan.notes,
            }
        )
        return
    what = f"{span.duration_s:.1f} s, {width} x {height} px, {span.shown_rate_hz:.4g} frames/s"
    print_lines([("written", f"{output}: {what}"), *(("note", note) for note in plan.notes)])


def show_clips(
    filmed: Filmed, plans: Mapping[Path, Any], notes: tuple[str, ...], as_json: bool
) -> None:
    """Print what was written, with the episodes of each component."""
    if not as_json:
        lines = [("written", f"{path}: {len(plan.episodes)} clips") for path, plan in plans.items()]
        print_lines([*lines, *(("note", note) for note in notes)])
        return
    components = [
        {"component_index": plan.component.index, "file": path, "episodes": plan.episodes}
        for path, plan in plans.items()
    ]
    print_json({**filmed.of, "files": list(plans), "components": components, "notes": notes})

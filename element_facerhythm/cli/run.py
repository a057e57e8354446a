"""`facerhythm run`: the whole analysis without a database."""

import json
import math
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.kept_inputs import inputs_of_run
from element_facerhythm.cli.output import (
    IncompleteOption,
    JsonOption,
    human_seconds,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.parameter_options import (
    ParamsOption,
    Preset,
    PresetOption,
    SetOption,
    fitted_lines,
    fitted_rows,
    load_parameters,
    reading_notes,
)
from element_facerhythm.cli.quality import print_quality, quality_dicts
from element_facerhythm.cli.recording_options import (
    FrameRateOption,
    FramesOption,
    TimesOption,
    times_of,
)
from element_facerhythm.files.names import short_name
from element_facerhythm.files.sizes import human_size

if TYPE_CHECKING:
    from element_facerhythm.pipeline import ProjectSummary, RunRecord, RunRequest
    from element_facerhythm.pipeline.results.drawing_beside import Visualizations


COMPONENT_COLUMNS = (
    "component",
    "peak Hz",
    "centroid Hz",
    "bandwidth Hz",
    "x px",
    "y px",
    "explained",
    "stable",
)


class Compat(StrEnum):
    """Program whose numbers are reproduced where face-rhythm's are known to be wrong."""

    FACE_RHYTHM = "face-rhythm"


def run(
    videos: Annotated[list[Path], typer.Argument(help="Videos of one recording, in order.")],
    rois: Annotated[
        Path | None,
        typer.Option(
            "--rois",
            help="ROI file (JSON), or a face-rhythm ROIs.h5 (default: the one that the project keeps)",
        ),
    ] = None,
    params: ParamsOption = None,
    settings: SetOption = None,
    preset: PresetOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Project directory (default: the first name with -facerhythm)"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    signals: Annotated[
        str | None,
        typer.Option(
            help="Signals of the whole face to measure besides: motion, svd, pupil, blink, running."
        ),
    ] = None,
    compat: Annotated[
        Compat | None,
        typer.Option(
            help="Reproduce face-rhythm's numbers where this package's differ on purpose."
        ),
    ] = None,
    frames: FramesOption = None,
    frame_rate: FrameRateOption = None,
    times: TimesOption = None,
    figures: Annotated[
        bool, typer.Option(help="Write figures and a movie into visualizations/.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that were made another way.")
    ] = False,
    incomplete: IncompleteOption = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, show what would run, write nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Track points, compute spectrograms and decompose them, into one project directory.

    Parameters that are not given are fitted to the recording, and printed with the reason. Stages that are
    already there and were computed from the same videos and parameters are reused. Without --params and
    --rois a project directory that exists keeps its own parameters and regions; results of other parameters,
    videos or regions are replaced with --overwrite alone.

    Example: `facerhythm run mouse.mp4 --rois rois.json --params params.yaml -o mouse-project`
    """
    from element_facerhythm.pipeline.run.frame_range import frame_range

    with quiet_stdout():
        request, notes = make_request(
            videos, rois, params, output, device, compat,
            settings=[*(settings or ()), *signal_settings(signals)], preset=preset, overwrite=overwrite,
        )  # fmt: skip
        request = replace(
            request,
            frames=frame_range(frames),
            frame_rate_hz=frame_rate,
            times=times_of(times, len(videos)),
            allow_incomplete=incomplete,
        )
        if dry_run:
            plan = check(request, notes)
        else:
            record, summary, drawn = execute(request, figures)
    if dry_run:
        print_plan(plan, as_json)
    elif as_json:
        print_json(as_dict(record, summary, drawn, notes))
    else:
        show(record, summary, drawn, notes)


def signal_settings(signals: str | None) -> list[str]:
    """Return what `--signals` stands for, as `--set` has it."""
    if signals is None:
        return []
    names = [name.strip() for name in signals.split(",") if name.strip()]
    return [f"FacialSignal.signals={json.dumps(names)}"]


def make_request(
    videos: list[Path],
    rois: Path | None,
    params: Path | None,
    output: Path | None,
    device: str,
    compat: Compat | None,
    *,
    settings: list[str] | None = None,
    preset: Preset | None = None,
    overwrite: bool,
) -> "tuple[RunRequest, tuple[str, ...]]":
    """Read the parameters and make the request; the notes name what is not used."""
    from element_facerhythm.pipeline import RunRequest

    project_dir = output if output is not None else Path(short_name(videos[0].stem, "-facerhythm"))
    inputs = inputs_of_run(project_dir, params, rois, preset)
    wanted = None if compat is None else compat.value
    loaded = load_parameters(inputs.params, settings, preset, compat=wanted, base=inputs.base)
    request = RunRequest(
        videos=tuple(videos),
        rois=inputs.rois,
        parameters=loaded.parameters,
        parameters_file=inputs.params,
        project_dir=project_dir,
        device=device,
        overwrite=overwrite,
    )
    return request, (*inputs.notes, *reading_notes(loaded))


def check(request: "RunRequest", notes: tuple[str, ...]) -> dict[str, Any]:
    """Do every check of a real run and return what it would do."""
    from element_facerhythm.pipeline import check_request
    from element_facerhythm.pipeline.run.plan import plan_checked, require_overwrite

    checked = check_request(request)
    plan = plan_checked(checked)
    require_overwrite(plan, request)
    return {
        "project_dir": request.project_dir,
        "parameters_sha256": checked.parameters.sha256(),
        "parameters_fitted": fitted_rows(checked.parameters_fitted),
        "n_points": len(checked.placed.point_positions),
        "device": checked.device,
        "videos": [
            {"path": v.path, "n_frames": v.n_frames, "frame_rate_hz": v.frame_rate_hz}
            for v in checked.videos
        ],
        "stages": [
            {"name": stage.name, "runs": stage.runs, "reasons": list(stage.reasons)}
            for stage in plan.stages
        ],
        "notes": list(dict.fromkeys((*notes, *checked.notes))),
    }


def print_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print what `--dry-run` found."""
    if as_json:
        print_json(plan)
        return
    lines = [
        ("video", f"{video['path']}: {video['n_frames']} frames at {video['frame_rate_hz']:g} Hz")
        for video in plan["videos"]
    ]
    for stage in plan["stages"]:
        action = f"would run: {'; '.join(stage['reasons'])}" if stage["runs"] else "would be reused"
        lines.append(("stage", f"{stage['name']} {action}"))
    lines += [
        ("fitted", f"{row['name']} = {row['value']}: {row['reason']}")
        for row in plan["parameters_fitted"]
    ]
    lines += [("note", note) for note in plan["notes"]]
    print_lines([*lines, ("result", f"nothing was written; it would go to {plan['project_dir']}")])


def execute(
    request: "RunRequest", figures: bool
) -> "tuple[RunRecord, ProjectSummary, Visualizations]":
    """Run the stages, draw the figures and write the movie."""
    from element_facerhythm.curation import notes_of_project
    from element_facerhythm.pipeline import run_project, summarise_project
    from element_facerhythm.pipeline.results.drawing_beside import FiguresBeside, Visualizations

    with progress_bars() as progress, FiguresBeside(request.project_dir) as drawing:
        on_stage = drawing.on_stage if figures else None
        record = run_project(request, progress=progress, on_stage=on_stage)
        with progress.stage("summary", 1, "file"):
            summary = summarise_project(record.project_dir)
        record = replace(record, notes=(*record.notes, *notes_of_project(record.project_dir)))
        if not figures:
            return record, summary, Visualizations(())
        drawn = drawing.finish(progress)
    return replace(record, notes=(*record.notes, *drawn.notes)), summary, drawn


def as_dict(
    record: "RunRecord",
    summary: "ProjectSummary",
    drawn: "Visualizations",
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Return the result as plain values for JSON."""
    from element_facerhythm.pipeline.exchange.result_keys import result_keys

    return {
        **result_keys(record),
        "project_dir": record.project_dir,
        "frame_rate_hz": summary.frame_rate_hz,
        "n_frames": sum(v.n_frames for v in summary.videos),
        "duration_s": sum(v.duration_s for v in summary.videos),
        "gaps": [
            {"after_frame": frame, "seconds": gap.seconds, "bridged": gap.is_bridged}
            for frame, gap in summary.gaps
        ],
        "device": record.device,
        "versions": dict(record.versions),
        "stages": [
            {"name": s.name, "seconds": s.seconds, "reused": s.reused} for s in record.stages
        ],
        "products": [
            {"name": p.name, "path": p.path, "size_bytes": p.size_bytes, "sha256": p.sha256}
            for p in record.products
        ],
        "videos": [
            {
                "file_name": v.file_name,
                "n_frames": v.n_frames,
                "duration_s": v.duration_s,
                "violation_fraction": v.violation_fraction,
                "violation_frame_fraction": v.violation_frame_fraction,
                "n_held_frames": v.n_held_frames,
                "n_dark_frames": v.n_dark_frames,
                "n_frozen_frames": v.n_frozen_frames,
            }
            for v in summary.videos
        ],
        "models": [
            {
                "model_key": m.model_key,
                "rank": m.rank,
                "explained_variance": m.explained_variance,
                "relative_error": m.relative_error,
                "r_squared": m.r_squared,
                "stability": m.stability,
                "components": [component_dict(i, c) for i, c in enumerate(m.components)],
            }
            for m in summary.models
        ],
        "quality": quality_dicts(summary.quality),
        "figures": drawn.paths,
        "movies": drawn.movies,
        "parameters_fitted": fitted_rows(record.parameters_fitted),
        "notes": list(dict.fromkeys((*notes, *record.notes))),
    }


def component_dict(index: int, component: Any) -> dict[str, Any]:
    """Return one component's scalars."""
    return {
        "component_index": index,
        "peak_frequency_hz": component.peak_frequency_hz,
        "centroid_frequency_hz": component.centroid_frequency_hz,
        "bandwidth_hz": component.bandwidth_hz,
        "centroid_x_px": component.centroid_x_px,
        "centroid_y_px": component.centroid_y_px,
        "xy_ratio": component.xy_ratio,
        "explained_variance": component.explained_variance,
        "squared_correlation": component.squared_correlation,
        "stability": component.stability,
    }


def show(
    record: "RunRecord",
    summary: "ProjectSummary",
    drawn: "Visualizations",
    notes: tuple[str, ...],
) -> None:
    """Print the result as text."""
    sizes = {product.name: product.size_bytes for product in record.products}
    print_table(
        f"{record.project_dir} on {record.device}",
        ("stage", "time"),
        [(s.name, "reused" if s.reused else human_seconds(s.seconds)) for s in record.stages],
        right=("time",),
    )
    print_table(
        f"{summary.n_points} points at {summary.frame_rate_hz:g} frames/s",
        ("video", "frames", "violations", "frames with any"),
        [
            (
                v.file_name,
                v.n_frames,
                f"{v.violation_fraction:.2%}",
                f"{v.violation_frame_fraction:.2%}",
            )
            for v in summary.videos
        ],
        right=("frames", "violations", "frames with any"),
    )
    for model in summary.models:
        show_model(model, f" of model {model.model_key}" if len(summary.models) > 1 else "")
    lines = [("products", ", ".join(f"{name} {human_size(size)}" for name, size in sizes.items()))]
    if drawn.paths:
        lines.append(("figures", f"{len(drawn.paths)} in {drawn.paths[0].parent}"))
    lines += [("movie", str(path)) for path in drawn.movies]
    lines += fitted_lines(record.parameters_fitted)
    print_lines([*lines, *(("note", note) for note in dict.fromkeys((*notes, *record.notes)))])
    print_quality(summary.quality)


def show_model(model: Any, which: str) -> None:
    """Print the components of one decomposition; `which` names it where there are several."""
    print_table(
        f"{model.rank} components{which}, explained variance {model.explained_variance:.1%}",
        COMPONENT_COLUMNS,
        [
            (
                index,
                f"{c.peak_frequency_hz:.2f}",
                f"{c.centroid_frequency_hz:.2f}",
                f"{c.bandwidth_hz:.2f}",
                f"{c.centroid_x_px:.0f}",
                f"{c.centroid_y_px:.0f}",
                f"{c.explained_variance:.1%}",
                "-" if math.isnan(c.stability) else f"{c.stability:.2f}",
            )
            for index, c in enumerate(model.components)
        ],
        right=COMPONENT_COLUMNS,
    )

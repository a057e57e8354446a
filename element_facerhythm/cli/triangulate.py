"""`facerhythm keypoints triangulate`: positions in space from two and more calibrated cameras."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from element_facerhythm.cli.importing import RenameOption, renaming
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    quiet_stdout,
)

if TYPE_CHECKING:
    from element_facerhythm.keypoints.cameras import Reconstruction, View

T = TypeVar("T")
COLUMNS = ("body part", "found", "error px", "views", "likelihood")


ViewsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CAMERA=FILE...",
        help="Keypoints of each camera, by its name in the calibration; the first one gives the moments.",
    ),
]
CalibrationOption = Annotated[
    Path,
    typer.Option(
        "--calibration", help="Anipose's calibration.toml; deeperfly's TOML or results.h5."
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option(
        "-o", "--output", help="deeperfly's results (.h5), movement (.nc) or Anipose (.csv)."
    ),
]
SoftwareOption = Annotated[
    str, typer.Option("--from", help="Who predicted, as of `import keypoints`.")
]
TimesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--times", help="CAMERA=FILE: times of its frames, on a clock that all cameras share."
    ),
]
FrameRateOption = Annotated[
    float | None,
    typer.Option(
        "--frame-rate", help="Frames per second, where files do not say.", min=1e-3, max=1e6
    ),
]
StartOption = Annotated[
    list[str] | None,
    typer.Option("--start", help="CAMERA=SECONDS: when it began, added to its times."),
]
ToleranceOption = Annotated[
    float | None,
    typer.Option(
        help="Most seconds between frames of one moment (default: half an interval of the slowest)."
    ),
]
ThresholdOption = Annotated[
    float, typer.Option(help="Views that disagree by more pixels do not count.")
]
LikelihoodOption = Annotated[
    float, typer.Option(help="Keypoints that are less likely are taken as not seen.")
]
RefineOption = Annotated[
    str | None,
    typer.Option(help="Bundle adjustment: extrinsics, or intrinsics as well (default: none)."),
]
SizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--size", help="CAMERA=WIDTHxHEIGHT of its frames, where the calibration does not say."
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]


def triangulate(
    views: ViewsArgument,
    calibration: CalibrationOption,
    output: OutputOption,
    software: SoftwareOption = "Facemap",
    times: TimesOption = None,
    frame_rate: FrameRateOption = None,
    start: StartOption = None,
    tolerance: ToleranceOption = None,
    threshold: ThresholdOption = 10.0,
    min_likelihood: LikelihoodOption = 0.0,
    refine: RefineOption = None,
    size: SizeOption = None,
    rename: RenameOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find keypoints in space from what two or more calibrated cameras saw at the same moments.

    Example: `facerhythm keypoints triangulate left=l.h5 right=r.h5 --calibration cal.toml -o space.h5`
    """
    from element_facerhythm.keypoints.cameras import (
        ReconstructionOptions,
        read_cameras,
        reconstruct,
    )
    from element_facerhythm.keypoints.cameras.results import require_writable, write_reconstruction
    from element_facerhythm.keypoints.reading_options import ReadingOptions

    files = by_camera(views, "a view", Path)
    options = ReconstructionOptions(threshold, min_likelihood, tolerance, refine)
    require_writable(None, output, overwrite=overwrite)
    with quiet_stdout():
        cameras = read_cameras(calibration, by_camera(size, "--size", size_of))
        seen = views_of(
            files,
            software,
            by_camera(times, "--times", Path),
            by_camera(start, "--start", seconds_of),
            frame_rate,
            ReadingOptions(rename=renaming(rename or [])),
        )
        made = reconstruct(cameras, seen, options)
        write_reconstruction(made, output, overwrite=overwrite)
    if as_json:
        print_json(answer_of(made, output))
    else:
        print_result(made, output)


def answer_of(made: "Reconstruction", output: Path) -> dict[str, object]:
    """Return what is told in JSON."""
    refined = made.refined
    fit = None
    if refined is not None:
        fit = {
            "n_points": refined.n_points,
            "error_before_px": refined.error_before_px,
            "error_after_px": refined.error_after_px,
        }
    return {
        "file": output,
        "n_frames": len(made.positions),
        "cameras": [camera.name for camera in made.cameras],
        "frames_matched": made.seen.match.n_matched,
        "tracks": [dict(zip(_JSON_NAMES, row, strict=True)) for row in summary_of(made)],
        "refined": fit,
        "notes": made.notes,
    }


def print_result(made: "Reconstruction", output: Path) -> None:
    """Print a table of the body parts, and what else there is to say."""
    rows = [
        (name, f"{found:.1%}", _text(error, ".2f"), _text(views, ".1f"), _text(likelihood, ".3f"))
        for name, found, error, views, likelihood in summary_of(made)
    ]
    print_table("", COLUMNS, rows, right=COLUMNS[1:])
    lines = [
        ("written", f"{output}"),
        ("frames", f"{len(made.positions)} of camera {made.cameras[0].name}"),
    ]
    if made.refined is not None:
        before, after = made.refined.error_before_px, made.refined.error_after_px
        fit = f"median error {before:.2f} px before, {after:.2f} px after, of {made.refined.n_points} points"
        lines.append(("cameras refined", fit))
    print_lines([*lines, *(("note", note) for note in made.notes)])


_JSON_NAMES = ("name", "found_fraction", "mean_error_px", "mean_views", "median_likelihood")


def views_of(
    files: dict[str, Path],
    software: str,
    times: dict[str, Path],
    starts: dict[str, float],
    frame_rate_hz: float | None,
    options: object,
) -> "list[View]":
    """Read the keypoints of each camera, and when its frames were taken.

    Raises
    ------
    KeypointError
        A file cannot be read, or times are given for a camera without keypoints.
    VideoError
        A file of times cannot be read.
    """
    from typing import Any, cast

    from element_facerhythm.errors import KeypointError
    from element_facerhythm.keypoints.cameras import View
    from element_facerhythm.keypoints.formats import read_predictions
    from element_facerhythm.video.time_files import read_frame_times

    for option, given in (("--times", times), ("--start", starts)):
        strange = sorted(set(given) - set(files))
        if strange:
            raise KeypointError(
                f"{option} is given for {', '.join(strange)}, of which there are no keypoints; the "
                "cameras are "
                f"{', '.join(files)}"
            )
    found = []
    for camera, path in files.items():
        predictions = read_predictions(
            path, software, frame_rate_hz=frame_rate_hz, options=cast("Any", options)
        )
        frame_times = None
        if camera in times:
            rate_hz = frame_rate_hz or predictions.frame_rate_hz
            clock = read_frame_times(times[camera], rate_hz)
            frame_times = clock.first_s + clock.times_s
        found.append(View(camera, predictions, frame_times, starts.get(camera, 0.0), path))
    return found


def summary_of(
    made: "Reconstruction",
) -> list[tuple[str, float, float | None, float | None, float | None]]:
    """Return name, part found, mean error, mean views and median likelihood of each point."""
    from element_facerhythm.keypoints.cameras.summary import point_summaries

    return [
        (s.name, s.found_fraction, s.mean_error_px, s.mean_views, s.median_likelihood)
        for s in point_summaries(made)
    ]


def by_camera(given: Sequence[str] | None, what: str, read: Callable[[str], T]) -> dict[str, T]:
    """Turn CAMERA=VALUE into values by camera.

    Raises
    ------
    RequestError
        One is something else, or a camera is named twice.
    """
    from element_facerhythm.errors import RequestError

    found: dict[str, T] = {}
    for text in given or ():
        camera, sign, value = text.partition("=")
        if not sign or not camera or not value or camera in found:
            raise RequestError(f"{what} is {text!r}; expected CAMERA=VALUE, each camera once")
        found[camera] = read(value)
    return found


def size_of(text: str) -> tuple[int, int]:
    """Width and height of `WIDTHxHEIGHT`.

    Raises
    ------
    RequestError
        It is something else.
    """
    from element_facerhythm.errors import RequestError

    try:
        width, height = map(int, text.split("x"))
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise RequestError(f"--size is {text!r}; expected WIDTHxHEIGHT in pixels, such as 960x480")
    return width, height


def seconds_of(text: str) -> float:
    """Return a finite number of seconds.

    Raises
    ------
    RequestError
        It is none.
    """
    from math import isfinite

    from element_facerhythm.errors import RequestError

    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds):
        raise RequestError(f"--start is {text!r}; expected seconds, such as 0.013")
    return seconds


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

"""`facerhythm video`: what videos are, whether they are whole, parts of them, and raw depth."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    plain,
    print_json,
    print_lines,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.errors import FaceRhythmError, RequestError
from element_facerhythm.files.sizes import human_size

app = typer.Typer(help="Examine, cut and convert videos.", no_args_is_help=True)

OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="File to write.", metavar="FILE")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="Video, stack or directory of pictures.")],
    as_json: JsonOption = False,
) -> None:
    """Tell what a video is, as a run would see it: size, frames counted, rate measured, gaps, depth, times.

    Example: `facerhythm video info mouse.mp4`
    """
    from element_facerhythm.video import probe_video

    with quiet_stdout():
        video = probe_video(file)
    facts = facts_of(video)
    if as_json:
        print_json(facts)
        return
    print_lines([(name, text) for name, value in facts.items() if (text := shown(value))])


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Videos.", metavar="FILE")],
    as_json: JsonOption = False,
) -> None:
    """Decode every frame of videos; exits with 3 where one cannot be shown as it was recorded.

    Example: `facerhythm video check *.mp4`
    """
    with quiet_stdout(), progress_bars() as progress:
        found = [checked(file, progress) for file in files]
    ok = not any(one["faults"] for one in found)
    if as_json:
        print_json({"ok": ok, "videos": found})
    else:
        for one in found:
            told = one["faults"] or [f"{one['n_frames']} frames, all decoded"]
            print_lines([(str(one["path"]), line) for line in told])
    if not ok:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


@app.command("slice")
def cut(
    file: Annotated[Path, typer.Argument(help="The video.")],
    frames: Annotated[
        str, typer.Argument(help="First frame, and the one after the last.", metavar="A:B")
    ],
    output: OutputOption,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a part of a video into a file of its own, and compare every picture with the original.

    Nothing is encoded anew where the part begins at a keyframe and its frames are stored together; else the
    pictures are stored without loss (FFV1, in .mkv or .avi).

    Example: `facerhythm video slice mouse.mp4 1000:2000 -o part.mkv`
    """
    from element_facerhythm.pipeline.exchange.video_slice import slice_video

    require_place(output, overwrite=overwrite)
    first, stop = bounds(frames)
    with (
        quiet_stdout(),
        progress_bars() as progress,
        progress.stage("slice", stop - first, "frames") as advance,
    ):
        done = slice_video(file, first, stop, output, advance)
    if as_json:
        print_json(done)
        return
    how = f"{done.method}: {done.reason}" if done.reason else done.method
    print_lines(
        [("written", f"{done.path}, {done.n_frames} frames ({how}), each picture compared")]
    )


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="Raw depth (.dat, .raw), or video of 16-bit gray.")],
    output: OutputOption,
    size: Annotated[
        str | None, typer.Option(help="Width and height of raw frames, as 512x424.", metavar="WxH")
    ] = None,
    frame_rate: Annotated[
        float | None, typer.Option("--frame-rate", help="Frames per second of raw depth.", min=1e-6)
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads that encode; 0: all cores.", min=0)] = 0,
    chunk: Annotated[int, typer.Option(help="Frames that are read at a time.", min=1)] = 256,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the original once every value was compared.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn raw depth of 16 bits into a video that loses nothing (FFV1), or such a video into raw depth.

    Size and rate are taken from a metadata.json beside the raw file where they are not given. Every value is
    compared before anything is deleted.

    Example: `facerhythm video convert depth.dat -o depth.mkv --size 512x424 --frame-rate 30`
    """
    from element_facerhythm.pipeline.exchange.raw_depth import (
        RAW_ENDINGS,
        count_frames,
        pack_depth,
        unpack_depth,
    )
    from element_facerhythm.video.packets import scan_packets

    require_place(output, overwrite=overwrite)
    to_video = file.suffix.lower() in RAW_ENDINGS
    if not to_video and output.suffix.lower() not in RAW_ENDINGS:
        raise RequestError(
            f"{file} is no raw depth ({', '.join(RAW_ENDINGS)}), and {output} is not to be; `facerhythm "
            "video slice` copies video"
        )
    with quiet_stdout(), progress_bars() as progress:
        if to_video:
            size_px, rate = raw_facts(file, size, frame_rate)
            total = 2 * count_frames(file, size_px)
            with progress.stage("convert", total, "frames") as advance:
                n_frames = pack_depth(
                    file, output, size_px=size_px, frame_rate_hz=rate, n_threads=threads, n_chunk=chunk,
                    advance=advance,
                )  # fmt: skip
        else:
            with progress.stage("convert", 2 * scan_packets(file).n_frames, "frames") as advance:
                n_frames = unpack_depth(file, output, advance)
        before, after = file.stat().st_size, output.stat().st_size
        if delete:
            file.unlink()
    if as_json:
        print_json(
            {"path": output, "n_frames": n_frames, "size_bytes": after, "source_bytes": before,
             "deleted": delete}
        )  # fmt: skip
        return
    sizes = f"{human_size(before)} -> {human_size(after)}"
    lines = [("written", f"{output}, {n_frames} frames, {sizes}, every value compared")]
    print_lines([*lines, *([("deleted", str(file))] if delete else [])])


def facts_of(video: Any) -> dict[str, Any]:
    """Facts of a video, as JSON has them: clock and paths unpacked."""
    facts = {name: value for name, value in vars(video).items() if name != "clock"}
    gaps = [{"after_frame": gap.after_frame, "seconds": gap.seconds} for gap in video.clock.gaps]
    return {**plain(facts), "gaps": gaps, "is_even": video.clock.is_even}


def shown(value: Any) -> str:
    """Return a fact for the terminal; nothing where there is none."""
    if value is None or value in ([], {}, ()):
        return ""
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def checked(file: Path, progress: Any) -> dict[str, Any]:
    """Decode every frame of a video and tell what is wrong with it."""
    from element_facerhythm.video import iterate_gray_frames, probe_video

    faults: list[str] = []
    n_frames = n_decoded = 0
    try:
        video = probe_video(file)
        n_frames = video.n_frames
        with progress.stage(file.name, n_frames, "frames") as advance:
            for _ in iterate_gray_frames(file):
                n_decoded += 1
                advance(n_decoded)
        faults += [f"frames {first} to {stop - 1} are guesses: packets before them are lost"
                   for first, stop in video.suspect_frames]  # fmt: skip
    except FaceRhythmError as error:
        faults.append(str(error))
    return {"path": file, "n_frames": n_frames, "n_decoded": n_decoded, "faults": faults}


def bounds(text: str) -> tuple[int, int]:
    """First frame and the one after the last of `A:B`.

    Raises
    ------
    RequestError
        It is none.
    """
    match = re.fullmatch(r"(\d{1,12}):(\d{1,12})", text)
    if match is None:
        raise RequestError(f"{text!r} is no part of a video; expected A:B, as 1000:2000")
    return int(match[1]), int(match[2])


def raw_facts(
    file: Path, size: str | None, frame_rate: float | None
) -> tuple[tuple[int, int], float]:
    """Size and rate of raw depth, as given or as the recorder's metadata.json says.

    Parameters
    ----------
    file
        The raw file.
    size, frame_rate
        What was given; None where it was not.

    Raises
    ------
    RequestError
        Neither says it, or the size is none.
    """
    from element_facerhythm.files.texts import read_json

    beside = file.parent / "metadata.json"
    told = read_json(beside) if beside.is_file() and (size is None or frame_rate is None) else {}
    told = told if isinstance(told, dict) else {}
    size_px = told.get("DepthResolution") if size is None else size.lower().split("x")
    rate = frame_rate if frame_rate is not None else told.get("FrameRate", told.get("FPS"))
    try:
        width, height = (int(length) for length in size_px or ())
    except (TypeError, ValueError):
        width = height = 0
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise RequestError(
            f"the size of the frames in {file} is not known; give --size, as 512x424"
        )
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6:
        raise RequestError(f"the frame rate of {file} is not known; give --frame-rate, as 30")
    return (width, height), float(rate)

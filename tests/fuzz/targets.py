"""What reads files of others, called as the verbs of the command line call it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from element_facerhythm import cli
from element_facerhythm.core.rois import place_rois
from element_facerhythm.curation import read_curation_file, replay
from element_facerhythm.io.events import read_events
from element_facerhythm.io.facemap_proc import read_facemap_proc
from element_facerhythm.io.facemap_signals import signals_of_facemap
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.keypoints.cameras import read_cameras
from element_facerhythm.keypoints.facemap_model import load_facemap_model
from element_facerhythm.keypoints.formats import LOADED, read_predictions
from element_facerhythm.keypoints.product import read_facts, read_keypoints
from element_facerhythm.parameters.reading import read_parameters
from element_facerhythm.pipeline import load_project, plan_run, run_project, summarise_project
from element_facerhythm.pipeline.exchange.dataset_files import read_datasets
from element_facerhythm.pipeline.results.condition_comparison import read_design
from element_facerhythm.pipeline.results.recorded_parameters import executed_parameters
from element_facerhythm.pipeline.results.recording_match import (
    EnteredRecording,
    EnteredVideo,
    require_recording,
)
from element_facerhythm.pipeline.results.signal_summary import summarise_signals
from element_facerhythm.pipeline.run.roi_match import require_rois
from element_facerhythm.video import iterate_gray_frames, probe_video
from tests.fuzz.seeds import SIDE_PX, Good

Call = Callable[[Path, Good], object]

RECORDING = EnteredRecording(
    width_px=SIDE_PX,
    height_px=SIDE_PX,
    frame_rate_hz=50.0,
    header_frame_rate_hz=50.0,
    rate_source="stamps",
    n_frames=120,
    videos=(EnteredVideo("mouse.mp4", 120, "0" * 64),),
)
"""What projects are compared with; none is of it, and each says so in a sentence."""


@dataclass(frozen=True)
class Target:
    """Something that reads an input.

    Attributes
    ----------
    name
        Of the target.
    kind
        Of the seeds that are mutated for it.
    call
        Reads the input at a path.
    weight
        How often it is chosen.
    writes
        Whether it may change its input.
    secret
        Whether the content may not be quoted.
    """

    name: str
    kind: str
    call: Call
    weight: float = 1.0
    writes: bool = False
    secret: bool = False


def _rois(path: Path, good: Good) -> None:
    place_rois(read_rois(path), height_px=SIDE_PX, width_px=SIDE_PX, spacing_px=7)


def _facemap(path: Path, good: Good) -> None:
    signals_of_facemap(read_facemap_proc(path))


def _curation(path: Path, good: Good) -> None:
    replay(read_curation_file(path).entries)


def _load(path: Path, good: Good) -> None:
    """Load a project as an ingest does, and look at its arrays as a reader does."""
    project = Project.open(path)
    load_project(path)
    summarise_project(path)
    for index in range(len(project.video_keys)):
        np.asarray(project.tracking(index).points[:2])
        np.asarray(project.spectrogram(index)[:, 0])
    if "FacialSignal" in project.layouts:
        summarise_signals(path)
    known = executed_parameters(project).parameters
    require_rois(project, project.rois(), known)
    require_recording(project, RECORDING)


def _video(path: Path, good: Good) -> None:
    probe_video(path, frame_rate_hz=50.0, allow_incomplete=True)
    for _ in iterate_gray_frames(path):
        pass


def _times(path: Path, good: Good) -> None:
    probe_video(good.video, times=path)


def _weights(path: Path, good: Good) -> None:
    load_facemap_model(path, ("a", "b", "c", "d"), device=torch.device("cpu"))


def _product(path: Path, good: Good) -> None:
    read_keypoints(path)
    read_facts(path)


def _datasets(path: Path, good: Good) -> None:
    for dataset in read_datasets(path).values():
        dataset.load()


def _predictions(software: str) -> Call:
    return lambda path, good: read_predictions(path, software, frame_rate_hz=50.0)


def command(*words: str) -> Call:
    """Return the command line itself, `INPUT`, `OUT`, `VIDEO`, `ROIS` and `PARAMETERS` being filled in."""

    def call(path: Path, good: Good) -> None:
        sys.argv = filled_in(words, path, good)
        cli.main()

    call.words = words  # type: ignore[attr-defined]
    return call


def filled_in(words: tuple[str, ...], path: Path, good: Good) -> list[str]:
    """Return the words of a command."""
    names = {
        "INPUT": path,
        "OUT": path.parent / "out",
        "VIDEO": good.video,
        "ROIS": good.rois,
        "PARAMETERS": good.parameters,
    }
    return ["facerhythm", *(str(names.get(word, word)) for word in words)]


_RUN = (
    "run",
    "VIDEO",
    "--rois",
    "ROIS",
    "--params",
    "PARAMETERS",
    "--no-figures",
    "--device",
    "cpu",
)

TARGETS = (
    Target("parameters", "parameters", lambda path, good: read_parameters(path), 2.0),
    Target("rois", "rois", _rois, 2.0),
    Target("facemap", "facemap", _facemap, 2.0),
    Target("curation", "curation", _curation, 1.0),
    Target("load", "foreign", _load, 5.0, secret=True),
    Target("plan", "project", lambda path, good: plan_run(good.request(path)), 2.0, secret=True),
    Target("run", "project", lambda path, good: run_project(good.request(path)), 1.0, True, True),
    Target("video", "video", _video, 4.0),
    Target("frame times", "times", _times, 1.0),
    Target("calibration", "calibration", lambda path, good: read_cameras(path), 1.0),
    Target("events", "events", lambda path, good: read_events(path), 1.0),
    Target("design", "design", lambda path, good: read_design(path), 0.5),
    Target("weights", "weights", _weights, 1.0),
    Target("product", "product", _product, 1.0, secret=True),
    Target("datasets", "datasets", _datasets, 1.0),
    *(Target(f"predictions {name}", name, _predictions(name), 0.7) for name in LOADED),
    Target("predictions DeepLabCut", "DeepLabCut", _predictions("DeepLabCut"), 1.5),
    Target(
        "facerhythm run, parameters",
        "parameters",
        command("run", "VIDEO", "--rois", "ROIS", "--params", "INPUT", "-o", "OUT", "--dry-run"),
        0.3,
    ),
    Target(
        "facerhythm run, rois",
        "rois",
        command("run", "VIDEO", "--rois", "INPUT", "-o", "OUT", "--dry-run"),
        0.3,
    ),
    Target("facerhythm rois check, rois", "rois", command("rois", "check", "VIDEO", "INPUT"), 0.3),
    Target("facerhythm rois check, video", "video", command("rois", "check", "INPUT", "ROIS"), 0.3),
    Target("facerhythm run, project", "project", command(*_RUN, "-o", "INPUT"), 0.3, True, True),
    Target(
        "facerhythm rank",
        "foreign",
        command("rank", "INPUT", "--ranks", "2", "--restarts", "1", "--device", "cpu"),
        0.6,
        True,
        True,
    ),
    Target(
        "facerhythm keypoints run",
        "weights",
        command(
            "keypoints",
            "run",
            "VIDEO",
            "--model",
            "INPUT",
            "--body-parts",
            "a,b,c,d",
            "-o",
            "OUT",
            "--device",
            "cpu",
        ),
        0.2,
    ),
)
"""Everything that is tried; the commands also in processes of their own, once in a while."""

DEFECT = Target("defect", "parameters", lambda path, good: 1 / 0)
"""Fails on every input; tried where it is asked for by name, to see that findings are kept."""


def targets_named(part: str | None) -> tuple[Target, ...]:
    """Return the targets whose name holds a text; None gives what a campaign tries."""
    return TARGETS if part is None else tuple(t for t in (*TARGETS, DEFECT) if part in t.name)

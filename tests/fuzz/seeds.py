"""Good files of every kind, made by what makes them in earnest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
import pandas as pd
import yaml

from element_facerhythm.curation import (
    Curation,
    ExcludePoints,
    ExcludeSpan,
    JudgeComponent,
    MergeComponents,
    append,
    project_result,
    undo,
    write_curation_file,
)
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import read_rois, write_geojson, write_rois
from element_facerhythm.keypoints.cameras import View, read_cameras, reconstruct
from element_facerhythm.keypoints.cameras.results import write_reconstruction
from element_facerhythm.keypoints.formats import to_movement, write_predictions
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import write_keypoints
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project
from element_facerhythm.pipeline.exchange.dataset_files import write_datasets
from element_facerhythm.pipeline.exchange.datasets import all_datasets
from tests.fuzz.surroundings import MARKER
from tests.integration.conftest import SHORT
from tests.rendered_rig import Rig, as_predictions, moving_points
from tests.signal_files import write_signals
from tests.unit.io.facemap_files import facemap_result, save_facemap
from tests.unit.keypoints.training import new_network, save_weights

SIDE_PX, N_FRAMES, RATE_HZ = 64, 90, 60

PARAMETERS: dict[str, Any] = {
    **SHORT,
    "project": {"random_seed": 3},
    "ROIs": {"make_rois": {"point_spacing": 7}},
}


@dataclass(frozen=True)
class Good:
    """Good files, and what a call needs beside its input.

    Attributes
    ----------
    directory
        Where they lie.
    seeds
        Kind to its files or directories.
    """

    directory: Path
    seeds: dict[str, tuple[Path, ...]]

    @property
    def video(self) -> Path:
        """Video of the good project."""
        return self.directory / "scene.mp4"

    @property
    def rois(self) -> Path:
        """Regions of the good project."""
        return self.directory / "rois.json"

    @property
    def parameters(self) -> Path:
        """Parameters of the good project."""
        return self.directory / "parameters.json"

    def request(self, project_dir: Path) -> RunRequest:
        """Ask for what the good project holds."""
        tree = parameters_from_mapping(PARAMETERS).parameters
        return RunRequest((self.video,), self.rois, tree, project_dir, device="cpu")


def make_seeds(directory: Path) -> Good:
    """Make good files of every kind below `directory`; computing them also warms this process up."""
    directory.mkdir(parents=True, exist_ok=True)
    good = Good(directory, {})
    scene = make_scene_video(
        good.video, n_frames=N_FRAMES, width_px=SIDE_PX, height_px=SIDE_PX, with_paw=False, seed=0
    )
    write_rois(scene.rois, good.rois)
    good.parameters.write_text(json.dumps(PARAMETERS, indent=1))
    (directory / "parameters.yaml").write_text(yaml.safe_dump(PARAMETERS, sort_keys=False))
    project = directory / "project"
    run_project(good.request(project))
    write_signals(project / "analysis_files" / "FacialSignal.h5", N_FRAMES)
    with (project / "config.yaml").open("a") as file:
        file.write(f"somebody:\n  note: {MARKER}\n  list: [1, {MARKER}]\n")
    good.seeds.update(
        parameters=(good.parameters, directory / "parameters.yaml"),
        rois=(good.rois, project / "analysis_files" / "ROIs.h5", *_foreign_rois(directory, good)),
        project=(project,),
        foreign=(_foreign(project, directory / "foreign"), project),
        video=tuple(_videos(directory)),
        weights=(_weights(directory),),
        product=(_product(directory),),
        times=tuple(_times(directory)),
        events=tuple(_events(directory)),
        calibration=tuple(_calibrations(directory / "rig")),
        design=(_design(directory),),
        facemap=(_facemap_result(directory),),
        curation=(_curation(project, directory / "curation.json"),),
        datasets=(_datasets(project, directory / "datasets.nc"),),
        **_predictions(directory),
    )
    return good


def _foreign_rois(directory: Path, good: Good) -> tuple[Path, Path]:
    """Regions as GeoJSON, and as facemap keeps them."""
    geojson, proc = directory / "rois.geojson", directory / "a_proc.npy"
    write_geojson(read_rois(good.rois), geojson)
    y, x = np.arange(10, 40), np.arange(12, 50)
    ellipse = np.hypot((y[:, None] - 25) / 15, (x - 31) / 19) < 1
    region = {"rind": 0, "rtype": "pupil", "ivid": 0, "yrange": y, "xrange": x, "ellipse": ellipse}
    reflection = {"yrange": y[:8], "xrange": x[:8] - 6, "ellipse": np.ones((8, 8), bool)}
    regions = [{**region, "reflector": [reflection]}, {**region, "rind": 1}]
    np.save(proc, {"Ly": [SIDE_PX], "motSVD": [np.zeros((9, 5))], "rois": regions})  # type: ignore[arg-type]
    return geojson, proc


def _facemap_result(directory: Path) -> Path:
    """Write signals as facemap saves them; its .mat is read by scipy in a process of its own."""
    save_facemap(directory / "signals_proc.npy", facemap_result())
    return directory / "signals_proc.npy"


def _foreign(project: Path, copy: Path) -> Path:
    """Copy a project without what only this package writes, as face-rhythm leaves it."""
    shutil.copytree(project, copy)
    (copy / "run.json").unlink()
    for path in (copy / "analysis_files").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            for name in list(file.attrs):
                del file.attrs[name]
    return copy


def _curation(project: Path, path: Path) -> Path:
    """Decide a few things about a project."""
    result, curation = project_result(project), Curation()
    for change in (
        JudgeComponent("0", 0, "keep", "whisking", "both sides"),
        MergeComponents("0", (1,), 0),
        ExcludeSpan(0, 0.25, 0.5),
        ExcludePoints((0, 1)),
    ):
        curation = append(curation, change, result, "anna")
    write_curation_file(path, undo(curation, "ben"))
    return path


def _datasets(project: Path, path: Path) -> Path:
    """Every dataset of a project, as netCDF."""
    path.unlink(missing_ok=True)
    write_datasets(all_datasets(Project.open(project)), path)
    return path


def _videos(directory: Path) -> list[Path]:
    kinds = (
        ("a.mp4", "libx264", "yuv420p"),
        ("b.mov", "mpeg4", "yuv420p"),
        ("c.mkv", "libx264", "yuv420p"),
        ("d.avi", "mjpeg", "yuvj420p"),
        ("e.ts", "libx264", "yuv420p"),
        ("f.webm", "libvpx", "yuv420p"),
        ("g.mkv", "ffv1", "gray"),
        ("h.h264", "libx264", "yuv420p"),
        ("i.gif", "gif", "rgb8"),
        ("j.flv", "flv", "yuv420p"),
        ("k.nut", "mpeg4", "yuv420p"),
        ("l.wmv", "wmv2", "yuv420p"),
        ("m.apng", "apng", "rgb24"),
        ("n.y4m", "rawvideo", "yuv420p"),
        ("o.mjpeg", "mjpeg", "yuvj420p"),
        ("p.mpg", "mpeg2video", "yuv420p"),
    )
    return [
        *(_video(directory / name, codec, pixels) for name, codec, pixels in kinds),
        _stack(directory / "q.tif"),
    ]


def _stack(path: Path) -> Path:
    rng = np.random.default_rng(2)
    pages = rng.integers(0, 4000, (6, 32, 48)).astype(np.uint16)
    assert cv2.imwritemulti(str(path), list(pages))
    return path


def _video(path: Path, codec: str, pixel_format: str, n_frames: int = 24) -> Path:
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 255, (6, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    quiet = {"x264-params": "log-level=none", "bf": "2"} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        options = {"g": "8", **quiet} if codec != "gif" else {}
        stream = container.add_stream(codec, rate=50, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixel_format
        for t in range(n_frames):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(wide[:, t : t + 64]), format="rgb24"
            )
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    return path


def _times(directory: Path) -> list[Path]:
    """Files of the times of the frames of the video that is analysed."""
    directory = directory / "times"
    directory.mkdir()
    times_s = np.arange(N_FRAMES) / 60
    rows = "\n".join(f"{i},{time * 1e3:.3f}" for i, time in enumerate(times_s))
    paths = [directory / name for name in ("a.csv", "b.txt", "c.npy")]
    paths[0].write_text("frame,timestamp\n" + rows)
    paths[1].write_text("\n".join(f"2026-01-02T03:04:05.{i:06d}" for i in range(N_FRAMES)))
    np.save(paths[2], times_s)
    return paths


def _events(directory: Path) -> list[Path]:
    """Tables of events, by time and by frame."""
    directory = directory / "events"
    directory.mkdir()
    paths = [directory / name for name in ("a.csv", "b.csv")]
    paths[0].write_text("time_s,label,duration_s\n0.1,lick,\n0.4,air puff,0.2\n")
    paths[1].write_text("frame;video;label\n3;scene.mp4;lick\n9;0;lick\n")
    return paths


def _design(directory: Path) -> Path:
    """Table of the sessions that are compared."""
    path = directory / "design.csv"
    path.write_text("project,animal,condition,component,label\nproject,m1,saline,0,whisking\n")
    return path


def _weights(directory: Path) -> Path:
    return save_weights(new_network((4, 4, 6, 6, 8), 4), directory / "weights.pt")


FACTS = NwbFacts(datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "mouse")


def tracks(n_individuals: int = 1) -> Predictions:
    """Return tracks of three body parts over twelve frames."""
    rng = np.random.default_rng(2)
    shape = (12, n_individuals, 3)
    names = [f"mouse{i}" for i in range(n_individuals)] if n_individuals > 1 else ["individual_0"]
    positions, parts = rng.uniform(0, 64, (*shape, 2)), ("nose", "eye", "paw")
    return Predictions(positions, rng.random(shape), parts, tuple(names), "DeepLabCut", 50.0)


def _product(directory: Path) -> Path:
    path = directory / "Keypoints.h5"
    write_keypoints(path, tracks(2), {"fingerprint": {"a": 1}, "seconds": 1.5})
    return path


def _predictions(directory: Path) -> dict[str, tuple[Path, ...]]:
    """One directory per tracker, named as `read_predictions` names it."""
    makers: dict[str, Callable[[Path], Any]] = {
        "DeepLabCut": _deeplabcut,
        "SLEAP": _sleap,
        "LightningPose": lambda d: write_predictions(tracks(), d / "a.csv", "lightningpose"),
        "Anipose": _anipose,
        "NWB": lambda d: write_predictions(tracks(), d / "a.nwb", "nwb", facts=FACTS),
        "VIA-tracks": _via,
        "movement": _netcdf,
        "Facemap": _facemap,
        "deeperfly": _deeperfly,
    }
    found = {}
    for software, make in makers.items():
        place = directory / software
        place.mkdir(exist_ok=True)
        make(place)
        found[software] = tuple(sorted(p for p in place.iterdir() if p.is_file()))
    return found


def _deeplabcut(directory: Path) -> None:
    for n in (1, 2):
        write_predictions(tracks(n), directory / f"{n}.h5", "dlc")
        write_predictions(tracks(n), directory / f"{n}.csv", "dlc")
        table = tracks(n).to_dataframe(("nose", "eye", "paw"), "scorer")
        for form in ("fixed", "table"):
            path = str(directory / f"{form}{n}.h5")
            table.to_hdf(path, key="df_with_missing", mode="w", format=form)


def _sleap(directory: Path) -> None:
    import sleap_io

    write_predictions(tracks(2), directory / "a.h5", "sleap")
    skeleton = sleap_io.Skeleton(["nose", "eye", "paw"])
    video, track = sleap_io.Video("face.mp4", open_backend=False), sleap_io.Track("one")
    frames = []
    for t, (positions, scores) in enumerate(
        zip(tracks().positions, tracks().likelihood, strict=True)
    ):
        instance = sleap_io.PredictedInstance.from_numpy(
            positions[0], skeleton=skeleton, point_scores=scores[0], score=1.0, track=track
        )
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=t, instances=[instance]))
    labels = sleap_io.Labels(frames, videos=[video], skeletons=[skeleton], tracks=[track])
    sleap_io.save_slp(labels, str(directory / "b.slp"))


def _anipose(directory: Path) -> None:
    columns = {
        f"{part}_{what}": np.linspace(0, 1, 6)
        for part in ("nose", "paw")
        for what in ("x", "y", "z", "score", "error", "ncams")
    }
    columns |= {f"M_{i}{j}": np.zeros(6) for i in range(3) for j in range(3)}
    columns |= {f"center_{i}": np.zeros(6) for i in range(3)} | {"fnum": np.arange(6)}
    pd.DataFrame(columns).to_csv(directory / "a.csv", index=False)


def _via(directory: Path) -> None:
    head = ("filename", "file_size", "file_attributes", "region_count", "region_id")
    rows = [",".join([*head, "region_shape_attributes", "region_attributes"])]
    for t in range(4):
        shape = f'{{""name"":""rect"",""x"":{10 + t},""y"":20,""width"":4,""height"":6}}'
        rows.append(f'f{t:04d}.png,1,"{{}}",1,0,"{shape}","{{""track"":""0""}}"')
    (directory / "a.csv").write_text("\n".join(rows))


def _deeperfly(directory: Path) -> None:
    """Results of two cameras; what is this package's own is taken out, as deeperfly leaves them."""
    path, cameras = directory / "results.h5", _calibrations(directory.parent / "rig")
    rig, times = Rig((-30.0, 25.0)), np.arange(12) / 50
    views = [
        View(name, as_predictions(rig.seen(v, moving_points(times)), frame_rate_hz=50.0))
        for v, name in enumerate(("left", "right"))
    ]
    write_reconstruction(reconstruct(read_cameras(cameras[0]), views), path)
    with h5py.File(path, "r+") as file:
        for name in [n for n in file.attrs if n != "meta"]:
            del file.attrs[name]


def _calibrations(directory: Path) -> list[Path]:
    """Calibrations as Anipose and deeperfly write them."""
    directory.mkdir(exist_ok=True)
    paths = [directory / name for name in ("a.toml", "b.toml")]
    paths[0].write_text(Rig((-30.0, 25.0)).anipose())
    orbits = "[cameras.defaults]\nfocal_length_px = 640\ndistance = 60\nprincipal_point_px = [158, 122]\n"
    paths[1].write_text(orbits + "[cameras.a]\nazimuth_deg = -30\n[cameras.b]\nazimuth_deg = 25\n")
    return paths


def _netcdf(directory: Path) -> None:
    write_predictions(tracks(2), directory / "a.nc", "netcdf")
    dataset = to_movement(tracks())
    kept = {name: value for name, value in dataset.attrs.items() if value is not None}
    dataset.drop_attrs(deep=False).assign_attrs(kept).to_netcdf(
        directory / "classic.nc", engine="scipy"
    )


def _facemap(directory: Path) -> None:
    one = tracks()
    with h5py.File(directory / "a_FacemapPose.h5", "w") as file:
        for k, part in enumerate(one.body_parts):
            for name, values in (
                ("x", one.positions[:, 0, k, 0]),
                ("y", one.positions[:, 0, k, 1]),
                ("likelihood", one.likelihood[:, 0, k]),
            ):
                file[f"Facemap/{part}/{name}"] = values

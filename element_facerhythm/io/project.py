"""A project directory, of this package or of face-rhythm, read without computing anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.config import read_config, read_json
from element_facerhythm.io.data_paths import as_roots, place_inside
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.io.layout import PRODUCTS, SIGNALS, product_path
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.product_stamps import (
    FORMAT_VERSION,
    content_faults,
    product_format,
    stage_inputs,
)
from element_facerhythm.io.stored_clock import read_clock
from element_facerhythm.io.stored_model import StoredModel, read_models
from element_facerhythm.io.stored_tracks import TrackingView, read_tracking, tracks
from element_facerhythm.video.clock import Clock, even_clock

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

_MAX_SEQUENCES = 10_000

OWN_LAYOUT = "element-facerhythm"
"""Beginning of the name of this package's layout."""


@dataclass(frozen=True)
class Product:
    """One HDF5 product on disk; the digest is computed when first asked for."""

    name: str
    path: Path
    size_bytes: int

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, 64 hex digits."""
        return file_sha256(self.path)


class Project:
    """A project directory opened to read.

    Reading is lazy: opening looks at ``config.yaml``, ``run_info.json`` and the format version of
    the products that are there; the rest is read when asked for.

    Raises
    ------
    ProjectError
        The directory is not a project, is of a newer format, or lacks what was asked for.
    """

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any],
        run_info: dict[str, Any],
        roots: tuple[Path, ...] = (),
    ) -> None:
        self.directory = directory
        self.roots = roots
        self.config = config
        self.run_info = run_info
        self.layouts = _find_layouts(self)

    @property
    def layout(self) -> str:
        """Program and layout that the project was written by; of several programs, all of them."""
        return ", ".join(dict.fromkeys(self.layouts.values())) or _face_rhythm_layout(self)

    def is_ours(self, name: str) -> bool:
        """Whether this package wrote a product."""
        return self.layouts.get(name, "").startswith(OWN_LAYOUT)

    @classmethod
    def open(cls, directory: str | Path, roots: Iterable[str | Path] = ()) -> Project:
        """Open a directory that this package or face-rhythm 0.1 to 0.3 wrote.

        Parameters
        ----------
        directory
            The project directory.
        roots
            Data directories that files of the project may be links into; without, a link that leaves the
            project is refused.

        Raises
        ------
        ProjectError
            It is no project, or of a newer format.
        PathError
            A file of it is a link that leads out.
        """
        directory, roots = Path(directory), as_roots(roots)
        if not directory.is_dir():
            raise ProjectError(f"{directory} is not a directory; expected a project directory")
        texts = [place_inside(directory, name, roots) for name in ("config.yaml", "run_info.json")]
        for name, path in zip(("config.yaml", "run_info.json"), texts, strict=True):
            if not path.is_file():
                raise ProjectError(
                    f"{directory} is not a face-rhythm project: {name} is missing. Give the "
                    "directory that holds config.yaml and analysis_files"
                )
        return cls(directory, read_config(texts[0]), read_json(texts[1]), roots)

    def require_intact(self) -> None:
        """Raise `ProjectError` where a product is not as it was written, or not made from those beside it."""
        for faults in self.faults():
            raise ProjectError(
                f"{self.directory}: {'; '.join(faults)}. Restore the files from a backup, or run the "
                "project again: what is damaged is computed again"
            )

    def faults(self) -> Iterator[tuple[str, ...]]:
        """Yield, of each product that is not as it was written or not made from those beside it, in what."""
        for product in self.products:
            inputs = stage_inputs(product.path) if product_format(product.path) is not None else {}
            found = content_faults(product.path, inputs)
            if found:
                yield found

    def product_path(self, name: str) -> Path:
        """Where the product `name` lies, or would lie; PathError where a link leads out."""
        return product_path(self.directory, name, self.roots)

    def require(self, *names: str) -> None:
        """Raise `ProjectError` unless every named product is there."""
        missing = [name for name in names if not self.product_path(name).is_file()]
        if missing:
            listed = ", ".join(f"analysis_files/{name}.h5" for name in missing)
            raise ProjectError(
                f"{self.directory} is incomplete: {listed} is missing. Finish the run that writes "
                "it (the stages that are there are reused), then load the project again"
            )

    @property
    def products(self) -> tuple[Product, ...]:
        """The products that are there, in stage order; signals of regions last."""
        paths = [(name, self.product_path(name)) for name in (*PRODUCTS, SIGNALS)]
        return tuple(Product(n, p, p.stat().st_size) for n, p in paths if p.is_file())

    @property
    def holds_signals_alone(self) -> bool:
        """Whether there are signals of regions and none of the five products."""
        return [product.name for product in self.products] == [SIGNALS]

    @property
    def frame_rate_hz(self) -> float:
        """Frame rate that the recording was analysed with."""
        rate = self._info("Dataset_videos", "frame_rate")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
            raise self._unfit_info("Dataset_videos.frame_rate", "a number of frames per second")
        return float(rate)

    @property
    def video_paths(self) -> tuple[str, ...]:
        """Paths of the videos as the writer knew them; they may be of another machine."""
        metadata = self._info("Dataset_videos", "metadata")
        paths = metadata.get("paths_videos") if isinstance(metadata, dict) else None
        is_list = isinstance(paths, list) and all(isinstance(path, str) for path in paths)
        if not is_list or not paths:
            raise self._unfit_info("Dataset_videos.metadata.paths_videos", "a list of paths")
        return tuple(paths)

    @property
    def contiguous(self) -> bool:
        """Whether the videos were tracked as one uninterrupted sequence."""
        return bool(self.settings("PointTracker").get("contiguous", False))

    def section_info(self, section: str) -> dict[str, Any]:
        """Section of ``run_info.json``; empty where it is not there, or no mapping."""
        value = self.run_info.get(section)
        return value if isinstance(value, dict) else {}

    def settings(self, section: str) -> dict[str, Any]:
        """Return a section of ``config.yaml``; empty where it is not there.

        Raises
        ------
        ProjectError
            It is no mapping.
        """
        value = self.config.get(section) or {}
        if not isinstance(value, dict):
            raise ProjectError(
                f"{self.directory / 'config.yaml'}: {section} is a {type(value).__name__}; expected a mapping"
            )
        return value

    @cached_property
    def video_keys(self) -> tuple[str, ...]:
        """Keys of the tracked sequences in the products, in numeric order."""
        with self._open("PointTracker") as file:
            keys = tuple(file.group("points_tracked").names_by_number())
        if not 0 < len(keys) <= _MAX_SEQUENCES:
            raise ProjectError(
                f"{self.product_path('PointTracker')} holds {len(keys):,} tracked sequences under "
                f"points_tracked; expected 1 to {_MAX_SEQUENCES:,}"
            )
        return keys

    @property
    def video_names(self) -> tuple[str, ...]:
        """File name of each tracked sequence; of a contiguous recording, its first and last."""
        names = [_base_name(path) for path in self.video_paths]
        if len(self.video_keys) == len(names):
            return tuple(names)
        if len(self.video_keys) == 1:
            return (f"{names[0]} .. {names[-1]}",)
        raise ProjectError(
            f"{self.directory}: run_info.json names {len(names)} videos and PointTracker.h5 holds "
            f"{len(self.video_keys)}; the two are of different runs, so run the project again"
        )

    @property
    def n_frames(self) -> tuple[int, ...]:
        """Frames of each tracked sequence."""
        with self._open("PointTracker") as file:
            return tuple(tracks(file, key).shape[0] for key in self.video_keys)

    @cached_property
    def point_positions(self) -> NDArray[np.float32]:
        """(P, 2) seed positions, (x, y) in pixels."""
        with self._open("PointTracker") as file:
            positions = file.dataset("point_positions")
            if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
                positions.refuse(f"has shape {positions.shape}; expected (points, 2)")
            return positions.numbers(finite=True).astype(np.float32, copy=False)

    def rois(self) -> Rois:
        """Regions of interest of this project."""
        from element_facerhythm.io.rois_file import read_rois

        self.require("ROIs")
        return read_rois(self.product_path("ROIs"))

    def example_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) first frame of the first video."""
        with self._open("Dataset_videos") as file:
            return file.dataset("example_image").numbers(finite=True).astype(np.uint8, copy=False)

    def background_image(self) -> NDArray[np.uint8] | None:
        """(H, W) mean of frames from all over the recording; None where the project was made without."""
        with self._open("ROIs") as file:
            if "background_image" not in file:
                return None
            image = file.dataset("background_image").numbers(2, finite=True)
            return image.astype(np.uint8, copy=False)

    def tracking(self, video_index: int) -> TrackingView:
        """Tracks of one sequence; see `TrackingView`."""
        with self._open("PointTracker") as file:
            return read_tracking(
                file, self.video_keys[video_index], self.product_path("PointTracker")
            )

    @cached_property
    def frequencies_hz(self) -> NDArray[np.float32]:
        """(F,) centre frequencies of the filter bank."""
        with self._open("VQT_Analyzer") as file:
            node = file.dataset("frequencies")
            if node.shape == (0,):
                node.refuse("is empty; expected frequencies")
            return node.numbers(1, finite=True).astype(np.float32, copy=False)

    def spectrogram(self, video_index: int) -> LazyArray:
        """(2, P, F, W) spectrogram of one sequence; on disk until sliced."""
        self.require("VQT_Analyzer")
        path = self.product_path("VQT_Analyzer")
        array = LazyArray(path, f"spectrograms/{self.video_keys[video_index]}")
        if array.ndim != 4 or array.shape[0] != 2 or array.dtype.kind not in "fc":
            raise ProjectError(
                f"{path}: {array.dataset} is {array.dtype} of shape {array.shape}; expected magnitudes or "
                "complex numbers of shape (2, points, frequencies, windows)"
            )
        return array

    def window_centres(self, video_index: int) -> NDArray[np.float32]:
        """(W,) frame index at the centre of each spectrogram window."""
        with self._open("VQT_Analyzer") as file:
            node = file.dataset(f"x_axis/{self.video_keys[video_index]}")
            return np.atleast_1d(node.numbers(finite=True)).astype(np.float32, copy=False)

    def clock(self, video_index: int) -> Clock:
        """When the frames of one sequence were taken; by the frame rate where no times are stored."""
        n_frames, rate_hz = self.n_frames[video_index], self.frame_rate_hz
        if not self.has_clock:
            return even_clock(n_frames, rate_hz, "header")
        with self._open("VQT_Analyzer") as file:
            return read_clock(
                file.group(f"clock/{self.video_keys[video_index]}"), n_frames, rate_hz
            )

    @cached_property
    def has_clock(self) -> bool:
        """Whether the times of the frames are stored; they are not in a project of face-rhythm's."""
        with self._open("VQT_Analyzer") as file:
            return "clock" in file

    def window_times_s(self, video_index: int) -> NDArray[np.float64]:
        """(W,) seconds at the centre of each spectrogram window, on the clock of the sequence."""
        centres = self.window_centres(video_index)
        if not self.has_clock:
            return centres.astype(np.float64) / self.frame_rate_hz
        with self._open("VQT_Analyzer") as file:
            node = file.dataset(f"window_times_s/{self.video_keys[video_index]}")
            if node.shape != centres.shape:
                node.refuse(f"has shape {node.shape}; expected {centres.shape}")
            return node.numbers(1, finite=True).astype(np.float64, copy=False)

    def models(self) -> dict[str, StoredModel]:
        """Decompositions by key: ``"0"`` for the recording, or one per video where separate.

        Raises
        ------
        ProjectError
            Loadings are missing, differ in rank, or hold NaN or infinite numbers.
        """
        with self._open("TCA") as file:
            return read_models(file)

    def element_axis(self) -> str:
        """Name of the axis that the videos lie along, as the decomposition was stored."""
        with self._open("TCA") as file:
            return file.dataset("name_dim_dictElements").text()

    def _open(self, name: str) -> AbstractContextManager[H5Group]:
        self.require(name)
        remedy = f"delete it and run the project again, or restore analysis_files/{name}.h5"
        return open_h5(self.product_path(name), remedy)

    def _unfit_info(self, place: str, expected: str) -> ProjectError:
        return ProjectError(
            f"{self.directory / 'run_info.json'}: {place} is not {expected}; run the project again"
        )

    def _info(self, section: str, key: str) -> Any:
        try:
            return self.run_info[section][key]
        except (KeyError, TypeError) as error:
            raise ProjectError(
                f"{self.directory / 'run_info.json'} lacks {section}.{key}; the stage that writes "
                "it did not finish, so run the project again"
            ) from error


def _find_layouts(project: Project) -> dict[str, str]:
    """Name the layout of each product, and refuse those of a newer format than this package knows."""
    formats = {product.name: product_format(product.path) for product in project.products}
    for name, version in formats.items():
        if version is not None and version > FORMAT_VERSION:
            raise ProjectError(
                f"{project.product_path(name)} has format version {version}; this package reads up "
                f"to {FORMAT_VERSION}. Upgrade element-facerhythm"
            )
    foreign = _face_rhythm_layout(project, [name for name in PRODUCTS if formats.get(name) is None])
    others = {SIGNALS: "unknown"}  # face-rhythm writes none
    return {
        name: others.get(name, foreign) if version is None else f"{OWN_LAYOUT} {version}"
        for name, version in formats.items()
    }


def _face_rhythm_layout(project: Project, names: Sequence[str] = PRODUCTS) -> str:
    """Identify a release of face-rhythm by its sections of ``config.yaml``: those of `names`."""
    tracker, analyzer = (
        project.settings(name) if name in names else {} for name in ("PointTracker", "VQT_Analyzer")
    )
    if not {"PointTracker", "VQT_Analyzer"} & set(names):
        return "face-rhythm"
    if "relaxation_during_freeze_frames" in tracker or "batch_size" in analyzer:
        return "face-rhythm 0.3"
    if analyzer and "one_over_f_exponent" not in analyzer:
        return "face-rhythm 0.1"
    return "face-rhythm 0.2"


def _base_name(path: str) -> str:
    """File name of a path written on any system."""
    return PureWindowsPath(path).name

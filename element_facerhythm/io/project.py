"""A project directory, ours or face-rhythm's own, read without computing anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_config, read_json
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.data_paths import as_roots, place_inside
from element_facerhythm.io.h5 import open_h5, read_text_attribute, read_tree, read_value
from element_facerhythm.io.layout import PRODUCTS, product_path
from element_facerhythm.io.lazy import LazyArray

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

FORMAT_VERSION = 1
"""Version of what we add to face-rhythm's layout; raised when a reader of the old one would err."""

ATTRIBUTE_FORMAT = "facerhythm_format_version"
ATTRIBUTE_PACKAGE = "facerhythm_package_version"
ATTRIBUTE_FINGERPRINT = "facerhythm_fingerprint"
ATTRIBUTE_INPUTS = "facerhythm_inputs_sha256"
ATTRIBUTE_RECORD = "facerhythm_record"


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


@dataclass(frozen=True)
class TrackingView:
    """Tracks of one video.

    Attributes
    ----------
    points
        (T, P, 2) float32, (x, y) in pixels; on disk until sliced.
    violation_rows, violation_cols
        (N,) frame and point index of each flagged entry.
    """

    points: LazyArray
    violation_rows: NDArray[np.int32]
    violation_cols: NDArray[np.int32]


@dataclass(frozen=True)
class StoredModel:
    """One decomposition as stored.

    Attributes
    ----------
    names
        Axes in the order in which they were decomposed.
    factors
        Axis name to (n, R) loadings.
    weights
        (R,); ones where the writer absorbed them (face-rhythm stores none).
    rearranged
        The factors after undoing concatenations; a value is (n, R), or a mapping of such per
        video.
    explained_variance, explained_variance_total, relative_error, n_iterations, stability
        None where the writer did not store them.
    """

    names: tuple[str, ...]
    factors: dict[str, NDArray[np.float32]]
    weights: NDArray[np.float32]
    rearranged: dict[str, Any]
    explained_variance: NDArray[np.float32] | None
    explained_variance_total: float | None
    relative_error: float | None
    n_iterations: int | None
    stability: NDArray[np.float32] | None


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
        self.layout = _find_layout(self)

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
        """Raise `ProjectError` where a product of ours is not what was written, or not made from its like."""
        for product in self.products:
            inputs = stage_inputs(product.path) if product_format(product.path) is not None else {}
            faults = content_faults(product.path, inputs)
            if faults:
                raise ProjectError(
                    f"{self.directory}: {'; '.join(faults)}. Restore the files from a backup, or run the "
                    "project again: what is damaged is computed again"
                )

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
        """The products that are there, in stage order."""
        paths = [(name, self.product_path(name)) for name in PRODUCTS]
        return tuple(Product(n, p, p.stat().st_size) for n, p in paths if p.is_file())

    @property
    def frame_rate_hz(self) -> float:
        """Frame rate that the recording was analysed with."""
        return float(self._info("Dataset_videos", "frame_rate"))

    @property
    def video_paths(self) -> tuple[str, ...]:
        """Paths of the videos as the writer knew them; they may be of another machine."""
        metadata = self._info("Dataset_videos", "metadata")
        return tuple(str(path) for path in metadata["paths_videos"])

    @property
    def contiguous(self) -> bool:
        """Whether the videos were tracked as one uninterrupted sequence."""
        return bool(self.config.get("PointTracker", {}).get("contiguous", False))

    @cached_property
    def video_keys(self) -> tuple[str, ...]:
        """Keys of the tracked sequences in the products, in numeric order."""
        with self._open("PointTracker") as file:
            return tuple(sorted(_node(file, "points_tracked"), key=_numeric))

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
            return tuple(_node(file, f"points_tracked/{key}").shape[0] for key in self.video_keys)

    @cached_property
    def point_positions(self) -> NDArray[np.float32]:
        """(P, 2) seed positions, (x, y) in pixels."""
        with self._open("PointTracker") as file:
            return np.asarray(read_value(_node(file, "point_positions")), dtype=np.float32)

    def rois(self) -> Rois:
        """Regions of interest of this project."""
        from element_facerhythm.io.rois_file import read_rois

        self.require("ROIs")
        return read_rois(self.product_path("ROIs"))

    def example_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) first frame of the first video."""
        with self._open("Dataset_videos") as file:
            return np.asarray(read_value(_node(file, "example_image")), dtype=np.uint8)

    def tracking(self, video_index: int) -> TrackingView:
        """Tracks of one sequence; see `TrackingView`."""
        key = self.video_keys[video_index]
        with self._open("PointTracker") as file:
            violations = _node(file, f"violations/{key}")
            flagged = np.asarray(violations["data"][()], dtype=bool)
            rows = np.asarray(violations["row"][()], dtype=np.int32)[flagged]
            cols = np.asarray(violations["col"][()], dtype=np.int32)[flagged]
        return TrackingView(
            LazyArray(self.product_path("PointTracker"), f"points_tracked/{key}"), rows, cols
        )

    @cached_property
    def frequencies_hz(self) -> NDArray[np.float32]:
        """(F,) centre frequencies of the filter bank."""
        with self._open("VQT_Analyzer") as file:
            return np.asarray(read_value(_node(file, "frequencies")), dtype=np.float32)

    def spectrogram(self, video_index: int) -> LazyArray:
        """(2, P, F, W) spectrogram of one sequence; on disk until sliced."""
        self.require("VQT_Analyzer")
        key = self.video_keys[video_index]
        return LazyArray(self.product_path("VQT_Analyzer"), f"spectrograms/{key}")

    def window_centres(self, video_index: int) -> NDArray[np.float32]:
        """(W,) frame index at the centre of each spectrogram window."""
        with self._open("VQT_Analyzer") as file:
            node = _node(file, f"x_axis/{self.video_keys[video_index]}")
            return np.atleast_1d(np.asarray(read_value(node), dtype=np.float32))

    def models(self) -> dict[str, StoredModel]:
        """Decompositions by key: ``"0"`` for the recording, or one per video where separate."""
        with self._open("TCA") as file:
            names = tuple(read_value(_node(file, "names_dims_array_preDecomp")))
            tree = read_tree(file)
        return {
            key: _stored_model(key, names, tree) for key in sorted(tree["factors"], key=_numeric)
        }

    def _open(self, name: str) -> Any:
        self.require(name)
        mend = f"delete it and run the project again, or restore analysis_files/{name}.h5"
        return _ReadProduct(self.product_path(name), mend)

    def _info(self, section: str, key: str) -> Any:
        try:
            return self.run_info[section][key]
        except (KeyError, TypeError) as error:
            raise ProjectError(
                f"{self.directory / 'run_info.json'} lacks {section}.{key}; the stage that writes "
                "it did not finish, so run the project again"
            ) from error


class _ReadProduct:
    """An open product whose missing datasets are told as `ProjectError`, not as `KeyError`."""

    def __init__(self, path: Path, mend: str) -> None:
        self._path, self._mend = path, mend
        self._context = open_h5(path, mend)

    def __enter__(self) -> h5py.File:
        return self._context.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._context.__exit__(None, None, None)
        if isinstance(error, KeyError):
            raise ProjectError(
                f"{self._path} lacks a dataset that its layout asks for ({error}); {self._mend}"
            ) from error
        if isinstance(error, OSError):
            raise ProjectError(f"{self._path} is damaged: {error}; {self._mend}") from error


def _node(file: h5py.File, name: str) -> Any:
    """Group or dataset of a product; a `KeyError` with its name where it is not there."""
    if name not in file:
        raise KeyError(name)
    return file[name]


def _stored_model(key: str, names: tuple[str, ...], tree: Mapping[str, Any]) -> StoredModel:
    """Gather what the tree of TCA.h5 says about one model."""
    factors = {name: tree["factors"][key][name] for name in names}
    fit = tree.get("fit", {}).get(key, {})
    rank = next(iter(factors.values())).shape[1]
    n_iterations = int(fit.get("n_iterations", -1))
    return StoredModel(
        names=names,
        factors=factors,
        weights=tree.get("weights", {}).get(key, np.ones(rank, dtype=np.float32)),
        rearranged=tree["factors_rearranged"][key],
        explained_variance=fit.get("explained_variance"),
        explained_variance_total=_float_or_none(fit.get("explained_variance_total")),
        relative_error=_float_or_none(fit.get("relative_error")),
        n_iterations=None if n_iterations < 0 else n_iterations,
        stability=fit.get("stability"),
    )


def product_format(path: Path) -> int | None:
    """Our format version of a product; None where it is face-rhythm's, missing or damaged."""
    try:
        with h5py.File(path, "r") as file:
            return int(file.attrs[ATTRIBUTE_FORMAT]) if ATTRIBUTE_FORMAT in file.attrs else None
    except OSError:
        return None


def stage_fingerprint(path: Path) -> dict[str, Any] | None:
    """Fingerprint stored in a product; None where it is not ours."""
    return _json_attribute(path, ATTRIBUTE_FINGERPRINT)


def stage_inputs(path: Path) -> dict[str, Any]:
    """SHA-256 of each file that a product was made from, by name; empty where it is not ours."""
    return _json_attribute(path, ATTRIBUTE_INPUTS) or {}


def content_faults(product: Path, inputs: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on how a product, or a product that it was made from, is not what was written.

    Parameters
    ----------
    product
        The HDF5 file; one that carries no digest of its content (face-rhythm's) has nothing to say of that.
    inputs
        SHA-256 of what it was made from, by name; only products beside it are looked at here.
    """
    faults = []
    if content_of(product) is Content.DAMAGED:
        faults.append(
            f"{product.name} is damaged: its content is not what was written (its digest differs)"
        )
    for name, sha256 in inputs.items():
        beside = product.with_name(name)
        if beside.suffix == product.suffix and beside.is_file() and file_sha256(beside) != sha256:
            faults.append(f"{product.name} was made from another {name} than the one beside it")
    return tuple(faults)


def stage_record(path: Path) -> dict[str, Any]:
    """Seconds, device and versions of the stage that wrote a product; empty where it is not ours."""
    return _json_attribute(path, ATTRIBUTE_RECORD) or {}


def _json_attribute(path: Path, name: str) -> dict[str, Any] | None:
    with open_h5(path, "delete it and run the project again") as file:
        text = read_text_attribute(file, name)
    return None if text is None else dict(json.loads(text))


def _find_layout(project: Project) -> str:
    """Name the layout, and refuse products of a newer format than this package knows."""
    versions = {p.name: product_format(p.path) for p in project.products}
    for name, version in versions.items():
        if version is not None and version > FORMAT_VERSION:
            raise ProjectError(
                f"{project.product_path(name)} has format version {version}; this package reads up "
                f"to {FORMAT_VERSION}. Upgrade element-facerhythm"
            )
    ours = [version for version in versions.values() if version is not None]
    if ours:
        return f"element-facerhythm {max(ours)}"
    tracker = project.config.get("PointTracker") or {}
    analyzer = project.config.get("VQT_Analyzer") or {}
    if "relaxation_during_freeze_frames" in tracker or "batch_size" in analyzer:
        return "face-rhythm 0.3"
    if analyzer and "one_over_f_exponent" not in analyzer:
        return "face-rhythm 0.1"
    return "face-rhythm 0.2"


def _numeric(key: str) -> tuple[int, str]:
    """Sort key that puts "10" after "2"."""
    match = re.search(r"\d+", key)
    return (int(match.group()) if match else -1, key)


def _base_name(path: str) -> str:
    """File name of a path written on any system."""
    return PureWindowsPath(path).name


def _float_or_none(value: Any) -> float | None:
    return None if value is None else float(value)

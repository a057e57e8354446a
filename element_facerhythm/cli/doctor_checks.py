"""The checks of `facerhythm doctor`, in the order in which they are reported.

Each returns a finding, or several; none changes anything. Nothing here imports `facemap.pose.pose`,
which downloads weights when it is imported.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from element_facerhythm import __version__
from element_facerhythm.cli.doctor_finding import FAIL, OK, WARN, Finding
from element_facerhythm.cli.doctor_pipeline import check_jobs, check_pipeline

MIN_PACKET_BYTES = 64_000_000


def check_python() -> Finding:
    """Python and the package itself."""
    return Finding(
        "python",
        OK,
        f"{platform.python_version()} at {sys.executable}; element-facerhythm {__version__}",
    )


def check_torch() -> Finding:
    """Torch, and whether it can use a GPU."""
    import torch

    if torch.cuda.is_available():
        return Finding(
            "torch", WARN,
            f"{torch.__version__}, cuda: {torch.cuda.get_device_name()}; what this package does on a GPU is "
            "not yet confirmed on one",
            "compare a short run with one of --device cpu before you rely on it",
        )  # fmt: skip
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        return Finding(
            "torch", WARN, f"{torch.__version__}, cpu only, but this machine has an NVIDIA driver",
            "install torch's CUDA build to use the GPU",
        )  # fmt: skip
    return Finding("torch", OK, f"{torch.__version__}, cpu, {torch.get_num_threads()} threads")


def check_opencv() -> Finding:
    """OpenCV, whose optical flow tracks the points on a CPU."""
    import cv2

    return Finding("opencv", OK, f"{cv2.__version__}, {cv2.getNumThreads()} threads")


def check_codecs() -> Finding:
    """Whether the usual codecs of behavioural video can be decoded."""
    import av

    wanted = ("h264", "hevc", "mpeg4", "mjpeg", "ffv1", "rawvideo")
    missing = [name for name in wanted if not can_decode(name)]
    found = f"PyAV {av.__version__} decodes {', '.join(n for n in wanted if n not in missing)}"
    if "h264" in missing:
        return Finding(
            "codecs",
            FAIL,
            found + "; not h264",
            "reinstall av from its wheel: pip install --force-reinstall av",
        )
    if missing:
        return Finding(
            "codecs", WARN, f"{found}; not {', '.join(missing)}", "convert such videos to h264"
        )
    return Finding("codecs", OK, found)


def can_decode(codec: str) -> bool:
    """Return whether PyAV was built with a decoder of that name."""
    import av
    from av.codec.codec import UnknownCodecError

    try:
        av.Codec(codec, "r")
    except UnknownCodecError:
        return False
    return True


def check_elements() -> Finding:
    """Return the versions of DataJoint and the released Elements."""
    names = ("datajoint", "element-lab", "element-animal", "element-session")
    return Finding("elements", OK, ", ".join(f"{name} {metadata.version(name)}" for name in names))


def check_facemap() -> Finding:
    """Facemap's network code; its weights are needed for keypoints alone."""
    import importlib

    importlib.import_module("facemap.pose.facemap_network")
    weights = Path.home() / ".facemap" / "models"
    there = sorted(weights.glob("*.pth")) + sorted(weights.glob("*.pt"))
    state = (
        f"{len(there)} weight files in {weights}"
        if there
        else f"no weights in {weights} (needed to predict keypoints alone)"
    )
    return Finding("facemap", OK, f"{metadata.version('facemap')}, {state}")


def check_formats() -> Finding:
    """Whether files of other trackers can be read and written; movement itself is not imported."""
    try:
        version = metadata.version("movement")
    except metadata.PackageNotFoundError:
        return Finding(
            "formats", WARN, "movement is not installed: no files of other trackers than facemap's",
            'pip install "element-facerhythm[formats]"',
        )  # fmt: skip
    return Finding("formats", OK, f"movement {version}: DeepLabCut, SLEAP, NWB and others")


def check_database() -> Finding:
    """Whether the database that would be used answers, takes large rows, and encrypts its connections."""
    from element_facerhythm.cli.database_access import describe_database

    database = describe_database()
    if not database.reachable:
        return Finding(
            "database", FAIL if database.configured else WARN, database.text, database.remedy
        )
    if database.max_packet_bytes is not None and database.max_packet_bytes < MIN_PACKET_BYTES:
        return Finding(
            "database", WARN, f"{database.text}, max_allowed_packet {database.max_packet_bytes:,} bytes",
            "set max_allowed_packet=64M or more on the server; large rows fail otherwise",
        )  # fmt: skip
    if database.exposed:
        return Finding(
            "database", WARN, database.text,
            "set DJ_USE_TLS=true (and FACERHYTHM_TLS_CA), or the network between can read along",
        )  # fmt: skip
    return Finding("database", OK, database.text)


def check_store() -> Finding:
    """Check the DataJoint store for large arrays; an object store must take and return an object."""
    from element_facerhythm.cli.database_access import configured_datajoint, store_location
    from element_facerhythm.errors import FaceRhythmError
    from element_facerhythm.linking import PROCESSED_VARIABLE, STORE_NAME, store_is_remote

    stores = configured_datajoint().config.stores
    if store_is_remote(stores):
        from element_facerhythm.storage import configured_store

        try:
            store = configured_store()
            assert store is not None
            store.check()
        except FaceRhythmError as error:
            return Finding("store", FAIL, str(error), "see the message")
        if not os.environ.get(PROCESSED_VARIABLE):
            return Finding(
                "store", WARN, f"{STORE_NAME}: {store} answers; {PROCESSED_VARIABLE} is not set",
                "set it on machines where workers run: they compute there, then put products into the store",
            )  # fmt: skip
        return Finding("store", OK, f"{STORE_NAME}: {store} takes objects and returns them")
    location = store_location()
    if location is None:
        return Finding(
            "store", OK, f"{STORE_NAME} is not configured: the directory of results serves as one"
        )
    return Finding("store", OK, f"{STORE_NAME}: {location}")


def check_directories() -> Sequence[Finding]:
    """Check the root directories of videos and the directory of results."""
    from element_facerhythm.database.embedded import database_is_configured
    from element_facerhythm.linking import environment_root_dirs

    of_lab = directories_of_lab()
    if of_lab is not None:
        return of_lab
    roots = environment_root_dirs()
    findings = [check_directory("data root", root, must_write=False) for root in roots]
    if not roots and database_is_configured():
        remedy = f"set it to the directories that hold the videos, separated by {os.pathsep!r}"
        findings.append(Finding("data root", WARN, "FACERHYTHM_ROOT_DATA_DIR is not set", remedy))
    elif not roots:
        findings.append(
            Finding("data root", OK, "none set: any place will do for the embedded database")
        )
    processed = os.environ.get("FACERHYTHM_PROCESSED_DATA_DIR")
    if processed:
        findings.append(check_directory("results", Path(processed), must_write=True))
    return findings


def directories_of_lab() -> list[Finding] | None:
    """Check the directories that a lab's linking module names; None where none is configured."""
    from element_facerhythm.errors import ConfigurationError
    from element_facerhythm.linking import active_link
    from element_facerhythm.linking.settings import pipeline_settings

    if not pipeline_settings().is_of_a_lab:
        return None
    try:
        link = active_link()
    except ConfigurationError:
        return [Finding("data root", OK, "not checked: the linking module is not in use")]
    findings = [check_directory("data root", root, must_write=False) for root in link.root_dirs()]
    return [*findings, check_directory("results", link.processed_dir(), must_write=True)]


def check_directory(name: str, path: Path, *, must_write: bool) -> Finding:
    """Return whether a directory is there, readable, and writable where it must be."""
    if not path.is_dir():
        return Finding(
            name, FAIL, f"{path} is not a directory", "create it, or correct the variable"
        )
    if must_write:
        with tempfile.TemporaryFile(dir=path):
            free = shutil.disk_usage(path).free
        return Finding(name, OK, f"{path}, writable, {free / 1e9:.0f} GB free")
    return Finding(name, OK, str(path))


CHECKS: dict[str, Callable[[], Finding | Sequence[Finding]]] = {
    "python": check_python,
    "torch": check_torch,
    "opencv": check_opencv,
    "codecs": check_codecs,
    "facemap": check_facemap,
    "formats": check_formats,
    "elements": check_elements,
    "database": check_database,
    "pipeline": check_pipeline,
    "jobs": check_jobs,
    "store": check_store,
    "data root": check_directories,
}

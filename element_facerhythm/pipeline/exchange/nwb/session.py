"""One NWB file of a session: written new, or an existing one with results added."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import element_facerhythm
from element_facerhythm.curation import Curation, read_curation, replay
from element_facerhythm.curation.state import State, of_product
from element_facerhythm.errors import ConfigurationError, ProjectBusyError, RequestError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.layout import PRODUCTS, SIGNALS
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.nwb_export import (
    MODULE,
    NwbFacts,
    nwb_name,
    subject_of,
)
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.pipeline.exchange.nwb.facts import file_of_session, require_facts
from element_facerhythm.pipeline.run.lock import is_locked

if TYPE_CHECKING:
    from element_facerhythm.pipeline.exchange.nwb.contents import Contents

_DESCRIPTION = "face video: tracked points, spectrograms and their components"
_OF_MODULE = "processed behavioral data"
_FOR_DANDI = {
    "species": "--species",
    "sex": "--sex",
    "age": "--age or --birth-date",
}


@dataclass(frozen=True, eq=False)
class NwbOptions:
    """What is written, and where its times begin.

    Attributes
    ----------
    starts_s
        Of each tracked video, seconds from the reference time of the file (the session's start) to the zero
        of its clock, which is its first frame. Empty for a new file of one video: that frame is the start.
    keypoints
        Keypoints of the recording, by the name of what predicted them.
    videos
        The video files, to refer to them; empty leaves them out.
    with_tensor
        Whether the spectrogram of every point is written beside the means.
    as_poses
        Whether tracked points are poses of ndx-pose; None where there are 100 or fewer.
    module
        Name of the processing module.
    curation
        What people decided; None takes it from the project directory.
    key
        Primary key of the run, where it is a database's.
    append
        Whether the file is there, and results are added to it.
    overwrite
        Whether a file that is there is replaced.
    """

    starts_s: tuple[float, ...] = ()
    keypoints: Mapping[str, Predictions] = field(default_factory=dict)
    videos: tuple[Path, ...] = ()
    with_tensor: bool = False
    as_poses: bool | None = None
    module: str = MODULE
    curation: Curation | None = None
    key: Mapping[str, Any] = field(default_factory=dict)
    append: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class WrittenSession:
    """What was written.

    Attributes
    ----------
    path
        The file.
    objects
        Names of the objects in the processing module.
    notes
        What was left out, changed, or should be known before the file is shared.
    """

    path: Path
    objects: tuple[str, ...]
    notes: tuple[str, ...]


def write_session(
    project: Project, output: Path, facts: NwbFacts, options: NwbOptions | None = None
) -> WrittenSession:
    """Write the results of a project into an NWB file of its session.

    Nothing is invented: what an NWB file needs and is not known is asked for. Arrays by frame are copied
    block by block and compressed. The file appears whole, or is as it was.

    Parameters
    ----------
    project
        A finished project, or one that holds signals of regions alone.
    output
        The file; or a directory, in which its name is ``sub-..._ses-..._behavior.nwb``. With
        `NwbOptions.append`, a file that is there.
    facts
        Of subject, session and device.
    options
        What is written.

    Raises
    ------
    RequestError
        A fact is missing, a file is there or is of another session, or something does not fit together.
    ProjectError
        The project is not complete or not as it was written, or a run is writing it.
    ConfigurationError
        pynwb or ndx-pose is not installed.
    """
    options = options or NwbOptions()
    require_libraries()
    from element_facerhythm.pipeline.exchange.nwb.clock import session_clock
    from element_facerhythm.pipeline.exchange.nwb.existing import require_appendable

    if nwb_name(options.module) != options.module or not options.module:
        raise RequestError(f"module {options.module!r}: expected a name without '/' and ':'")
    if options.append:
        require_appendable(output, facts, options.module)
        path = output.resolve()  # of a link, the file is replaced, and not the link
        if not options.starts_s:
            raise RequestError(
                f"{output} has a clock already; say where on it the video begins: --start S, seconds from "
                "the reference time of its times to the first frame, once for each tracked video"
            )
    else:
        require_facts(facts)
        path = file_of_session(output, facts)
        if path.exists() and not options.overwrite:
            raise RequestError(
                f"{path} exists; give --overwrite to replace it, --append to add to it, or another name"
            )
    _require_whole(project)
    clock = session_clock(project, options.starts_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path, project, facts, options.append) as (io, file):
        contents = _gathered(project, clock, file, facts, options, path.parent)
        module = file.processing.get(options.module) or file.create_processing_module(
            options.module, _OF_MODULE
        )
        module.add(contents.made)
        io.write(file)
        contents.streams.fill()
    notes = [*contents.notes]
    if not options.append:
        notes += _remarks(facts, options)
    return WrittenSession(path, tuple(made.name for made in contents.made), tuple(notes))


def require_libraries() -> None:
    """Refuse where the libraries that write NWB are not installed.

    Raises
    ------
    ConfigurationError
        The message says how to install them.
    """
    try:
        import ndx_pose  # noqa: F401
        import pynwb  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{error}; writing NWB needs: pip install "element-facerhythm[nwb]"'
        ) from error


def _require_whole(project: Project) -> None:
    if is_locked(project.directory):
        raise ProjectBusyError(f"a run is writing {project.directory}; export it when it is done")
    if not project.holds_signals_alone:
        project.require(*PRODUCTS)
    project.require_intact()


@contextmanager
def _opened(
    path: Path, project: Project, facts: NwbFacts, append: bool
) -> Iterator[tuple[Any, Any]]:
    """Yield a file of pynwb that becomes `path` when the block ends well."""
    import pynwb

    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, atomic_path(path) as whole:
        written = Path(scratch, "one.nwb")
        before = path.stat() if append else None
        if append:
            shutil.copy(path, written)
        with pynwb.NWBHDF5IO(str(written), "a" if append else "w") as io:
            yield io, _read(io, path) if append else _new_file(pynwb, project, facts)
        if before is not None and _stamp(path.stat()) != _stamp(before):
            raise RequestError(
                f"{path} was written by another program meanwhile; nothing was added: try again"
            )
        written.replace(whole)


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _read(io: Any, path: Path) -> Any:
    from hdmf.build import ConstructError

    try:
        return io.read()
    except (ConstructError, LookupError, OSError, RuntimeError, ValueError, TypeError,
            AttributeError) as error:  # fmt: skip
        raise RequestError(f"{path} is none that pynwb reads: {error}") from error


def _new_file(pynwb: Any, project: Project, facts: NwbFacts) -> Any:
    start = facts.session_start_time
    assert start is not None  # require_facts
    known = {
        "session_id": facts.session_id,
        "experimenter": facts.experimenter,
        "lab": facts.lab,
        "institution": facts.institution,
    }
    file = pynwb.NWBFile(
        session_description=facts.session_description or _DESCRIPTION,
        identifier=facts.identifier or _identifier(project, facts),
        session_start_time=start,
        was_generated_by=[["element-facerhythm", element_facerhythm.__version__]],
        **{name: value for name, value in known.items() if value is not None},
    )
    file.subject = subject_of(pynwb, facts)
    return file


def _identifier(project: Project, facts: NwbFacts) -> str:
    """Make a name of session and results: another camera, or another analysis, has another one."""
    digests = "".join(product.sha256 for product in project.products)
    assert facts.session_start_time is not None
    started = facts.session_start_time.isoformat(timespec="seconds")
    return f"{facts.subject_id}_{started}_{hashlib.sha256(digests.encode()).hexdigest()[:12]}"


def _gathered(
    project: Project, clock: Any, file: Any, facts: NwbFacts, options: NwbOptions, beside: Path
) -> Contents:
    """Make everything that goes into the processing module, and the video of the acquisition."""
    from element_facerhythm.pipeline.exchange.nwb.components import add_components
    from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents
    from element_facerhythm.pipeline.exchange.nwb.keypoints import add_keypoints
    from element_facerhythm.pipeline.exchange.nwb.pictures import add_pictures, external_video
    from element_facerhythm.pipeline.exchange.nwb.points import add_points
    from element_facerhythm.pipeline.exchange.nwb.provenance import add_provenance
    from element_facerhythm.pipeline.exchange.nwb.signals import add_signals
    from element_facerhythm.pipeline.exchange.nwb.spectrograms import add_spectrograms

    contents = Contents(project, clock)
    device = _device(file, facts.device)
    if device is not None:
        contents.about["device"] = device
    if options.videos:
        name = f"{PREFIX}Video" + ("" if options.module == MODULE else f"_{options.module}")
        if name in file.acquisition:
            raise RequestError(f"the file has a video {name} already; leave out --video")
        film = external_video(project, clock, options.videos, beside, device, name)
        file.add_acquisition(film)
        contents.about["source_video"] = film
    state = _state(project, options.curation)
    if not project.holds_signals_alone:
        decisions = {
            (item.model_key, item.component_index): what for item, what in state.components.items()
        }
        add_pictures(contents)
        add_points(contents, options.as_poses)
        add_spectrograms(contents, options.with_tensor)
        add_components(contents, decisions)
    if SIGNALS in (product.name for product in project.products):
        add_signals(contents)
    add_keypoints(contents, options.keypoints)
    add_provenance(contents, state, options.key)
    return contents


def _state(project: Project, curation: Curation | None) -> State:
    """Return what holds of the products that are there."""
    entries = (read_curation(project.directory) if curation is None else curation).entries
    if not entries:
        return State()
    return of_product(replay(entries), [product.sha256 for product in project.products])


def _device(file: Any, name: str | None) -> Any:
    if name is None:
        return None
    stored = nwb_name(name)
    return file.devices.get(stored) or file.create_device(name=stored, description=f"camera {name}")


def _remarks(facts: NwbFacts, options: NwbOptions) -> Iterator[str]:
    if not options.starts_s:
        yield (
            "time zero, the session's start, is the first frame of the video; give --start S where the "
            "camera began later"
        )
    asked = [
        option
        for name, option in _FOR_DANDI.items()
        if getattr(facts, name) is None and not (name == "age" and facts.birth_date is not None)
    ]
    if asked:
        yield f"the DANDI archive also asks for {', '.join(asked)}, which are not known here"

"""A project described as an RO-Crate: what its files are, and the run that made them.

The description is JSON-LD after RO-Crate 1.1 and the profile Process Run Crate 0.5. It lies in the project
directory, which becomes a crate by it and is otherwise not changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import element_facerhythm
from element_facerhythm.errors import RequestError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.layout import CRATE_FILE, CURATION_FILE, FILES, INPUTS
from element_facerhythm.io.product_stamps import stage_inputs
from element_facerhythm.parameters import as_open
from element_facerhythm.parameters.recorded import leaves
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE, RunRecord
from element_facerhythm.pipeline.results.load import UNKNOWN_DEVICE, load_project
from element_facerhythm.pipeline.run.lock import project_lock
from element_facerhythm.pipeline.run.runner import DISTRIBUTIONS

CONFORMS_TO = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "http://schema.org/sha256"},  # which the context of 1.1 lacks
]
_NO_LICENCE = "No licence is stated: ask the owner of the data before using them."
_FORMATS = {
    ".h5": "application/x-hdf5", ".json": "application/json", ".yaml": "application/yaml",
    ".yml": "application/yaml", ".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf",
    ".mp4": "video/mp4", ".npy": "application/x-npy", ".geojson": "application/geo+json",
}  # fmt: skip
_CONTENTS = {
    "config.yaml": "Parameters of each stage, in face-rhythm's sections",
    "run_info.json": "Facts about each stage: sizes, counts, names of axes",
    "run.json": "What each stage was computed from, when and how long, with all parameters",
    CURATION_FILE: "What people decided about the results",
    "analysis_files/Dataset_videos.h5": "First frame of the recording",
    "analysis_files/ROIs.h5": "Regions of interest and seed points",
    "analysis_files/PointTracker.h5": "Positions of the tracked points in every frame",
    "analysis_files/VQT_Analyzer.h5": "Spectrograms of the points' displacements",
    "analysis_files/TCA.h5": "Components: factors of the spectrogram tensor",
    "analysis_files/FacialSignal.h5": "Motion energy, pupils, blinks and running",
}

_ROLES = {"Person": "author", "Thing": "about", "CreativeWork": "license"}
"""What an entity that was told is of the whole, by its type."""

Entity = dict[str, Any]


@dataclass(frozen=True)
class CrateFacts:
    """What a project does not say of itself.

    Attributes
    ----------
    name
        Title; None takes the name of the directory.
    licence
        Web address of the licence, or a sentence; None says that none is stated.
    author
        Who is responsible for the data, in words.
    subject
        Facts of the animal by name, `subject_id` among them; empty where nothing is known.
    session_start
        When the session began.
    """

    name: str | None = None
    licence: str | None = None
    author: str | None = None
    subject: Mapping[str, str] | None = None
    session_start: datetime | None = None


def write_crate(
    directory: Path, facts: CrateFacts | None = None, *, overwrite: bool = False
) -> Path:
    """Write ``ro-crate-metadata.json`` into a finished project, of this package or of face-rhythm.

    Parameters
    ----------
    directory
        The project.
    facts
        What it does not say of itself.
    overwrite
        Whether a description that is there is replaced.

    Returns
    -------
    The path of the file.

    Raises
    ------
    RequestError
        There is a description already.
    ProjectError
        It is no project, is not finished or damaged, or a run is writing it.
    """
    path = directory / CRATE_FILE
    record = load_project(directory)
    with project_lock(directory):
        if path.exists() and not overwrite:
            raise RequestError(f"{path} exists; give --overwrite to replace it")
        crate = crate_of(record, facts or CrateFacts())
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(crate, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def crate_of(record: RunRecord, facts: CrateFacts) -> dict[str, Any]:
    """Return the description of a project as JSON-LD.

    Parameters
    ----------
    record
        Of the run, or of the loaded project.
    facts
        What the project does not say of itself.
    """
    directory = record.project_dir
    files = list(_files(record))
    software = list(_software(record))
    videos = list(_videos(directory))
    parameters = list(_parameters(record))
    given = [f for f in files if f["@id"].startswith(f"{INPUTS}/")]
    made = [f for f in files if f not in given and f["@id"] != CURATION_FILE]
    about = list(_about(facts))
    completed = _completed(record)
    action: Entity = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Analysis of {', '.join(v['name'] for v in videos) or directory.absolute().name}",
        "description": _stages(record),
        "instrument": _reference(software[0]),
        "object": _references([*videos, *given, *parameters]),
        "result": _references(made),
        "endTime": completed,
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    root = _root(directory, facts, completed) | {
        "hasPart": _references(files),
        "mentions": _reference(action),
    }
    for entity in about:
        root[_ROLES[entity["@type"]]] = _reference(entity)
        if entity["@id"] == "#author":
            action["agent"] = _reference(entity)
    profile = {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    descriptor = {
        "@id": CRATE_FILE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": CONFORMS_TO},
        "about": {"@id": "./"},
        "description": f"Written by element-facerhythm {element_facerhythm.__version__}",
    }
    related = [e for entity in about for e in entity.pop("+", [])]
    entities = (
        descriptor, root, profile, *about, *related, *files, action, *software, *videos, *parameters,
    )  # fmt: skip
    return {"@context": _CONTEXT, "@graph": list(entities)}


def _root(directory: Path, facts: CrateFacts, completed: str) -> Entity:
    name = facts.name or directory.absolute().name
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROFILE},
        "name": name,
        "description": f"{name}: facial rhythms of a video recording, from tracked points to components "
        "of their spectrograms",
        "datePublished": completed,
        "keywords": "face video, point tracking, spectrogram, tensor decomposition",
    }
    if facts.session_start is not None:
        root["temporalCoverage"] = facts.session_start.isoformat()
    return root


def _files(record: RunRecord) -> Iterator[Entity]:
    directory = record.project_dir
    known = {product.path.resolve(): product.sha256 for product in record.products}
    further = [
        str(path.relative_to(directory))
        for folder in (INPUTS, "visualizations")
        for path in sorted((directory / folder).glob("[!.]*"))
        if not path.is_symlink()
    ]
    for name in (*FILES, CURATION_FILE, *further):
        path = directory / name
        if not path.is_file():
            continue
        entity: Entity = {
            "@id": quote(name),
            "@type": "File",
            "name": path.name,
            "contentSize": str(path.stat().st_size),
            "sha256": known.get(path.resolve()) or file_sha256(path),
            "encodingFormat": _FORMATS.get(path.suffix.lower(), "application/octet-stream"),
        }
        given = "Given to the run, byte for byte" if name.startswith(f"{INPUTS}/") else None
        if (content := _CONTENTS.get(name, given)) is not None:
            entity["description"] = content
        yield entity


def _software(record: RunRecord) -> Iterator[Entity]:
    """Yield what computed, first of all, and what that needed."""
    versions = dict(record.versions)
    program, _, layout = record.layout.partition(" ")
    own = versions.pop(program, layout) or "unknown"
    entities = [_library(name, version) for name, version in versions.items()]
    main = _program(program or "unknown", own)
    if entities:
        main["softwareRequirements"] = _references(entities)
    yield from (main, *entities)


def _program(name: str, version: str) -> Entity:
    return {
        "@id": f"#software-{quote(name)}",
        "@type": "SoftwareApplication",
        "name": name,
        "softwareVersion": version,
    }


def _library(name: str, version: str) -> Entity:
    if name == "python":
        return _program(name, version) | {"@id": "https://www.python.org/"}
    package = (
        f"pkg:pypi/{DISTRIBUTIONS.get(name, name)}@{quote(version)}"  # a package URL, as of purl
    )
    return _program(name, version) | {"@id": package, "identifier": package}


def _videos(directory: Path) -> Iterator[Entity]:
    """Yield the recording's videos, which are no part of the crate."""
    product = directory / "analysis_files" / f"{PRODUCT_OF_STAGE['dataset']}.h5"
    for name, digest in stage_inputs(product).items():
        yield {
            "@id": f"#video-{digest}",
            "@type": "MediaObject",
            "name": name,
            "sha256": digest,
        }


def _parameters(record: RunRecord) -> Iterator[Entity]:
    if record.parameters is None:
        return
    unknown = as_open(record.parameters).unknown_names
    for name, value in leaves(record.parameters.to_tree()).items():
        if name in unknown:
            continue
        is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        yield {
            "@id": f"#parameter-{quote(name)}",
            "@type": "PropertyValue",
            "name": name,
            "value": value if is_plain else json.dumps(value),
        }


def _about(facts: CrateFacts) -> Iterator[Entity]:
    """Yield entities of what was told: author, licence, subject; ``+`` holds what these refer to."""
    if facts.author:
        yield {"@id": "#author", "@type": "Person", "name": facts.author}
    text = facts.licence or _NO_LICENCE
    place = text if text.startswith(("http://", "https://")) else "#licence"
    yield {"@id": place, "@type": "CreativeWork", "name": text, "description": text}
    subject = dict(facts.subject or {})
    if subject:
        properties = [
            {"@id": f"#subject-{quote(n)}", "@type": "PropertyValue", "name": n, "value": v}
            for n, v in subject.items()
        ]
        yield {
            "@id": "#subject",
            "@type": "Thing",
            "name": subject.get("subject_id", "subject"),
            "identifier": _references(properties),
            "description": "The animal that was recorded",
            "+": properties,
        }


def _stages(record: RunRecord) -> str:
    lines = []
    for stage in record.stages:
        seconds = "" if stage.seconds is None else f" {stage.seconds:g} s"
        device = "" if stage.device == UNKNOWN_DEVICE else f" on {stage.device}"
        lines.append(f"{stage.name}{seconds}{device}")
    return f"Stages: {'; '.join(lines)}"


def _completed(record: RunRecord) -> str:
    """When the last stage was completed, in ISO 8601 with its zone."""
    times = [datetime.fromisoformat(s.completed_utc) for s in record.stages if s.completed_utc]
    zoned = [time if time.tzinfo else time.replace(tzinfo=UTC) for time in times]
    return max(zoned).isoformat() if zoned else datetime.now(UTC).isoformat(timespec="seconds")


def _references(entities: Sequence[Entity]) -> Any:
    """One as it is, several as a list: so the standard wants it."""
    found = [_reference(entity) for entity in entities]
    return found[0] if len(found) == 1 else found


def _reference(entity: Mapping[str, Any]) -> dict[str, str]:
    return {"@id": entity["@id"]}

"""Poses as an NWB file of one animal (ndx-pose), with the facts of its session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.errors import ConfigurationError, KeypointError
from element_facerhythm.keypoints.predictions import Predictions

MODULE, CONTAINER = "behavior", "PoseEstimation"
REFERENCE_FRAME = "(0,0) is the upper left corner of the video, y down"
_FORBIDDEN = re.compile(r"[/:]")
_REQUIRED = {"session_start_time": "--session-start", "subject_id": "--subject-id"}


@dataclass(frozen=True)
class NwbFacts:
    """What an NWB file says of the session; None where not known.

    Attributes
    ----------
    session_start_time
        With its time zone.
    subject_id
        The animal.
    identifier
        Name of the file, unique in the world; None makes one of subject and session.
    sex, birth_date, species
        Of the animal: 'M', 'F', 'U' or 'O'; its day of birth; Latin binomial.
    session_description
        What the session was.
    device
        The camera.
    videos, starting_frames
        Files that the poses were found in, and the number of the first frame of each in the recording.
    scorer
        The model.
    session_id
        What the lab calls the session.
    age
        Of the animal, as ISO 8601 has it: 'P90D'.
    experimenter, lab, institution
        Who made the recording, and where.
    """

    session_start_time: datetime | None = None
    subject_id: str | None = None
    identifier: str | None = None
    sex: str | None = None
    birth_date: date | None = None
    species: str | None = None
    session_description: str | None = None
    device: str | None = None
    videos: tuple[str, ...] = ()
    starting_frames: tuple[int, ...] = ()
    scorer: str | None = None
    session_id: str | None = None
    age: str | None = None
    experimenter: str | None = None
    lab: str | None = None
    institution: str | None = None

    def or_else(self, other: NwbFacts) -> NwbFacts:
        """Return these facts, and where they are silent those of `other`."""
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        return NwbFacts(**{name: value or getattr(other, name) for name, value in mine.items()})


def require_facts(facts: NwbFacts, predictions: Predictions) -> None:
    """Refuse to write an NWB file whose session, subject or times would be invented.

    Parameters
    ----------
    facts
        Of the session; a start with its time zone and a subject are needed.
    predictions
        Whose frame rate must be known.

    Raises
    ------
    KeypointError
        The message names what is not known, and the option that says it.
    """
    missing = missing_facts(facts)
    if predictions.frame_rate_hz is None:
        missing.append("--frame-rate")
    if missing:
        raise KeypointError(
            "an NWB file says when the session began, whose it is, and the times of its frames; "
            "not known here: "
            f"give {', '.join(missing)}, or export from the database"
        )
    fault = fault_of_start(facts)
    if fault is not None:
        raise KeypointError(fault)


def missing_facts(facts: NwbFacts) -> list[str]:
    """Options that say what every NWB file needs and is not known."""
    return [option for name, option in _REQUIRED.items() if getattr(facts, name) is None]


def fault_of_start(facts: NwbFacts) -> str | None:
    """Sentence on a session's start that has no time zone; None where it has, or is not known."""
    start = facts.session_start_time
    if start is None or start.tzinfo is not None:
        return None
    return (
        f"the session's start {start.isoformat()} has no time zone; give it with one "
        f"(--session-start {start.isoformat()}+00:00)"
    )


def nwb_name(name: str) -> str:
    """Name that an object of an NWB file can have: no slash and no colon."""
    return _FORBIDDEN.sub("_", name)


def write_nwb(predictions: Predictions, path: Path, facts: NwbFacts, n_animals: int = 1) -> None:
    """Write the poses of one individual.

    Parameters
    ----------
    predictions
        Of one individual, at a known rate.
    path
        The file.
    facts
        Of its session; `require_facts` holds.
    n_animals
        Animals of the recording. Of several, nothing says which is the session's subject, so that the
        file's subject is the individual that the tracker identified.

    Raises
    ------
    KeypointError
        Two body parts would have one name in the file.
    ConfigurationError
        pynwb or ndx-pose is not installed.
    """
    try:
        import ndx_pose
        import pynwb
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{error}; writing NWB needs: pip install "element-facerhythm[nwb]"'
        ) from error
    (individual,) = predictions.individuals
    start = facts.session_start_time
    file = pynwb.NWBFile(
        session_description=facts.session_description or "keypoints of a video recording",
        identifier=_identifier(facts, individual, n_animals),
        session_start_time=start,
    )
    file.subject = (
        subject_of(pynwb, facts)
        if n_animals == 1
        else _one_of_several(pynwb, facts, individual, n_animals)
    )
    device = None if facts.device is None else file.create_device(name=nwb_name(facts.device))
    skeleton = ndx_pose.Skeleton(
        name=f"skeleton_{nwb_name(individual)}",
        nodes=list(predictions.body_parts),
        subject=file.subject,
    )
    rate_hz = predictions.frame_rate_hz
    assert rate_hz is not None  # require_facts
    times_s = predictions.times_s
    clock: dict[str, object] = {"starting_time": 0.0, "rate": float(rate_hz)}
    if times_s is not None:
        clock = {"timestamps": times_s}
    series = [
        ndx_pose.PoseEstimationSeries(**content, **clock) for content in pose_series(predictions)
    ]
    about: dict[str, object] = {} if device is None else {"device": device}
    if facts.videos:
        film = pynwb.image.ImageSeries(
            name="source_video",
            external_file=list(facts.videos),
            starting_frame=list(facts.starting_frames or [0] * len(facts.videos)),
            format="external",
            timestamps=np.arange(predictions.n_frames) / rate_hz if times_s is None else times_s,
            unit="n.a.",
            **about,
        )
        file.add_acquisition(film)
        about["source_video"] = film
    poses = ndx_pose.PoseEstimation(
        name=CONTAINER,
        pose_estimation_series=series,
        description=f"positions of {', '.join(predictions.body_parts)}; time zero is the first frame of "
        "the video",
        scorer=facts.scorer or "unknown",
        source_software=predictions.source_software or "unknown",
        skeleton=skeleton,
        **about,
    )
    module = file.create_processing_module(MODULE, "processed behavioral data")
    module.add([ndx_pose.Skeletons(skeletons=[skeleton]), poses])
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def pose_series(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Yield what a `PoseEstimationSeries` takes, but for its times, for each body part of one individual.

    Raises
    ------
    KeypointError
        Two body parts would have one name in the file.
    """
    in_space = predictions.n_dimensions == 3
    for k, name in enumerate(_series_names(predictions)):
        yield {
            "name": name,
            "description": f"position of {predictions.body_parts[k]}",
            "data": np.ascontiguousarray(predictions.positions[:, 0, k]),
            "confidence": np.ascontiguousarray(predictions.likelihood[:, 0, k]),
            "unit": "unknown" if in_space else "pixels",
            "reference_frame": "the tracker's own" if in_space else REFERENCE_FRAME,
        }


def _series_names(predictions: Predictions) -> list[str]:
    names = [nwb_name(part) for part in predictions.body_parts]
    if len(set(names)) != len(names):
        raise KeypointError(
            f"body parts {', '.join(predictions.body_parts)} would share a name in an NWB file, "
            "where '/' and ':' become '_'; write another format"
        )
    return names


def _identifier(facts: NwbFacts, individual: str, n_animals: int) -> str:
    start = facts.session_start_time
    made = f"{facts.subject_id}_{'' if start is None else start.isoformat(timespec='seconds')}"
    base = facts.identifier or made
    return base if n_animals == 1 else f"{base}_{individual}"


def subject_of(pynwb: Any, facts: NwbFacts) -> Any:
    """Make the subject of a file, with what is known of the animal.

    Parameters
    ----------
    pynwb
        The library.
    facts
        Of the session.
    """
    born, start = facts.birth_date, facts.session_start_time
    about = {
        "subject_id": facts.subject_id,
        "sex": facts.sex,
        "species": facts.species,
        "age": facts.age,
        "date_of_birth": None
        if born is None or start is None
        else datetime(born.year, born.month, born.day, tzinfo=start.tzinfo),
    }
    return pynwb.file.Subject(**{k: v for k, v in about.items() if v is not None})


def _one_of_several(pynwb: Any, facts: NwbFacts, whose: str, n_animals: int) -> Any:
    return pynwb.file.Subject(
        subject_id=whose,
        description=f"one of {n_animals} animals that the tracker distinguished in a session of "
        f"{facts.subject_id}",
    )

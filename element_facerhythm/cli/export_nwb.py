"""`facerhythm export nwb`: one NWB file of a session, with everything of a recording."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.export_movie import OverwriteOption, ProjectArgument
from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.nwb_options import (
    AgeOption,
    BirthDateOption,
    DescriptionOption,
    DeviceOption,
    ExperimenterOption,
    ExternalVideoOption,
    IdentifierOption,
    InstitutionOption,
    KeypointsOption,
    LabOption,
    ModuleOption,
    PointsOption,
    SessionIdOption,
    SessionStartOption,
    SexOption,
    SpeciesOption,
    StartOption,
    SubjectIdOption,
    TensorOption,
    birth_date,
)
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    quiet_stdout,
)
from element_facerhythm.cli.recording_options import start_time
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.keypoints import Predictions
    from element_facerhythm.keypoints.nwb_export import NwbFacts
    from element_facerhythm.pipeline.exchange.nwb.session import NwbOptions, WrittenSession

POINTS = {"auto": None, "poses": True, "arrays": False}


def nwb(
    project: ProjectArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write, or the directory that it goes into."),
    ] = None,
    append: Annotated[
        Path | None,
        typer.Option("--append", metavar="FILE", help="NWB file of the session to add to."),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    subject_id: SubjectIdOption = None,
    session_id: SessionIdOption = None,
    session_start: SessionStartOption = None,
    start: StartOption = None,
    sex: SexOption = None,
    species: SpeciesOption = None,
    age: AgeOption = None,
    birth: BirthDateOption = None,
    device: DeviceOption = None,
    identifier: IdentifierOption = None,
    description: DescriptionOption = None,
    experimenter: ExperimenterOption = None,
    lab: LabOption = None,
    institution: InstitutionOption = None,
    keypoints: KeypointsOption = None,
    video: ExternalVideoOption = None,
    tensor: TensorOption = False,
    points: PointsOption = "auto",
    module: ModuleOption = "behavior",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything of a recording into an NWB file of its session, or add it to one that is there.

    Give a project directory, with subject and session as options, or say which run of the database. What an
    NWB file needs and is not known is asked for, and never made up.

    Example: `facerhythm export nwb project -o . --subject mouse1 --session-start 2026-03-01T09:30+01:00`
    """
    from element_facerhythm.keypoints.nwb_export import NwbFacts
    from element_facerhythm.pipeline.exchange.nwb.session import NwbOptions

    target = place(output, append)
    facts = NwbFacts(
        session_start_time=start_time(session_start),
        subject_id=subject_id,
        session_id=session_id,
        identifier=identifier,
        sex=sex,
        species=species,
        age=age,
        birth_date=birth_date(birth),
        device=device,
        session_description=description,
        experimenter=experimenter,
        lab=lab,
        institution=institution,
    )
    options = NwbOptions(
        starts_s=tuple(start or ()),
        videos=tuple(video or ()),
        with_tensor=tensor,
        as_poses=points_as_poses(points),
        module=module,
        append=append is not None,
        overwrite=overwrite,
    )
    with quiet_stdout():
        options = replace(options, keypoints=of_files(keypoints or []))
        if project is not None:
            require_no_row(recording, key)
            named = NwbFacts(subject_id=subject, session_id=session)
            of, written = of_directory(project, target, facts.or_else(named), options)
        else:
            chosen = key_texts(subject, session, recording, key)
            of, written = of_run(chosen, target, facts, options)
    show(of, written, as_json)


def place(output: Path | None, append: Path | None) -> Path:
    """Return the file that is written, or added to.

    Raises
    ------
    RequestError
        Neither is said, or both.
    """
    found = output or append
    if found is None or (output is not None and append is not None):
        raise RequestError(
            "say where: -o FILE for a new file, or --append FILE for one that is there"
        )
    return found


def points_as_poses(points: str) -> bool | None:
    """Whether tracked points are poses; None where their number says it.

    Raises
    ------
    RequestError
        It is no choice that there is.
    """
    if points not in POINTS:
        raise RequestError(f"--points is {points!r}; expected one of {', '.join(POINTS)}")
    return POINTS[points]


def require_no_row(recording: str | None, key: list[str] | None) -> None:
    """Refuse options of the database where a directory is given."""
    if recording is not None or key:
        raise RequestError(
            "--recording and --key are for the database; they do not go with a directory"
        )


def of_directory(
    project: Path, output: Path, facts: "NwbFacts", options: "NwbOptions"
) -> "tuple[dict[str, Any], WrittenSession]":
    """Write the results of a project directory."""
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.exchange.nwb.session import write_session

    return {"project_dir": project}, write_session(Project.open(project), output, facts, options)


def of_run(
    chosen: KeyTexts, output: Path, facts: "NwbFacts", options: "NwbOptions"
) -> "tuple[dict[str, Any], WrittenSession]":
    """Write the results of the run that is chosen, with the keypoints of its recording.

    Raises
    ------
    RequestError
        No run is chosen, or several; or its files are not here.
    """
    if not chosen.texts:
        raise RequestError(
            "give a project directory, or say which row (--subject, --session, --recording, --key)"
        )
    from element_facerhythm.cli.database_access import pipeline_to_read
    from element_facerhythm.cli.figures import chosen_runs

    pipeline_to_read()
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation.session_file import write_session_of_run
    from element_facerhythm.keypoint_inference import KeypointInference

    runs = chosen_runs(chosen, None)
    if len(runs) > 1:
        raise RequestError(
            f"{len(runs)} runs are chosen, and a file is of one; say more of its key, as "
            f"{' '.join(f'--key {name}=VALUE' for name in runs[0])}: {'; '.join(map(key_text, runs[:5]))}"
        )
    (run,) = runs
    if not options.keypoints:
        options = replace(options, keypoints=KeypointInference.fetch_all_predictions(run))
    return {"key": run}, write_session_of_run(run, output, facts, options)


def of_files(paths: list[Path]) -> "dict[str, Predictions]":
    """Keypoints of files, by the names of the files.

    Raises
    ------
    RequestError
        Two files have one name.
    """
    from element_facerhythm.keypoints.product import read_keypoints

    found = {path.stem: read_keypoints(path) for path in paths}
    if len(found) < len(paths):
        raise RequestError(
            f"--keypoints: {', '.join(map(str, paths))} are not told apart by their names; rename one"
        )
    return found


def show(of: dict[str, Any], written: "WrittenSession", as_json: bool) -> None:
    """Print what was written, and remarks."""
    if as_json:
        print_json({**of, "file": written.path, "objects": written.objects, "notes": written.notes})
        return
    print_lines(
        [("written", f"{written.path}: {len(written.objects)} objects"),
         *(("note", note) for note in written.notes)]
    )  # fmt: skip

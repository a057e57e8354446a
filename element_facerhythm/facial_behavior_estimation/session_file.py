"""The NWB file of a session, from a run in the database."""

from dataclasses import replace
from pathlib import Path

from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.run_directory import present_run
from element_facerhythm.facial_behavior_estimation.schema import schema
from element_facerhythm.facial_behavior_estimation.session_facts import facts_of_recording
from element_facerhythm.io.project import Project
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.exchange.nwb.session import (
    NwbOptions,
    WrittenSession,
    write_session,
)


def write_session_of_run(
    run: Key,
    output: Path,
    facts: NwbFacts | None = None,
    options: NwbOptions | None = None,
) -> WrittenSession:
    """Write everything of a run into an NWB file; see `write_session`.

    Parameters
    ----------
    run
        Primary key of a row of `FaceRhythmProcessing`.
    output
        As of `write_session`.
    facts
        What the database does not know, or another word for it; it has subject, session, start and camera.
    options
        What is written; key and curation are those of the run.

    Raises
    ------
    RequestError
        As of `write_session`; or the files of the run are not what was entered.
    """
    known, remarks = facts_of_recording(run)
    options = options or NwbOptions()
    if options.append:  # the lab may call its session otherwise in the file
        known = replace(known, session_id=None)
    told = (facts or NwbFacts()).or_else(known)
    written = write_session(
        Project.open(present_run(run), active_link().search_dirs()),
        output,
        told,
        replace(
            options,
            key=run,
            curation=schema.table("ComponentCuration").fetch_curation(run),
        ),
    )
    starts_asked = facts is not None and facts.session_start_time is not None
    return replace(written, notes=(*(() if starts_asked else remarks), *written.notes))

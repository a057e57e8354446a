"""Facial rhythms of video recordings, as DataJoint tables.

`VideoRecording` and its files are entered; `RecordingInfo` is read from the files. A parameter set
(`FaceRhythmParamSet`), the regions of interest of a recording (`FaceRhythmROI`) and the recording
together make a `FaceRhythmTask`. `FaceRhythmProcessing` runs the analysis, or takes an existing
project directory; `FacialRhythm` holds its results: tracking, spectra and components, one plain
column per quantity, with the large arrays left in the project directory and reachable from the
rows; `FacialRhythmReport` holds the figures of them. `FacialSignal` holds what was measured in regions:
motion energy and its singular vectors, pupils, blinks, running; `SignalRhythm` compares that with the
components. `ComponentRhythm` follows each component in every frame, and `RhythmBout` says when it is strong.
What people decide about the components of a task is entered in `ComponentCuration`.

Call `activate` once per process before using the tables, or import `element_facerhythm.workflow`.
"""

from typing import Any

from element_facerhythm.database.table_creation import activating, only_binds
from element_facerhythm.facial_behavior_estimation.array_codec import ArrayCodec, ArrayReference
from element_facerhythm.facial_behavior_estimation.component_rhythm import ComponentRhythm
from element_facerhythm.facial_behavior_estimation.curation import (
    ComponentCuration,
    curated_result,
)
from element_facerhythm.facial_behavior_estimation.linked_files import (
    insert_linked_files,
    linked_file_rows,
)
from element_facerhythm.facial_behavior_estimation.param_set import FaceRhythmParamSet
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import RecordingInfo, VideoRecording
from element_facerhythm.facial_behavior_estimation.report import FacialRhythmReport
from element_facerhythm.facial_behavior_estimation.results import FacialRhythm
from element_facerhythm.facial_behavior_estimation.rhythm_bout import (
    RhythmBout,
    RhythmBoutParamSet,
)
from element_facerhythm.facial_behavior_estimation.roi import FaceRhythmROI
from element_facerhythm.facial_behavior_estimation.schema import schema
from element_facerhythm.facial_behavior_estimation.signal_rhythm import SignalRhythm
from element_facerhythm.facial_behavior_estimation.signals import FacialSignal
from element_facerhythm.facial_behavior_estimation.task import FaceRhythmTask
from element_facerhythm.linking import active_link, check_linking_module, set_active_link
from element_facerhythm.linking.lab_keys import require_usable_keys

POPULATED = (
    RecordingInfo,
    FaceRhythmProcessing,
    FacialRhythm,
    FacialRhythmReport,
    FacialSignal,
    SignalRhythm,
    ComponentRhythm,
    RhythmBout,
)
"""Tables that `populate()` fills, upstream first."""

__all__ = [
    "POPULATED",
    "ArrayCodec",
    "ArrayReference",
    "ComponentCuration",
    "ComponentRhythm",
    "FaceRhythmParamSet",
    "FaceRhythmProcessing",
    "FaceRhythmROI",
    "FaceRhythmTask",
    "FacialRhythm",
    "FacialRhythmReport",
    "FacialSignal",
    "RecordingInfo",
    "RhythmBout",
    "RhythmBoutParamSet",
    "SignalRhythm",
    "VideoRecording",
    "activate",
    "curated_result",
    "get_facerhythm_processed_data_dir",
    "get_facerhythm_root_data_dir",
    "insert_linked_files",
    "linked_file_rows",
    "schema",
]


def activate(
    schema_name: str,
    *,
    create_schema: bool | None = None,
    create_tables: bool | None = None,
    linking_module: Any = None,
) -> None:
    """Bind the tables to a schema in the database.

    Parameters
    ----------
    schema_name
        Name of the schema on the database server.
    create_schema, create_tables
        Whether to create what does not exist yet; None: as DataJoint's `database.create_tables` says.
    linking_module
        A module, its import name, or a namespace with `Session`, `Device` (or `Equipment`),
        `get_facerhythm_root_data_dir()` (a path or a list of paths) and, optionally,
        `get_facerhythm_processed_data_dir()` (one path; by default the first root directory) and
        `get_facerhythm_video_files(key)` (the video files of a recording; see `insert_linked_files`).

    Raises
    ------
    ConfigurationError
        The linking module lacks something; a key column of its sessions or devices cannot be a column of
        these tables; the schema holds tables that refer to other sessions. The message names it, and nothing
        was created. Or TLS is asked for, and the process's connection allows plain text.
    """
    link = check_linking_module(linking_module)
    if not only_binds():
        require_usable_keys(link, schema, schema_name)
    with activating(
        schema,
        schema_name,
        create_schema=create_schema,
        create_tables=create_tables,
        module="facial_behavior_estimation",
    ) as flags:
        schema.activate(
            schema_name,
            add_objects={"Session": link.session, "Device": link.device},
            **flags,
        )
    set_active_link(link)


def get_facerhythm_root_data_dir() -> list[str]:
    """Root directories of the recordings, as the linking module names them."""
    return [str(path) for path in active_link().root_dirs()]


def get_facerhythm_processed_data_dir() -> str:
    """Directory of the project directories, as the linking module names it."""
    return str(active_link().processed_dir())

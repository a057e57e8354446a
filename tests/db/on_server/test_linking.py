"""Other processes: a reader without our tables, a lab's own linking module, an import without noise."""

import secrets
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Key = dict[str, Any]

READ_WITHOUT_OUR_TABLES = """
import sys, warnings
warnings.simplefilter("ignore")
import datajoint as dj
tables = dj.VirtualModule("tables", "{schema}")
assert "element_facerhythm.facial_behavior_estimation.results" not in sys.modules
rows = tables.FacialRhythm.PointTrace & {key} & {{"video_index": 0, "point_index": 1}}
trace = rows.fetch1("trace")
points = (tables.FacialRhythm.Video & {key} & {{"video_index": 0}}).fetch1("points")
print(type(trace).__name__, trace.shape, type(points).__name__, (points[:, 1] == trace).all())
"""

LAB_WORKFLOW = '''
"""A lab's own linking module, as its other Elements use it."""
import element_facerhythm.linking.elements
from element_lab import lab
from element_animal import subject
from element_session import session_with_{session_key} as session
from element_lab.lab import Device as Equipment, Lab, Project, Protocol, Source, User

lab.activate("{prefix}lab")
subject.activate("{prefix}subject", linking_module=__name__)
Subject, Experimenter = subject.Subject, User
session.activate("{prefix}session", linking_module=__name__)
Session = session.Session
ROOTS = ["{root_dir}"]


def get_facerhythm_root_data_dir():
    return ROOTS
'''

USE_LAB_WORKFLOW = """
import sys, warnings
warnings.filterwarnings("ignore", message="MariaDB")
sys.path.insert(0, ".")
from element_facerhythm import facial_behavior_estimation as fbe
import datajoint as dj
dj.config.safemode = False
dj.config.loglevel = "WARNING"
fbe.activate("{prefix}face", linking_module="lab_workflow")
import lab_workflow as lab
lab.Subject.insert1(dict(subject="m", sex="F", subject_birth_date="2026-01-01"))
session = dict(subject="m", session_datetime="2026-02-03 04:05:06", **{session_id})
lab.Session.insert1(session)
lab.Equipment.insert1(dict(device="cam", modality="video"))
key = {{name: session[name] for name in lab.Session.primary_key}} | dict(recording_id=0)
fbe.VideoRecording.insert1(key | dict(device="cam"))
fbe.VideoRecording.File.insert1(key | dict(file_id=0, file_path="mouse/part0.mp4"))
fbe.RecordingInfo.populate({populate})
print((fbe.RecordingInfo & key).fetch1("n_frames"))
print(fbe.get_facerhythm_root_data_dir(), fbe.get_facerhythm_processed_data_dir(), lab.ROOTS)
for module in (fbe, lab.session, lab.subject, lab.lab):
    module.schema.drop(prompt=False)
"""


def test_a_process_with_datajoint_alone_reads_arrays(
    python: Callable[..., str], processed: Key, fbe: ModuleType
) -> None:
    script = READ_WITHOUT_OUR_TABLES.format(schema=fbe.schema.database, key=processed)
    assert python(script).split("\n")[0] == "ndarray (90, 2) LazyArray True"


@pytest.mark.parametrize("session_key", ["id", "datetime"])
def test_lab_workflow_with_equipment_and_own_prefix(
    session_key: str,
    python: Callable[..., str],
    tmp_path: Path,
    root_dir: Path,
    videos: list[Path],
    workflow: ModuleType,
) -> None:
    prefix = f"frlab_{secrets.token_hex(4)}_"
    (tmp_path / "lab_workflow.py").write_text(
        LAB_WORKFLOW.format(session_key=session_key, prefix=prefix, root_dir=root_dir)
    )
    on_mysql = workflow.dj.config.database.backend == "mysql"
    script = USE_LAB_WORKFLOW.format(
        prefix=prefix,
        session_id={"session_id": 3} if session_key == "id" else {},
        # DataJoint 2.3 cannot keep a jobs table with a time in its key on PostgreSQL.
        populate="reserve_jobs=True" if on_mysql or session_key == "id" else "",
    )
    lines = python(script).splitlines()
    assert lines[-2:] == ["90", f"['{root_dir}'] {root_dir} ['{root_dir}']"]


def test_missing_schema_is_not_created_when_told_so(python: Callable[..., str]) -> None:
    script = """
import warnings
warnings.filterwarnings("ignore", message="MariaDB")
from element_facerhythm.linking.elements import activate_elements
import datajoint as dj
try:
    activate_elements("frabsent_", create_schema=False)
except dj.DataJointError as error:
    print("refused:", "create_schema" in str(error), "frabsent_lab" in dj.list_schemas())
"""
    assert python(script).splitlines()[-1] == "refused: True False"


def test_importing_the_workflow_says_nothing_but_the_connection(
    python: Callable[..., str], workflow: ModuleType
) -> None:
    script = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", message="MariaDB")
from element_facerhythm.workflow import facial_behavior_estimation, lab, prefix, session, subject
print(prefix, facial_behavior_estimation.schema.database)
"""
    printed = python(script, DJ_LOG_LEVEL="WARNING", DJ_IGNORE_CONFIG_FILE="false")
    assert printed.split() == [workflow.prefix, f"{workflow.prefix}facial_behavior_estimation"]

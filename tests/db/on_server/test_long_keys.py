"""A lab whose keys are long texts, also of other scripts: directories, workers and results all the same."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LAB = '''
import datajoint as dj

schema = dj.Schema("{prefix}core")


@schema
class Session(dj.Manual):
    definition = """
    subject : varchar(255)
    session_name : varchar(255)
    """


@schema
class Device(dj.Lookup):
    definition = """
    device : varchar(16)
    """
    contents = [("cam",)]


def get_facerhythm_root_data_dir():
    return "{root_dir}"


def get_facerhythm_processed_data_dir():
    return "{processed_dir}"
'''

RUN = """
import json, sys, warnings
warnings.filterwarnings("ignore", message="MariaDB")
sys.path.insert(0, ".")
import datajoint as dj
dj.config.safemode = False
dj.config.loglevel = "WARNING"
import long_lab as lab
from element_facerhythm import facial_behavior_estimation as fbe, fleet, keypoint_inference as kpi
fbe.activate("{prefix}face", linking_module="long_lab")
kpi.activate("{prefix}keypoints")
fleet.activate("{prefix}fleet")
sessions, parameters, rois = json.load(open("given.json"))
tasks = []
for subject, name in sessions:
    key = dict(subject=subject, session_name=name)
    lab.Session.insert1(key)
    key |= dict(recording_id=0)
    fbe.VideoRecording.insert1(key | dict(device="cam"))
    fbe.VideoRecording.File.insert1(key | dict(file_id=0, file_path="mouse/part0.mp4"))
    number = fbe.FaceRhythmParamSet.insert_new_params(None, "short", parameters)
    task = fbe.FaceRhythmROI.insert_rois(key, rois) | dict(paramset_id=number)
    fbe.FaceRhythmTask.insert1(task | dict(task_mode="trigger"))
    tasks.append(task)
from element_facerhythm.fleet.worker import WorkerOptions, work
jobs = []
report = work(fbe.POPULATED, WorkerOptions(exit_when_idle=True, max_jobs=40), on_job=jobs.append)
model = kpi.KeypointModel.insert_new_model(None, "mine", body_parts=["nose tip"], add_body_parts=True)
found = dict(
    done=report.n_done, failed=report.n_failed, errors=[job.error for job in jobs if job.error],
    directories=[(fbe.FaceRhythmProcessing & task).fetch1("project_dir") for task in tasks],
    inferred=[str(fbe.FaceRhythmTask.infer_output_dir(task)) for task in tasks],
    absolute=[str(fbe.FaceRhythmTask.infer_output_dir(task, relative=False)) for task in tasks],
    keypoints=[str(kpi.KeypointInferenceTask.infer_output_dir(
        dict(task, model_id=model), relative=False, mkdir=True)) for task in tasks],
    results=[len(fbe.FacialRhythm & task) for task in tasks],
    shapes=[list(fbe.FacialRhythm.traces(task).shape) for task in tasks],
)
print(json.dumps(found))
for module in (kpi, fbe, fleet, lab):
    module.schema.drop(prompt=False)
"""

PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 20}},
    "VQT_Analyzer": {
        "params_VQT": {"Q_lowF": 2, "Q_highF": 4, "F_min": 5, "F_max": 25, "n_freq_bins": 6}
    },
    "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 5}}},
}
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
SESSIONS = [
    ("s" * 255, "n" * 255),
    ("s" * 255, "n" * 254 + "m"),  # differs in the last letter alone
    ("鼠" * 85, "Übung/" * 42),
    ("鼠" * 85, "Ubung/" * 42 + "…"),
    ("short", "one"),
]


def test_keys_of_long_texts_go_through_every_table(
    python: Callable[..., str],
    videos: list[Path],
    root_dir: Path,
    processed_dir: Path,
    tmp_path: Path,
) -> None:
    prefix = f"frlong_{secrets.token_hex(4)}_"
    results = processed_dir / "long"
    results.mkdir()
    (tmp_path / "long_lab.py").write_text(
        LAB.format(prefix=prefix, root_dir=root_dir, processed_dir=results)
    )
    (tmp_path / "given.json").write_text(json.dumps([SESSIONS, PARAMETERS, ROIS]))
    found = json.loads(python(RUN.format(prefix=prefix)).splitlines()[-1])
    assert found["errors"] == []
    assert (found["done"], found["failed"]) == (6 * len(SESSIONS), 0)
    assert found["results"] == [1] * len(SESSIONS)
    assert found["directories"] == found["inferred"]
    assert len({*found["inferred"], *found["keypoints"]}) == 2 * len(SESSIONS)
    assert all(Path(path).is_dir() for path in (*found["absolute"], *found["keypoints"]))
    assert max(len(path.encode()) for path in found["inferred"]) <= 470
    assert found["inferred"][-1] == "subject-short/session_name-one/recording-0/paramset-0_roi-0"

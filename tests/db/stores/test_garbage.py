"""Garbage collection: no orphan stays, and nothing that a row refers to ever goes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.db.stores.s3_server import DAY_S, S3Server
from tests.db.stores.test_object_store import store_and_section

pytestmark = pytest.mark.database

N_ROUNDS = 8


def collect(facerhythm: Callable[..., Any], *arguments: str) -> dict[str, Any]:
    outcome = facerhythm("gc", "--json", *arguments)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def age_directory(directory: Path, seconds: float = 2 * DAY_S) -> None:
    then = time.time() - seconds
    for path in [*directory.rglob("*"), directory]:
        os.utime(path, (then, then))


def live_names() -> set[str]:
    from element_facerhythm.admin.garbage.references import read_references

    return set(read_references().objects)


def test_deleted_rows_leave_no_orphan_and_live_arrays_stay(
    populate: Callable[[int], dict[str, Any]],
    processed: dict[str, Any],
    inferred: dict[str, Any],
    fbe: Any,
    s3: S3Server,
    facerhythm: Callable[..., Any],
    python: Callable[..., str],
    other_machine: dict[str, str],
    processed_dir: Path,
) -> None:
    gone = populate(11)
    project = fbe.FaceRhythmTask.infer_output_dir(gone, relative=False)
    by_hand = processed_dir / "by-hand"  # a run without a database, in the same directory
    by_hand.mkdir()
    (by_hand / "run.json").write_text("{}")
    session = {name: gone[name] for name in ("subject", "session_id")}
    (fbe.VideoRecording() & session).delete(prompt=False)
    store, section = store_and_section()
    before = {item.name for item in store.listing(section)}
    orphans = before - live_names()
    assert len(orphans) == 6  # five products and a description

    for path in (by_hand, project):
        age_directory(path)
    assert collect(facerhythm, "--delete")["objects"]["removed"] == []  # all of it is young
    s3.age()
    report = collect(facerhythm)  # only looks
    assert {item["name"] for item in report["objects"]["orphans"]} == orphans
    assert not project.exists() or str(project.resolve()) in str(report["directories"])
    assert {item.name for item in store.listing(section)} >= before
    report = collect(facerhythm, "--delete")
    assert set(report["objects"]["removed"]) == orphans
    assert {item.name for item in store.listing(section)} == live_names() & before
    assert not project.exists() and by_hand.is_dir()
    assert fbe.FaceRhythmTask.infer_output_dir(processed, relative=False).is_dir()

    script = (
        "import numpy as np\n"
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
        "from element_facerhythm.workflow import keypoint_inference as kpi\n"
        "videos = (fbe.FacialRhythm.Video()).to_dicts()\n"
        "print(sum(np.asarray(v[n]).size for v in videos for n in ('points', 'spectrogram')) > 0)\n"
        f"print(len(kpi.KeypointInference.get_trajectory({inferred!r})))"
    )
    assert python(script, **other_machine).split()[-2:] == ["True", "180"]


def test_directories_in_use_are_left_alone(
    register: Callable[..., dict[str, Any]],
    fbe: Any,
    facerhythm: Callable[..., Any],
    processed_dir: Path,
    processed: dict[str, Any],
) -> None:
    from element_facerhythm.facial_behavior_estimation.product_files import schema_name
    from element_facerhythm.pipeline.run.lock import project_lock
    from element_facerhythm.pipeline.run.ownership import OWNER

    def make(name: str, *owners: str) -> Path:
        directory = processed_dir / "places" / name
        directory.mkdir(parents=True)
        (directory / "run.json").write_text("{}")
        for owner in owners:
            (directory / f"{OWNER}{owner}").touch()
        with project_lock(directory):
            pass
        age_directory(directory)
        return directory

    mine = schema_name()
    orphan, locked = make("orphan", mine), make("locked", mine)
    kept = [make("shared", mine, "another_schema"), make("unmarked"), make("named", mine)]
    young = make("young", mine)
    os.utime(young / "run.json")
    task = register(12)
    fbe.FaceRhythmTask.update1({**task, "output_dir": "places/named"})
    outside = processed_dir.parent / f"{processed_dir.name}-outside"
    outside.mkdir()
    (outside / f"{OWNER}{mine}").touch()
    (processed_dir / "link").symlink_to(outside)
    age_directory(outside)

    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sys; from pathlib import Path\n"
         "from element_facerhythm.pipeline.run.lock import project_lock\n"
         f"with project_lock(Path({str(locked)!r})): print('held', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline().strip() == "held"
        report = collect(facerhythm, "--delete")["directories"]
    finally:
        holder.communicate("")
    assert report["removed"] == [str(orphan.resolve())]
    # the holder's heartbeats are files, too, and make its directory young
    assert report["n_locked"] + report["n_young"] == 2
    assert not orphan.exists()
    assert all(path.is_dir() for path in (*kept, locked, young, outside))
    assert not list(processed_dir.rglob(".facerhythm-gc-*"))


WORKER = """
import os, time
from pathlib import Path
from element_facerhythm.workflow import dj, facial_behavior_estimation as fbe
from element_facerhythm.storage import configured_store
from element_facerhythm.storage.object_store import product_name
dj.config.safemode = False
key, data, signs = {key!r}, {data!r}, Path({signs!r})
insert = fbe.FaceRhythmProcessing.make_insert

def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

def rounds_done():
    return [len(path.read_bytes()) for path in sorted(signs.glob("rounds-*"))]

def slow_insert(self, *arguments):
    insert(self, *arguments)
    (signs / "pause").unlink(missing_ok=True)
    before = rounds_done()  # the rows are there, and no collector sees them: let each come by twice
    wait_for(lambda: len(before) == 2 and all(b > a + 1 for a, b in zip(before, rounds_done())))

def make_old():
    then = time.time() - 2 * 24 * 3600
    for place, names, files in os.walk(data):
        names[:] = [name for name in names if name not in ("collecting", "clock")]
        for file in files:
            try:
                os.utime(os.path.join(place, file), (then, then))
            except FileNotFoundError:
                pass

fbe.FaceRhythmProcessing.make_insert = slow_insert
store = configured_store()
wait_for(lambda: len(rounds_done()) == 2)
for index in range({rounds}):
    if index % 2:  # what is there is old, and stays until the upload has found it
        (signs / "pause").touch()
        wait_for(lambda: len(list(signs.glob("paused-*"))) == 2)
        fbe.FaceRhythmProcessing.populate(key)
        (fbe.FaceRhythmProcessing() & key).delete(prompt=False)
        (signs / "pause").touch()
        wait_for(lambda: len(list(signs.glob("paused-*"))) == 2)
        make_old()
        time.sleep(2)  # until the server sees it
    fbe.FaceRhythmProcessing.populate(key)
    wait_for(lambda before=rounds_done(): all(b > a for a, b in zip(before, rounds_done())))
    for sha256 in (fbe.FaceRhythmProcessing.Product() & key).to_arrays("product_sha256"):
        name = product_name({section!r}, sha256)
        assert store.look(name) is not None, f"LOST in round {{index}}: {{name}}"
    (fbe.FaceRhythmProcessing() & key).delete(prompt=False)
    make_old()
    time.sleep(index * 0.37 % 2)  # found old, found being collected, or found gone: some of each
print("rounds done")
"""

COLLECTOR = """
import os, time
from pathlib import Path
from element_facerhythm import workflow
from element_facerhythm.admin.garbage import collect_garbage
signs, removed = Path({signs!r}), 0
mine = signs / f"paused-{{os.getpid()}}"
while not (signs / "stop").exists():
    if (signs / "pause").exists():
        mine.touch()
        time.sleep(0.02)
        continue
    mine.unlink(missing_ok=True)
    report = collect_garbage(older_than_hours=1.0, delete=True, allow_deleting_all=True)
    removed += len(report.objects.removed)
    with (signs / f"rounds-{{os.getpid()}}").open("ab") as rounds:
        rounds.write(b".")
print(removed)
"""


@pytest.mark.timeout(540)
@pytest.mark.slow
def test_collector_beside_a_worker_never_takes_a_live_object(
    register: Callable[..., dict[str, Any]],
    fbe: Any,
    s3: S3Server,
    tmp_path: Path,
    other_machine: dict[str, str],
    workflow: Any,
) -> None:
    """Rows come and go over the same content, with collectors at work all the time."""
    key = register(13)
    fbe.RecordingInfo.populate(key)
    fbe.FaceRhythmProcessing.populate(key)
    (fbe.FaceRhythmProcessing() & key).delete(prompt=False)
    section = store_and_section()[1]
    data = f"{s3.directory}/data/results/lab/products/facerhythm/{section}"
    for name in ("collecting", "clock"):
        # rclone removes a directory with its last object, and then loses one that is being written beside it
        (Path(data) / name).mkdir(exist_ok=True)
        (Path(data) / name / "stays").touch()
    signs = tmp_path / "signs"
    signs.mkdir()
    scripts = [
        WORKER.format(key=key, data=data, rounds=N_ROUNDS, section=section, signs=str(signs)),
        *[COLLECTOR.format(signs=str(signs))] * 2,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    worker, *collectors = [
        subprocess.Popen([sys.executable, "-c", script], env=os.environ | extra, **pipes)
        for script, extra in zip(scripts, [{}, other_machine, other_machine], strict=True)
    ]
    out, err = worker.communicate(timeout=500)
    (signs / "stop").touch()
    removed = 0
    for collector in collectors:
        said, complaint = collector.communicate(timeout=120)
        assert collector.returncode == 0, complaint
        removed += int(said.split()[-1])
    assert worker.returncode == 0 and "rounds done" in out, err
    assert removed > 0, "the collectors never removed anything: nothing was tested"

"""Products in an S3 store: put there by a worker, read by who has not its disk, told when damaged."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import h5py
import numpy as np
import pytest

from tests.db.stores.s3_server import SECRET_KEY, S3Server

pytestmark = pytest.mark.database

READ_ALL = """
import numpy as np
from element_facerhythm.workflow import facial_behavior_estimation as fbe, keypoint_inference as kpi
key, task = {key!r}, {task!r}
points, spectrogram = (fbe.FacialRhythm.Video() & key & "video_index = 0").fetch1("points", "spectrogram")
trace = (fbe.FacialRhythm.PointTrace() & key & "point_index = 2 AND video_index = 1").fetch1("trace")
table = kpi.KeypointInference.get_trajectory(task)
table = table.to_numpy()
np.savez({out!r}, points=points[10:20], spectrogram=np.asarray(spectrogram), trace=trace, table=table)
"""


def store_and_section() -> tuple[Any, str]:
    from element_facerhythm.facial_behavior_estimation.product_files import schema_name
    from element_facerhythm.storage import configured_store

    store = configured_store()
    assert store is not None
    return store, schema_name()


def product_of(fbe: Any, key: dict[str, Any], product: str) -> tuple[str, str]:
    """Path relative to the processed directory, and digest."""
    return (fbe.FaceRhythmProcessing.Product() & key & {"product": product}).fetch1(
        "product_path", "product_sha256"
    )


def test_client_without_the_disk_reads_what_the_worker_wrote(
    processed: dict[str, Any],
    inferred: dict[str, Any],
    fbe: Any,
    kpi: Any,
    processed_dir: Path,
    python: Callable[..., str],
    other_machine: dict[str, str],
    tmp_path: Path,
) -> None:
    script = READ_ALL.format(key=processed, task=inferred, out=str(tmp_path / "read.npz"))
    python(script, **other_machine)
    read = np.load(tmp_path / "read.npz")
    tracker = processed_dir / product_of(fbe, processed, "PointTracker")[0]
    with h5py.File(tracker) as file:
        np.testing.assert_array_equal(read["points"], file["points_tracked/0"][10:20])
        np.testing.assert_array_equal(read["trace"], file["points_tracked/1"][:, 2])
    with h5py.File(processed_dir / product_of(fbe, processed, "VQT_Analyzer")[0]) as file:
        np.testing.assert_array_equal(read["spectrogram"], file["spectrograms/0"])
    here = kpi.KeypointInference.get_trajectory(inferred).to_numpy()
    np.testing.assert_array_equal(read["table"], here)
    assert list(Path(other_machine["FACERHYTHM_PROCESSED_DATA_DIR"]).iterdir()) == []


def test_figures_are_drawn_where_only_the_store_is(
    processed: dict[str, Any], fbe: Any, other_machine: dict[str, str], tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "element_facerhythm",
        "figures",
        "--json",
        "--subject",
        "mouse1",
    ]
    command += ["--session", str(processed["session_id"]), "-o", str(tmp_path / "out")]
    done = subprocess.run(
        command, env={**os.environ, **other_machine}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["files"]) == 6 and told["notes"] == []
    assert all(Path(path).read_bytes()[:4] == b"\x89PNG" for path in told["files"])
    there = Path(other_machine["FACERHYTHM_PROCESSED_DATA_DIR"])
    restored = there / (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    assert len(list((restored / "analysis_files").iterdir())) == 5
    assert not (restored / "visualizations").exists()


def test_reader_that_activates_nothing_needs_the_store_alone(
    processed: dict[str, Any], fbe: Any, python: Callable[..., str], other_machine: dict[str, str]
) -> None:
    script = f"""
import os
for name in ("FACERHYTHM_PROCESSED_DATA_DIR", "FACERHYTHM_ROOT_DATA_DIR"):
    os.environ.pop(name, None)
import datajoint as dj
module = dj.VirtualModule("fbe", {fbe.schema.database!r})
print((module.FacialRhythm.Video() & {processed!r} & "video_index = 0").fetch1("points")[5, 3].tolist())
"""
    lines = python(script, **other_machine).splitlines()
    expected = fbe.FacialRhythm.traces(processed)[5, 3].tolist()
    assert json.loads(lines[-1]) == expected


def test_worker_without_the_disk_goes_on_with_the_run_of_another(
    workflow: Any,
    register: Callable[..., dict[str, Any]],
    fbe: Any,
    python: Callable[..., str],
    other_machine: dict[str, str],
) -> None:
    key = register(2)
    fbe.RecordingInfo.populate(key)
    fbe.FaceRhythmProcessing.populate(key)
    script = (
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
        f"fbe.FacialRhythm.populate({key!r})\nprint(len(fbe.FacialRhythm() & {key!r}))"
    )
    assert python(script, **other_machine).split()[-1] == "1"


def test_run_whose_store_is_down_fails_and_a_retry_only_uploads(
    register: Callable[..., dict[str, Any]],
    fbe: Any,
    s3: S3Server,
    processed_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from element_facerhythm.storage import retry as failures

    monkeypatch.setattr(failures, "WAITS_S", (0.1,))
    key = register(3)
    fbe.RecordingInfo.populate(key)
    s3.stop()
    try:
        result = fbe.FaceRhythmProcessing.populate(key, suppress_errors=True)
    finally:
        s3.start()
    [(_, message)] = result["error_list"]
    assert "cannot be put into the s3 store" in message
    assert "stays in the project directory" in message
    assert len(fbe.FaceRhythmProcessing() & key) == 0
    project = fbe.FaceRhythmTask.infer_output_dir(key, relative=False)
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*.h5")}
    assert len(before) == 5

    fbe.FaceRhythmProcessing.populate(key)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*.h5")} == before
    assert all((fbe.FaceRhythmProcessing.Stage() & key).to_arrays("reused"))
    store, section = store_and_section()
    names = {item.name for item in store.listing(section)}
    for sha256 in (fbe.FaceRhythmProcessing.Product() & key).to_arrays("product_sha256"):
        assert any(sha256 in name for name in names)


def test_wrong_secret_is_told_without_being_printed(
    s3: S3Server, workflow: Any, python: Callable[..., str]
) -> None:
    wrong = "another-secret-that-is-wrong"
    script = """
import sys
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.storage import configured_store
try:
    configured_store().check()
except ConfigurationError as error:
    print(error)
sys.argv = ["facerhythm", "doctor", "--json"]
from element_facerhythm.cli import main
try:
    main()
except SystemExit as stop:
    print("exit", stop.code)
"""
    said = python(script, DJ_STORES=s3.settings(secret_key=wrong))
    assert "Check bucket, access_key and secret_key" in said
    assert "exit 1" in said
    assert wrong not in said and SECRET_KEY not in said

    said = python(script, DJ_STORES=s3.settings())
    assert "takes objects and returns them" in said


def test_damaged_object_is_told_by_its_digest(
    processed: dict[str, Any],
    fbe: Any,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from element_facerhythm.errors import ProcessingError
    from element_facerhythm.storage import retry as failures
    from element_facerhythm.storage.object_store import product_name
    from element_facerhythm.storage.stored_array import present_file

    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(failures, "WAITS_S", ())
    _, section = store_and_section()
    sha256 = product_of(fbe, processed, "ROIs")[1]
    name = product_name(section, sha256)
    content = s3.file_of(name).read_bytes()
    s3.file_of(name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ProcessingError, match=r"is damaged: its SHA-256|hecksum"):
        present_file(None, name, sha256)
    assert list(tmp_path.iterdir()) == []
    s3.file_of(name).write_bytes(content)
    assert present_file(None, name, sha256).read_bytes() == content


def test_upload_is_streamed_in_parts_verified_and_not_repeated(
    workflow: Any, tmp_path: Path, s3: S3Server
) -> None:
    from element_facerhythm.storage.etag import tag_agrees

    store, section = store_and_section()
    file = tmp_path / "large"
    file.write_bytes(os.urandom(45_000_000))
    name = f"facerhythm/{section}/zz/large.h5"
    sent: list[str] = []
    store._send, send = (lambda *a: (sent.append("sent"), send(*a))), store._send
    store.put(file, name, 45_000_000)
    tag = store.fs.info(store.backend._full_path(name))["ETag"]
    assert tag_agrees(file, tag)
    assert tag_agrees(file, "an-encrypted-one") is None
    s3.age()
    store.put(file, name, 45_000_000)
    assert sent == ["sent"]
    assert s3.file_of(name).read_bytes() == file.read_bytes()
    assert time.time() - store.look(name).modified.timestamp() < 3600  # young again
    with file.open("r+b") as damaged:
        damaged.write(b"other")
    assert tag_agrees(file, tag) is False
    store.remove(name)


def test_upload_waits_for_a_collector_that_announced_the_object(
    workflow: Any, tmp_path: Path, s3: S3Server
) -> None:
    """The interleaving that a check of the age alone loses: refreshed, and removed right after."""
    store, section = store_and_section()
    file = tmp_path / "product"
    file.write_bytes(b"content")
    name = f"facerhythm/{section}/zz/race.h5"
    store.put(file, name, 7)
    s3.age()
    announced, looked = Event(), Event()

    def collect() -> None:
        with store.announced(section, [name]) as may_remove:
            announced.set()
            looked.wait(30)  # it saw an old object, was held up, and now removes a young one
            time.sleep(1.5)
            assert may_remove()
            store.remove(name)

    collector = Thread(target=collect)
    collector.start()
    announced.wait(30)
    looked.set()
    store.put(file, name, 7)
    collector.join()
    assert store.look(name) is not None
    store.remove(name)


def test_section_without_objects_is_empty(workflow: Any, tmp_path: Path) -> None:
    store, _ = store_and_section()
    name = "facerhythm/another-section/zz/product.h5"
    (tmp_path / "product").write_bytes(b"content")
    assert store.listing("another-section") == []
    store.put(tmp_path / "product", name, 7)
    assert [item.name for item in store.listing("another-section")] == [name]
    store.remove(name)
    assert store.listing("another-section") == []


def test_cache_keeps_within_its_limit(
    processed: dict[str, Any], fbe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from element_facerhythm.storage.cache import cached_file
    from element_facerhythm.storage.object_store import product_name

    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path))
    store, section = store_and_section()
    products = (fbe.FaceRhythmProcessing.Product() & processed).to_dicts(
        order_by="product_size_bytes"
    )
    largest = products[-1]["product_size_bytes"]
    monkeypatch.setenv("FACERHYTHM_CACHE_GB", str(largest * 1.01 / 1e9))
    for row in products:
        path = cached_file(
            store, product_name(section, row["product_sha256"]), row["product_sha256"]
        )
        assert path.stat().st_size == row["product_size_bytes"]
        time.sleep(0.02)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= largest * 1.01
    assert path.exists()


def test_links_in_the_cache_are_replaced_and_not_followed(
    processed: dict[str, Any], fbe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from element_facerhythm.storage.cache import cached_file
    from element_facerhythm.storage.object_store import product_name

    cache = tmp_path / "cache"
    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(cache))
    store, section = store_and_section()
    row = (fbe.FaceRhythmProcessing.Product() & processed).to_dicts(order_by="product_size_bytes")[
        0
    ]
    entry = cached_file(store, product_name(section, row["product_sha256"]), row["product_sha256"])
    assert cache.stat().st_mode & 0o077 == 0
    outside = (
        tmp_path / "outside.h5"
    )  # of the right content now, and of another one whenever its owner likes
    entry.rename(outside)
    entry.symlink_to(outside)
    (cache / "gone.h5").symlink_to("not-there")
    assert (
        cached_file(store, product_name(section, row["product_sha256"]), row["product_sha256"])
        == entry
    )
    assert not entry.is_symlink() and entry.read_bytes() == outside.read_bytes()

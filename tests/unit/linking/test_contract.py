"""The contract of a linking module, and paths that must not lead out of the roots."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from element_facerhythm.errors import ConfigurationError, PathError
from element_facerhythm.linking import (
    as_directories,
    check_linking_module,
    environment_processed_dir,
    environment_root_dirs,
    expected_path,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)


class Table:
    definition = "id : int32"


def module(**names: Any) -> ModuleType:
    result = ModuleType("lab_workflow")
    result.__dict__.update(names)
    return result


def roots() -> list[str]:
    return ["/data/raw", "/archive/raw"]


COMPLETE = {"Session": Table, "Device": Table, "get_facerhythm_root_data_dir": roots}


def test_module_name_mapping_and_namespace_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lab_workflow", module(**COMPLETE))
    for given in ("lab_workflow", module(**COMPLETE), COMPLETE, SimpleNamespace(**COMPLETE)):
        link = check_linking_module(given)
        assert link.root_dirs() == (Path("/data/raw"), Path("/archive/raw"))
        assert link.processed_dir() == Path("/data/raw")


def test_equipment_stands_in_for_device_and_the_callers_list_is_not_changed() -> None:
    given = ["/data/raw"]
    names = {"Session": Table, "Equipment": Table, "get_facerhythm_root_data_dir": lambda: given}
    link = check_linking_module(module(**names, get_facerhythm_processed_data_dir=lambda: "/out"))
    assert link.device is Table
    assert link.search_dirs() == (Path("/out"), Path("/data/raw"))
    assert given == ["/data/raw"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Session": None}, "lacks the table Session: it must hold"),
        ({"Device": "camera"}, r"lacks the table Device \(or Equipment\)"),
        ({"get_facerhythm_root_data_dir": None}, r"get_facerhythm_root_data_dir\(\)"),
        ({"get_facerhythm_processed_data_dir": "/out"}, "callable get_facerhythm_processed"),
        ({"Session": None, "Device": None}, "table Session, the table Device"),
    ],
)
def test_everything_that_is_missing_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"lab_workflow.*{message}"):
        check_linking_module(module(**{**COMPLETE, **change}))


def test_import_errors_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no linking module"):
        check_linking_module(None)
    with pytest.raises(ConfigurationError, match="'no_such_workflow' cannot be imported"):
        check_linking_module("no_such_workflow")
    (tmp_path / "broken_workflow.py").write_text("import something_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_that_is_missing"):
        check_linking_module("broken_workflow")


@pytest.mark.parametrize("given", [[], [""], 3, [3], None])
def test_unusable_directories_are_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="roots gave"):
        as_directories(given, "roots")


def test_directories_come_from_environment_and_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = {"facerhythm": {"protocol": "file", "location": "/store"}}
    monkeypatch.delenv("FACERHYTHM_PROCESSED_DATA_DIR", raising=False)
    assert environment_processed_dir({}) is None
    assert environment_processed_dir({"facerhythm": {"protocol": "s3", "location": "x"}}) is None
    assert environment_processed_dir(store) == Path("/store")
    monkeypatch.setenv("FACERHYTHM_PROCESSED_DATA_DIR", "/out")
    assert environment_processed_dir(store) == Path("/out")
    monkeypatch.setenv("FACERHYTHM_ROOT_DATA_DIR", "/a::/b")
    assert environment_root_dirs() == (Path("/a"), Path("/b"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two roots with files, a place outside of them, and links that lead out and stay in."""
    for name in ("raw/mouse/a.mp4", "archive/mouse/b.mp4", "outside/secret.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "raw" / "out.mp4").symlink_to(tmp_path / "outside" / "secret.mp4")
    (tmp_path / "raw" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "raw" / "in.mp4").symlink_to(tmp_path / "raw" / "mouse" / "a.mp4")
    return tmp_path


def test_paths_are_found_in_the_first_root_that_has_them(data: Path) -> None:
    roots = [data / "raw", str(data / "archive")]
    assert resolve_path("mouse/a.mp4", roots) == data / "raw" / "mouse" / "a.mp4"
    assert resolve_path("mouse/b.mp4", roots) == data / "archive" / "mouse" / "b.mp4"
    assert resolve_path("in.mp4", roots) == data / "raw" / "mouse" / "a.mp4"
    for path in (data / "raw/mouse/a.mp4", data / "archive/mouse/b.mp4"):
        assert resolve_path(relative_to_roots(path, roots), roots) == path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../outside/secret.mp4", "climbs out"),
        ("mouse/../../outside/secret.mp4", "climbs out"),
        ("/etc/passwd", "absolute"),
        ("C:/videos/a.mp4", "absolute"),
        ("out.mp4", "symbolic link"),
        ("out/secret.mp4", "symbolic link"),
        ("mouse/none.mp4", "does not exist below any root"),
        ("", "not a path"),
        ("a\0b", "not a path"),
    ],
)
def test_paths_that_escape_or_are_missing_are_refused(data: Path, path: str, message: str) -> None:
    with pytest.raises(PathError, match=message):
        resolve_path(path, [data / "raw", data / "archive"])


def test_new_paths_stay_below_their_root(data: Path) -> None:
    assert resolve_new_path("new/dir", data / "raw") == data / "raw" / "new" / "dir"
    for path in ("../new", "/new", "out/new"):
        with pytest.raises(PathError):
            resolve_new_path(path, data / "raw")


def test_a_file_outside_of_the_roots_is_not_entered(data: Path) -> None:
    with pytest.raises(PathError, match="FACERHYTHM_ROOT_DATA_DIR"):
        relative_to_roots(data / "outside" / "secret.mp4", [data / "raw"])
    with pytest.raises(PathError, match="outside of the root"):
        relative_to_roots(data / "raw" / "out.mp4", [data / "raw"])
    with pytest.raises(PathError, match="does not exist"):
        relative_to_roots(data / "raw" / "gone.mp4", [data / "raw"])


def test_a_missing_file_has_an_expected_place_and_no_way_out(data: Path, tmp_path: Path) -> None:
    missing = expected_path("results/gone.h5", [data, tmp_path])
    assert missing == data / "results/gone.h5"
    with pytest.raises(PathError, match=r"climbs out"):
        expected_path("../gone.h5", [data])


def test_the_linking_module_may_name_video_files(tmp_path: Path) -> None:
    root, absolute = tmp_path / "raw", tmp_path / "raw" / "b.mp4"
    (root / "m").mkdir(parents=True)
    (root / "m" / "a.mp4").touch()
    answers: dict[str, Any] = {
        "one": "m/a.mp4",
        "several": ["m/a.mp4", absolute],
        "generator": (path for path in ["m/a.mp4"]),
        "none": [],
        "wrong": [3],
        "missing": ["m/c.mp4"],
        "outside": ["../b.mp4"],
    }
    names = {**COMPLETE, "get_facerhythm_root_data_dir": lambda: root}
    hook = {"get_facerhythm_video_files": lambda key: answers[key["subject"]]}
    link = check_linking_module(module(**names, **hook))
    assert link.video_files({"subject": "one"}) == (root / "m" / "a.mp4",)
    assert link.video_files({"subject": "several"}) == (root / "m" / "a.mp4", absolute)
    assert link.video_files({"subject": "generator"}) == (root / "m" / "a.mp4",)
    for answer in ("none", "wrong"):
        with pytest.raises(ConfigurationError, match="expected a path or a list of paths"):
            link.video_files({"subject": answer})
    for answer, match in (("missing", "does not exist below"), ("outside", "climbs out")):
        with pytest.raises(PathError, match=match):
            link.video_files({"subject": answer})
    with pytest.raises(ConfigurationError, match=r"has no get_facerhythm_video_files\(key\)"):
        check_linking_module(module(**names)).video_files({})
    with pytest.raises(ConfigurationError, match="lacks a callable get_facerhythm_video_files"):
        check_linking_module(module(**names, get_facerhythm_video_files="m/a.mp4"))

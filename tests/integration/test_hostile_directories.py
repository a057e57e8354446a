"""Project directories that somebody else prepared: nothing outside of them is written, deleted or told."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.errors import (
    FaceRhythmError,
    PathError,
    ProjectChangedError,
    ProjectError,
    RequestError,
)
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import (
    NullProgress,
    load_project,
    plan_run,
    run_project,
    summarise_project,
)
from element_facerhythm.pipeline.keypoint_run import load_keypoints

SECRET = "S3CRETVALUE"
STAGES = "analysis_files"


@pytest.fixture(scope="session")
def finished(recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project directory that a run has finished."""
    directory = tmp_path_factory.mktemp("finished") / "project"
    run_project(recording.request(directory))
    return directory


@pytest.fixture
def lab(finished: Path, tmp_path: Path) -> Path:
    """A project of ours and one of somebody else's, with a secret and a temporary file of theirs."""
    shutil.copytree(finished, tmp_path / "project")
    shutil.copytree(finished, tmp_path / "theirs")
    (tmp_path / "theirs" / STAGES / ".TCA.h5.part").write_text("theirs")
    (tmp_path / "theirs" / "secret").write_text(f'root:x\nline: [unclosed "{SECRET}\n')
    return tmp_path


def state(directory: Path) -> dict[str, Any]:
    """Content, place and kind of everything in a directory."""
    return {
        str(path.relative_to(directory)): (
            str(path.readlink())
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else path.stat().st_mode
        )
        for path in directory.rglob("*")
    }  # fmt: skip


def put(place: Path, target: str | Path | None) -> None:
    """Put a link in the place of something, or with None a file (in that of a file, a directory)."""
    was_file = place.is_file()
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    if target is not None:
        place.symlink_to(target)
    elif was_file:
        place.mkdir()
    else:
        place.touch()


FOLDERS = (".facerhythm.run", STAGES, f"{STAGES}/PointTracker_parts", "visualizations")
TEXTS = ("config.yaml", "run_info.json", "run.json")
FILES = (*TEXTS, f"{STAGES}/PointTracker.h5", f"{STAGES}/TCA.h5")
MARKS = (f"{STAGES}/PointTracker_parts/0.h5", ".facerhythm.owner-lab")
TRAPS = [
    *((name, f"../theirs/{name}") for name in FOLDERS),
    *((name, "{lab}/theirs") for name in FOLDERS),
    *((name, "{lab}/theirs/secret") for name in (*FILES, *MARKS)),
    *((name, None) for name in (*FOLDERS, *FILES)),
    (f"{STAGES}/TCA.h5", "not-there"),
    (STAGES, "../../{lab.name}/project/visualizations"),  # out and in again
]


@pytest.mark.parametrize(("name", "target"), TRAPS)
def test_a_run_is_refused_before_it_writes_anything(
    recording, lab: Path, name: str, target: str | None
) -> None:
    put(lab / "project" / name, target and target.format(lab=lab))
    before = state(lab)
    for act in (plan_run, run_project):
        with pytest.raises(RequestError, match=Path(name).name.replace(".", r"\.")) as caught:
            act(recording.request(lab / "project"))
        assert SECRET not in str(caught.value)
    assert state(lab) == before


def test_a_link_that_stays_in_the_directory_and_a_link_to_it_do_no_harm(
    recording, lab: Path
) -> None:
    project = lab / "project"
    (project / STAGES / "TCA.h5").rename(project / "kept.h5")
    put(project / STAGES / "TCA.h5", "../kept.h5")
    (lab / "link").symlink_to("project")
    record = run_project(recording.request(lab / "link"))
    assert all(stage.reused for stage in record.stages)


READ_TRAPS = [name for name in FILES if name != "run.json"]


@pytest.mark.parametrize("name", READ_TRAPS)
def test_nothing_is_read_through_a_link_out_of_a_project(lab: Path, name: str) -> None:
    put(lab / "project" / name, lab / "theirs" / "secret")
    for roots in ((), (lab / "project",)):
        for read in (load_project, summarise_project):
            with pytest.raises(PathError, match=r"is a symbolic link to .*secret") as caught:
                read(lab / "project", roots)
            assert SECRET not in str(caught.value)


def test_a_data_set_whose_files_are_links_is_read_below_its_root(lab: Path) -> None:
    """As DataLad and git-annex keep them: every product is a link to its content."""
    project, objects = lab / "project", lab / ".git" / "annex" / "objects"
    objects.mkdir(parents=True)
    expected = summarise_project(project)
    for path in [*project.glob("*.*"), *(project / STAGES).glob("*.h5")]:
        if path.is_file():
            content = objects / hashlib.sha256(path.read_bytes()).hexdigest()
            path.rename(content)
            path.symlink_to(os.path.relpath(content, path.parent))
    with pytest.raises(PathError, match="unlocked or copied"):
        Project.open(project)
    record = load_project(project, [lab])
    assert {product.path.parent for product in record.products} == {objects}
    summary = summarise_project(project, [lab])
    assert [m.rank for m in summary.models] == [m.rank for m in expected.models]
    (objects / record.products[0].path.name).unlink()
    with pytest.raises(PathError, match="datalad get"):
        load_project(project, [lab])


@contextmanager
def mounted(*arguments: object) -> Iterator[None]:
    subprocess.run(["mount", *map(str, arguments)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(arguments[-1])], check=True)


@pytest.mark.mounting
@pytest.mark.parametrize("kind", ["another-disk", "the-same-disk-again"])
def test_a_folder_on_another_file_system_is_refused_before_any_work(
    recording, lab: Path, kind: str
) -> None:
    place = lab / "project" / STAGES
    other = (
        ("-t", "tmpfs", "-o", "size=8m", "tmpfs")
        if kind == "another-disk"
        else ("--bind", lab / "theirs" / STAGES)
    )
    with mounted(*other, place):
        before = state(lab)
        with pytest.raises(ProjectError, match="lies on another file system than"):
            run_project(recording.request(lab / "project"))
        assert state(lab) == before


class Meddler(NullProgress):
    """Does something at the beginning of a stage."""

    def __init__(self, at: str, act: Callable[[], None]) -> None:
        self.at, self.act = at, act

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        with super().stage(name, total, unit) as tell:
            if name == self.at:
                self.act()
            yield tell


AT = ("dataset", "point_tracking", "spectral_analysis", "decomposition")


@pytest.mark.parametrize("at", AT)
def test_a_folder_that_becomes_a_link_during_a_run_leads_nowhere(
    recording, lab: Path, at: str
) -> None:
    target, before = lab / "new", state(lab / "theirs")

    def exchange() -> None:
        (target / STAGES).rename(target / "aside")
        (target / STAGES).symlink_to(lab / "theirs" / STAGES)

    with pytest.raises(FaceRhythmError, match="symbolic link"):
        run_project(recording.request(target), progress=Meddler(at, exchange))
    assert state(lab / "theirs") == before


@pytest.mark.parametrize("at", AT)
def test_a_directory_that_is_deleted_or_replaced_during_a_run_is_told_so(
    recording, lab: Path, at: str
) -> None:
    target = lab / "new"
    with pytest.raises(ProjectChangedError, match="was deleted or moved away during the run"):
        run_project(recording.request(target), progress=Meddler(at, lambda: shutil.rmtree(target)))
    assert not target.exists()

    def replace() -> None:
        target.rename(lab / "moved")
        shutil.copytree(lab / "theirs", target)

    before = state(lab / "theirs")
    with pytest.raises(ProjectChangedError, match="was replaced by another one during the run"):
        run_project(recording.request(target), progress=Meddler(at, replace))
    assert state(target) == before


def test_keypoints_stay_in_their_directory(lab: Path, tmp_path: Path) -> None:
    csv = tmp_path / "poses.csv"
    csv.write_text(
        "scorer,s,s,s\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1,2,0.5\n1,3,4,0.5\n"
    )
    output, secret = tmp_path / "keypoints", lab / "theirs" / "secret"
    for name, target in (
        ("Keypoints.h5", secret),
        (".facerhythm.run", lab / "theirs"),
        ("Keypoints.h5", None),
    ):
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        put(output / name, target)
        if target is None:
            put(output / name, None)
        before = state(lab)
        with pytest.raises(RequestError, match=name.replace(".", r"\.")) as caught:
            load_keypoints(
                [csv], "LightningPose", n_frames=[2], frame_rate_hz=60.0, output_dir=output
            )
        assert SECRET not in str(caught.value)
        assert state(lab) == before


def test_the_command_says_which_link_and_exits_with_2(
    recording, lab: Path, facerhythm: Callable[..., Any]
) -> None:
    from element_facerhythm.io.rois_file import write_rois

    write_rois(recording.rois, lab / "rois.json")
    video = recording.videos[0]
    (lab / "out").mkdir()
    (lab / "out" / "visualizations").symlink_to(lab / "theirs")
    (lab / "out" / "figures").symlink_to(lab / "theirs")
    before = state(lab)
    outcome = facerhythm("run", video, "--rois", lab / "rois.json", "-o", lab / "out")
    assert outcome.code == 2 and "visualizations is a symbolic link" in outcome.err
    outcome = facerhythm("demo", "--dir", lab / "out", "--video", video)
    assert outcome.code == 2 and "figures is a symbolic link" in outcome.err
    assert state(lab) == before
    shutil.rmtree(lab / "project" / "visualizations")
    (lab / "project" / "visualizations").symlink_to(lab / "theirs")
    before = state(lab)
    outcome = facerhythm("rank", lab / "project", "--ranks", 2, "--restarts", 1)
    assert outcome.code == 2 and "visualizations is a symbolic link" in outcome.err
    assert state(lab) == before

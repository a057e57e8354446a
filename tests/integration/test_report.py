"""A report is one file that needs nothing else and states the project's own numbers."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from element_facerhythm.figures import figure_names
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import run_project, summarise_project
from element_facerhythm.pipeline.run.lock import project_lock
from element_facerhythm.pipeline.run.run_file import parameters_of_run
from element_facerhythm.report import gather_facts, report_page

Command = Callable[..., Any]
EMPTY = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page, and fails where elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag]


@pytest.fixture(scope="module")
def project_dir(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report") / "mouse <1> & co"
    run_project(recording.request(directory, videos=recording.videos))
    return directory


@pytest.fixture(scope="module")
def text(project_dir: Path) -> str:
    page, notes = report_page([gather_facts(project_dir)])
    assert notes == ()
    return page


def test_it_needs_nothing_else(text: str) -> None:
    page = Page(text)
    assert "://" not in text and "<script" not in text and "@import" not in text
    for _, attributes in page.elements:
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), target
        for target in re.findall(r"url\(([^)]*)\)", " ".join(v or "" for v in attributes.values())):
            assert target.startswith("#")
    assert len(text) < 5_000_000


def test_every_picture_says_what_is_to_be_seen_and_is_its_own(text: str, project_dir: Path) -> None:
    page = Page(text)
    pictures = page.attributes("svg")
    assert len(pictures) == len(figure_names(Project.open(project_dir))) > 5
    for picture in pictures:
        assert picture["role"] == "img" and len(picture["aria-label"] or "") > 20
    assert all(image.get("alt") for image in page.attributes("img"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    used = {name for pair in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text) for name in pair}
    assert used - {""} <= set(names)
    assert text.count("frequency (Hz)") >= 2, "texts of figures are texts"


def test_it_states_the_numbers_of_the_project(text: str, project_dir: Path) -> None:
    page, summary = Page(text), summarise_project(project_dir)
    stated = {float(own["value"] or "nan") for own in page.attributes("data")}
    for component in summary.models[0].components:
        numbers = {k: v for k, v in vars(component).items() if k != "component_index" and v == v}
        assert set(numbers.values()) <= stated, set(numbers) - stated
    joined = "\n".join(page.texts)
    for verdict in summary.quality:
        assert verdict.name in joined and verdict.message in joined
        assert verdict.value is None or verdict.value in stated
    for video in summary.videos:
        assert video.file_name in joined and video.duration_s in stated
    for product in Project.open(project_dir).products:
        assert product.sha256 in joined
    assert "mouse <1> & co" in joined, "escaped, and read as it is"


def test_what_repeats_the_run_is_in_it(text: str, project_dir: Path) -> None:
    (link,) = [a for a in Page(text).attributes("a") if a.get("download") == "parameters.yaml"]
    stored = base64.b64decode((link["href"] or "").partition("base64,")[2]).decode()
    parameters = parameters_of_run(project_dir)
    assert parameters is not None
    read = parameters_from_mapping(yaml.safe_load(stored)).parameters
    assert read.sha256() == parameters.sha256() and parameters.sha256() in text
    assert "facerhythm run first.mp4 second.mp4 --rois" in text


def test_a_movie_beside_the_project_is_in_it_unless_it_is_large(
    project_dir: Path, recording: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(project_dir, tmp_path / "copy"))
    (copy / "visualizations").mkdir(exist_ok=True)
    movie = copy / "visualizations" / "tracking.mp4"
    shutil.copyfile(recording.videos[0], movie)
    page = Page(report_page([gather_facts(copy)])[0])
    (video,) = page.attributes("video")
    assert base64.b64decode((video["src"] or "").partition(",")[2]) == movie.read_bytes()
    assert video["aria-label"]
    movie.write_bytes(movie.read_bytes() + bytes(3_000_000))
    assert not Page(report_page([gather_facts(copy)])[0]).attributes("video")


def test_the_verb_reports_several_and_tells_which_it_could_not(
    project_dir: Path, facerhythm: Command, tmp_path: Path
) -> None:
    second = Path(shutil.copytree(project_dir, tmp_path / "second"))
    output = tmp_path / "out" / "both.html"
    done = facerhythm("report", project_dir, second, "-o", output, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["file"] == str(output) and told["size_bytes"] == output.stat().st_size
    assert [Path(one["project_dir"]).name for one in told["results"]] == [
        project_dir.name,
        "second",
    ]
    page = Page(output.read_text())
    links = [a["href"] for a in page.attributes("a") if (a.get("href") or "").startswith("#")]
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert links == ["#project-0", "#project-1"] and len(names) == len(set(names))

    refused = facerhythm("report", second, "-o", output)
    assert refused.code == 2 and "exists; give --overwrite" in refused.err
    (second / "analysis_files" / "TCA.h5").unlink()
    part = facerhythm("report", project_dir, second, "-o", output, "--overwrite", "--json")
    assert part.code == 1
    (note,) = json.loads(part.out)["notes"]
    assert note.startswith("second: ") and "TCA.h5 is missing" in note
    assert "TCA.h5 is missing" in output.read_text()


def test_what_cannot_be_reported_leaves_nothing(
    project_dir: Path, facerhythm: Command, tmp_path: Path
) -> None:
    for words, sentence in (
        ((), "give project directories, or say which rows"),
        ((project_dir, "--where", "subject = 'a'"), "and not both"),
        ((tmp_path,), "not a face-rhythm project"),
        ((project_dir, "-o", tmp_path), "is a directory"),
    ):
        given = words if "-o" in words else (*words, "-o", tmp_path / "page.html")
        refused = facerhythm("report", *given)
        assert refused.code == 2 and sentence in refused.err, refused.err
    with project_lock(project_dir):
        busy = facerhythm("report", project_dir, "-o", tmp_path / "page.html")
    assert busy.code == 2 and "a run is writing" in busy.err
    assert list(tmp_path.iterdir()) == []

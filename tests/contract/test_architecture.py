"""The page on architecture shows the package as it is."""

import importlib.util
import re
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import grimp
import pytest

from element_facerhythm.parameters.quality import QualityLimits

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "element_facerhythm"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"


@pytest.fixture(scope="module")
def rooms_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rooms_page", ROOT / "docs" / "rooms_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imports_between_rooms_are_those_that_import_linter_sees(rooms_page: ModuleType) -> None:
    graph = grimp.build_graph(PACKAGE.name, cache_dir=None)
    rooms = rooms_page.rooms()
    modules = {f"{PACKAGE.name}.{room}": room for room in rooms}
    for module in modules:
        graph.squash_module(module)
    seen = {
        (room, modules[other])
        for module, room in modules.items()
        for other in graph.find_modules_directly_imported_by(module)
        if other in modules and other != module
    }
    assert rooms_page.imports() == seen


def test_no_imports_go_in_a_circle() -> None:
    """Imports within functions count; those for types alone do not."""
    graph = grimp.build_graph(PACKAGE.name, cache_dir=None, exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # its error names the circle


def test_arrows_lead_wherever_a_room_imports_from(rooms_page: ModuleType) -> None:
    imports = rooms_page.imports()
    assert len(imports) > 100
    assert rooms_page.reached(rooms_page.drawn_arrows()) == rooms_page.reached(imports)


def test_every_drawn_arrow_is_an_import_and_is_needed(rooms_page: ModuleType) -> None:
    arrows = rooms_page.drawn_arrows()
    assert set(arrows) <= rooms_page.imports()
    for one, other in arrows:
        rest = rooms_page.reached(arrow for arrow in arrows if arrow != (one, other))
        assert other not in rest[one]


def test_every_room_is_drawn_and_listed_with_what_it_is_for(rooms_page: ModuleType) -> None:
    drawing, listed = rooms_page.drawing(), rooms_page.room_list()
    for room in rooms_page.rooms():
        assert f">{room}</text>" in drawing
        assert re.search(rf"^\| `{room}` \| \S.*\. ?\|$", listed, re.MULTILINE), room
    assert (
        drawing.count("<path d=") == len(rooms_page.drawn_arrows()) + 1
    )  # and the tip of an arrow
    text = PAGE.read_text("utf-8")
    assert rooms_page.LIST in text and rooms_page.DRAWING in text


def test_places_in_the_code_that_the_page_names_are_there() -> None:
    places = re.findall(r"`((?:\w+/)*\w+\.py)(?:::(\w+))?`", PAGE.read_text("utf-8"))
    assert len(places) > 30
    for file, name in places:
        assert (PACKAGE / file).is_file(), file
        assert not name or re.search(
            rf"^(def|class) {name}\b", (PACKAGE / file).read_text("utf-8"), re.MULTILINE
        ), f"{file}::{name}"


def test_the_page_names_the_function_of_every_check_of_quality() -> None:
    (section,) = re.findall(
        r"^### From a check to its formula\n(.*?)^## ", PAGE.read_text("utf-8"), re.M | re.S
    )
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    checks = [name for row, _ in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(checks) == sorted(QualityLimits.model_fields)
    for row, place in rows:
        assert re.search(r"`[\w/]+\.py::\w+`", place), row

"""The released Elements: what is adapted, and whether it still has to be."""

import sys
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from element_facerhythm.linking.elements import ADAPTED_MODULES, adapt_source, import_elements

RELEASED = """
schema = dj.schema()
class Line(dj.Lookup):
    '''is_active (boolean): an int, not : int '''
    definition = \"\"\"
    line : int  # number
    ---
    is_active=null : boolean\t# breeding
    note='': longblob
    kind : enum("Present", "Absent")  # "as seen"
    weight : float
    when : datetime
    \"\"\"
"""
ADAPTED = """
schema = dj.Schema()
class Line(dj.Lookup):
    '''is_active (boolean): an int, not : int '''
    definition = \"\"\"
    line : int32  # number
    ---
    is_active=null : bool\t# breeding
    note='': <blob>
    kind : enum('Present', 'Absent')  # "as seen"
    weight : float32
    when : datetime
    \"\"\"
"""


def source_of(name: str) -> str:
    """Source as the distribution installed it."""
    package = name.partition(".")[0]
    spec = PathFinder.find_spec(package)
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / f"{name.rpartition('.')[2]}.py").read_text()


def test_definitions_are_adapted_and_nothing_else() -> None:
    assert adapt_source(RELEASED) == ADAPTED
    assert adapt_source(ADAPTED) == ADAPTED


@pytest.mark.parametrize("name", ADAPTED_MODULES)
def test_the_release_still_needs_it(name: str) -> None:
    distribution = name.partition(".")[0].replace("_", "-")
    assert adapt_source(source_of(name)) != source_of(name), (
        f"{distribution} {metadata.version(distribution)} works on DataJoint 2 as it is: "
        f"take {name} out of ADAPTED_MODULES"
    )


def test_element_lab_needs_nothing() -> None:
    assert adapt_source(source_of("element_lab.lab")) == source_of("element_lab.lab")


def test_adapted_modules_keep_their_names_and_datajoint_is_untouched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    modules = import_elements()
    import datajoint
    from element_animal import subject
    from element_session import session_with_id

    assert (modules.subject, modules.session) == (subject, session_with_id)
    assert sys.modules["element_animal.subject"] is subject
    assert subject.__file__ is not None and Path(subject.__file__).name == "subject.py"
    assert not hasattr(datajoint, "schema")
    assert "lab.Project" not in caplog.text

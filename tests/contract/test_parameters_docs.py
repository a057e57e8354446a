"""The reference page says what the code does."""

import json
import re
from pathlib import Path

from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.parameters.open import FITTED_NAMES
from element_facerhythm.parameters.reading import known_names
from element_facerhythm.parameters.reference import reference_tables

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "parameters.md"


def test_the_page_holds_the_tables_that_the_code_makes():
    """When this fails: replace all below "## Defaults" with the output of `reference_tables()`."""
    _, _, tables = PAGE.read_text(encoding="utf-8").partition("## Defaults\n\n")
    assert tables == reference_tables()


def test_the_page_alone_gives_the_defaults():
    """Read the page as a user would: every key with its default makes the default parameters."""
    section, tree = "", {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("### Accepted"):
            break
        if heading := re.fullmatch(r"### (?:`(.+)`|Top level)", line):
            section = heading[1] or ""
        elif row := re.match(r"\| `(\w+)` \| `(.+?)` \|", line):
            node = tree
            for key in section.split(".") if section else ():
                node = node.setdefault(key, {})
            node[row[1]] = json.loads(row[2])
    assert parameters_from_mapping(tree).parameters == Parameters()
    leaves = {name for name in known_names() if f"`{name.rpartition('.')[2]}`" in PAGE.read_text()}
    assert leaves | set(sections()) == set(known_names())


def test_the_page_names_what_is_fitted_and_nothing_else():
    text = PAGE.read_text(encoding="utf-8").partition("## Fitted to the recording")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| ", text.partition("<!--")[0], re.MULTILINE)
    assert tuple(rows) == FITTED_NAMES


def sections() -> set[str]:
    """Names that hold other names."""
    names = set(known_names())
    return {name for name in names if any(other.startswith(f"{name}.") for other in names)}


def test_no_parameter_is_without_a_meaning():
    rows = [line for line in reference_tables().splitlines() if line.startswith("| `")]
    assert not [row for row in rows if row.endswith("| None |")]

"""The documentation keeps up with the code."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from element_facerhythm.cli import app

ROOT = Path(__file__).parents[2]
COMMAND_LINE = ROOT / "docs" / "reference" / "command-line.md"
ALWAYS = {"--linking-module", "--help", "-h", "--json"}  # described once, for all verbs


def sections(page: str) -> dict[str, str]:
    """Return the text of each section of the second level."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def long_options() -> dict[str, set[str]]:
    """Return the long options of each verb that is not a group."""
    commands = get_command(app).commands
    return {
        name: {option for parameter in command.params for option in parameter.opts} - ALWAYS
        for name, command in commands.items()
        if not hasattr(command, "commands")
    }


def test_every_verb_has_a_section_and_every_section_a_verb() -> None:
    verbs = [c.name for c in app.registered_commands] + [g.name for g in app.registered_groups]
    assert sorted(sections(COMMAND_LINE.read_text())) == sorted(verbs)


def test_page_and_code_have_the_same_options() -> None:
    page = sections(COMMAND_LINE.read_text())
    for verb, options in long_options().items():
        expected = {option for option in options if option.startswith("--")}
        named = set(re.findall(r"`(--[a-z-]+)", page[verb])) | set(
            re.findall(
                r" (--[a-z-]+)", "".join(re.findall(r"```bash(.*?)```", page[verb], re.DOTALL))
            )
        )
        assert expected - named - {"--figures"} == set(), verb
        assert named - expected - ALWAYS - {"--no-figures", "--overlay"} == set(), verb


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    navigation = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(navigation)))
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    assert pages | {"tutorial/notebook.md"} == listed  # made of the notebook when the site is built


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/tutorial/first-run.md", "docs/how-to/workers.md", "docs/how-to/slurm.md"],
)
def test_commands_in_the_text_exist(name: str) -> None:
    verbs = {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}
    used = re.findall(
        r"^(?:\.venv/bin/)?facerhythm ([a-z]+)", (ROOT / name).read_text(), re.MULTILINE
    )
    assert used
    assert set(used) <= verbs


def test_every_line_of_the_page_on_security_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    tables = re.findall(r"(\| what [^\n]*\| test \|\n.*?)(?:\n\n|\Z)", page, re.DOTALL)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    assert len(lines) > 30
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", line)
        assert named, f"no test: {line}"
        for file, function in named:
            assert (ROOT / file).is_file(), file
            assert not function or f"def {function}(" in (ROOT / file).read_text(), function

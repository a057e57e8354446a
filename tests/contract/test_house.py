"""A file is one idea, a function one screen, and the package a table of contents that its rules describe."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "element_facerhythm"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_ENTRIES, MAX_LOOSE = 28, 6
GLOSSARY = ROOT / "docs" / "glossary.md"
HISTORY = {ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md")}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the length of a function without its docstring."""
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        length -= function.body[0].end_lineno - function.body[0].lineno + 1
    return length


def test_files_and_functions_are_short() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text, name = path.read_text(), path.relative_to(PACKAGE).as_posix()
        if text.count("\n") > MAX_FILE_LINES:
            long[name] = text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kinds) and code_lines(node) > MAX_FUNCTION_LINES:
                long[f"{name}:{node.name}"] = code_lines(node)
    assert long == {}


def test_the_package_reads_as_a_table_of_contents() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert len(modules) <= MAX_LOOSE, modules
    assert len(modules | rooms) <= MAX_ENTRIES, modules | rooms


def test_the_arrows_of_the_rules_are_those_of_import_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (arrows,) = re.findall(r"\*\*Arrows point down\.\*\* `([^`]+)`", text)
    stated = [re.split(r", ", layer) for layer in " ".join(arrows.split()).split(" > ")]
    assert stated == [re.split(r" \| ", layer) for layer in layers if layer != "__main__"]


def words_not_used(heading: str) -> list[str]:
    """Return the left column of a table of the glossary; a row may hold several words."""
    (table,) = re.findall(rf"^## {heading}\n([^#]+)", GLOSSARY.read_text(), re.MULTILINE)
    _head, _rule, *rows = re.findall(r"^\|([^|]+)\|", table, re.MULTILINE)
    return [word.strip(" `") for row in rows for word in row.split(",")]


def occurrences(words: list[str], paths: set[Path], case: int = 0) -> set[tuple[str, str]]:
    """Return words with the files they occur in, also across the lines of a text or comment."""
    patterns = {
        word: re.compile(r"\b" + r"[\s#]+".join(map(re.escape, word.split())) + r"\b", case)
        for word in words
    }
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
    return {
        (word, name)
        for word, pattern in patterns.items()
        for name, text in texts.items()
        if pattern.search(text)
    }


def test_words_are_those_of_the_field() -> None:
    code = set(PACKAGE.rglob("*.py"))
    pages = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - HISTORY - {GLOSSARY}
    prose, names = words_not_used("Not used in prose"), words_not_used("Not used as names")
    assert len(prose) > 5 and len(names) > 20
    assert occurrences(prose, code | pages, re.IGNORECASE) == set()
    assert occurrences(names, code) == set()


def public_functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield functions and methods whose names, and whose classes' names, have no underscore."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and not node.name.startswith("_"):
            yield node


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    own = function.args
    names = {a.arg for a in (*own.posonlyargs, *own.args, *own.kwonlyargs)}
    names |= {a.arg for a in (own.vararg, own.kwarg) if a is not None}
    return names - {"self", "cls", "_"}


def described_parameters(docstring: str) -> set[str]:
    """Return the names in a docstring's section Parameters."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n\w[\w ]*\n-+\n|\Z)", docstring, re.M | re.S)
    lines = section[1].splitlines() if section else []
    heads = [line for line in lines if line and not line.startswith(" ")]
    return {name for head in heads for name in re.findall(r"\w+", head)}


def test_public_functions_describe_their_parameters() -> None:
    """Where there are two or more; options of the command line have help texts instead."""
    lacking = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room, name = path.relative_to(PACKAGE).parts[0], path.name
        if room == "cli" or name.endswith("_kernel.py"):
            continue  # a kernel's arguments are described where it is launched
        for function in public_functions(ast.parse(path.read_text())):
            names = parameters_of(function)
            left = names - described_parameters(ast.get_docstring(function) or "")
            if len(names) > 1 and left:
                place = f"{path.relative_to(PACKAGE).as_posix()}:{function.name}"
                lacking[place] = sorted(left)
    assert lacking == {}

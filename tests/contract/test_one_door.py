"""Files from anybody are opened in one place, and nothing of them is unpickled."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "element_facerhythm"
OPENS_HDF5 = {
    "io/h5_reader/group.py": ["r"],  # the reader
    "io/h5.py": ["w"],  # the writer
}
OPENS_NWB = {
    # adds to a file that its user names as the session's own; docs/how-to/nwb.md says what that means
    "pipeline/exchange/nwb/session.py": "'a' if append else 'w'",
}
UNPICKLERS = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "tables",
    "jsonpickle", "sleap_io",
}  # fmt: skip
READERS = {
    "read_hdf": "unpickles attributes of HDF5 files",
    "HDFStore": "unpickles attributes of HDF5 files",
    "read_pickle": "unpickles",
    "open_file": "unpickles attributes of HDF5 files",
    "load_nwb": "loads what the file declares",
}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Last name of what is called (``File`` of ``h5py.File``), and the call."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id, node)
        for node in found
        if isinstance(node.func, (ast.Attribute, ast.Name))
    ]


def imported(tree: ast.AST) -> set[str]:
    names = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    names += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    return {name.partition(".")[0] for name in names}


def test_one_module_reads_hdf5_and_none_unpickles() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        check(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text()))


def check(name: str, tree: ast.AST) -> None:
    opened = [
        call.args[1].value if len(call.args) > 1 else "r"
        for called, call in calls(tree)
        if called == "File" and "h5py" in ast.unparse(call.func)
    ]
    assert opened == OPENS_HDF5.get(name, []), name
    unpicklers = imported(tree) & UNPICKLERS
    if name == "keypoints/weights_file.py":  # names the exception that torch's reader raises
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
        }
        assert used == {"UnpicklingError"}
        unpicklers -= {"pickle"}
    assert not unpicklers, name
    for called, call in calls(tree):
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert called not in READERS, (name, READERS.get(called))
        assert keywords.get("allow_pickle", "False") == "False", name
        if ast.unparse(call.func) == "torch.load":
            assert keywords["weights_only"] == "True", name
        if called == "NWBHDF5IO":
            modes = [ast.unparse(argument) for argument in call.args[1:]]
            assert modes == [OPENS_NWB.get(name, "'w'")], name

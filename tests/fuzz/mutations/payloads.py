"""Pickles and tags that would run something; what they run touches a canary and nothing else."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutations.context import Context
from tests.fuzz.surroundings import remove


class _Call:
    """Calls `function` where its pickle is opened."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def hostile_pickle(context: Context) -> bytes:
    """Return a pickle that touches a canary, or costs too much, when it is opened."""
    rng = context.rng
    mark = context.canary / "PWNED"
    call = rng.choice(
        (
            _Call(os.system, f"touch {mark}"),
            _Call(Path.touch, mark),
            _Call(open, str(context.canary / "secret")),
            _Call(np.core.multiarray._reconstruct, np.ndarray, (1 << 40,), b"d")
            if hasattr(np, "core") and int(np.__version__.split(".")[0]) < 2
            else _Call(np.zeros, 1 << 37),
            _Call(bytearray, 1 << 36),
            _Call(__import__, "antigravity"),
        )
    )
    data = pickle.dumps(call, protocol=rng.choice((0, 1, 2, 4, 5)))
    command = b"cos\nsystem\n(S'touch %s'\ntR." % os.fsencode(mark)
    beginning = rng.choice(
        (
            b"I0x10\n0",
            b"L0x10L\n0",
            b"F1_0\n0",
            b"S'\\x41'\n0",
            b"I01\n0",
            b"V\\u0041\n0",
            b"(lp0\n",
        )
    )
    by_reference = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x05touch\x85R."
    return rng.choice(
        (
            data,
            data,
            command,
            beginning + command,
            beginning + command,
            by_reference,
            b"cnumpy\nload\n(S'%s'\nI00\nI01\ntR." % os.fsencode(context.canary / "secret"),
            b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRS'%s'\ntR."
            % command[:-1],
            b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
            b"(" * 50_000 + b".",
            b"]" + b"2" * 50_000 + b"." + data,
            b"Pmodule\n.",
            b"\x82\x01.",
        )
    )


def write_payload_line(context: Context) -> str:
    """Return a YAML line whose tag makes a careless reader run or open something."""
    mark = context.canary / "PWNED"
    return context.rng.choice(
        (
            f"p: !!python/object/apply:os.system ['touch {mark}']",
            f"p: !!python/object/new:subprocess.Popen [['touch', '{mark}']]",
            f"p: !!python/object/apply:pathlib.Path.touch ['{mark}']",
            f"p: !!python/object/apply:builtins.open ['{context.canary / 'secret'}']",
            "p: !!python/name:os.system",
            "p: !!python/module:antigravity",
            f"p: !!python/tuple [!!python/object/apply:os.system ['touch {mark}']]",
        )
    )


def mutate_weights(path: Path, context: Context) -> None:
    """Exchange what a file of weights holds: its pickle, its storages, its layout."""
    rng = context.rng
    action = rng.randrange(6)
    if action == 0:
        path.write_bytes(hostile_pickle(context))
        return
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    pickled = next(name for name in entries if name.endswith("data.pkl"))
    name = rng.choice(list(entries))
    if action == 1:
        entries[pickled] = hostile_pickle(context)
    elif action == 2:
        entries[name] = bytes(rng.choice((0, 1, 1 << 26)))
    elif action == 3:
        del entries[name]
    elif action == 4:
        entries[f"../{name}"] = entries[name]
        entries[str(context.canary / "PWNED")] = b"1"
    else:
        data = bytearray(entries[pickled])
        for _ in range(rng.choice((1, 3, 20))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        entries[pickled] = bytes(data)
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    remove(path)
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            info = zipfile.ZipInfo(entry)  # dated 1980: the same input every time
            info.compress_type = method
            archive.writestr(info, content)

"""Changes to JSON, YAML and CSV: to the tree that the text stands for, and to its lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz.mutations.context import Context, odd_values
from tests.fuzz.mutations.payloads import write_payload_line
from tests.fuzz.surroundings import MARKER


def mutate_json(path: Path, context: Context) -> None:
    """Change the tree of a JSON file, then sometimes its text."""
    tree = mutated_tree(json.loads(path.read_text()), context)
    text = json.dumps(tree)
    if context.rng.random() < 0.3:
        text = context.rng.choice(_JSON_TEXTS)(text, context)
    _write(path, text, context)


def mutate_yaml(path: Path, context: Context) -> None:
    """Change the tree of a YAML file, its lines, or both."""
    text = path.read_text()
    if context.rng.random() < 0.6:
        text = yaml.safe_dump(mutated_tree(yaml.safe_load(text), context), sort_keys=False)
    if context.rng.random() < 0.7:
        lines = text.splitlines()
        at = context.rng.randrange(len(lines) + 1)
        indent = " " * context.rng.choice((0, 0, 2, 4))
        new = context.rng.choice(_YAML_LINES)(context)
        lines[at:at] = [indent + line for line in new.splitlines()]
        text = "\n".join(lines) + "\n"
    _write(path, text, context)


def mutate_csv(path: Path, context: Context) -> None:
    """Change cells, rows and columns of a CSV file."""
    rng = context.rng
    rows = list(csv.reader(io.StringIO(path.read_text())))
    for _ in range(1 + int(rng.expovariate(0.7))):
        row = rng.choice(rows)
        column = rng.randrange(len(row)) if row else 0
        action = rng.randrange(7)
        if action <= 1 and row:
            row[column] = str(rng.choice(odd_values(context)))[:200_000]
        elif action == 2:
            rows.insert(rng.randrange(len(rows) + 1), list(rng.choice(rows)))
        elif action == 3 and len(rows) > 1:
            rows.remove(row)
        elif action == 4:
            rows = [[*r[:column], *r[column + 1 :]] for r in rows]
        elif action == 5:
            rows = [[*r[: column + 1], *r[column:]] for r in rows]
        else:
            row.extend(["1"] * rng.choice((1, 3, 10_000)))
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    _write(path, text.getvalue(), context)


def mutated_tree(tree: Any, context: Context) -> Any:
    """Change a tree at a few of its places."""
    for _ in range(1 + int(context.rng.expovariate(0.7))):
        tree = _change(tree, context)
    return tree


def _change(tree: Any, context: Context) -> Any:
    """Change one place: a value, a key, or what hangs where."""
    rng = context.rng
    places = list(_places(tree))
    if not places or rng.random() < 0.03:
        return rng.choice(odd_values(context))
    parent, key = rng.choice(places)
    action = rng.randrange(6)
    if action <= 2:
        parent[key] = rng.choice(odd_values(context))
    elif action == 3:
        del parent[key]
    elif action == 4:
        other_parent, other_key = rng.choice(places)
        parent[key] = json.loads(json.dumps(other_parent[other_key]))
    elif isinstance(parent, dict):
        name = rng.choice(
            ("", "0", "__class__", "x" * 50_000, "\x1b[2J", MARKER, f"{key}s", "ROIs")
        )
        parent[name] = parent[key]
    else:
        parent *= rng.choice((0, 2, 200))
    return tree


def _places(value: Any) -> Any:
    """Every container with every key of it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _write(path: Path, text: str, context: Context) -> None:
    """Write a text, sometimes in an encoding that is not expected."""
    encoding = context.rng.choice(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-32", "latin-1"))
    errors = "replace" if encoding == "latin-1" else "surrogatepass"
    path.write_bytes(text.encode(encoding, errors))


_JSON_TEXTS = (
    lambda text, context: "[" * context.rng.choice((900, 20_000, 200_000)) + text,
    lambda text, context: text.replace("1", "1" * context.rng.choice((400, 5000, 200_000)), 1),
    lambda text, context: text.replace(":", f': {{"{MARKER}": 1, "{MARKER}": 2}}, "b":', 1),
    lambda text, context: text.replace(":", ": NaN, 'x':", 1),
    lambda text, context: text.replace(",", "\0,", 1),
    lambda text, context: text + text,
    lambda text, context: '{"a":' * 3000 + "1" + "}" * 3000,
    lambda text, context: text.replace('"', '"\\ud800', 1),
    lambda text, context: text.replace("{", f"{{ {MARKER} ", 1),
)


def _aliases(context: Context) -> str:
    """Few lines that stand for millions of values."""
    width, levels = context.rng.choice(((9, 8), (2, 28), (30, 5)))
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * width) + "]")
    return "\n".join(lines)


def _merges(context: Context) -> str:
    """Merge keys that are doubled on every line."""
    lines = ["b0: &b0 {x: 1}"]
    lines += [f"b{i}: &b{i} {{<<: [*b{i - 1}, *b{i - 1}], x{i}: 1}}" for i in range(1, 24)]
    return "\n".join(lines)


_YAML_LINES = (
    _aliases,
    _merges,
    lambda context: "r: &r [*r]",
    lambda context: "r: &r {k: *r}",
    lambda context: "deep: " + "[" * context.rng.choice((500, 20_000)) + "]" * 500,
    lambda context: "deep: " + "{a: " * 3000 + "1" + "}" * 3000,
    lambda context: "? [a, b]\n: 1",
    lambda context: "? {a: b}\n: 1",
    lambda context: "ROIs: 1\nROIs: 2",
    lambda context: "t: 2001-99-99",
    lambda context: "t: 2001-01-01T99:99:99Z",
    lambda context: "n: 190:20:30" + ":59" * context.rng.choice((1, 3000)),
    lambda context: "n: " + "9" * context.rng.choice((400, 5000, 100_000)),
    lambda context: "n: 0x" + "f" * 100_000,
    lambda context: "b: !!binary '***'",
    lambda context: "s: !!set {a, b}\no: !!omap [a: 1]\np: !!pairs [a: 1]",
    lambda context: "i: !!int abc\nf: !!float x",
    lambda context: "z: !!python/tuple {a: 1}",
    lambda context: f"z: !!python/tuple [{MARKER}, *nowhere]",
    lambda context: f"m: 'never ends {MARKER}",
    lambda context: f"\t{MARKER}: 1",
    lambda context: "%YAML 9.9\n---",
    lambda context: "--- 1\n...\n--- 2",
    lambda context: "k: \x00\x07",
    lambda context: "<<: 1",
    lambda context: "<<: [1, 2]",
    lambda context: "x" * 200_000 + ": 1",
    lambda context: "'" + "y" * 1100 + "': 1",
    lambda context: f"f: !include {context.secret()}\ne: ${{{context.secret()}}}",
    write_payload_line,
    write_payload_line,
)

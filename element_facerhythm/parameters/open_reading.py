"""Parameter files in which what is not said, or is `auto`, stays open; and values of a command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from element_facerhythm.errors import ParameterError, TextError
from element_facerhythm.files.texts import parse_yaml, shortened
from element_facerhythm.parameters.compat import rules_of
from element_facerhythm.parameters.open import (
    AUTO,
    FITTED_NAMES,
    UNKNOWN,
    OpenParameters,
    in_order,
    merged,
    put_value,
    value_at,
)
from element_facerhythm.parameters.reading import (
    UNUSED,
    known_names,
    read_mapping,
    sort_out,
    validated,
)
from element_facerhythm.parameters.recorded import from_stored_tree, leaves, with_stated_values
from element_facerhythm.parameters.tracking_methods import unused_by, with_flow_unless_said
from element_facerhythm.parameters.tree import Parameters

_SPECTRAL = "VQT_Analyzer.params_VQT"
_RANK = "TCA.fit.params_method.rank"
_MAX_SETTING = 10_000


@dataclass(frozen=True)
class LoadedOpenParameters:
    """Parameters as given, and remarks on them.

    Attributes
    ----------
    parameters
        With what is open.
    unused
        Dotted names of keys that were accepted and change nothing here.
    notes
        Sentences about values that were read differently from what was typed.
    """

    parameters: OpenParameters
    unused: tuple[str, ...]
    notes: tuple[str, ...]


def read_open_parameters(
    path: str | Path | None,
    *,
    settings: Sequence[str] = (),
    base: Parameters | None = None,
    compat: str | None = None,
    fitted: bool = True,
) -> LoadedOpenParameters:
    """Read a JSON or YAML parameter file, and put single values over it.

    Parameters
    ----------
    path
        The file; None where there is none.
    settings
        ``SECTION.KEY=VALUE`` each, over what the file says; see `parse_setting`.
    base
        What the file and the settings lie over: the parameters of a run, all of which are said.
    compat
        Over the file's own, where it is not None.
    fitted
        Whether what is not stated is open; False takes face-rhythm's default for it, and its method of
        tracking. So does ``compat: face-rhythm``. A value that says `auto` is open in any case.

    Raises
    ------
    ParameterError
        As `read_parameters`, or a setting is malformed or names no parameter.
    """
    mapping = {} if path is None else read_mapping(Path(path))
    try:
        return open_parameters_from_mapping(
            mapping, settings=settings, base=base, compat=compat, fitted=fitted
        )
    except ParameterError as error:
        if path is None:
            raise
        raise ParameterError(f"parameter file {path}: {error}") from error


def read_stated_parameters(
    path: str | Path | None, settings: Sequence[str], executed: OpenParameters
) -> LoadedOpenParameters:
    """Read values of parameters that results do not state; see `with_stated_values`.

    Parameters
    ----------
    path
        JSON or YAML parameter file; None where there is none.
    settings
        ``SECTION.KEY=VALUE`` each, over what the file says; see `parse_setting`.
    executed
        What the results say themselves.

    Raises
    ------
    ParameterError
        As `read_open_parameters`, or it contradicts the results.
    """
    mapping = {} if path is None else read_mapping(Path(path))
    tree, unused, notes = sort_out(mapping)
    for text in settings:
        own, own_unused, own_notes = sort_out(parse_setting(text))
        tree = merged(tree, own)
        unused, notes = (*unused, *own_unused), (*notes, *own_notes)
    return LoadedOpenParameters(
        with_stated_values(executed, tree), tuple(dict.fromkeys(unused)), notes
    )


def open_parameters_from_mapping(
    mapping: Mapping[str, Any],
    *,
    settings: Sequence[str] = (),
    base: Parameters | None = None,
    compat: str | None = None,
    fitted: bool = True,
) -> LoadedOpenParameters:
    """Check a nested mapping in face-rhythm's tree, and find what is open in it.

    Parameters
    ----------
    mapping
        The sections. One called `unknown`, as `OpenParameters.to_tree` makes it, says what is unknown; then
        it is taken as it stands, and no settings may be given.
    settings, base, compat, fitted
        As for `read_open_parameters`.

    Raises
    ------
    ParameterError
        A key is unknown, a value is mistyped, not finite or impossible, or a setting is malformed or names no
        parameter.
    """
    if isinstance(mapping, Mapping) and UNKNOWN in mapping and not settings:
        return LoadedOpenParameters(from_stored_tree(mapping), (), ())
    tree, unused, notes = sort_out(mapping)
    for text in settings:
        own, own_unused, own_notes = sort_out(parse_setting(text))
        tree = merged(tree, own)
        unused, notes = (*unused, *own_unused), (*notes, *own_notes)
    typed = tree
    if base is not None:
        tree, fitted = merged(_said_by(base, typed), tree), False
    if compat is not None:
        tree["compat"] = compat
    parameters = _opened(tree, fitted)
    notes = (*notes, *_overridden(typed, parameters))
    return LoadedOpenParameters(parameters, tuple(dict.fromkeys(unused)), notes)


def _overridden(typed: Mapping[str, Any], parameters: OpenParameters) -> Iterable[str]:
    """Yield what was typed in vain, because `compat` or the method of tracking decides it."""
    given = leaves(typed)
    for name, value in parameters.stand_in.rules.fixed_values.items():
        if name in given and given[name] != value:
            yield (
                f"{name} is {shortened(value)} with compat: face-rhythm; {shortened(given[name])} is not used"
            )
    method = parameters.stand_in.PointTracker.method
    default = leaves(Parameters().to_tree())
    in_vain = [name for name in unused_by(method, given) if given[name] != default[name]]
    if in_vain:
        names = ", ".join(name.removeprefix("PointTracker.") for name in in_vain)
        other = "flow" if method == "anchored" else "anchored"
        yield f"PointTracker.method {method} does not use {names}: these are of method {other}"


def _said_by(base: Parameters, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Tree of a run's parameters, without the one default that a remark would be made on.

    Where another method of tracking is typed than the run's, what only the other one uses was never fitted.
    """
    tree, defaults = base.to_tree(), Parameters().to_tree()
    if value_at(tree, f"{_SPECTRAL}.Fs_sample") == value_at(defaults, f"{_SPECTRAL}.Fs_sample"):
        del tree["VQT_Analyzer"]["params_VQT"]["Fs_sample"]
    method = base.PointTracker.method
    if leaves(typed).get("PointTracker.method", method) != method:
        for name in unused_by(method, FITTED_NAMES):
            if not _is_cut_off(tree, name) and value_at(tree, name) == value_at(defaults, name):
                put_value(tree, name, AUTO)
    return tree


def parse_setting(text: str) -> dict[str, Any]:
    """Read ``SECTION.KEY=VALUE`` as a nested mapping of one value.

    The value is YAML. The last part of a dotted name is enough where no other parameter ends so.

    Raises
    ------
    ParameterError
        There is no ``=``, the value is no YAML, or the name is unknown (the nearest known one is named) or
        that of several parameters.
    """
    given, separator, value = text.partition("=")
    if not separator or not given.strip() or len(text) > _MAX_SETTING:
        raise ParameterError(
            f"--set {shortened(text)}: expected SECTION.KEY=VALUE, as TCA.fit.params_method.rank=6"
        )
    name = _full_name(given.strip())
    try:
        parsed = parse_yaml(value)
    except TextError as error:
        raise ParameterError(f"--set {name}: the value is no YAML: {error}") from error
    tree: dict[str, Any] = {}
    put_value(tree, name, parsed)
    return tree


def _full_name(given: str) -> str:
    """Name of the parameter that is meant."""
    unused = {f"{path}.{key}" if path else key for path, keys in UNUSED.items() for key in keys}
    known = {*known_names(), *unused}
    if given in known:
        return given
    meant = sorted(name for name in known if name.endswith(f".{given}"))
    # a limit that results are judged by may bear the name of what computes
    meant = [name for name in meant if not name.startswith("Quality.")] or meant
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ParameterError(
            f"--set {given}: there are several of this name ({', '.join(meant)}); give the whole name"
        )
    by_end = {name.rpartition(".")[2]: name for name in sorted(known)}
    ends = difflib.get_close_matches(given.rpartition(".")[2], by_end, n=1, cutoff=0.6)
    nearest = by_end[ends[0]] if ends else difflib.get_close_matches(given, known, 1, cutoff=0)[0]
    raise ParameterError(
        f"--set: unknown parameter {shortened(given)}; the nearest known one is {nearest!r}"
    )


def _opened(tree: dict[str, Any], fitted: bool) -> OpenParameters:
    """Find what is open, put something possible in its place, and check the rest."""
    asked = set(_take_auto(tree, Parameters().to_tree(), ""))
    fitted = fitted and rules_of(tree.get("compat")).are_parameters_fitted
    tree = tree if fitted else with_flow_unless_said(tree)
    names = in_order(
        name
        for name in FITTED_NAMES
        if name in asked
        or any(name.startswith(f"{section}.") and not _said(tree, name) for section in asked)
        or (fitted and not _said(tree, name))
    )
    for name, value in _stand_ins(tree, names):
        put_value(tree, name, value)
    return OpenParameters(validated(tree), names)


def _take_auto(tree: dict[str, Any], defaults: Any, path: str) -> Iterable[str]:
    """Yield names that say `auto`: sections are taken out, values replaced by their defaults."""
    for key, value in list(tree.items()):
        name = f"{path}.{key}" if path else key
        default = defaults.get(key)
        if value == AUTO and isinstance(value, str):
            yield name
            if isinstance(default, dict):
                del tree[key]
            else:
                tree[key] = default
        elif isinstance(value, dict) and isinstance(default, dict):
            yield from _take_auto(value, default, name)


def _said(tree: Mapping[str, Any], name: str) -> bool:
    """Whether a value, or a section that it is part of, was given."""
    if name == "PointTracker.params_clahe.tileGridSize":
        name = "PointTracker.params_clahe"  # both of its keys are needed where it is given
    try:
        value_at(tree, name)
    except KeyError:
        return _is_cut_off(tree, name)
    return True


def _is_cut_off(tree: Mapping[str, Any], name: str) -> bool:
    """Whether what should be a section above a value is something else, which is refused later."""
    node: Any = tree
    for key in name.split("."):
        if not isinstance(node, Mapping):
            return True
        if key not in node:
            return False
        node = node[key]
    return False


def _stand_ins(tree: Mapping[str, Any], names: Sequence[str]) -> Iterable[tuple[str, Any]]:
    """Values for open places that contradict nothing that was typed."""
    low, high = f"{_SPECTRAL}.F_min", f"{_SPECTRAL}.F_max"
    if low in names and high not in names:
        yield from _scaled(tree, high, 0.5, low)
    if high in names and low not in names:
        yield from _scaled(tree, low, 2.0, high)
    if _RANK in names:
        yield _RANK, 1


def _scaled(
    tree: Mapping[str, Any], typed: str, factor: float, name: str
) -> Iterable[tuple[str, float]]:
    try:
        value = value_at(tree, typed)
    except KeyError:
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, factor * value

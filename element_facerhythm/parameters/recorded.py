"""Parameters of results that were made elsewhere: what is known of them, and what it contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, get_args

from pydantic import ValidationError

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.base import Section
from element_facerhythm.parameters.differences import describe_difference
from element_facerhythm.parameters.open import (
    AUTO,
    UNKNOWN,
    OpenParameters,
    merged,
    put_value,
    value_at,
)
from element_facerhythm.parameters.reading import inner_section, sort_out
from element_facerhythm.parameters.tree import Parameters

_JUDGING = "Quality."
_SIGNALS = "FacialSignal."
_SPECTRAL = "VQT_Analyzer.params_VQT"
_METHOD = "TCA.fit.method"


def leaf_names(section: type[Section] = Parameters, path: str = "") -> Iterator[str]:
    """Dotted name of every parameter; a section that may be null is one of them.

    Parameters
    ----------
    section, path
        As for `known_names`.
    """
    for key, info in section.model_fields.items():
        name = f"{path}.{key}" if path else key
        inner = inner_section(info)
        if inner is None or type(None) in get_args(info.annotation):
            yield name
        else:
            yield from leaf_names(inner, name)


def leaves(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Values that a tree holds, by the name of the parameter."""
    found = {}
    for name in leaf_names():
        try:
            found[name] = value_at(tree, name)
        except KeyError:
            continue
    return found


def partly_known(
    known: Mapping[str, Any], results_sha256: str | None
) -> tuple[OpenParameters, tuple[str, ...]]:
    """Parameters of which some values are known.

    Parameters
    ----------
    known
        Values by dotted name, as another program may have written them.
    results_sha256
        Digest of the results that they are of.

    Returns
    -------
    tuple
        The parameters, and names of values that were given and could not be taken: they are mistyped,
        impossible, or contradict each other, and so unknown.
    """
    names = tuple(leaf_names())
    taken = {name: known[name] for name in names if name in known}
    if not any(
        name.startswith(_SIGNALS) for name in taken
    ):  # what does not speak of signals has none
        taken |= {n: v for n, v in leaves(Parameters().to_tree()).items() if n.startswith(_SIGNALS)}
    refused: list[str] = []
    while True:
        try:
            stand_in = Parameters.model_validate(_tree_of(taken))
            break
        except ValidationError as error:
            wrong = _names_at_fault(error, taken)
            refused += wrong
            taken = {name: value for name, value in taken.items() if name not in wrong}
    unknown = tuple(name for name in names if name not in taken)
    digest = results_sha256 if unknown else None
    return OpenParameters(stand_in, (), unknown, digest), tuple(refused)


def from_stored_tree(tree: Mapping[str, Any]) -> OpenParameters:
    """Parameters of a tree with the section `unknown`, as `OpenParameters.to_tree` gives it.

    Raises
    ------
    ParameterError
        The section is malformed, or a value is impossible.
    """
    given = tree[UNKNOWN]
    names = given.get("names") if isinstance(given, Mapping) else None
    if not isinstance(names, list) or not names or set(map(str, names)) - set(leaf_names()):
        raise ParameterError(
            f"the section {UNKNOWN} of parameters is malformed; expected names: a list of parameters that "
            "are unknown"
        )
    rest, _, _ = sort_out({key: value for key, value in tree.items() if key != UNKNOWN})
    known = {name: value for name, value in leaves(rest).items() if name not in names}
    digest = given.get("results_sha256")
    found, refused = partly_known(known, digest if isinstance(digest, str) else None)
    if refused or set(found.unknown_names) != set(names):
        wrong = refused or tuple(set(found.unknown_names) ^ set(names))
        raise ParameterError(f"{', '.join(sorted(wrong))}: impossible or missing among parameters")
    return found


def contradictions(asked: OpenParameters, executed: OpenParameters) -> tuple[str, ...]:
    """Lines such as ``TCA.fit.params_method.rank: 10 -> 6``, where both are known and differ.

    The limits that results are judged by are left out: they move no number.

    Parameters
    ----------
    asked
        What is wanted or stated; its value stands before the arrow.
    executed
        What the results say themselves.
    """
    left_out = (*asked.open_names, *asked.unknown_names, *executed.unknown_names)
    trees = [parameters.stand_in.to_tree() for parameters in (asked, executed)]
    for tree in trees:
        for name in left_out:
            put_value(tree, name, "")
    return tuple(line for line in describe_difference(*trees) if not line.startswith(_JUDGING))


def with_stated_values(executed: OpenParameters, tree: Mapping[str, Any]) -> OpenParameters:
    """Parameters of results, with values that are stated for what is unknown.

    Parameters
    ----------
    executed
        What the results say themselves.
    tree
        The stated values, as a nested mapping of face-rhythm's tree.

    Raises
    ------
    ParameterError
        A stated value is unknown or impossible, or contradicts the results.
    """
    given = {name: value for name, value in leaves(sort_out(tree)[0]).items() if value != AUTO}
    known = {
        name: value
        for name, value in leaves(executed.stand_in.to_tree()).items()
        if name not in executed.unknown_names
    }
    for name, value in given.items():
        before = known.get(name)
        parts = isinstance(value, Mapping) and isinstance(before, Mapping)
        known[name] = merged(before, value) if parts else value  # type: ignore[arg-type]
    found, refused = partly_known(known, executed.results_sha256)
    if refused:
        raise ParameterError(f"{', '.join(refused)}: wrong type or out of range")
    lines = contradictions(found, executed)
    if lines:
        raise ParameterError(
            f"the results were made with other parameters than given ({'; '.join(lines[:4])}): leave them out"
        )
    return found


def _tree_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values, with stand-ins beside them that contradict none."""
    tree: dict[str, Any] = {}
    for name, value in {**_stand_ins(known), **known}.items():
        put_value(tree, name, value)
    return tree


def _stand_ins(known: Mapping[str, Any]) -> dict[str, Any]:
    """Values of unknown parameters that are compatible with the known ones."""
    found: dict[str, Any] = {}
    low, high = (known.get(f"{_SPECTRAL}.{name}") for name in ("F_min", "F_max"))
    if _is_number(high) and low is None:
        found[f"{_SPECTRAL}.F_min"] = high / 2
    if _is_number(low) and high is None:
        found[f"{_SPECTRAL}.F_max"] = low * 2
    if known.get("TCA.rearrange_data.concat_complexDim") is True:
        found[f"{_SPECTRAL}.take_abs"] = False
        found[_METHOD] = "CP"
    if known.get(_METHOD) == "RandomizedCP":
        rank = known.get("TCA.fit.params_method.rank", 1)
        found["TCA.fit.params_method.n_samples"] = rank + 1 if _is_number(rank) else 100
        found["TCA.fit.params_method.rank"] = 1
    return found


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _names_at_fault(error: ValidationError, taken: Mapping[str, Any]) -> list[str]:
    """Names of the values that a fault lies in or above; all, where that is none."""
    places = [
        ".".join(str(part) for part in fault["loc"])
        for fault in error.errors(include_url=False, include_context=False)
    ]
    wrong = [
        name
        for name in taken
        if any(
            f"{p}.".startswith(f"{name}.") or f"{name}.".startswith(f"{p}.") for p in places if p
        )
    ]
    return wrong or list(taken)

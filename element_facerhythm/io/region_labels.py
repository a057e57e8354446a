"""Names and kinds of the polygons of a ROI file.

`"names"` and `"kinds"` beside `"points"`, `"mask"`, `"exclude"` and `"signals"` hold a text for each polygon,
or null: as `{"points": [...], "mask": [...], "exclude": [...], "signals": [...]}`, or as one list of the
polygons of `points`, those of `mask`, of `exclude` and of `signals` after them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from element_facerhythm.core.rois import REGION_KINDS, Polygon, RegionLabel, Rois
from element_facerhythm.errors import RoiError
from element_facerhythm.files.texts import shortened

LABEL_KEYS = ("names", "kinds")
LONGEST_NAME = 64

ROLES = ("points", "mask", "exclude", "signals")
"""What polygons do: seed points, show pixels to the tracker, hide them and keep points away, or hold a
signal and no points."""

ATTRIBUTE_OF_ROLE = {"points": "seed", "mask": "mask", "exclude": "exclude", "signals": "signal"}
"""What the names of `Rois` begin with: `seed_polygons`, `seed_labels` ..."""

OPTIONAL_ROLES = ("exclude", "signals")
"""Those that a file says nothing of where there is no such polygon."""

_FACEMAP_KINDS = {"motion svd": "motion"}
_DEFAULT_KINDS = {"points": "motion", "mask": "mask", "exclude": "exclude", "signals": "motion"}


def polygons_by_role(rois: Rois) -> dict[str, tuple[Polygon, ...]]:
    """Polygons of each role, in the order of `ROLES`."""
    return {role: getattr(rois, f"{name}_polygons") for role, name in ATTRIBUTE_OF_ROLE.items()}


def roles_of(rois: Rois) -> list[str]:
    """Roles that a file says something of."""
    return [r for r, found in polygons_by_role(rois).items() if found or r not in OPTIONAL_ROLES]


def labels_by_role(rois: Rois) -> dict[str, tuple[RegionLabel, ...]]:
    """Labels of each role, in the order of `ROLES`; empty where none has one."""
    return {role: getattr(rois, f"{name}_labels") for role, name in ATTRIBUTE_OF_ROLE.items()}


def read_labels(
    value: Mapping[str, Any], n_polygons: Mapping[str, int], source: str
) -> dict[str, tuple[RegionLabel, ...]]:
    """Labels of each role's polygons; an empty tuple where nothing is said of them.

    Parameters
    ----------
    value
        A parsed ROI file.
    n_polygons
        Polygons of each role.
    source
        Name of the file, for messages.

    Raises
    ------
    RoiError
        There is not one text for each polygon, a name is empty, too long or stands twice, or a kind is not
        one of facemap's or this package's.
    """
    texts = {key: _by_role(value.get(key), key, n_polygons, source) for key in LABEL_KEYS}
    labels = {}
    for role in ROLES:
        names = [_name(text, source) for text in texts["names"][role]]
        kinds = [_kind(text, source) for text in texts["kinds"][role]]
        twice = {name for name in names if name is not None and names.count(name) > 1}
        if twice:
            raise RoiError(
                f"{source}: the name {min(twice)!r} stands for two polygons of {role!r}; give each its own"
            )
        said = any(text is not None for text in (*names, *kinds))
        labels[role] = tuple(map(RegionLabel, names, kinds)) if said else ()
    return labels


def labels_to_json(rois: Rois) -> dict[str, Any]:
    """Return the entries `names` and `kinds` of a ROI file; none where nothing is said."""
    labels = labels_by_role(rois)
    if not any(labels.values()):
        return {}
    roles = roles_of(rois)
    return {
        "names": {role: [label.name for label in labels[role]] for role in roles},
        "kinds": {role: [label.kind for label in labels[role]] for role in roles},
    }


def full_labels(rois: Rois) -> dict[str, list[RegionLabel]]:
    """Labels of all polygons of each role; by default a numbered name, and a kind by the role."""
    polygons, labels = polygons_by_role(rois), labels_by_role(rois)
    full = {}
    for role in ROLES:
        given = labels[role] or (RegionLabel(),) * len(polygons[role])
        full[role] = [
            RegionLabel(label.name or f"{role}_{index}", label.kind or _DEFAULT_KINDS[role])
            for index, label in enumerate(given)
        ]
    return full


def naming_note(rois: Rois) -> str | None:
    """Remark on polygons without a name; None where all have names."""
    named = {label.name for given in labels_by_role(rois).values() for label in given}
    unnamed = [
        f"{label.name} ({label.kind})"
        for labels in full_labels(rois).values()
        for label in labels
        if label.name not in named
    ]
    if not unnamed:
        return None
    return (
        f"regions without a name are entered as {', '.join(unnamed)}; `names` and `kinds` in the ROI file "
        "say otherwise"
    )


def _by_role(
    given: Any, key: str, n_polygons: Mapping[str, int], source: str
) -> dict[str, list[Any]]:
    """List of texts for each role; of nulls where nothing is said."""
    ends = list(itertools.accumulate(n_polygons[role] for role in ROLES))
    if isinstance(given, list) and len(given) in ends:
        starts = (0, *ends[:-1])
        given = {r: given[a:b] for r, a, b in zip(ROLES, starts, ends, strict=True)}
    if given is not None and not (isinstance(given, Mapping) and set(given) <= set(ROLES)):
        raise RoiError(
            f"{source}: {key!r} is {shortened(given)}; expected one text for each polygon, as "
            '{"points": [...], "mask": [...]} or as a list'
        )
    found = {}
    for role in ROLES:
        texts = (given or {}).get(role) or [None] * n_polygons[role]
        if not isinstance(texts, list) or len(texts) != n_polygons[role]:
            raise RoiError(
                f"{source}: {key!r} of {role!r} is {shortened(texts)}; expected a list with one text for "
                f"each of its {n_polygons[role]} polygons (null: not said)"
            )
        found[role] = texts
    return found


def _name(text: Any, source: str) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_NAME:
        raise RoiError(
            f"{source}: {shortened(text)} is no name of a region; expected a text of 1 to {LONGEST_NAME} "
            "characters"
        )
    return text


def _kind(text: Any, source: str) -> str | None:
    if text is None:
        return None
    kind = text.lower() if isinstance(text, str) else text
    kind = _FACEMAP_KINDS.get(kind, kind) if isinstance(kind, str) else kind
    if kind not in REGION_KINDS:
        raise RoiError(
            f"{source}: {shortened(text)} is no kind of region; expected one of {', '.join(REGION_KINDS)} "
            "(or facemap's 'motion SVD')"
        )
    return str(kind)

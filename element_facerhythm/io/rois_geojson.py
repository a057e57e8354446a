"""GeoJSON of polygons, in pixels with y down, as napari's movement and QuPath write it.

A feature is a region: `name` and `kind` of its properties are its name and what it does (`points`, `mask`,
`exclude` or `signals`), or facemap's word for what it is. QuPath's class of that name stands for `kind`. A
feature without either seeds points; one of kind `pupil`, `blink` or `running` holds its signal and seeds
none. A hole becomes a region of kind `exclude`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from element_facerhythm.core.rois import REGION_KINDS, RegionLabel, Rois
from element_facerhythm.errors import RoiError
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.region_labels import (
    LONGEST_NAME,
    ROLES,
    labels_by_role,
    polygons_by_role,
)
from element_facerhythm.io.roi_polygons import LISTS, MAX_POLYGONS, read_polygon

_COLLECTION, _FEATURE, _POLYGON, _MULTI = "FeatureCollection", "Feature", "Polygon", "MultiPolygon"
_LEFT_OUT = ("LineString", "MultiLineString", "Point", "MultiPoint")
_SIGNAL_KINDS = ("pupil", "blink", "running")  # of features that do not say what they do
_IGNORED_CLASS = "ignore*"  # QuPath's class of what is to be left out


def is_geojson(value: Any) -> bool:
    """Whether what a JSON file holds is GeoJSON: an object with its `type`, or QuPath's list of features."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], Mapping) and value[0].get("type") == _FEATURE
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)


def from_geojson(value: Any, source: str) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """Regions of a GeoJSON file, laid out as this package's ROI file.

    Parameters
    ----------
    value
        What the file holds: a FeatureCollection, a Feature, or a list of Features.
    source
        Its name in messages.

    Returns
    -------
    mapping, source, notes
        As `io.rois_file.rois_from_mapping` takes them; the notes say what was left out or changed.

    Raises
    ------
    RoiError
        It holds no polygon, or something that is none of GeoJSON; the message names the feature.
    """
    found: dict[str, list[Any]] = {role: [] for role in ROLES}
    labels: dict[str, list[RegionLabel]] = {role: [] for role in ROLES}
    n_holes, left_out, n_signals = 0, [], 0
    for i, feature in enumerate(_features(value, source)):
        where = f"{source}, feature {i}"
        properties = feature.get("properties") or {}
        if not isinstance(properties, Mapping):
            raise RoiError(f"{where}: its properties are {shortened(properties)}; expected names")
        geometry = feature.get("geometry")
        kind = geometry.get("type") if isinstance(geometry, Mapping) else None
        if kind in _LEFT_OUT:
            left_out.append(f"{i} ({kind})")
            continue
        role, label = _role_and_label(properties, where)
        n_signals += role == "signals" and properties.get("kind") != role
        for outer, holes in _polygons(geometry, kind, where):
            found[role].append(outer)
            labels[role].append(label)
            n_holes += len(holes)
            found["exclude"].extend(holes)
            labels["exclude"].extend(
                [RegionLabel(label.name and f"{label.name} hole")] * len(holes)
            )
    if not found["points"]:
        raise RoiError(
            f"{source} has no polygon that seeds points; draw one, or take `kind` {sorted(ROLES)} from the "
            "properties of those that should"
        )
    notes = [
        f"{n_holes} holes of polygons became regions of kind exclude" if n_holes else "",
        f"features that are no polygons were left out: {', '.join(left_out[:10])}"
        if left_out
        else "",
        f"{n_signals} features hold a signal (pupil, blink, running) and seed no points"
        if n_signals
        else "",
    ]
    numbered = _numbered_names(labels)
    if any(
        a.name != b.name
        for role in ROLES
        for a, b in zip(labels[role], numbered[role], strict=True)
    ):
        notes.append("regions of one name were numbered")
    return _mapping(found, numbered), source, tuple(note for note in notes if note)


def to_geojson(rois: Rois) -> dict[str, Any]:
    """Return a FeatureCollection of the polygons, one feature each, with `name` and `kind`."""
    labels = labels_by_role(rois)
    features: list[dict[str, Any]] = []
    for role, polygons in polygons_by_role(rois).items():
        given = labels[role] or (RegionLabel(),) * len(polygons)
        features.extend(
            _feature(polygon, role, label) for polygon, label in zip(polygons, given, strict=True)
        )
    return {"type": _COLLECTION, "features": features}


def _feature(polygon: NDArray[Any], role: str, label: RegionLabel) -> dict[str, Any]:
    ring = polygon.tolist()
    named = {} if label.name is None else {"name": label.name}
    of_a_kind = {} if label.kind is None else {"region_kind": label.kind}
    return {
        "type": _FEATURE,
        "geometry": {"type": _POLYGON, "coordinates": [[*ring, ring[0]]]},
        # QuPath reads the first of these, movement the second
        "properties": {
            "objectType": "annotation",
            "roi_type": "PolygonOfInterest",
            **named,
            "kind": role,
            **of_a_kind,
        },
    }


def _features(value: Any, source: str) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping) and value.get("type") == _COLLECTION:
        value = value.get("features")
    features = [value] if isinstance(value, Mapping) else value
    if not isinstance(features, list) or len(features) > MAX_POLYGONS:
        raise RoiError(
            f"{source}: its features are {shortened(features)}; expected a list of {MAX_POLYGONS} at most"
        )
    for i, feature in enumerate(features):
        if not isinstance(feature, Mapping) or feature.get("type") != _FEATURE:
            raise RoiError(f"{source}, feature {i} is {shortened(feature)}; expected a Feature")
    return features


def _role_and_label(properties: Mapping[str, Any], where: str) -> tuple[str, RegionLabel]:
    name, kind = properties.get("name"), properties.get("kind")
    if kind is None:
        kind = _kind_of_class(properties.get("classification"))
    known = {**dict.fromkeys(ROLES), **dict.fromkeys(REGION_KINDS)}
    if kind is not None and (not isinstance(kind, str) or kind not in known):
        raise RoiError(
            f"{where}: its kind is {shortened(kind)}; expected one of {', '.join(known)}"
        )
    role = kind if kind in ROLES else "signals" if kind in _SIGNAL_KINDS else "points"
    region_kind = properties.get("region_kind", None if kind in ROLES else kind)
    return role, RegionLabel(name, region_kind)


def _kind_of_class(given: Any) -> str | None:
    """Kind that the class of a QuPath annotation stands for; None for a class of the user's own."""
    name = given.get("name") if isinstance(given, Mapping) else None
    kind = name.lower() if isinstance(name, str) else None
    if kind == _IGNORED_CLASS:
        return "exclude"
    return kind if kind in (*ROLES, *REGION_KINDS) else None


def _polygons(
    geometry: Any, kind: Any, where: str
) -> Iterator[tuple[NDArray[Any], list[NDArray[Any]]]]:
    """Outline and holes of each polygon of a feature."""
    if kind not in (_POLYGON, _MULTI):
        raise RoiError(
            f"{where} has a geometry of type {shortened(kind)}; expected {_POLYGON} or {_MULTI}"
        )
    parts = geometry.get("coordinates")
    for part in [parts] if kind == _POLYGON else _listed(parts, where):
        outer, *holes = [_ring(ring, where) for ring in _listed(part, where)]
        yield outer, holes


def _listed(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RoiError(f"{where}: its coordinates hold {shortened(value)}; expected a list")
    return value


def _ring(ring: Any, where: str) -> NDArray[Any]:
    """Vertices of a ring, whose last is its first again; a third coordinate is height, and not used."""
    if isinstance(ring, LISTS):
        ring = [v[:2] if isinstance(v, list) and len(v) == 3 else v for v in ring]
        ring = ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring
    return read_polygon(ring, where)


def _numbered_names(labels: Mapping[str, list[RegionLabel]]) -> dict[str, list[RegionLabel]]:
    """Labels in which a name stands once in each role: those after the first have a number."""
    numbered: dict[str, list[RegionLabel]] = {}
    for role, given in labels.items():
        taken = {label.name for label in given}
        seen: dict[Any, int] = {}
        numbered[role] = []
        for label in given:
            name, number = label.name, 1
            if isinstance(name, str) and name in seen:
                number = seen[name] + 1
                while f"{name} {number}" in taken:
                    number += 1
            if isinstance(name, str):
                seen[name] = number
            own = name if number == 1 else f"{str(name)[: LONGEST_NAME - 5]} {number}"
            numbered[role].append(RegionLabel(own, label.kind))
    return numbered


def _mapping(
    found: Mapping[str, list[Any]], labels: Mapping[str, list[RegionLabel]]
) -> dict[str, Any]:
    return {
        **found,
        "names": {role: [label.name for label in labels[role]] for role in ROLES},
        "kinds": {role: [label.kind for label in labels[role]] for role in ROLES},
    }

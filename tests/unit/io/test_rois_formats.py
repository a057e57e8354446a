"""Regions of other programs: what they write is read as they mean it, and what is written comes back."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.rois import RegionLabel, Rois, place_rois
from element_facerhythm.errors import RoiError
from element_facerhythm.io.region_labels import ROLES, labels_by_role, polygons_by_role
from element_facerhythm.io.rois_file import read_rois, write_geojson, write_rois
from element_facerhythm.io.rois_h5 import write_h5
from element_facerhythm.pipeline.run.fingerprint import rois_sha256

SIZE = {"height_px": 48, "width_px": 64}
SQUARE = [[10, 10], [40, 10], [40, 30], [10, 30], [10, 10]]
HOLE = [[20, 15], [25, 15], [25, 20], [20, 20], [20, 15]]


@st.composite
def polygons(draw):
    """A star around a point of the frame, at fractions of pixels."""
    n = draw(st.integers(3, 15))
    radii = draw(st.lists(st.floats(4, 15), min_size=n, max_size=n))
    angles = 2 * np.pi * np.arange(n) / n
    centre = draw(st.tuples(st.floats(17, 46), st.floats(17, 30)))
    return centre + np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@st.composite
def drawn_rois(draw):
    lists = {role: tuple(draw(st.lists(polygons(), max_size=3))) for role in ROLES}
    lists["points"] += (np.array([[2.0, 2], [60, 3], [30, 45]]),)
    labels = {}
    for role, found in lists.items():
        kinds = st.sampled_from([None, "pupil", "motion", "mask"])
        made = tuple(
            RegionLabel(draw(st.sampled_from([None, f"{role} no. {i}", f"Ω{i}"])), draw(kinds))
            for i in range(len(found))
        )
        labels[role] = made if any(label != RegionLabel() for label in made) else ()
    return Rois(
        lists["points"], lists["mask"], None, None, None, "", labels["points"], labels["mask"],
        lists["exclude"], labels["exclude"], lists["signals"], labels["signals"],
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rois=drawn_rois())
def test_regions_come_back_from_every_format(tmp_path_factory, rois):
    folder = tmp_path_factory.mktemp("formats")
    try:
        placed = place_rois(rois, **SIZE, spacing_px=3)
    except RoiError:  # nothing is left of the points
        placed = None
    write_rois(rois, folder / "a.json")
    write_geojson(rois, folder / "b.txt")
    names = ["a.json", "b.txt"]
    if placed is not None:
        write_h5(folder / "c.bin", rois, placed, np.zeros((48, 64, 3), np.uint8))
        names.append("c.bin")
    for name in names:
        found = read_rois(folder / name)
        polygons_alone = replace(found, seed_mask=None, visible_mask=None, point_positions=None)
        assert rois_sha256(polygons_alone) == rois_sha256(rois)
        assert labels_by_role(found) == labels_by_role(rois)
        assert found.notes == ()
        if placed is not None:
            again = place_rois(found, **SIZE, spacing_px=3)
            assert np.array_equal(again.visible_mask, placed.visible_mask)
            assert np.array_equal(again.seed_mask, placed.seed_mask)
            assert np.array_equal(again.point_positions, placed.point_positions)


def collection(*features):
    made = [
        {"type": "Feature", "geometry": geometry, "properties": properties}
        for geometry, properties in features
    ]
    return {"type": "FeatureCollection", "features": made}


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def read(tmp_path, value):
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(value))
    return read_rois(path)


def test_regions_of_napari_movement_are_read_and_ours_by_it(tmp_path):
    roi = pytest.importorskip("movement.roi")
    shapes = [
        roi.PolygonOfInterest(
            [tuple(v) for v in SQUARE], holes=[[tuple(v) for v in HOLE]], name="pad"
        ),
        roi.LineOfInterest([(0, 0), (9, 9)], name="edge"),
    ]
    roi.save_rois(shapes, tmp_path / "a.geojson")
    rois = read_rois(tmp_path / "a.geojson")
    assert [label.name for label in rois.seed_labels] == ["pad"]
    assert rois.seed_polygons[0].tolist() in (SQUARE[:-1], [SQUARE[0], *SQUARE[3:0:-1]])
    assert [len(p) for p in rois.exclude_polygons] == [4]
    assert "holes" in rois.notes[0] and "1 (LineString)" in rois.notes[1]
    write_geojson(rois, tmp_path / "b.geojson")
    theirs = roi.load_rois(tmp_path / "b.geojson")
    assert [region.name for region in theirs] == ["pad", "pad hole"]
    assert list(theirs[0].coords) == [
        tuple(map(float, v)) for v in (*rois.seed_polygons[0], rois.seed_polygons[0][0])
    ]


def test_annotations_of_qupath_are_read(tmp_path):
    def annotation(geometry, name=None, of_class=None):
        properties = {"objectType": "annotation"}
        if name:
            properties["name"] = name
        if of_class:
            properties["classification"] = {"name": of_class, "color": [200, 0, 0]}
        return {
            "type": "Feature",
            "id": "PathAnnotationObject",
            "geometry": geometry,
            "properties": properties,
        }

    two = {"type": "MultiPolygon", "coordinates": [[SQUARE], [HOLE]]}
    value = [
        annotation(polygon(SQUARE), "pad", "Tumor"),
        annotation(polygon(HOLE), of_class="Ignore*"),
        annotation(polygon(SQUARE), of_class="Mask"),
        annotation(two, "pad"),
        annotation(polygon(HOLE), "eye", "pupil"),
    ]
    rois = read(tmp_path, value)
    assert {role: len(found) for role, found in polygons_by_role(rois).items()} == {
        "points": 3, "mask": 1, "exclude": 1, "signals": 1,
    }  # fmt: skip
    assert [label.name for label in rois.seed_labels] == ["pad", "pad 2", "pad 3"]
    assert rois.signal_labels == (RegionLabel("eye", "pupil"),)
    assert rois.notes == (
        "1 features hold a signal (pupil, blink, running) and seed no points",
        "regions of one name were numbered",
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (collection(), "no polygon that seeds points"),
        ({"type": "FeatureCollection"}, "its features are None"),
        ({"type": "Topology"}, "feature 0 is .*; expected a Feature"),
        (collection((polygon(SQUARE), {"kind": "mask"})), "no polygon that seeds points"),
        (collection((polygon(SQUARE), {"kind": "whisk"})), "feature 0: its kind is 'whisk'; expected one of"),
        (collection((polygon(SQUARE), {"kind": ["mask"]})), "its kind is"),
        (collection((polygon(SQUARE), {"name": 3})), "3 is no name of a region"),
        (collection((polygon(SQUARE), [3])), "its properties are"),
        (collection((None, {})), "geometry of type None"),
        (collection(({"type": "Circle"}, {})), "geometry of type 'Circle'"),
        (collection((polygon(), {})), "its coordinates hold"),
        (collection((polygon([[0, 0], [1, 1], [0, 0]]), {})), "feature 0 has 2 vertices"),
        (collection((polygon([[0, 0], [1, "a"], [3, 3]]), {})), "feature 0, vertex 1 is"),
        (collection((polygon([[0, 0], [1, 1e300], [3, 3]]), {})), "feature 0, vertex 1 is"),
        (collection(({"type": "MultiPolygon", "coordinates": [[SQUARE], 3]}, {})), "its coordinates hold 3"),
        ([{"type": "Feature"}, 3], "feature 1 is 3; expected a Feature"),
        (collection(*[(polygon(SQUARE), {})] * 1001), "list of 1000 at most"),
    ],
)  # fmt: skip
def test_wrong_geojson_is_refused_by_feature(tmp_path, value, message):
    with pytest.raises(RoiError, match=message) as refusal:
        read(tmp_path, value)
    assert str(tmp_path / "regions.json") in str(refusal.value)
    assert len(str(refusal.value)) < 600

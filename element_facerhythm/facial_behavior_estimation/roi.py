"""Regions of interest of recordings: entered once, and read as they were entered."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.database.columns import require_length
from element_facerhythm.database.keys import key_of, key_text
from element_facerhythm.errors import RoiError
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.files.plain import plain_row

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

ROLES = {
    "points": "seed_polygons",
    "mask": "mask_polygons",
    "exclude": "exclude_polygons",
    "signals": "signal_polygons",
}
"""What a polygon does, and the attribute of `Rois` that holds such polygons."""


@schema
class FaceRhythmROI(dj.Manual):
    """Regions of interest of a recording: where points are seeded, and what the tracker sees."""

    definition = """
    # Regions of interest of a recording
    -> VideoRecording
    roi_id               : int32     # number of the regions in their recording
    ---
    roi_description=''   : varchar(255) # what they are
    rois_sha256          : char(64)  # digest of polygons, masks and positions
    point_positions=null : <blob>    # (P, 2) float32 x, y: points given instead of a seeded grid
    seed_mask=null       : <blob>    # (H, W) bool: mask given instead of 'points' polygons
    visible_mask=null    : <blob>    # (H, W) bool: mask given instead of 'mask' polygons
    """

    class Polygon(dj.Part):
        """One polygon: 'points' seeds points, 'mask' shows its inside to the tracker, 'exclude' hides it.

        One of 'signals' seeds no points, but holds a signal.
        `region_kind` says which signal is measured in it, where signals are asked for; the tracker does not
        depend on it, nor anything on `roi_name`.
        """

        definition = """
        # Polygons of the regions of interest
        -> master
        role          : varchar(8)  # 'points', 'mask', 'exclude' or 'signals'
        polygon_index : int32       # number of the polygon in its role
        ---
        roi_name      : varchar(64) # its name; 'points_0', 'mask_0' and so on where nobody gave one
        region_kind   : varchar(16) # 'motion', 'pupil', 'blink', 'running', 'mask' or 'exclude'
        vertices      : json        # list of [x, y] in pixels
        n_vertices    : int32       # number of vertices
        area_px2      : float64     # area, square pixels
        polygon_centroid_x_px : float64 # centre of area, pixels to the right
        polygon_centroid_y_px : float64 # centre of area, pixels down
        """

    @classmethod
    def insert_rois(
        cls, key: Key, rois: "Rois | Mapping[str, Any] | str | Path", *, description: str = ""
    ) -> Key:
        """Store regions of interest for a recording.

        Parameters
        ----------
        key
            Primary key of the recording; with `roi_id` (0 if left out).
        rois
            `Rois`, a mapping `{"points": [...], "mask": [...], "exclude": [...], "signals": [...]}` (with
            `names` and `kinds`, if wanted), or the path of a ROI file.
        description
            What they are.

        Returns
        -------
        dict
            The primary key they are stored under. The same regions may be stored again; that
            changes nothing.

        Raises
        ------
        RoiError
            They are malformed, or the key holds other regions already, or the same under other names.
        """
        from element_facerhythm.pipeline.run.fingerprint import rois_sha256

        regions = as_rois(rois)
        roi_key = key_of(cls, {"roi_id": 0, **plain_row(key)})
        require_length(cls, "roi_description", description)
        sha256 = rois_sha256(regions)
        stored = (cls() & roi_key).to_arrays("rois_sha256")
        if len(stored):
            if stored[0] != sha256:
                raise RoiError(
                    f"{key_text(roi_key)} holds other regions of interest; stored regions are never "
                    "changed, so take another roi_id"
                )
            if not cls._has_labels(roi_key, regions):
                raise RoiError(
                    f"{key_text(roi_key)} holds the same regions of interest under other names or kinds; "
                    "take another roi_id, or leave them out"
                )
            return roi_key
        masks = {n: getattr(regions, n) for n in ("point_positions", "seed_mask", "visible_mask")}
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            cls.insert1({**roi_key, "roi_description": description, "rois_sha256": sha256, **masks})
            cls.Polygon.insert({**roi_key, **row} for row in polygon_rows(regions))
        return roi_key

    @classmethod
    def find_roi_id(cls, key: Key, rois: "Rois | Mapping[str, Any] | str | Path") -> int:
        """Return the number that a recording has these regions under, else the next free one.

        Regions with names or kinds are the same as those of that name and kind only.

        Parameters
        ----------
        key
            Primary key of the recording; it may hold more.
        rois
            As of `insert_rois`.

        Raises
        ------
        RoiError
            They are malformed.
        RequestError
            The key lacks a column of the recording's.
        """
        from element_facerhythm.pipeline.run.fingerprint import rois_sha256

        recording = key_of(VideoRecording, key)
        regions = as_rois(rois)
        sha256 = rois_sha256(regions)
        rows = (cls() & recording).proj("rois_sha256").to_dicts(order_by="roi_id")
        same = [
            int(row["roi_id"])
            for row in rows
            if row["rois_sha256"] == sha256
            and cls._has_labels({**recording, "roi_id": row["roi_id"]}, regions)
        ]
        return same[0] if same else 1 + max((int(row["roi_id"]) for row in rows), default=-1)

    @classmethod
    def fetch_rois(cls, key: Key) -> "Rois":
        """Regions of interest of one entry.

        Raises
        ------
        RoiError
            They are not those that were entered: something was changed, added or taken out since.
        """
        key = key_of(cls, key)
        names = ("point_positions", "seed_mask", "visible_mask")
        *masks, sha256 = (cls() & key).fetch1(*names, "rois_sha256")
        rows = (cls.Polygon() & key).to_dicts(order_by="role, polygon_index")
        polygons = [(row["role"], row["vertices"]) for row in rows]
        rois = rois_as_entered(key, polygons, dict(zip(names, masks, strict=True)), sha256)
        return labelled(rois, ((r["role"], r["roi_name"], r["region_kind"]) for r in rows))

    @classmethod
    def _has_labels(cls, key: Key, rois: "Rois") -> bool:
        """Whether an entry's polygons have the names and kinds that are given; those of None agree."""
        from element_facerhythm.io.region_labels import labels_by_role

        rows = (cls.Polygon() & key).to_dicts(order_by="polygon_index")
        return all(
            given.name in (None, row["roi_name"]) and given.kind in (None, row["region_kind"])
            for role, labels in labels_by_role(rois).items()
            for given, row in zip(labels, (r for r in rows if r["role"] == role), strict=False)
        )


def rois_as_entered(
    key: Key, polygons: Iterable[tuple[str, Any]], masks: Mapping[str, Any], sha256: str
) -> "Rois":
    """Regions of interest made of the rows of an entry, checked against its digest.

    Parameters
    ----------
    key
        Of the entry, for the message.
    polygons
        Role and vertices of each polygon, in their order.
    masks
        `point_positions`, `seed_mask` and `visible_mask`, arrays or None.
    sha256
        `rois_sha256` of the entry.

    Raises
    ------
    RoiError
        They do not have the digest, or are no regions at all.
    """
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.pipeline.run.fingerprint import rois_sha256

    remedy = (
        "delete that entry, with what was computed from it, and enter the regions again (or restore them "
        "from a backup)"
    )
    try:
        found: dict[str, list[np.ndarray]] = {role: [] for role in ROLES}
        for role, vertices in polygons:
            found[role].append(np.asarray(vertices, dtype=np.float64))
        outlines: dict[str, Any] = {ROLES[role]: tuple(found[role]) for role in ROLES}
        rois = Rois(**outlines, **masks, source=f"FaceRhythmROI {dict(key)}")
        same = rois_sha256(rois) == sha256
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RoiError(
            f"the rows of FaceRhythmROI {dict(key)} are no regions of interest ({type(error).__name__}); "
            f"{remedy}"
        ) from error
    if not same:
        raise RoiError(
            f"the regions of FaceRhythmROI {dict(key)} are not those that were entered: its polygons, "
            f"positions and masks do not give its rois_sha256; {remedy}"
        )
    return rois


def as_rois(rois: "Rois | Mapping[str, Any] | str | Path") -> "Rois":
    """Regions of interest from what a caller may give; RoiError where they are malformed."""
    from element_facerhythm.io.rois_file import read_rois, rois_from_mapping

    if isinstance(rois, (str, Path)):
        return read_rois(Path(rois))
    if isinstance(rois, Mapping):
        return rois_from_mapping(rois)
    return rois


def polygon_rows(rois: "Rois") -> Iterable[dict[str, Any]]:
    """Rows of `FaceRhythmROI.Polygon` for regions of interest, without their key."""
    from element_facerhythm.io.region_labels import full_labels

    labels = full_labels(rois)
    for role, attribute in ROLES.items():
        for index, polygon in enumerate(getattr(rois, attribute)):
            vertices = np.asarray(polygon, dtype=np.float64)
            area, x, y = _area_and_centroid(vertices)
            yield {
                "role": role,
                "polygon_index": index,
                "roi_name": labels[role][index].name,
                "region_kind": labels[role][index].kind,
                "vertices": vertices.tolist(),
                "n_vertices": len(vertices),
                "area_px2": area,
                "polygon_centroid_x_px": x,
                "polygon_centroid_y_px": y,
            }


def labelled(rois: "Rois", labels: Iterable[tuple[str, str, str]]) -> "Rois":
    """Return regions with the names and kinds of their polygons.

    Parameters
    ----------
    rois
        The regions.
    labels
        Role, name and kind of each polygon, in the order of the polygons of each role.
    """
    from element_facerhythm.core.rois import RegionLabel

    found: dict[str, list[RegionLabel]] = {role: [] for role in ROLES}
    for role, name, kind in labels:
        found[role].append(RegionLabel(name, kind))
    return replace(
        rois,
        seed_labels=tuple(found["points"]),
        mask_labels=tuple(found["mask"]),
        exclude_labels=tuple(found["exclude"]),
        signal_labels=tuple(found["signals"]),
    )


def _area_and_centroid(vertices: np.ndarray) -> tuple[float, float, float]:
    """Area and centre of area of a polygon (N, 2); the mean vertex where the area is zero."""
    origin = vertices.mean(axis=0)
    x, y = (vertices - origin).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    if area == 0:
        return 0.0, float(origin[0]), float(origin[1])
    centre_x = ((x + np.roll(x, -1)) * cross).sum() / (6 * area)
    centre_y = ((y + np.roll(y, -1)) * cross).sum() / (6 * area)
    return abs(float(area)), float(origin[0] + centre_x), float(origin[1] + centre_y)

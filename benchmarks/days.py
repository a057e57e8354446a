"""The same animal on other days: how well pictures are registered, and planted components recognised.

``python -m benchmarks.days [--animals 4] [--quick]``. For each animal, four rendered days: the camera was
moved, rhythms are a little faster or slower and come at other times, one is missing on the third day, and one
appears on it. Regions are drawn on the first day alone, and copied. Nothing is timed.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import write_result

if TYPE_CHECKING:
    from element_facerhythm.core.sessions.common_axes import SessionComponents
    from element_facerhythm.demo.synthetic.days import Day
    from element_facerhythm.demo.synthetic.sources import Source
    from element_facerhythm.pipeline.results.session_matches import SessionMatches

MISSING = (("twitching",), ("twitching",), ("sniffing",), ())
"""What is not there, day by day."""
FRAMES, QUICK_FRAMES = 600, 360
PARAMETERS: dict[str, Any] = {
    "ROIs": {"make_rois": {"point_spacing": 9}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 3, "Q_highF": 6, "F_min": 1.5, "F_max": 25, "n_freq_bins": 24,
            "downsample_factor": 8,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 5, "n_iter_max": 100}}},
}  # fmt: skip
_LEAST_PLACE, _MOST_OCTAVES = 0.9, 0.25
"""A component is a planted rhythm where its map has at least this cosine, and its peak lies this close."""


@dataclass(frozen=True)
class Recognised:
    """How often two days were compared rightly, of how many, and how many rhythms no component is of."""

    n_right: int
    n_compared: int
    n_not_found: int
    n_planted: int


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--animals", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="one animal, three short days")
    options = parser.parse_args()
    animals = 1 if options.quick else options.animals
    n_frames, missing = (QUICK_FRAMES, MISSING[1:]) if options.quick else (FRAMES, MISSING)
    print(write_result("days", measure(range(animals), n_frames, missing)))


def measure(
    seeds: range | tuple[int, ...], n_frames: int, missing: tuple[tuple[str, ...], ...]
) -> dict[str, Any]:
    """Render, analyse and match the days of each animal; return how well that went."""
    animals = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as directory:
            animals.append(_measure_animal(seed, n_frames, missing, Path(directory)))
        print(f"  animal {seed}: {animals[-1]}", flush=True)
    total = {
        name: sum(one[name] for one in animals)
        for name in ("n_right", "n_compared", "n_not_found", "n_planted")
    }
    return {
        "n_frames": n_frames,
        "missing": missing,
        "animals": animals,
        **total,
        "recognised_fraction": total["n_right"] / total["n_compared"],
        "registration_px": max(max(one["registration_px"]) for one in animals),
        "regions_px": max(max(one["regions_px"]) for one in animals),
    }


def _measure_animal(
    seed: int, n_frames: int, missing: tuple[tuple[str, ...], ...], folder: Path
) -> dict[str, Any]:
    from element_facerhythm.demo.synthetic.days import plan_days
    from element_facerhythm.pipeline.results.session_matches import match_projects

    days = plan_days(missing, seed=seed, n_frames=n_frames)
    regions_px = analyse(days, folder)
    found = match_projects([folder / day.name for day in days])
    recognised = recognise(days, found)
    grid = _grid_in_regions(days[0])
    aligned = {one.session: one.alignment for one in found.registrations}
    return {
        "seed": seed,
        "registration_px": [
            float(np.linalg.norm(aligned[day.name].moved(grid) - seen_by(day, grid), axis=1).max())
            for day in days[1:]
        ],
        "regions_px": regions_px,
        **vars(recognised),
        "congruence": _congruences(days, found),
    }


def analyse(days: tuple[Day, ...], folder: Path) -> list[float]:
    """Run every day with the regions of the first, copied; return their largest errors in px."""
    from element_facerhythm.parameters import parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest, run_project
    from element_facerhythm.pipeline.roi_copy import CopiedRois, copy_rois_to_many
    from element_facerhythm.video import probe_video

    for day in days:
        day.write(folder / f"{day.name}.mp4")
    first, *others = (probe_video(folder / f"{day.name}.mp4") for day in days)
    copied = copy_rois_to_many(days[0].rois, first, others)
    errors, rois = [], [days[0].rois]
    for day, one in zip(days[1:], copied, strict=True):
        assert isinstance(one, CopiedRois), one
        (drawn,), (there,) = days[0].rois.seed_polygons, one.rois.seed_polygons
        errors.append(float(np.linalg.norm(there - seen_by(day, drawn), axis=1).max()))
        rois.append(one.rois)
    parameters = parameters_from_mapping(PARAMETERS).parameters
    for day, own in zip(days, rois, strict=True):
        video = folder / f"{day.name}.mp4"
        run_project(RunRequest((video,), own, parameters, folder / day.name, device="cpu"))
    return errors


def recognise(days: tuple[Day, ...], found: SessionMatches) -> Recognised:
    """Compare identities with what was planted, for each rhythm and every two days.

    Right is the same identity where the rhythm is there on both days, and no partner where it is on one.
    """
    planted = {day.name: {s.name: component_of(day, s, found) for s in day.rhythms} for day in days}
    identity = {(row.session, row.component_index): row.identity for row in found.rows}
    members = {one.number: dict(one.members) for one in found.identities}
    n_right = n_compared = 0
    for one, other in combinations(planted, 2):
        for rhythm in planted[one].keys() | planted[other].keys():
            a, b = planted[one].get(rhythm), planted[other].get(rhythm)
            if rhythm in planted[one].keys() & planted[other].keys():
                if a is None or b is None:
                    continue
                n_compared += 1
                n_right += identity[one, a] == identity[other, b]
                continue
            day, index, missing_on = (one, a, other) if rhythm in planted[one] else (other, b, one)
            if index is not None:
                n_compared += 1
                n_right += missing_on not in members[identity[day, index]]
    indices = [index for own in planted.values() for index in own.values()]
    return Recognised(n_right, n_compared, indices.count(None), len(indices))


def component_of(day: Day, source: Source, found: SessionMatches) -> int | None:
    """Return the component that is a planted rhythm; None where none is."""
    components = in_first_frame(day, found)
    places = np.abs(np.outer(source.direction, source.region.weight(components.positions_px)))
    cosines = np.einsum("dp,dpr->r", places, components.maps) / (
        np.linalg.norm(places) * np.linalg.norm(components.maps, axis=(0, 1)).clip(1e-12)
    )
    peaks = components.frequencies_hz[components.spectra.argmax(axis=0)]
    octaves = np.abs(np.log2(peaks / (source.frequency_hz or np.nan)))
    cosines[octaves > _MOST_OCTAVES] = 0
    best = int(cosines.argmax())
    return best if cosines[best] >= _LEAST_PLACE else None


def in_first_frame(day: Day, found: SessionMatches) -> SessionComponents:
    """Return components of a day with positions as the camera of the first day would see them."""
    import cv2

    components = found.pictures[day.name].components
    back = cv2.invertAffineTransform(day.camera)
    return replace(components, positions_px=components.positions_px @ back[:, :2].T + back[:, 2])


def seen_by(day: Day, points_px: np.ndarray) -> np.ndarray:
    """(N, 2) where the camera of a day sees points of the first day."""
    return points_px @ day.camera[:, :2].T + day.camera[:, 2]


def _grid_in_regions(day: Day) -> np.ndarray:
    from element_facerhythm.core.rois import place_rois

    size = {"height_px": day.scene.height_px, "width_px": day.scene.width_px}
    return place_rois(day.rois, **size, spacing_px=10).point_positions.astype(np.float64)


def _congruences(days: tuple[Day, ...], found: SessionMatches) -> dict[str, float]:
    """Smallest congruence of assigned components that are the same planted rhythm, by the rhythm."""
    planted = {
        (day.name, component_of(day, source, found)): source.name
        for day in days
        for source in day.rhythms
    }
    smallest: dict[str, float] = {}
    for pair in found.pairs:
        name = planted.get((pair.session, pair.component_index))
        if name is not None and planted.get((pair.other_session, pair.other_index)) == name:
            smallest[name] = min(pair.congruence, smallest.get(name, 1.0))
    return smallest


if __name__ == "__main__":
    main()

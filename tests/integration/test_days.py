"""One animal on three rendered days: components recognised, labels proposed, other views refused."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from benchmarks.days import MISSING, QUICK_FRAMES, analyse, recognise, seen_by
from element_facerhythm.demo.synthetic.days import plan_days
from element_facerhythm.pipeline.results.session_matches import match_projects

Command = Callable[..., Any]

pytestmark = pytest.mark.slow

DAYS = plan_days(MISSING[1:], n_frames=QUICK_FRAMES)


@pytest.fixture(scope="module")
def animal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The projects of three days, the regions copied from the first, and how far these are off."""
    folder = tmp_path_factory.mktemp("animal")
    regions_px = analyse(DAYS, folder)
    return {"days": [folder / day.name for day in DAYS], "regions_px": regions_px}


@pytest.fixture
def other_view(animal: dict[str, Any], tmp_path: Path) -> Path:
    """A project whose recording shows something else."""
    project = tmp_path / "other"
    shutil.copytree(animal["days"][1], project)
    noise = np.random.default_rng(0).normal(0, 300, (240, 320))
    picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 3) + 110, 0, 255).astype(np.uint8)
    with h5py.File(project / "analysis_files" / "ROIs.h5", "r+") as file:
        file["background_image"][...] = picture
    return project


def test_what_was_planted_is_recognised(animal: dict[str, Any]) -> None:
    found = match_projects(animal["days"])
    assert found.refused == {}
    drawn = DAYS[0].rois.seed_polygons[0]
    for day, registration in zip(DAYS, found.registrations, strict=True):
        error = registration.alignment.moved(drawn) - seen_by(day, drawn)
        assert np.linalg.norm(error, axis=1).max() <= 0.5
    assert max(animal["regions_px"]) <= 0.5
    elsewhere = match_projects(animal["days"], reference=animal["days"][1])
    assert (found.reference, elsewhere.reference) == ("day1", "day2")
    for matches in (found, elsewhere):
        recognised = recognise(DAYS, matches)
        assert recognised.n_compared >= 10
        assert recognised.n_right / recognised.n_compared >= 0.95
        assert recognised.n_not_found <= 1


def test_the_order_of_the_projects_changes_nothing(
    facerhythm: Command, animal: dict[str, Any], tmp_path: Path
) -> None:
    one, two, three = animal["days"]
    table, figure = tmp_path / "match.csv", tmp_path / "match.png"
    done = facerhythm("match", one, two, three, "-o", table, "--figure", figure, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["reference"] == "day1" and told["refused"] == {}
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == len(told["components"]) == 15
    assert [int(row["identity"]) for row in rows] == [r["identity"] for r in told["components"]]
    assert cv2.imread(str(figure)).shape[1] > 700
    again = json.loads(facerhythm("match", three, one, two, "--json").out)
    assert again["components"] == told["components"] and again["pairs"] == told["pairs"]
    refused = facerhythm("match", one, two, "-o", table)
    assert refused.code == 2 and "--overwrite" in refused.err
    printed = facerhythm("match", one, two)
    assert "in day2 alone" in printed.out and "congruence" in printed.out


def test_a_session_that_does_not_align_is_told_and_the_others_are_matched(
    facerhythm: Command, animal: dict[str, Any], other_view: Path
) -> None:
    one, two, _ = animal["days"]
    done = facerhythm("match", other_view, one, two, "--json")
    assert done.code == 3
    told = json.loads(done.out)
    assert "does not align with that of day1" in told["refused"]["other"]
    assert {row["session"] for row in told["components"]} == {"day1", "day2"}
    alone = facerhythm("match", other_view, one)
    assert alone.code == 2 and "no session aligns with day1" in alone.err and not alone.out
    for arguments, words in (
        ((one,), "two project directories or more"),
        ((one, one), "is given twice"),
        ((one, two, "--least", 0), "least congruence is 0"),
        ((one, two, "--reference", other_view), "is none of the projects"),
        ((one, other_view.parent), "is not a face-rhythm project"),
    ):
        refused = facerhythm("match", *arguments)
        assert refused.code == 2 and words in refused.err


def test_labels_are_proposed_and_none_is_taken(
    facerhythm: Command, animal: dict[str, Any], tmp_path: Path, other_view: Path
) -> None:
    places = [tmp_path / path.name for path in animal["days"]]
    for source, place in zip(animal["days"], places, strict=True):
        shutil.copytree(source, place)
    one, two, three = places
    nothing = facerhythm("curate", "propose", "--from", one, two)
    assert nothing.code == 2 and "nothing was decided about the components of day1" in nothing.err
    pairs = json.loads(facerhythm("match", one, three, "--json").out)["pairs"]
    best = max(pairs, key=lambda pair: pair["congruence"])
    label = ("--component", best["component_index"], "--verdict", "keep", "--name", "a rhythm")
    assert facerhythm("curate", "set", one, *label).code == 0
    before = {path: path.read_bytes() for path in three.rglob("*") if path.is_file()}
    table = tmp_path / "proposed.csv"
    words = ("curate", "propose", "--from", one, three, other_view, "-o", table)
    done = facerhythm(*words, "--json")
    assert done.code == 3
    told = json.loads(done.out)
    (row,) = (row for row in told["proposals"] if row["session"] == "day3")
    assert (row["component_index"], row["verdict"], row["name"]) == (
        best["other_index"],
        "keep",
        "a rhythm",
    )
    assert row["congruence"] == pytest.approx(best["congruence"], abs=1e-6)
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == len(told["proposals"])
    assert {path: path.read_bytes() for path in three.rglob("*") if path.is_file()} == before
    # the command of the proposal takes it, and nothing is proposed for that component again
    import shlex

    assert facerhythm(*shlex.split(row["command"])[1:]).code == 0
    again = facerhythm("curate", "propose", "--from", one, three)
    assert again.code == 0 and "no undecided component is like a labelled one" in again.out


def test_one_decomposition_of_all_days_knows_what_was_missing_when(
    facerhythm: Command, animal: dict[str, Any], tmp_path: Path, other_view: Path
) -> None:
    """Twitching begins on the second day, on which there is no sniffing; both are there on the third."""
    one, two, three = animal["days"]
    product, table = tmp_path / "joint.h5", tmp_path / "joint.csv"
    words = ("joint", one, two, three, "--rank", 6, "--device", "cpu", "-o", product)
    done = facerhythm(*words, "--table", table, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["explained_variance_total"] > 0.95 and told["n_points_left_out"] <= 3
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 18
    twitching, sniffing = (
        next(source for source in DAYS[2].rhythms if source.name == name)
        for name in ("twitching", "sniffing")
    )
    for source, missing, present in (
        (twitching, "day1", ("day2", "day3")),
        (sniffing, "day2", ("day1", "day3")),
    ):
        index, strength = strongest_at(source, told["components"])
        assert all(strength[missing] < 0.1 * strength[day] for day in present), (index, strength)
    with h5py.File(product) as file:
        model = file["factors_rearranged/0"]
        assert model["(xy points)"].shape == (2 * told["n_points"], 6)
        for number, video in file["videos"].items():
            assert model[f"videos/time_{number}"].shape == (len(video["times_s"]), 6)
        assert file["videos/1/session"][()].decode() == "day2"
    # in another order the same numbers
    again = json.loads(
        facerhythm("joint", three, one, two, *words[4:-1], tmp_path / "again.h5", "--json").out
    )
    assert again["components"] == told["components"]
    for arguments, said in (
        (
            (one, other_view, "--rank", 3, "-o", tmp_path / "no.h5"),
            "does not align with that of day1",
        ),
        ((one, "--rank", 3, "-o", tmp_path / "no.h5"), "two project directories or more"),
        ((one, two, "--rank", 3, "-o", product), "--overwrite"),
        (
            (one, two, "--rank", 3, "-o", one / "analysis_files" / "TCA.h5", "--overwrite"),
            "stay as they are",
        ),
        ((one, two, "--rank", 3, "-o", tmp_path / "no.txt"), "does not end with .h5"),
        ((one, two, "--rank", 3, "--device", "cuda:99", "-o", tmp_path / "no.h5"), "cuda"),
    ):
        refused = facerhythm("joint", *arguments)
        assert refused.code == 2 and said in refused.err, refused.err
    assert not (tmp_path / "no.h5").exists() and not (tmp_path / "no.txt").exists()


def strongest_at(source: Any, rows: list[dict[str, Any]]) -> tuple[int, dict[str, float]]:
    """The component nearest to a planted rhythm in frequency and place, and its strength by session."""
    at = [
        row
        for row in rows
        if abs(np.log2(row["peak_frequency_hz"] / source.frequency_hz)) < 0.25
        and np.hypot(
            row["centroid_x_px"] - source.region.center_px[0],
            row["centroid_y_px"] - source.region.center_px[1],
        )
        < 25
    ]
    index = max(at, key=lambda row: row["strength"])["component_index"]
    return index, {row["session"]: row["strength"] for row in at if row["component_index"] == index}

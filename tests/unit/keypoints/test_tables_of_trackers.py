"""Tables of DeepLabCut and its kin: every column by its label, every cell a number, whatever saved them."""

import numpy as np
import pandas as pd
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.formats import read_predictions, write_predictions
from element_facerhythm.keypoints.labelled_table import LEVELS, predictions_of_dataframe
from element_facerhythm.keypoints.reading_options import ReadingOptions

PARTS = ("nose", "jaw", "eye")
N_FRAMES = 7


def table(individuals=None, parts=PARTS, coords=("x", "y", "likelihood"), scorer="DLC", index=None):
    """Table with a different number in each cell, all between 0 and 1."""
    levels = [[scorer], *([] if individuals is None else [individuals]), parts, coords]
    columns = pd.MultiIndex.from_product(levels, names=LEVELS[len(levels)])
    values = np.arange(N_FRAMES * len(columns)).reshape(N_FRAMES, -1) / 1000
    return pd.DataFrame(values, columns=columns, index=index)


def expected(frame, individual, part, coordinate):
    label = [c for c in frame.columns if (individual is None or c[1] == individual)]
    (only,) = [c for c in label if c[-2:] == (part, coordinate)]
    return frame[only].to_numpy()


def require_same(found, frame):
    """Every number stands where its label says."""
    alone = "individuals" not in frame.columns.names
    for i, individual in enumerate(found.individuals):
        for k, part in enumerate(found.body_parts):
            if (individual, part) in found.absent:
                assert np.isnan(found.positions[:, i, k]).all()
                continue
            who = None if alone else individual
            for d, axis in enumerate("xy"):
                np.testing.assert_allclose(
                    found.positions[:, i, k, d], expected(frame, who, part, axis)
                )
            np.testing.assert_allclose(
                found.likelihood[:, i, k], expected(frame, who, part, "likelihood")
            )


def written(tmp_path, frame, ending):
    path = tmp_path / f"tracks{ending}"
    if ending == ".csv":
        frame.to_csv(path)
    else:
        frame.to_hdf(path, key="tracks", format="table", mode="w")
    return path


def y_before_x(frame):
    order = {"y": 0, "x": 1, "likelihood": 2}
    return frame[sorted(frame.columns, key=lambda c: (PARTS.index(c[-2]), order[c[-1]]))]


def other_order_per_animal(frame):
    first = [c for c in frame if c[1] == "ind1"]
    second = [c for part in ("eye", "nose", "jaw") for c in frame if c[1:3] == ("ind2", part)]
    return frame[[*second[:3], *first, *second[3:]]]


def with_unique_part(frame):
    columns = pd.MultiIndex.from_product(
        [["DLC"], ["single"], ["corner"], ["x", "y", "likelihood"]], names=frame.columns.names
    )
    extra = pd.DataFrame(np.full((N_FRAMES, 3), 0.25), columns=columns)
    return pd.concat([extra, frame], axis=1)


ANIMALS = ("ind1", "ind2")
ORDERS = {
    "y before x": (y_before_x(table()), ("individual_0",), PARTS),
    "labels sorted": (table(ANIMALS).sort_index(axis=1), ANIMALS, ("eye", "jaw", "nose")),
    "another order per animal": (
        other_order_per_animal(table(ANIMALS)),
        ("ind2", "ind1"),
        ("eye", "nose", "jaw"),
    ),
    "a body part of no animal": (
        with_unique_part(table(ANIMALS)),
        (*ANIMALS, "single"),
        ("corner", *PARTS),
    ),
    "twelve animals": (
        table([f"ind{i}" for i in range(1, 13)]),
        tuple(f"ind{i}" for i in range(1, 13)),
        PARTS,
    ),
    "animals called like body parts": (table(("nose", "x")), ("nose", "x"), PARTS),
    "body parts called like columns": (
        table(parts=("x", "y", "likelihood")), ("individual_0",), ("x", "y", "likelihood"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_columns_go_by_their_labels(tmp_path, name, ending):
    frame, individuals, parts = ORDERS[name]
    found = read_predictions(written(tmp_path, frame, ending), "DeepLabCut")
    assert (found.individuals, found.body_parts) == (individuals, parts)
    require_same(found, frame)
    np.testing.assert_array_equal(found.frame_numbers, np.arange(N_FRAMES))


def test_a_body_part_of_no_animal_makes_no_track_of_the_others(tmp_path):
    frame = with_unique_part(table(ANIMALS))
    found = read_predictions(written(tmp_path, frame, ".h5"), "DeepLabCut")
    assert len(found.tracks()) == 7
    assert ("single", "nose") in found.absent and ("ind1", "corner") in found.absent
    (path,) = write_predictions(found, tmp_path / "again.csv", "dlc")
    again = read_predictions(path, "DeepLabCut")
    assert set(again.tracks()) == set(found.tracks())


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_of_two_scorers_none_is_guessed(tmp_path, ending):
    both = pd.concat([table(), table(scorer="other") + 0.5], axis=1)
    path = written(tmp_path, both, ending)
    with pytest.raises(KeypointError, match=r"2 scorers \(DLC, other\).*--scorer"):
        read_predictions(path, "DeepLabCut")
    found = read_predictions(path, "DeepLabCut", options=ReadingOptions(scorer="other"))
    np.testing.assert_allclose(found.positions[0, 0, 0], [0.5, 0.501])


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_rows_keep_the_numbers_of_their_frames(tmp_path, ending):
    found = read_predictions(
        written(tmp_path, table(ANIMALS, index=np.arange(10, 17)), ending), "DeepLabCut"
    )
    np.testing.assert_array_equal(found.frame_numbers, np.arange(10, 17))


def test_labelled_pictures_are_no_predictions(tmp_path):
    pictures = table(index=[f"labeled-data/v/img{t:03d}.png" for t in range(N_FRAMES)])
    for ending in (".csv", ".h5"):
        with pytest.raises(KeypointError, match="predictions of a video"):
            read_predictions(written(tmp_path, pictures, ending), "DeepLabCut")


def test_the_columns_of_an_ensemble_smoother_are_variables(tmp_path):
    names = ("x", "y", "likelihood", "x_ens_median", "x_ens_var", "y_posterior_var")
    frame = table(coords=names, scorer="ensemble-kalman_tracker")
    found = read_predictions(written(tmp_path, frame, ".csv"), "LightningPose")
    assert list(found.variables) == list(names[3:])
    np.testing.assert_allclose(
        found.variables["x_ens_var"][:, 0, 1], expected(frame, None, "jaw", "x_ens_var")
    )
    (path,) = write_predictions(found, tmp_path / "again.csv", "lightningpose")
    again = read_predictions(path, "LightningPose")
    assert list(again.variables) == list(names[3:])
    (path,) = write_predictions(found, tmp_path / "again.nc", "netcdf")
    again = read_predictions(path, "movement")
    np.testing.assert_allclose(again.variables["x_ens_var"], found.variables["x_ens_var"])


def test_predictions_without_a_likelihood_have_none(tmp_path):
    frame = table(coords=("x", "y"))
    found = read_predictions(written(tmp_path, frame, ".csv"), "DeepLabCut")
    assert np.isnan(found.likelihood).all()
    lacking = table(coords=("x", "likelihood", "y")).drop(columns=[("DLC", "jaw", "y")])
    with pytest.raises(KeypointError, match="body part jaw has no column y"):
        read_predictions(written(tmp_path, lacking, ".csv"), "DeepLabCut")


NAMES = ("nose/tip", ".", "a%b", "Öhr", "ひげ", " jaw ", "a'b", 'a"b', "n,m", "nose\U0001f42d")


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_names_are_kept_as_they_are(tmp_path, ending):
    from element_facerhythm.keypoints.product import read_keypoints, write_keypoints

    frame = table(("mouse/1", "..", "%2F"), parts=NAMES)
    found = read_predictions(written(tmp_path, frame, ending), "DeepLabCut")
    assert found.body_parts == NAMES
    write_keypoints(tmp_path / "Keypoints.h5", found)
    kept = read_keypoints(tmp_path / "Keypoints.h5")
    assert (kept.body_parts, kept.individuals) == (NAMES, ("mouse/1", "..", "%2F"))
    require_same(kept, frame)


def plain_csv():
    return table().to_csv()


def first_row_empty():
    frame = table()
    frame.iloc[0] = np.nan
    return frame.to_csv(sep=";", decimal=",").encode()


DRESSES = {
    "byte order mark": ("﻿" + plain_csv()).encode(),
    "lines of Windows": plain_csv().replace("\n", "\r\n").encode(),
    "lines of an old Mac": plain_csv().replace("\n", "\r").encode(),
    "semicolons": plain_csv().replace(",", ";").encode(),
    "semicolons and decimal commas": plain_csv().replace(",", ";").replace(".", ",").encode(),
    "decimal commas, and nothing at first": first_row_empty(),
    "tabs in UTF-16": plain_csv().replace(",", "\t").encode("utf-16"),
    "empty lines at the end": (plain_csv() + "\n\n,,,,,,,,,\n").encode(),
    "labels of rows named": table().rename_axis("frame").to_csv().encode(),
    "no labels of rows": table().to_csv(index=False).encode(),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_tables_are_read_however_they_were_saved(tmp_path, dress):
    path = tmp_path / "TRACKS.CSV"
    path.write_bytes(DRESSES[dress])
    found = read_predictions(path, "DeepLabCut")
    frame = table()
    if "nothing at first" in dress:
        frame.iloc[0] = np.nan
    require_same(found, frame)


def test_a_text_of_windows_is_read_and_that_is_told(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(table(parts=("Öhr", "jaw")).to_csv().encode("cp1252"))
    found = read_predictions(path, "DeepLabCut")
    assert found.body_parts == ("Öhr", "jaw")
    assert "read as Windows-1252" in found.notes[0]


def edited(line, cell, text):
    lines = [row.split(",") for row in plain_csv().splitlines()]
    lines[line][cell] = text
    return "\n".join(map(",".join, lines)) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (edited(5, 4, "-"), r"tracks\.csv: line 6, column jaw/x: '-' is no number"),
        (edited(5, 4, "True"), r"line 6, column jaw/x: 'True' is no number"),
        (edited(5, 0, "two"), r"line 6 is labelled 'two'"),
        (edited(5, 0, ""), r"line 6 is labelled ''"),
        (edited(5, 4, '"0.1'), r"line 6 has \d+ cells|quotation mark|table of numbers"),
        (
            edited(5, 4, "0.1").replace(",", ";").replace("0.1;", "0,1;"),
            r"line 6, column jaw/x: '0,1'",
        ),
        (edited(5, 0, "2.5"), r"row 2 is labelled 2\.5"),
        (plain_csv()[: len(plain_csv()) * 2 // 3], r"line 7 has 9 cells, the others 10"),
        (edited(1, 4, "nose"), r"column DLC, nose, x stands twice"),
        ("", r"tracks\.csv is empty"),
        (",nose,jaw\n0,0.1,0.2\n", r"tracks\.csv has no head of"),
        ("\x00\x01" * 40, r"tracks\.csv has no head of|is no text"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(tmp_path, content, words):
    path = tmp_path / "tracks.csv"
    path.write_text(content)
    with pytest.raises(KeypointError, match=words):
        read_predictions(path, "DeepLabCut")


def test_empty_cells_and_rows_are_missing(tmp_path):
    path = tmp_path / "tracks.csv"
    lines = edited(5, 4, "nan").splitlines()
    lines[7] = "4" + "," * 9
    path.write_text("\n".join(lines))
    found = read_predictions(path, "DeepLabCut")
    assert np.isnan(found.positions[2, 0, 1, 0]) and not np.isnan(found.positions[2, 0, 1, 1])
    assert np.isnan(found.positions[4]).all() and np.isnan(found.likelihood[4]).all()


def anipose(**drop):
    t = np.arange(6)
    columns = {}
    for k, part in enumerate(("whisker_pad", "eye")):
        columns |= {f"{part}_{axis}": t + 10.0 * k + d for d, axis in enumerate("xyz")}
        columns |= {f"{part}_error": t / 2, f"{part}_ncams": 2.0 + k, f"{part}_score": t / 10}
    return pd.DataFrame(columns).assign(M_00=1.0, center_0=0.0, fnum=t + 3)


@pytest.mark.parametrize("left_out", [(), ("error", "ncams"), ("score",)])
@pytest.mark.parametrize("indexed", [True, False])
def test_anipose_is_read_with_what_it_says_of_each_part(tmp_path, left_out, indexed):
    frame = anipose()
    frame = frame[[c for c in frame if c.rpartition("_")[2] not in left_out]]
    frame.to_csv(tmp_path / "space.csv", index=indexed)
    found = read_predictions(tmp_path / "space.csv", "Anipose")
    assert found.body_parts == ("whisker_pad", "eye")
    np.testing.assert_array_equal(found.positions[:, 0, 1, 2], np.arange(6) + 12)
    np.testing.assert_array_equal(found.frame_numbers, np.arange(3, 9))
    assert set(found.variables) == {"error", "ncams"} - set(left_out)
    assert np.isnan(found.likelihood).all() == ("score" in left_out)
    assert found.notes == ("columns that are of no body part were left out: M_00, center_0",)


def via(frames, *, about=lambda t: f'""frame"":{t}', region="", name=lambda t: f"v_{t:04d}.jpg"):
    head = (
        "filename,file_size,file_attributes,region_count,region_id,"
        "region_shape_attributes,region_attributes"
    )
    lines = [head]
    for t in frames:
        for track in (3, 1):
            shape = (
                f'{{""name"":""rect"",""x"":{10 + t},""y"":5,""width"":20,""height"":{10 + track}}}'
            )
            lines.append(
                f'{name(t)},9,"{{{about(t)}}}",2,0,"{shape}","{{""track"":""{track}""{region}}}"'
            )
    return "\n".join(lines) + "\n"


def test_via_boxes_keep_their_frames_and_sizes(tmp_path):
    path = tmp_path / "boxes.csv"
    for content in (via([2, 5, 3]), via([2, 5, 3], about=lambda t: "")):
        path.write_text(content)
        found = read_predictions(path, "VIA-tracks")
        np.testing.assert_array_equal(found.frame_numbers, [2, 3, 5])
        assert found.individuals == ("id_3", "id_1")
        np.testing.assert_array_equal(
            found.positions[:, 0, 0], [[22, 11.5], [23, 11.5], [25, 11.5]]
        )
        np.testing.assert_array_equal(found.variables["box_height"][0, :, 0], [13, 11])
        assert np.isnan(found.likelihood).all()
    path.write_text(via([0, 1], region=',""confidence"":""0.8""'))
    assert (read_predictions(path, "VIA-tracks").likelihood == 0.8).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (via([2, 2]), r"boxes\.csv: line 4: track '3' stands twice in frame 2"),
        (via([2], about=lambda t: "", name=lambda t: "v2_b.jpg"), "line 2 names no frame"),
        (via([2], about=lambda t: '""frame"":2.5'), "line 2 names no frame"),
        (
            via([2]).replace('""rect""', '""polygon""', 1),
            "line 2 is a region of the shape 'polygon'",
        ),
        (via([2]).replace('""x"":12,', "", 1), "line 2: a box needs numbers"),
        (via([2]).replace('"{""frame"":2}"', '"{frame"', 1), "line 2 holds a text that is no JSON"),
        (via([]), "has no box"),
    ],
)
def test_via_rows_that_say_nothing_are_refused(tmp_path, content, words):
    path = tmp_path / "boxes.csv"
    path.write_text(content)
    with pytest.raises(KeypointError, match=words):
        read_predictions(path, "VIA-tracks")


def test_data_frames_are_read_like_files():
    frame = table(ANIMALS, index=np.arange(5, 12))
    require_same(predictions_of_dataframe(frame, "mine"), frame)
    bare = predictions_of_dataframe(table().droplevel("scorer", axis=1), "mine")
    require_same(bare, table())
    for wrong, words in (
        (table(index=list("abcdefg")), "expected numbers of frames"),
        (table().astype(object).replace(0.0, "x"), "other things than numbers"),
        (pd.DataFrame({"nose_x": [1.0]}), "columns of the levels"),
    ):
        with pytest.raises(KeypointError, match=words):
            predictions_of_dataframe(wrong, "mine")

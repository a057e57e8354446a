"""Keys and parameters as analysts have them: with numpy's numbers, as rows of data frames, or not whole."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from element_facerhythm.errors import KeypointError, ParameterError, RequestError

Key = dict[str, Any]

SESSION = 940
POLYGON = np.array([[40, 40], [120, 40], [120, 90]], dtype=np.float32)


def of_numpy(key: Key) -> Key:
    return {
        name: np.int64(value) if isinstance(value, int) else np.str_(value) for name, value in key.items()
    }  # fmt: skip


def of_frame(key: Key) -> Any:
    """A row of a data frame, whose whole numbers share a column of floats with another."""
    return pd.DataFrame([{**key, "other": 0.5}]).iloc[0]


def of_numbers_alone(key: Key) -> Any:
    """A row of a data frame of numbers: pandas makes 3 of a whole row 3.0, and the text an object."""
    return pd.Series({name: float(v) if isinstance(v, int) else v for name, v in key.items()})


def of_record(key: Key) -> Any:
    return pd.DataFrame([key]).to_records(index=False)[0]


def of_tuples(key: Key) -> Any:
    return next(pd.DataFrame([key]).itertuples(index=False))


SHAPES = [of_numpy, of_frame, of_numbers_alone, of_record, of_tuples]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_helper_takes_a_key_in_every_shape(
    shape: Callable[[Key], Any], processed: Key, fbe: ModuleType, kpi: ModuleType
) -> None:
    from element_facerhythm.facial_behavior_estimation.entered_files import entered_files

    given = shape(processed)
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    regions = fbe.FaceRhythmROI.fetch_rois(given)
    assert fbe.FaceRhythmROI.find_roi_id(given, regions) == processed["roi_id"]
    stored = fbe.FaceRhythmROI.insert_rois(given, regions)
    assert stored == {**recording, "roi_id": processed["roi_id"]}
    expected = fbe.FaceRhythmTask.infer_output_dir(processed)
    assert fbe.FaceRhythmTask.infer_output_dir(given) == expected
    assert entered_files(given) == entered_files(processed)
    assert fbe.FacialRhythm.traces(given).shape == fbe.FacialRhythm.traces(processed).shape
    assert len(fbe.FaceRhythmProcessing.product_files(given)) == 5
    assert fbe.FaceRhythmTask.insert_repetition(given).keys() == processed.keys()
    model = {**recording, "model_id": 3}
    directory = kpi.KeypointInferenceTask.infer_output_dir(model)
    assert kpi.KeypointInferenceTask.infer_output_dir(shape(model)) == directory


def test_numpy_numbers_restrict_and_are_entered(
    processed: Key, fbe: ModuleType, kpi: ModuleType, model_id: int
) -> None:
    assert len(fbe.FacialRhythm & of_numpy(processed)) == 1
    assert (
        len(fbe.FacialRhythm.Component & of_numpy(processed) & {"component_index": np.uint8(0)})
        == 1
    )
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    task = kpi.KeypointInferenceTask.generate(
        of_numpy(recording),
        model_id=kpi.KeypointModel.insert_new_model(
            np.int64(940), "numpy's", body_parts=np.array(["nose tip"]), add_body_parts=True
        ),
        bbox=np.array([10, 150, 5, 115]),
        task_description="boxes of numpy",
    )
    try:
        assert (kpi.KeypointInferenceTask & task).fetch1("bbox") == [10, 150, 5, 115]
        assert all(type(value) in (int, str) for value in task.values())
    finally:
        (kpi.KeypointInferenceTask & task).delete(prompt=False)
        (kpi.KeypointModel & {"model_id": 940}).delete(prompt=False)


def test_tasks_of_a_data_frame_are_checked_as_others_are(processed: Key, fbe: ModuleType) -> None:
    rows = pd.DataFrame([{**processed, "roi_id": 77, "task_mode": "nonsense"}])
    for given in (rows, rows.to_records(index=False), [rows.iloc[0]], rows.set_index("subject")):
        with pytest.raises(RequestError, match="nonsense"):
            fbe.FaceRhythmTask.insert(given)


def test_parameters_take_numpys_numbers_and_mean_the_same(fbe: ModuleType) -> None:
    given = {
        "ROIs": {"make_rois": {"point_spacing": np.array(11)}},
        "PointTracker": {
            "contiguous": np.bool_(False),
            "params_optical_flow": {
                "mesh_n_neighbors": np.int64(7),
                "relaxation": np.float32(0.25),
                "kwargs_method": {"winSize": (np.int16(15), np.int16(17)), "maxLevel": np.uint8(3)},
            },
        },
        "TCA": {"fit": {"params_method": {"rank": np.int32(4)}}},
    }
    plain = {
        "ROIs": {"make_rois": {"point_spacing": 11}},
        "PointTracker": {
            "contiguous": False,
            "params_optical_flow": {
                "mesh_n_neighbors": 7,
                "relaxation": 0.25,
                "kwargs_method": {"winSize": [15, 17], "maxLevel": 3},
            },
        },
        "TCA": {"fit": {"params_method": {"rank": 4}}},
    }
    number = fbe.FaceRhythmParamSet.insert_new_params(np.int64(940), np.str_("numpy's"), given)
    assert (number, type(number)) == (940, int)
    assert fbe.FaceRhythmParamSet.insert_new_params(None, "plain", plain) == 940
    with pytest.raises(ParameterError, match="940"):
        fbe.FaceRhythmParamSet.insert_new_params(np.int64(941), "again", plain)
    with pytest.raises(RequestError, match=r"paramset_id is 1\.5"):
        fbe.FaceRhythmParamSet.insert_new_params(1.5, "a half", plain)
    with pytest.raises(RequestError, match="paramset_description"):
        fbe.FaceRhythmParamSet.insert_new_params(
            None, "long" * 100, {"project": {"random_seed": 9}}
        )


def test_regions_of_arrays_are_those_of_lists(processed: Key, fbe: ModuleType) -> None:
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    one = {**recording, "roi_id": np.int64(940)}
    stored = fbe.FaceRhythmROI.insert_rois(one, {"points": [POLYGON], "mask": ()})
    assert fbe.FaceRhythmROI.find_roi_id(recording, {"points": [POLYGON.tolist()]}) == 940
    (fbe.FaceRhythmROI & stored).delete(prompt=False)


def test_a_key_that_is_not_whole_says_what_it_lacks(
    processed: Key, fbe: ModuleType, kpi: ModuleType
) -> None:
    without = {name: value for name, value in processed.items() if name != "session_id"}
    rois = {"points": [POLYGON]}
    for use in (
        lambda key: fbe.FaceRhythmROI.insert_rois(key, rois),
        lambda key: fbe.FaceRhythmROI.find_roi_id(key, rois),
        fbe.FaceRhythmROI.fetch_rois,
        fbe.FaceRhythmTask.infer_output_dir,
        fbe.FaceRhythmTask.insert_repetition,
        lambda key: kpi.KeypointInferenceTask.generate(key, 0),
    ):
        with pytest.raises(RequestError, match=r"lacks session_id; .* is subject, session_id"):
            use(without)
        with pytest.raises(RequestError, match="lacks session_id"):
            use({**processed, "session_id": np.nan})
        with pytest.raises(RequestError, match="expected a mapping"):
            use("subject = 'mouse1'")
    for use in (
        fbe.FacialRhythm.traces,
        fbe.RecordingInfo.frame_times,
    ):
        with pytest.raises(RequestError, match="no column of the primary key"):
            use({})
    from element_facerhythm.ingest.keypoints import remove_predictions

    with pytest.raises(KeypointError, match="all of them"):
        remove_predictions({})
    with pytest.raises(RequestError, match=r"session_id is 1\.5"):
        fbe.FaceRhythmTask.infer_output_dir({**processed, "session_id": 1.5})


def test_an_output_directory_that_no_column_holds_is_refused_before_the_work(
    register: Callable[..., Key], fbe: ModuleType, videos: list[Path]
) -> None:
    key = register(SESSION, videos[:1])
    for directory, words in (
        ("d/" * 300, "470 bytes at most"),
        ("x" * 300, "255 at most"),
    ):
        with pytest.raises(RequestError, match=words):
            fbe.FaceRhythmTask.insert1({**key, "roi_id": 5, "output_dir": directory})

"""Element Facemap's names of tables, columns and functions, and those of this package, in one place.

The page for its users, the views of `facerhythm admin views`, and the columns that inserts take under both
names are made from here. Facts of Element Facemap 0.3; names in SQL as DataJoint 0.14 makes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

CAMERA = "device"
"""Placeholder for the columns of a recording that identify its camera, as in the released Elements."""

VIEWS_SCHEMA = "element_facemap"
"""Name of the schema of the views, after the prefix of the others."""


@dataclass(frozen=True)
class Table:
    """A table of Element Facemap.

    Attributes
    ----------
    name
        Of its class.
    in_sql
        Of the table in the database.
    here
        The class of this package; None where there is none.
    columns
        Its columns, and those of this package with the same meaning; None where there is none. Key columns of
        the session, recording, model and body part have the same names.
    remark
        What differs in this package.
    """

    name: str
    in_sql: str
    here: str | None
    columns: dict[str, str | None]
    remark: str = ""


@dataclass(frozen=True)
class Function:
    """A function of Element Facemap, or one that it asks of the linking module."""

    name: str
    here: str
    remark: str = ""


TABLES = (
    Table("VideoRecording", "video_recording", "VideoRecording", {CAMERA: CAMERA},
          "the key of the lab's own `Device` or `Equipment`"),
    Table("VideoRecording.File", "video_recording__file", "VideoRecording.File",
          {"file_id": "file_id", "file_path": "file_path"}),
    Table("RecordingInfo", "_recording_info", "RecordingInfo",
          {"px_height": "height_px", "px_width": "width_px", "nframes": "n_frames",
           "fps": "frame_rate_hz", "recording_duration": "duration_s",
           "recording_time": "recording_time"},
          "frames are counted, and the rate is measured and not cut to a whole number"),
    Table("FacemapTask", "facemap_task", "FaceRhythmTask",
          {"facemap_task_id": "paramset_id", "facemap_output_dir": "output_dir",
           "task_mode": "task_mode", "facemap_params": None, "do_mot_svd": None, "do_mov_svd": None,
           "task_description": "task_description"},
          "the analysis is another one; parameters are a row of `FaceRhythmParamSet`, regions one of "
          "`FaceRhythmROI` (`roi_id` is part of the key)"),
    Table("FacemapProcessing", "__facemap_processing", "FaceRhythmProcessing",
          {"facemap_task_id": "paramset_id", "processing_time": "processing_time",
           "package_version": "package_version"}),
    Table("FacialSignal", "_facial_signal", "FacialSignal", {"facemap_task_id": "paramset_id"},
          "rhythms are in `FacialRhythm`; a run without signals has no row"),
    Table("FacialSignal.Region", "_facial_signal__region", "FacialSignal.Region",
          {"roi_no": "roi_no", "roi_name": "region_name", "xrange": "xrange", "yrange": "yrange",
           "xrange_bin": "xrange_bin", "yrange_bin": "yrange_bin", "motion": "motion"},
          "also pupils, eyelids and wheels, with their `signal_kind`; ranges are `[first, stop]`, not lists "
          "of pixels"),
    Table("FacialSignal.MotionSVD", "_facial_signal__motion_s_v_d", "FacialSignal.MotionSVD",
          {"component_id": "component_id", "singular_value": "singular_value", "motmask": "motmask",
           "projection": "projection"}),
    Table("FacialSignal.MovieSVD", "_facial_signal__movie_s_v_d", "FacialSignal.MovieSVD",
          {"component_id": "movie_component_id", "singular_value": "movie_singular_value",
           "movmask": "movmask", "projection": "movie_projection"},
          "a name has one meaning in all tables, so that tables join"),
    Table("FacialSignal.Summary", "_facial_signal__summary", "FacialSignal.Summary",
          {"sbin": "sbin", "avgframe": "avgframe", "avgmotion": "avgmotion"}),
    Table("BodyPart", "#body_part", "BodyPart",
          {"body_part_description": "body_part_description"}),
    Table("FacemapModel", "facemap_model", "KeypointModel",
          {"model_name": "model_name", "model_description": "model_description"},
          "models of other trackers have a place, too (`source_software`)"),
    Table("FacemapModel.BodyPart", "facemap_model__body_part", "KeypointModel.BodyPart", {}),
    Table("FacemapModel.File", "facemap_model__file", "KeypointModel.File",
          {"model_file": "model_file_name"},
          "the view has the file's name; its content is in `KeypointModel.Weights`, and "
          "`KeypointModel.weights_file(key)` makes a file of it"),
    Table("FacemapInferenceTask", "facemap_inference_task", "KeypointInferenceTask",
          {"facemap_inference_output_dir": "inference_output_dir",
           "task_description": "inference_task_description", "task_mode": "inference_task_mode",
           "bbox": "bbox"},
          "`bbox` is `[x1, x2, y1, y2]` with x to the right; there, the first two are rows"),
    Table("FacemapInference", "__facemap_inference", "KeypointInference",
          {"inference_completion_time": "inference_completion_time",
           "inference_run_duration": "inference_run_duration",
           "total_frame_count": "total_frame_count"},
          "the duration is one; there, frames times frames per second are stored under its name"),
    Table("FacemapInference.BodyPartPosition", "__facemap_inference__body_part_position",
          "KeypointInference.BodyPartPosition",
          {"x_pos": "x_pos", "y_pos": "y_pos", "likelihood": "likelihood"},
          "`individual` is part of the key; in SQL the three are JSON that names a file"),
)  # fmt: skip

FUNCTIONS = (
    Function("facial_behavior_estimation.activate", "facial_behavior_estimation.activate"),
    Function("facemap_inference.activate", "keypoint_inference.activate", "same arguments"),
    Function("get_facemap_root_data_dir", "get_facerhythm_root_data_dir", "of the linking module"),
    Function("get_facemap_processed_data_dir", "get_facerhythm_processed_data_dir",
             "of the linking module; optional there and here"),
    Function("get_facemap_video_files", "get_facerhythm_video_files",
             "of the linking module, optional; `facial_behavior_estimation.insert_linked_files(key)` enters "
             "what it names"),
    Function("FacemapModel.insert_new_model", "KeypointModel.insert_new_model",
             "same arguments; `body_parts` where it is not facemap's published model"),
    Function("FacemapInferenceTask.generate", "KeypointInferenceTask.generate",
             "same arguments; also under its other name, `insert_facemap_inference_task`"),
    Function("FacemapInferenceTask.infer_output_dir", "KeypointInferenceTask.infer_output_dir"),
    Function("FacemapTask.infer_output_dir", "FaceRhythmTask.infer_output_dir"),
    Function("FacemapInference.get_trajectory", "KeypointInference.get_trajectory",
             "every attribute of the key counts"),
)  # fmt: skip


def renamed_columns(table_name: str) -> dict[str, str]:
    """Columns of a table of Element Facemap that have another name in this package, with that name."""
    (table,) = (table for table in TABLES if table.name == table_name)
    pairs = table.columns.items()
    return {name: here for name, here in pairs if here is not None and here != name}


def names_as_markdown() -> str:
    """Make the tables of names for the documentation."""
    return "\n".join((*_tables_of_names(), "", *_functions())) + "\n"


def _tables_of_names() -> Iterator[str]:
    yield "| Element Facemap | in SQL | here | otherwise |"
    yield "|---|---|---|---|"
    for table in TABLES:
        here = "-" if table.here is None else f"`{table.here}`"
        yield f"| `{table.name}` | `{table.in_sql}` | {here} | {table.remark} |"
    yield ""
    yield "| column there | here |"
    yield "|---|---|"
    for table in TABLES:
        for name, own in table.columns.items():
            here = "-" if own is None else f"`{table.here}.{own}`"
            yield f"| `{table.name}.{name}` | {here} |"


def _functions() -> Iterator[str]:
    yield "| function there | here | |"
    yield "|---|---|---|"
    for function in FUNCTIONS:
        yield f"| `{function.name}` | `{function.here}` | {function.remark} |"

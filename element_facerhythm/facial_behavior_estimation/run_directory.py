"""The project directory of a run in the database."""

from typing import Any

from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import present_project
from element_facerhythm.facial_behavior_estimation.recording import Key


def present_run(key: Key) -> Any:
    """Absolute path of the project directory of one run, its products as they were entered."""
    output_dir = (FaceRhythmProcessing() & key).fetch1("project_dir")
    products = [product[1:] for product in FaceRhythmProcessing.product_files(key)]
    return present_project(output_dir, products)

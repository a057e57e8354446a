"""What tables of results are made from: the products of a run whose recording is as it was entered."""

from collections.abc import Sequence
from pathlib import Path

from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import ensure_local_project
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.rows import Product


class MadeOfProducts:
    """A populated table whose rows are made from the products of a run."""

    def make_fetch(self, key: Key) -> tuple[str, tuple[Product, ...]]:
        """Return where the project directory and its products lie, if the recording's files are unchanged."""
        entered_files(key)
        output_dir = (FaceRhythmProcessing() & key).fetch1("project_dir")
        return output_dir, FaceRhythmProcessing.product_files(key)


def project_of_run(output_dir: str, products: Sequence[Product]) -> Path:
    """Return the project directory of a run, its products here and as they were entered.

    Parameters
    ----------
    output_dir, products
        As `MadeOfProducts.make_fetch` returns them; errors as of `ensure_local_project`.
    """
    return ensure_local_project(output_dir, [(path, sha256) for _, path, sha256 in products])

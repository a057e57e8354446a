"""Keypoints meet rhythm: which body parts move with which component."""

from typing import TYPE_CHECKING

from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import (
    unchanged_file,
    unchanged_project,
)
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.results import (
    FacialRhythm,  # noqa: F401  named in the definition
)
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import (
    KeypointModel,  # noqa: F401  named in the definition
)
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.pipeline.keypoint_rhythm import ComponentBodyPart

File = tuple[str, str]  # path relative to the data directories, sha256


@schema
class KeypointRhythm(dj.Computed):
    """A run of keypoints and an analysis of the same recording, compared."""

    definition = """
    # Recordings whose keypoints were compared with their components
    -> KeypointInference
    -> FacialRhythm
    ---
    n_pairs : int32 # components x tracks that could be compared
    """

    class Pair(dj.Part):
        """A component and a body part: whether the one moves when the other is strong.

        Its name is short because PostgreSQL tells names of indices apart by 63 characters.
        """

        definition = """
        # How body parts move with components
        -> master
        -> FacialRhythm.Component
        -> KeypointModel.BodyPart
        individual   : varchar(64) # which animal, where a tracker tells several apart
        ---
        correlation  : float64 # Spearman's, of loadings and speed in the component's band, at the best lag
        lag_s        : float64 # that lag; positive: the body part moves after the component
        p_value=null : float64 # share of circular shifts that correlate as much; null with too few windows
        n_windows    : int32   # windows compared
        """

    def make_fetch(self, key: Key) -> tuple[str, tuple[File, ...], File]:
        """Where the project and the keypoints lie, and what they were."""
        output_dir = (FaceRhythmProcessing() & key).fetch1("output_dir")
        products = FaceRhythmProcessing.product_files(key)
        keypoints = (KeypointInference() & key).fetch1("file_path", "sha256")
        return output_dir, tuple(product[1:] for product in products), tuple(keypoints)

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[File, ...], keypoints: File
    ) -> tuple[tuple["ComponentBodyPart", ...]]:
        """Compare, once it is certain that the files are those that were entered."""
        from element_facerhythm.pipeline.keypoint_rhythm import couple_components

        project = unchanged_project(output_dir, products)
        places = active_link().search_dirs()
        return (couple_components(project, unchanged_file(*keypoints), places),)

    def make_insert(self, key: Key, pairs: tuple["ComponentBodyPart", ...]) -> None:
        """Write the row and its parts."""
        self.insert1({**key, "n_pairs": len(pairs)})
        self.Pair.insert(
            {
                **key,
                "model_key": pair.model_key,
                "component_index": pair.component_index,
                "individual": pair.individual,
                "body_part": pair.body_part,
                **vars(pair.coupling),
            }
            for pair in pairs
        )

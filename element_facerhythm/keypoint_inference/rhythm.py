"""Keypoints and rhythms: which body parts move with which component."""

from typing import TYPE_CHECKING

from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import (
    File,
    ensure_local_project,
    fetch_verified_file,
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
    from element_facerhythm.pipeline.results.component_coupling import ComponentBodyPart


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
        """A component and a body part: whether the body part moves when the component is strong.

        Its name is short because PostgreSQL uses only 63 characters of the name of an index. It has no
        foreign key to the track itself: the index for it would get the same name as the component's.
        """

        definition = """
        # How body parts move with components
        -> master
        -> FacialRhythm.Component
        -> KeypointModel.BodyPart
        paired_individual : varchar(64) # `individual` of the track
        ---
        correlation  : float64 # Spearman's, of loadings and speed in the component's band, at the best lag
        lag_s        : float64 # that lag, seconds; positive: the body part moves after the component
        p_value=null : float64 # share of circular shifts that correlate as much; null with too few windows
        q_value=null : float64 # Benjamini-Hochberg over all pairs of the entry; null without p, or not known
        n_compared_windows : int32 # windows compared
        """

    def make_fetch(self, key: Key) -> tuple[str, tuple[File, ...], File]:
        """Return where the project and the keypoints lie, and their digests, once the files are checked."""
        entered_files(key)
        output_dir = (FaceRhythmProcessing() & key).fetch1("project_dir")
        products = FaceRhythmProcessing.product_files(key)
        keypoints = (KeypointInference() & key).fetch1("keypoints_path", "keypoints_sha256")
        return output_dir, tuple(product[1:] for product in products), tuple(keypoints)

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[File, ...], keypoints: File
    ) -> tuple[tuple["ComponentBodyPart", ...]]:
        """Compare, once it is certain that the files are those that were entered.

        Parameters
        ----------
        key
            Primary key of the run of keypoints and of the result.
        output_dir, products, keypoints
            As `make_fetch` returns them.

        Returns
        -------
        The pairs of a component and a track that could be compared.

        Raises
        ------
        RequestError
            A file is missing or changed since it was entered, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.pipeline.results.component_coupling import couple_components

        project = ensure_local_project(output_dir, products)
        places = active_link().search_dirs()
        return (couple_components(project, fetch_verified_file(*keypoints), places),)

    def make_insert(self, key: Key, pairs: tuple["ComponentBodyPart", ...]) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the run of keypoints and of the result.
        pairs
            As `make_compute` returns them.
        """
        self.insert1({**key, "n_pairs": len(pairs)})
        self.Pair.insert(
            {
                **key,
                "model_key": pair.model_key,
                "component_index": pair.component_index,
                "paired_individual": pair.individual,
                "body_part": pair.body_part,
                **vars(pair.coupling),
                "q_value": pair.q_value,
            }
            for pair in pairs
        )

"""Body parts, and the models that find them."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from element_facerhythm.columns import require_distinct, require_length, stored_spelling
from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoints.facemap_model import (
    FACEMAP_BODY_PARTS,
    network_shape,
    require_outputs,
)
from element_facerhythm.keypoints.predictions import require_names
from element_facerhythm.keypoints.weights_file import read_weights
from element_facerhythm.linking import active_link, relative_to_roots

FACEMAP = "Facemap"
ENTERED_WITH = "entered with model "
"""Beginning of the description of a body part that came with a model."""


@schema
class BodyPart(dj.Lookup):
    """A point on the animal, under the name that its model gives it."""

    definition = """
    # Points on the animal that models find
    body_part                : varchar(64)   # as the model names it
    ---
    body_part_description='' : varchar(1000) # where it is
    """
    contents = tuple(
        {"body_part": name, "body_part_description": "facemap's published model"}
        for name in FACEMAP_BODY_PARTS
    )

    @classmethod
    def unknown(cls, names: Iterable[str]) -> list[str]:
        """Return which of these names are not entered, in their order, as the server compares them."""
        known = set(cls.to_arrays("body_part"))
        return [
            name
            for name in names
            if name not in known and stored_spelling(cls, "body_part", name) is None
        ]

    @classmethod
    def add(cls, names: Iterable[str], description: str = "") -> list[str]:
        """Enter names that are new; return which were.

        Raises
        ------
        RequestError
            A name is longer than its column, or the server takes two for one.
        """
        new = cls.unknown(names)
        require_distinct(cls, "body_part", new)
        for name in new:
            require_length(cls, "body_part", name)
        cls.insert({"body_part": name, "body_part_description": description} for name in new)
        return new


@schema
class KeypointModel(dj.Manual):
    """A model that finds body parts: facemap's, with its weights, or that of another tracker."""

    definition = """
    # Models that find body parts
    model_id                  : int32         # number of the model
    ---
    model_name                : varchar(64)   # its name; the scorer in tables of tracks
    source_software='Facemap' : varchar(32)   # the tracker
    model_description=''      : varchar(1000) # what it was trained on, by whom
    """

    class BodyPart(dj.Part):
        """What the model finds."""

        definition = """
        # Body parts of each model
        -> master
        -> BodyPart
        ---
        output_index : int32 # place among the model's outputs, from 0
        """

    class File(dj.Part):
        """Its weights; a model whose predictions are only loaded has none."""

        definition = """
        # Files of weights
        -> master
        ---
        file_path  : varchar(512) # relative to a root or the processed data directory
        size_bytes : int64        # file size
        sha256     : char(64)     # digest of the file's content
        """

    @classmethod
    def insert_new_model(
        cls,
        model_id: int | None,
        model_name: str,
        model_description: str = "",
        full_model_path: str | Path | None = None,
        *,
        body_parts: Sequence[str] = FACEMAP_BODY_PARTS,
        source_software: str = FACEMAP,
        add_body_parts: bool = False,
    ) -> int:
        """Enter a model, its body parts and its file, all or nothing.

        Parameters
        ----------
        model_id
            Number to enter it under; None takes the next free one.
        model_name, model_description
            For people.
        full_model_path
            File of weights, below a root or the processed data directory; None for a model whose
            predictions are only loaded. facemap's weights are opened and checked.
        body_parts
            What the model finds, in the order of its outputs.
        source_software
            The tracker.
        add_body_parts
            Enter names that `BodyPart` does not have yet, as they are. Without it they are refused, so
            that a misspelt name makes no new body part.

        Returns
        -------
        int
            The number it is entered under.

        Raises
        ------
        KeypointError
            A body part is unknown or stands twice, or the weights are not those of facemap's network
            with so many outputs.
        RequestError
            A text is longer than its column, or the server takes two body parts for one.
        PathError
            The file lies outside of the configured directories.
        """
        parts = list(body_parts)
        require_names(f"model {model_name}", "body part", parts)
        for part in parts:
            require_length(BodyPart, "body_part", part)
        require_distinct(BodyPart, "body_part", parts)
        for column, text in (
            ("model_name", model_name),
            ("source_software", source_software),
            ("model_description", model_description),
        ):
            require_length(cls, column, text)
        file = None if full_model_path is None else _file_row(Path(full_model_path))
        if full_model_path is not None and source_software == FACEMAP:
            path = Path(full_model_path)
            require_outputs(network_shape(read_weights(path), path), parts, path)
        unknown = BodyPart.unknown(parts)
        if unknown and not add_body_parts:
            raise KeypointError(
                f"body part {', '.join(unknown)} is not entered; enter it first with BodyPart.add(...), or "
                "say add_body_parts (--add-body-parts) if the name is right"
            )
        if model_id is None:
            model_id = 1 + max(map(int, cls.to_arrays("model_id")), default=-1)
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            BodyPart.add(unknown, f"{ENTERED_WITH}{model_name}")
            cls.insert1(
                {
                    "model_id": model_id,
                    "model_name": model_name,
                    "source_software": source_software,
                    "model_description": model_description,
                }
            )
            cls.BodyPart.insert(
                {"model_id": model_id, "body_part": part, "output_index": index}
                for index, part in enumerate(parts)
            )
            if file is not None:
                cls.File.insert1({"model_id": model_id, **file})
        return model_id

    @classmethod
    def body_parts_of(cls, key: dict[str, Any]) -> tuple[str, ...]:
        """Body parts of one model, in the order of its outputs."""
        rows = (cls.BodyPart() & key).to_dicts(order_by="output_index")
        return tuple(row["body_part"] for row in rows)


def _file_row(path: Path) -> dict[str, Any]:
    from element_facerhythm.digest import file_sha256

    if not path.is_file():
        raise KeypointError(f"model file {path} does not exist; check the path")
    return {
        "file_path": relative_to_roots(path, active_link().search_dirs()),
        "size_bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }

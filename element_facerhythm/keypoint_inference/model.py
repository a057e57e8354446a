"""Body parts, and the models that find them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from element_facerhythm.database.columns import require_distinct, require_length, stored_spelling
from element_facerhythm.database.keys import restriction_of
from element_facerhythm.errors import KeypointError, PathError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.plain import plain, whole_number
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoint_inference.stored_weights import (
    MAX_WEIGHTS_BYTES,
    pieces_of,
    restored_weights,
)
from element_facerhythm.keypoints.facemap_model import (
    FACEMAP_BODY_PARTS,
    network_shape,
    require_outputs,
)
from element_facerhythm.keypoints.predictions import require_names
from element_facerhythm.keypoints.weights_file import read_weights
from element_facerhythm.linking import active_link, expected_path, relative_to_roots

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

        Parameters
        ----------
        names
            Names of body parts; those that the server takes for an entered one are not new.
        description
            Description of all that are new.

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
        model_file_name  : varchar(255) # name of the file, as it was entered
        model_file_path  : varchar(512) # relative to a root or the processed data directory; '': outside
        model_size_bytes : int64        # file size, bytes
        model_sha256     : char(64)     # digest of the file's content
        """

    class Weights(dj.Part):
        """The content of its file, so that a client has the model without the directory that it lies in."""

        definition = """
        # Content of the files of weights, in pieces
        -> master.File
        weights_piece : int32 # number of the piece in the file, from 0
        ---
        weights_bytes : bytes # its content, 1 MiB at most
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
        """Enter a model, its body parts and its weights, all or nothing; the same call again changes nothing.

        Parameters
        ----------
        model_id
            Number to enter it under; None takes the number that it has already, else the next free one.
        model_name, model_description
            For people.
        full_model_path
            File of weights, anywhere; None for a model whose predictions are only loaded. facemap's weights
            are opened and checked. The content goes into the database.
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
            A body part is unknown or stands twice, the weights are not those of facemap's network
            with so many outputs, the file is too large for the database, or the number is that of another
            model.
        RequestError
            A text is longer than its column, or the server takes two body parts for one.
        """
        parts = list(plain(body_parts))
        if model_id is not None:
            model_id = whole_number("model_id", model_id)
        row = {
            "model_name": model_name,
            "source_software": source_software,
            "model_description": model_description,
        }
        cls._require_names(row, parts)
        path = None if full_model_path is None else Path(full_model_path)
        file = None if path is None else _file_row(path)
        if path is not None and source_software == FACEMAP:
            require_outputs(network_shape(read_weights(path), path), parts, path)
        stored = cls._entered(model_id, row, parts, file)
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            if stored is None:
                stored = cls._insert(model_id, row, parts, file, add_body_parts=add_body_parts)
            number = {"model_id": stored}
            if path is not None and file is not None and not cls.Weights() & number:
                pieces = ({**number, **piece} for piece in pieces_of(path, file["model_sha256"]))
                cls.Weights.insert(pieces, chunk_size=1)
        return stored

    @classmethod
    def body_parts_of(cls, key: dict[str, Any]) -> tuple[str, ...]:
        """Body parts of one model, in the order of its outputs."""
        rows = (cls.BodyPart() & restriction_of(cls, key)).to_dicts(order_by="output_index")
        return tuple(row["body_part"] for row in rows)

    @classmethod
    def weights_file(cls, key: dict[str, Any]) -> Path:
        """Local file with the weights of one model, out of the database.

        It lies in the cache of this machine (`FACERHYTHM_CACHE_DIR`), under its digest; copy it to keep it.

        Raises
        ------
        KeypointError
            The model has no weights, or the database does not hold them.
        ProcessingError
            What the database holds is damaged, or the cache cannot be written.
        """
        model = {"model_id": key["model_id"]}
        rows = (cls.File() & model).to_dicts()
        if not rows:
            raise KeypointError(f"model {key['model_id']} is entered without weights")
        return restored_weights(cls.Weights, model, rows[0]["model_sha256"])

    @classmethod
    def place_of_weights(cls, key: dict[str, Any]) -> tuple[str | None, str] | None:
        """Return where this machine has the weights of a model, and their digest; None where it has none.

        The place is a path relative to a data directory; None for the cache, where the weights are put now,
        out of the database.
        """
        rows = (cls.File() & {"model_id": key["model_id"]}).to_dicts()
        if not rows:
            return None
        path, sha256 = rows[0]["model_file_path"], rows[0]["model_sha256"]
        if path and expected_path(path, active_link().search_dirs()).is_file():
            return path, sha256
        cls.weights_file(key)
        return None, sha256

    @classmethod
    def _require_names(cls, row: Mapping[str, str], parts: list[str]) -> None:
        """Refuse texts that do not fit their columns, and body parts that are not all different."""
        require_names(f"model {row['model_name']}", "body part", parts)
        for part in parts:
            require_length(BodyPart, "body_part", part)
        require_distinct(BodyPart, "body_part", parts)
        for column, text in row.items():
            require_length(cls, column, text)

    @classmethod
    def _entered(
        cls,
        model_id: int | None,
        row: Mapping[str, str],
        parts: Sequence[str],
        file: Mapping[str, Any] | None,
    ) -> int | None:
        """Return the number of the same model, if entered; KeypointError where `model_id` is another one."""
        wanted = {} if model_id is None else {"model_id": model_id}
        for stored in (cls() & wanted).to_dicts(order_by="model_id"):
            number = {"model_id": int(stored["model_id"])}
            digests = (cls.File() & number).to_arrays("model_sha256")
            differs = [name for name, value in row.items() if stored[name] != value]
            differs += ["body_parts"] * (cls.body_parts_of(number) != tuple(parts))
            differs += ["weights"] * (
                list(digests) != ([] if file is None else [file["model_sha256"]])
            )
            if not differs:
                return number["model_id"]
            if model_id is not None:
                raise KeypointError(
                    f"model {model_id} is entered already as {stored['model_name']!r}, with other "
                    f"{', '.join(differs)}; a model is never changed: take another model_id, or None"
                )
        return None

    @classmethod
    def _insert(
        cls,
        model_id: int | None,
        row: Mapping[str, str],
        parts: Sequence[str],
        file: Mapping[str, Any] | None,
        *,
        add_body_parts: bool,
    ) -> int:
        """Insert a model with its parts, in the caller's transaction; return its number."""
        unknown = BodyPart.unknown(parts)
        if unknown and not add_body_parts:
            raise KeypointError(
                f"body part {', '.join(unknown)} is not entered; enter it first with BodyPart.add(...), or "
                "say add_body_parts (--add-body-parts) if the name is right"
            )
        if model_id is None:
            model_id = 1 + max(map(int, cls.to_arrays("model_id")), default=-1)
        BodyPart.add(unknown, f"{ENTERED_WITH}{row['model_name']}")
        cls.insert1({"model_id": model_id, **row})
        cls.BodyPart.insert(
            {"model_id": model_id, "body_part": part, "output_index": index}
            for index, part in enumerate(parts)
        )
        if file is not None:
            cls.File.insert1({"model_id": model_id, **file})
        return model_id


def _file_row(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise KeypointError(f"model file {path} does not exist; check the path")
    size_bytes = path.stat().st_size
    if size_bytes > MAX_WEIGHTS_BYTES:
        raise KeypointError(
            f"model file {path} has {size_bytes / 1e6:,.0f} MB, and the database takes "
            f"{MAX_WEIGHTS_BYTES / 1e6:,.0f} MB; enter the model without it (full_model_path=None)"
        )
    try:
        relative = relative_to_roots(path, active_link().search_dirs())
    except PathError:  # what the database holds is enough
        relative = ""
    require_length(KeypointModel.File, "model_file_name", path.name)
    require_length(KeypointModel.File, "model_file_path", relative)
    return {
        "model_file_name": path.name,
        "model_file_path": relative,
        "model_size_bytes": size_bytes,
        "model_sha256": file_sha256(path),
    }

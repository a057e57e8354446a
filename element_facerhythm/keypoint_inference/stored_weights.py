"""Weights of models in the database itself, in pieces, so that every client of it has the model.

A server takes statements up to its `max_allowed_packet` only (16 MB where it is not raised), of which an
escaped piece needs up to twice its size: a piece is a row of its own, sent alone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from element_facerhythm.errors import KeypointError, ProcessingError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.storage.cache import cached_content

MAX_WEIGHTS_BYTES = 256 << 20
WEIGHTS_SUFFIX = ".pt"
PIECE_BYTES = 1 << 20


def pieces_of(path: Path, sha256: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that hold a file's content, without the key of their model.

    Parameters
    ----------
    path
        The file.
    sha256
        Digest that its content had when it was checked.

    Raises
    ------
    KeypointError
        The content has another digest in the end.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        index = 0
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            yield {"weights_piece": index, "weights_bytes": piece}
            index += 1
    if digest.hexdigest() != sha256:
        raise KeypointError(f"model file {path} changed while it was entered; enter it again")


def restored_weights(pieces: Any, key: Mapping[str, Any], sha256: str) -> Path:
    """Return a local file of weights, read from the database where the cache of this machine has none.

    Parameters
    ----------
    pieces
        The table of pieces.
    key
        Of the model, and nothing else.
    sha256
        Digest that the content must have.

    Raises
    ------
    KeypointError
        The database does not hold them.
    ProcessingError
        What it holds has another digest, or the cache cannot be written.
    """

    def write(path: Path) -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for piece in _checked_pieces(pieces, key, sha256):
                file.write(piece)

    return cached_content(sha256, WEIGHTS_SUFFIX, write)


def require_pieces(pieces: Any, key: Mapping[str, Any], sha256: str) -> None:
    """Refuse a model whose weights the database does not hold as they were entered.

    Parameters
    ----------
    pieces, key, sha256
        As of `restored_weights`.

    Raises
    ------
    KeypointError
        The database does not hold them.
    ProcessingError
        What it holds has another digest.
    """
    for _ in _checked_pieces(pieces, key, sha256):
        pass


def _checked_pieces(pieces: Any, key: Mapping[str, Any], sha256: str) -> Iterator[bytes]:
    """Yield the pieces of a file in order; in the end, raise where they do not have its digest."""
    model = dict(key)
    rows = pieces() & model
    indices = [int(index) for index in rows.to_arrays("weights_piece", order_by="weights_piece")]
    if not indices:
        raise KeypointError(
            f"the weights of model {model} are not in the database: enter the same file again with "
            "KeypointModel.insert_new_model, where it can be read"
        )
    digest = hashlib.sha256()
    for index in indices:
        piece = bytes((rows & {"weights_piece": index}).fetch1("weights_bytes"))
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise ProcessingError(
            f"the weights of model {model} are damaged in the database: their SHA-256 is "
            f"{digest.hexdigest()[:12]}..., the row says {sha256[:12]}.... Restore KeypointModel.Weights "
            "from a backup"
        )

"""Text tables of other trackers, looked at before pandas reads them."""

from __future__ import annotations

from pathlib import Path

from element_facerhythm.errors import KeypointError

MAX_BYTES = 1_000_000_000
MAX_LINE_BYTES = 1 << 20


def require_csv(path: Path) -> None:
    """Refuse a text file whose size, or the length of a line, is beyond any table of keypoints.

    Raises
    ------
    KeypointError
        It is; the message says where.
    """
    n_bytes = path.stat().st_size
    if n_bytes > MAX_BYTES:
        raise KeypointError(
            f"{path} has {n_bytes / 1e6:,.0f} MB; expected {MAX_BYTES / 1e6:,.0f} MB at most: give the "
            "tracker's .h5 of the same predictions, or one file per video"
        )
    start = 0  # of the line that is being looked at
    with path.open("rb") as file:
        position = 0
        while block := file.read(MAX_LINE_BYTES):
            first = block.find(b"\n")
            end = position + (first if first >= 0 else len(block))
            if end - start > MAX_LINE_BYTES:
                raise KeypointError(
                    f"{path} has a line of more than {MAX_LINE_BYTES:,} bytes (from byte {start:,}); "
                    "expected a table with one line per frame"
                )
            if first >= 0:
                start = position + block.rfind(b"\n") + 1
            position += len(block)

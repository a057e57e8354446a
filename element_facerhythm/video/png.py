"""PNG frames: texts and colour profiles within them, which are inflated without a limit, stay small."""

from __future__ import annotations

from pathlib import Path

from element_facerhythm.errors import VideoError

PNG_CODECS = frozenset({"png", "apng"})

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COMPRESSED = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_MAX_COMPRESSED_BYTES = 1 << 16  # inflated, at most a thousand times as many


def require_small_texts(path: Path, content: bytes) -> None:
    """Raise VideoError where a PNG frame carries large compressed texts or colour profiles.

    Parameters
    ----------
    path
        Names the video in the message.
    content
        A packet of the video, or what its decoder is given first.
    """
    start, n_compressed = len(_SIGNATURE) if content.startswith(_SIGNATURE) else 0, 0
    while start + 8 <= len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        if content[start + 4 : start + 8] in _COMPRESSED:
            n_compressed += length
        start += 12 + length
    if n_compressed > _MAX_COMPRESSED_BYTES:
        raise VideoError(
            f"Video {path} carries {n_compressed} bytes of compressed text or colour profile in a PNG frame, "
            f"more than {_MAX_COMPRESSED_BYTES}; re-encode it (ffmpeg -i IN -c:v ffv1 OUT.mkv)."
        )

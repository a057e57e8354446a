"""How large a video may be before it is refused: settings, so that a lab can raise them."""

from __future__ import annotations

import os

from element_facerhythm.errors import ConfigurationError

FRAME_PIXELS_VARIABLE = "FACERHYTHM_MAX_FRAME_PIXELS"
FRAMES_VARIABLE = "FACERHYTHM_MAX_VIDEO_FRAMES"

_FRAME_PIXELS = 64_000_000  # 8K has 33 million
_PIXEL_BYTES = 4  # of an uncompressed frame of the largest size: three colours and alpha
_HEADER_BYTES = 64 << 20
_FRAMES = 20_000_000  # of one file: 11 hours at 500 Hz


def max_frame_pixels() -> int:
    """Most pixels that a frame may have; ConfigurationError where the setting is no number."""
    return _setting(FRAME_PIXELS_VARIABLE, _FRAME_PIXELS)


def max_packet_bytes() -> int:
    """Most bytes that are read for one frame or for a header: what the largest frame takes uncompressed."""
    return _HEADER_BYTES + _PIXEL_BYTES * max_frame_pixels()


def max_frames() -> int:
    """Most frames that one file may hold; ConfigurationError where the setting is no number."""
    return _setting(FRAMES_VARIABLE, _FRAMES)


def _setting(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 9 and int(text)):
        raise ConfigurationError(
            f"{variable} must be a whole number from 1 to 999999999; correct it or leave it unset"
        )
    return int(text)

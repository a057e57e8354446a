"""A part of a recording, as people write it: `A:B`."""

from __future__ import annotations

import re

from element_facerhythm.errors import RequestError

_RANGE = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")


def frame_range(text: str | None) -> tuple[int, int] | None:
    """First frame, and the one after the last, of `A:B`; None for nothing, which is all frames.

    Raises
    ------
    RequestError
        It is not of that form, or A is not below B.
    """
    if not text:
        return None
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) >= int(match[2]):
        raise RequestError(
            f"frames {text!r}: expected A:B with whole numbers and A < B, for example 0:500 (frame B is the "
            "first that is left out)"
        )
    return int(match[1]), int(match[2])

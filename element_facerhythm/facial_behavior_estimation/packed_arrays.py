"""Arrays on their way from fetch to compute.

DataJoint hashes what was fetched twice; that takes seconds per megabyte of array, nothing for text, and
fails for bytes. So arrays are passed as (base64 text, shape, dtype).
"""

import base64

import numpy as np

PackedArray = tuple[str, tuple[int, ...], str]


def pack_array(array: np.ndarray | None) -> PackedArray | None:
    """Text of an array of numbers; None of None."""
    if array is None:
        return None
    return base64.b64encode(array.tobytes()).decode(), array.shape, str(array.dtype)


def unpack_array(packed: PackedArray | None) -> np.ndarray | None:
    """Array that was packed; None of None."""
    if packed is None:
        return None
    content, shape, dtype = packed
    return np.frombuffer(base64.b64decode(content), dtype=dtype).reshape(shape)

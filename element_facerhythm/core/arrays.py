"""Types of the arrays that functions hand to each other; the shapes stand in their docstrings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
BoolPoints = NDArray[np.bool_]
"""(P,) a condition on each point."""

Float64Array = NDArray[np.float64]
GrayFrame = NDArray[np.uint8]
"""(H, W) gray values of a frame."""

Points = NDArray[np.float32]
"""(P, 2) x and y of each point, in px."""

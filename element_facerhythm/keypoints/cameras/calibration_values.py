"""Values of a camera's calibration, checked one by one: what is wrong is told with the camera's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras.camera import Camera, completed_distortion


class CameraValues:
    """What a file says of one camera, by the file's own keys."""

    def __init__(self, name: str, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise KeypointError(
                f"{name} is no table; expected one with the calibration of a camera"
            )
        self.name, self._values = name, values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def names(self) -> list[str]:
        """Names of all that is said."""
        return list(self._values)

    def array(self, key: str, default: Sequence[float] | None = None) -> NDArray[np.float64]:
        """Array of numbers of any shape.

        Parameters
        ----------
        key
            Its name.
        default
            What is taken where it is missing; without it, that is an error.

        Raises
        ------
        KeypointError
            It is missing, or no array of numbers.
        """
        if key not in self._values and default is None:
            self._refuse(f"lacks {key!r}")
        try:
            values = np.asarray(self._values.get(key, default))
        except ValueError:  # rows of different lengths
            self._refuse(f"has a {key!r} that is no array of numbers")
        if values.size and values.dtype.kind not in "iuf":
            self._refuse(f"has a {key!r} that is no array of numbers")
        return values.astype(np.float64)

    def number(self, key: str, default: float | None = None) -> float:
        """One finite number; parameters and errors as of `array`.

        Parameters
        ----------
        key, default
            As there.
        """
        value = self.array(key, None if default is None else (default,))
        if value.size != 1 or not np.isfinite(value).all():
            self._refuse(f"has a {key!r} that is no number")
        return float(value.ravel()[0])

    def size(self, key: str) -> tuple[int, int] | None:
        """Two whole numbers above 0; None where there are none."""
        value = self._values.get(key)
        if value is None:
            return None
        given = value if isinstance(value, (list, tuple)) else ()
        numbers = [
            int(n) for n in given if isinstance(n, (int, float)) and 1 <= n < 1e6 and n == n // 1
        ]
        if len(numbers) != 2 or len(given) != 2:
            self._refuse(f"has {key} = {value!r}; expected two whole numbers of pixels")
        return numbers[0], numbers[1]

    def text(self, key: str, default: str) -> str:
        """Return a text, or a whole number as one.

        Parameters
        ----------
        key, default
            As of `array`.
        """
        value = self._values.get(key, default)
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            self._refuse(f"has a {key!r} that is no text")
        return str(value)

    def flag(self, key: str) -> bool:
        """Return true or false; false where nothing is said."""
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            self._refuse(f"has {key} = {value!r}; expected true or false")
        return value

    def lens(self, key: str, *, is_fisheye: bool = False) -> NDArray[np.float64]:
        """Coefficients of distortion, in one of OpenCV's lengths; none where nothing is said.

        Parameters
        ----------
        key
            Their name.
        is_fisheye
            Of a fisheye, which has four: further ones may only be zeros.
        """
        given = self.array(key, ())
        if given.ndim != 1:
            return given  # `Camera` refuses it
        if is_fisheye:
            return given[:4] if not given[4:].any() else given
        return completed_distortion(given)

    def matrix(self, intrinsics: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3, 3) matrix of (4,) fx, fy, cx and cy."""
        if intrinsics.shape != (4,):
            self._refuse(f"has {intrinsics.size} intrinsics; expected fx, fy, cx and cy")
        fx, fy, cx, cy = intrinsics
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)

    def _refuse(self, what: str) -> NoReturn:
        raise KeypointError(f"camera {self.name} {what}")


def camera_of_facts(facts: Any) -> Camera:
    """Camera of what `Camera.facts` gave, and of a table of Anipose's, which has the same names.

    Raises
    ------
    KeypointError
        Something is missing or cannot be.
    """
    name = CameraValues("of the file", facts).text("name", "")
    values = CameraValues(name, facts)
    is_fisheye = values.flag("fisheye")
    return Camera(
        name,
        values.array("matrix"),
        values.lens("distortions", is_fisheye=is_fisheye),
        values.array("rotation"),
        values.array("translation"),
        values.size("size"),
        is_fisheye,
    )

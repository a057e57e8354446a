"""A rendered eye: iris and pupil as ellipses with soft edges, a reflection, lids of fur."""

import numpy as np

SIZE = (80, 110)  # height, width of the eye's box


def ellipse_share(shape, x, y, long_px, short_px, angle, softness=1.0):
    """How much of each pixel an ellipse covers, with an edge as a lens leaves it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    dx, dy = columns - x, rows - y
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = -dx * np.sin(angle) + dy * np.cos(angle)
    radius = np.hypot(along / long_px, across / short_px)
    slope = np.hypot(along / long_px**2, across / short_px**2) / np.maximum(radius, 1e-9)
    distance = (radius - 1) / np.maximum(slope, 1e-9)
    return 1 / (1 + np.exp(np.clip(distance / (0.45 * softness), -50, 50)))


def eye(x=55.0, y=40.0, long_px=14.0, short_px=12.0, angle=0.4, *, opened=1.0, reflection=(61.0, 34.0),
        shape=SIZE, noise=2.0, seed=0, pupil=25.0, iris=75.0, fur=150.0):  # fmt: skip
    """One frame of the eye: semi-axes and place of the pupil in px, the lid from 0 (closed) to 1."""
    rng = np.random.default_rng(seed)
    lid = ellipse_share(shape, 55, 40, 46, max(33 * opened, 0.05), 0.0)
    picture = np.full(shape, iris)
    picture += (pupil - iris) * ellipse_share(shape, x, y, long_px, short_px, angle)
    if reflection is not None:
        picture += (250 - picture) * ellipse_share(shape, *reflection, 3.0, 2.5, 0.0)
    picture = fur + (picture - fur) * lid * (opened > 0)
    return np.clip(picture + rng.normal(0, noise, shape), 0, 255).astype(np.uint8)


def eye_region(shape=SIZE):
    """Pixels (h, w) around the whole eye."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((columns - 55) / 52) ** 2 + ((rows - 40) / 38) ** 2 <= 1

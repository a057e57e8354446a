"""Settings of a process that works for the database, from its environment."""

import os

from element_facerhythm.errors import ConfigurationError

DEVICE_VARIABLE = "FACERHYTHM_DEVICE"
FIGURES_VARIABLE = "FACERHYTHM_FIGURES"
MOVIES_VARIABLE = "FACERHYTHM_MOVIES"
_CHOICES = {"": True, "on": True, "off": False}


def device_of_this_process() -> str:
    """Name of the device that computes: from the environment, else `auto`."""
    return os.environ.get(DEVICE_VARIABLE, "auto")


def figures_wanted() -> bool:
    """Whether runs of this process draw figures: `FACERHYTHM_FIGURES` is not `off`.

    Raises
    ------
    ConfigurationError
        It is neither `on` nor `off`.
    """
    return _choice(FIGURES_VARIABLE)


def movies_wanted() -> bool:
    """Whether runs of this process write a movie: figures are, and `FACERHYTHM_MOVIES` is not `off`.

    Raises
    ------
    ConfigurationError
        One of the variables is neither `on` nor `off`.
    """
    is_on = _choice(MOVIES_VARIABLE)
    return figures_wanted() and is_on


def _choice(variable: str) -> bool:
    given = os.environ.get(variable, "")
    if given not in _CHOICES:
        raise ConfigurationError(f"{variable} is {given!r}; expected 'on' or 'off'")
    return _CHOICES[given]

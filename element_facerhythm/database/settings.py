"""Settings of a process that works for the database, from its environment."""

import os

from element_facerhythm.errors import ConfigurationError

DEVICE_VARIABLE = "FACERHYTHM_DEVICE"
FIGURES_VARIABLE = "FACERHYTHM_FIGURES"
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
    given = os.environ.get(FIGURES_VARIABLE, "")
    if given not in _CHOICES:
        raise ConfigurationError(f"{FIGURES_VARIABLE} is {given!r}; expected 'on' or 'off'")
    return _CHOICES[given]

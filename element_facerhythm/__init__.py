"""Facial rhythms from video: point tracking, spectrograms and tensor components, in a DataJoint pipeline."""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """`from element_facerhythm import sample_data`, as with movement; it lies in the room of the demo.

    Raises
    ------
    AttributeError
        It is another name.
    """
    if name != "sample_data":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("element_facerhythm.demo.sample_data")

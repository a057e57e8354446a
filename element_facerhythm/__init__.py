"""Facial rhythms from video: point tracking, spectrograms and tensor components, in a DataJoint pipeline."""

__version__ = "0.1.0"

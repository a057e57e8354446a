"""Every error that this package raises on purpose.

Two kinds are distinguished, because a caller acts differently on each:

- `RequestError`: what was asked for cannot be done (unreadable file, invalid parameter). It is raised
  before any work starts and leaves nothing behind; the command line exits with 2.
- `ProcessingError`: the request was sound and the work failed; the command line exits with 1.

A message says what was given (file, table, key or frame), what was expected, and what to do. It may
quote a file of unknown origin, and ends in terminals, logs and rows: control characters are escaped.
"""

import unicodedata


class FaceRhythmError(Exception):
    """Base of every error raised on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_controls(message))


class RequestError(FaceRhythmError, ValueError):
    """The request cannot be done as it stands; nothing was started."""


class TextError(RequestError):
    """A JSON or YAML text is malformed, too large, or nested too deeply; never quotes its content."""


class ParameterError(RequestError):
    """A parameter is unknown, of the wrong type, or impossible for this recording."""


class VideoError(RequestError):
    """A video is missing, unreadable, or does not fit with the others of its recording."""


class RoiError(RequestError):
    """A region of interest lies outside the frame, is malformed, or holds no seed point."""


class ProjectError(RequestError):
    """A project directory is incomplete, of another version, or not a project at all."""


class ProjectBusyError(ProjectError):
    """Another run is writing the project directory; the same request may succeed later."""


class CurationConflictError(RequestError):
    """Somebody else changed a curation since it was read; look at it again, and repeat the change."""


class KeypointError(RequestError):
    """A keypoint model or a file of predictions is unreadable, or does not fit the recording."""


class PathError(RequestError):
    """A path does not exist, or leads out of the directory that it must stay in."""


class ConfigurationError(RequestError):
    """The database, a store, or the linking module is not set up as needed."""


class NotSetUpError(ConfigurationError):
    """Schemas or tables are not in the database yet, or the account may not see them."""


class ClusterError(RequestError):
    """Slurm is not there, or refuses what was asked of it."""


class ProcessingError(FaceRhythmError, RuntimeError):
    """The work started and failed."""


class ProjectLostError(ProcessingError):
    """Another run took the project directory over; what this one had not published is lost."""


class ProjectChangedError(ProcessingError):
    """The project directory was deleted, replaced or rearranged while it was being written."""


class DecodeError(ProcessingError):
    """A frame could not be decoded; the message names the file and the frame index."""


def without_controls(message: str) -> str:
    """Return `message`, its control characters and lone surrogates escaped; lines and tabs stay."""
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"
        else c
        for c in message
    )

"""Failures of the command line: kind, sentence and exit code of each error.

Nothing heavy is imported here: errors of DataJoint, of the drivers and of torch are recognised by the name
of the module that defines their class.
"""

import errno
from dataclasses import dataclass
from typing import Any

from element_facerhythm import __version__
from element_facerhythm.errors import FaceRhythmError, RequestError

EXIT_FAILED = 1
EXIT_WRONG_REQUEST = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Failure:
    """Why a verb ends.

    Attributes
    ----------
    kind
        Name of the error's class.
    message
        One sentence or more, for people.
    exit_code
        1 failed, 2 wrong request, 130 interrupted.
    is_defect
        Whether nothing is known about such an error, so that its traceback is worth reporting.
    """

    kind: str
    message: str
    exit_code: int
    is_defect: bool = False


INTERRUPTED = Failure(
    "Interrupted",
    "interrupted; the same command again goes on after the last stage that was finished",
    EXIT_INTERRUPTED,
)

LOST = "the connection to the database was lost"
LOCKED = "the database waited too long for rows that another session has locked; try again"
READ_ONLY = (
    "the database is read-only (a replica, or a server in maintenance), and this writes to it"
)
DISK_FULL = (
    "the database server has no room left (disk full, or a quota); its administrator can make room"
)
BUSY = "the database server has no connection or memory left for this account; try again later"
STOPPED = "the database server ended the statement (a time limit, or an administrator)"
TOO_LARGE = (
    "a value is larger than the database server takes (max_allowed_packet); see `facerhythm doctor`"
)
NO_RIGHT = "the database refuses, the account has no right to do this"
NO_LOGIN = "the database refuses the login"
NO_TABLE = (
    "the database lacks a schema or table that this needs; `facerhythm admin init` creates them"
)
DUPLICATE = "an entry with this key is there already"
INTEGRITY = "another entry is in the way: one that this needs is not there, or one refers to it"
NO_COLUMN = "the database knows no column of this name"
BAD_VALUE = "a value does not fit its column"
NO_VALUE = "a column that needs a value got none"

FAILED_BY_MYSQL = {
    LOST: {0, 1053, 1927, 2002, 2003, 2005, 2006, 2013, 2055, 4031},
    LOCKED: {1205, 1213, 3572, 3058},
    READ_ONLY: {1290, 1792, 1836},
    DISK_FULL: {3, 28, 1021, 1026, 1030, 1114},
    BUSY: {1037, 1038, 1040, 1041, 1135, 1203, 1226},
    STOPPED: {1317, 1969, 3024},
    TOO_LARGE: {1153},
}  # fmt: skip
REFUSED_BY_MYSQL = {
    NO_LOGIN: {1045, 1698, 1862},
    NO_RIGHT: {1044, 1142, 1143, 1227, 1370},
    NO_TABLE: {1049, 1146},
    DUPLICATE: {1062, 1586},
    INTEGRITY: {1216, 1217, 1451, 1452, 3730},
    NO_COLUMN: {1054},
    BAD_VALUE: {1264, 1265, 1292, 1366, 1406, 1411, 3140, 3819, 4025},
    NO_VALUE: {1048, 1364},
}
FAILED_BY_POSTGRESQL = {
    LOST: ("08", "57P01", "57P02", "57P03"),
    LOCKED: ("40", "55P03"),
    READ_ONLY: ("25006",),
    DISK_FULL: ("53100", "58030"),
    BUSY: ("53",),
    STOPPED: ("57014",),
    TOO_LARGE: ("54",),
}
REFUSED_BY_POSTGRESQL = {
    NO_LOGIN: ("28",),
    NO_RIGHT: ("42501",),
    NO_TABLE: ("42P01", "3F000", "3D000"),
    DUPLICATE: ("23505",),
    NO_VALUE: ("23502",),
    INTEGRITY: ("23503",),
    BAD_VALUE: ("22", "23514", "42804", "42883"),
    NO_COLUMN: ("42703",),
}
FAILED_IN_DATAJOINT = {"LostConnectionError": LOST}
REFUSED_IN_DATAJOINT = {
    "AccessError": NO_RIGHT,
    "MissingTableError": NO_TABLE,
    "DuplicateError": DUPLICATE,
    "IntegrityError": INTEGRITY,
    "UnknownAttributeError": NO_COLUMN,
    "MissingAttributeError": NO_VALUE,
    "QuerySyntaxError": "the database does not understand a condition",
    "BucketInaccessible": "the store for large arrays cannot be reached",
    "MissingExternalFile": "a file of the store for large arrays is not there",
}

OF_THE_MACHINE = {
    errno.ENOSPC: "the disk is full: make room, or write to another one",
    errno.EDQUOT: "the disk quota is used up: make room, or write to another disk",
    errno.EROFS: "the file system is read-only: write to another one",
    errno.EACCES: "the account has no right to read or write there",
    errno.EPERM: "the account has no right to do this",
    errno.ENAMETOOLONG: "the name is longer than the file system takes",
    errno.EIO: "the disk could not be read or written",
    errno.ESTALE: "the network file system lost the file; try again",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "the memory is used up",
    errno.ETIMEDOUT: "the network did not answer in time",
    errno.ECONNREFUSED: "no server listens there",
    errno.EADDRINUSE: "the port is in use",
    errno.ENODEV: "the device is not there",
}


def failure_of(error: BaseException) -> Failure:
    """Return why an error ends a verb; what is not known is a defect."""
    kind = type(error).__name__
    if isinstance(error, FaceRhythmError):
        code = EXIT_WRONG_REQUEST if isinstance(error, RequestError) else EXIT_FAILED
        return Failure(kind, str(error), code)
    known = _of_database(error) or _of_machine(error)
    if known is None:
        message = (
            f"unexpected {kind}: this is a defect of facerhythm {__version__}. Please report it with the "
            "lines above."
        )
        return Failure(kind, message, EXIT_FAILED, is_defect=True)
    return Failure(kind, *known)


def usage_failure(stop: SystemExit) -> Failure | None:
    """Return what the parser of the command line refused, where that is why the process ends; else None."""
    cause: Any = stop.__context__
    if not hasattr(cause, "format_message"):
        return None
    return Failure(type(cause).__name__, str(cause.format_message()), EXIT_WRONG_REQUEST)


def _of_database(error: BaseException) -> tuple[str, int] | None:
    library = type(error).__module__.partition(".")[0]
    if library == "datajoint":
        # an error that DataJoint does not translate may be raised from the driver's
        cause = error.__cause__ or error.__context__
        name, code = type(error).__name__, EXIT_WRONG_REQUEST
        sentence = REFUSED_IN_DATAJOINT.get(name)
        if name in FAILED_IN_DATAJOINT:
            sentence, code = FAILED_IN_DATAJOINT[name], EXIT_FAILED
        if sentence is not None:
            return f"{sentence}: {_last_words(error)}", code
        return None if cause is None else _of_database(cause)
    if library == "pymysql":
        return _of_mysql(error)
    return _of_postgresql(error) if library == "psycopg2" else None


def _of_mysql(error: BaseException) -> tuple[str, int] | None:
    number = error.args[0] if error.args else None
    for table, code in ((FAILED_BY_MYSQL, EXIT_FAILED), (REFUSED_BY_MYSQL, EXIT_WRONG_REQUEST)):
        for sentence, numbers in table.items():
            if number in numbers:
                return f"{sentence}: {_last_words(error)}", code
    return None


def _of_postgresql(error: BaseException) -> tuple[str, int] | None:
    state = getattr(error, "pgcode", None)
    if state is None:  # no answer of the server: the connection is lost, or was never made
        gone = type(error).__name__ in ("OperationalError", "InterfaceError")
        return (f"{LOST}: {_last_words(error)}", EXIT_FAILED) if gone else None
    for table, code in (
        (FAILED_BY_POSTGRESQL, EXIT_FAILED),
        (REFUSED_BY_POSTGRESQL, EXIT_WRONG_REQUEST),
    ):
        for sentence, beginnings in table.items():
            if state.startswith(beginnings):
                return f"{sentence}: {_last_words(error)}", code
    return None


def _of_machine(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return (
            "a name or value that was given is no text in UTF-8; give another one",
            EXIT_WRONG_REQUEST,
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return (
            "the memory is used up; take a part of it (--frames), or another machine",
            EXIT_FAILED,
        )
    if not isinstance(error, OSError) or error.errno not in OF_THE_MACHINE:
        return None
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    where = f"{' and '.join(names)}: " if names else ""
    code = EXIT_WRONG_REQUEST if error.errno == errno.ENAMETOOLONG else EXIT_FAILED
    return f"{where}{OF_THE_MACHINE[error.errno]} ({error.strerror})", code


def _last_words(error: BaseException) -> str:
    """Return the server's message, on one line, without the text that DataJoint adds."""
    texts = [text for text in map(str, error.args) if text and not text.isdigit()]
    own_words_first = type(error).__name__ in ("AccessError", "LostConnectionError")
    said = texts[min(int(own_words_first), len(texts) - 1)] if texts else ""
    return " ".join(said.split()) or type(error).__name__

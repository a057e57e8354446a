"""Point DataJoint at the embedded server, where DataJoint's own configuration names no database."""

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.embedded.server import EmbeddedDatabase, start

_in_use: EmbeddedDatabase | None = None


def database_is_configured() -> bool:
    """Whether a database is configured for DataJoint.

    True when `datajoint.json`, the secrets directory, a `DJ_*` variable or an assignment to
    `dj.config` gave a host, a user or a password; an incomplete choice is still a choice, and
    DataJoint says what it lacks. False when the only choice is the one that `configure` made.
    """
    if _in_use is not None:
        return False
    given: set[str] = import_datajoint().config.database.model_fields_set
    return bool(given & {"host", "user", "password"})


def configure() -> EmbeddedDatabase | None:
    """Start the embedded server and point DataJoint at it; None where another is configured.

    Must come before the process's first connection: DataJoint keeps one connection per process.
    """
    global _in_use
    if _in_use is not None:
        return _in_use
    if database_is_configured():
        return None
    database = start()
    settings = import_datajoint().config.database
    settings.backend = "postgresql"
    settings.host = database.host
    settings.port = database.port
    settings.user = database.user
    settings.password = database.password
    settings.name = database.database
    settings.use_tls = False  # it listens on the loopback interface only
    _in_use = database
    return database

"""Everything activated on the configured database, ready to import.

    from element_facerhythm.workflow import lab, subject, session
    from element_facerhythm.workflow import facial_behavior_estimation, keypoint_inference

The database is the one that DataJoint's own configuration names (`datajoint.json`, `.secrets/`,
`DJ_*` variables); where none is, the embedded one is started. What else can be set, by environment
variables:

- `FACERHYTHM_DB_PREFIX`, `FACERHYTHM_SCHEMAS`, `FACERHYTHM_SESSION_KEY`: names of the schemas, and which of
  the released sessions is used; see `element_facerhythm.linking.settings`.
- `FACERHYTHM_ROOT_DATA_DIR`: directories of the recordings, separated as in PATH. With the embedded
  database it may be left out: paths are then kept from the root of the file system.
- `FACERHYTHM_PROCESSED_DATA_DIR`: directory of the results. If not set: the place of the DataJoint
  store `facerhythm`; else, with the embedded database, `element-facerhythm/processed` in the user's
  data directory; else the first root directory. The store is configured to that place if it is not
  yet. Where the store is an object store, the directory must be set: it is the working copy of this
  machine, and what others read comes from the store.
- `FACERHYTHM_DEVICE`: device that computes (`auto`, `cpu`, `cuda`).
- `FACERHYTHM_TLS_CA`, `FACERHYTHM_TLS_CHECK_HOST`: see `element_facerhythm.database.connection`.

What does not exist in the database yet is created, where the account may create it and DataJoint's switch
(`DJ_CREATE_TABLES`) does not forbid it; for others an administrator does that once (`facerhythm admin init`).

A lab with a pipeline of its own does not import this module: the command line takes the lab's linking module
(`FACERHYTHM_LINKING_MODULE`), and Python `facial_behavior_estimation.activate`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from element_facerhythm import facial_behavior_estimation, fleet, keypoint_inference
from element_facerhythm.database import embedded
from element_facerhythm.database.connection import connect
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.linking import (
    PROCESSED_VARIABLE,
    ROOT_VARIABLE,
    STORE_NAME,
    environment_processed_dir,
    environment_root_dirs,
    store_is_remote,
)
from element_facerhythm.linking.elements import activate_elements
from element_facerhythm.linking.settings import pipeline_settings

dj = import_datajoint()
embedded_database = embedded.configure()


def get_facerhythm_root_data_dir() -> list[Path]:
    """Directories of the recordings.

    Raises
    ------
    ConfigurationError
        A database is configured and `FACERHYTHM_ROOT_DATA_DIR` is not: rows that others read must
        not hold paths that only this machine knows.
    """
    roots = list(environment_root_dirs())
    if not roots and embedded_database is not None:
        roots = [Path(Path.cwd().anchor)]
    if not roots:
        raise ConfigurationError(
            f"{ROOT_VARIABLE} is not set: set it to the directories that hold the recordings, separated by "
            f"{os.pathsep!r}"
        )
    return roots


def get_facerhythm_processed_data_dir() -> Path:
    """Directory of the project directories, which hold the large arrays.

    Raises
    ------
    ConfigurationError
        The store `facerhythm` is an object store, and `FACERHYTHM_PROCESSED_DATA_DIR` is not set: a
        worker computes on its own disk.
    """
    processed = environment_processed_dir(dj.config.stores)
    if processed is None and store_is_remote(dj.config.stores):
        raise ConfigurationError(
            f"the DataJoint store {STORE_NAME!r} is an object store, and {PROCESSED_VARIABLE} is not set: "
            "set it to a directory of this machine, where results are computed before they go into the store"
        )
    if processed is None and embedded_database is not None:
        processed = embedded.user_data_dir() / "processed"
    return processed or get_facerhythm_root_data_dir()[0]


def _configure_store() -> None:
    """Make the DataJoint store `facerhythm` and the directory of the results one place."""
    if STORE_NAME in dj.config.stores:
        return
    try:
        location = get_facerhythm_processed_data_dir()
    except ConfigurationError:
        return  # raised when a path is first needed; the tables can be read without one
    dj.config.stores[STORE_NAME] = {"protocol": "file", "location": str(location)}


_configure_store()


@contextmanager
def _creating_what_is_missing() -> Iterator[None]:
    """Raise an error that names who can help where this account may not create what is missing."""
    try:
        yield
    except dj.DataJointError as error:
        if not (isinstance(error, dj.errors.AccessError) or "could not be created" in str(error)):
            raise
        raise ConfigurationError(
            f"the schemas {prefix}* are not complete for the account {dj.config.database.user}, which may "
            f"not create what it does not find ({error.args[-1]}). An administrator runs `facerhythm admin "
            "init`, and then what `facerhythm admin grants` prints for the account"
        ) from error


_settings = pipeline_settings()
prefix = _settings.prefix
connect()
with _creating_what_is_missing():
    _elements = activate_elements(prefix, session_key=_settings.session_key)
    lab, subject, session = _elements.lab, _elements.subject, _elements.session

    Lab, User, Protocol, Source, Project = lab.Lab, lab.User, lab.Protocol, lab.Source, lab.Project
    Device = lab.Device
    Subject = subject.Subject
    Session = session.Session

    facial_behavior_estimation.activate(
        _settings.schemas["facial_behavior_estimation"], linking_module=sys.modules[__name__]
    )
    keypoint_inference.activate(_settings.schemas["keypoint_inference"])
    fleet.activate(_settings.schemas["fleet"])

SCHEMAS = (
    lab.schema,
    subject.schema,
    session.schema,
    facial_behavior_estimation.schema,
    keypoint_inference.schema,
    fleet.schema,
)
"""Everything that is activated, upstream first."""

POPULATED = (*facial_behavior_estimation.POPULATED, *keypoint_inference.POPULATED)
"""Tables of both schemas that `populate()` fills, upstream first."""

__all__ = [
    "POPULATED",
    "SCHEMAS",
    "Device",
    "Session",
    "Subject",
    "facial_behavior_estimation",
    "fleet",
    "get_facerhythm_processed_data_dir",
    "get_facerhythm_root_data_dir",
    "keypoint_inference",
    "lab",
    "prefix",
    "session",
    "subject",
]

"""Settings of the command line's pipeline: its linking module, and the names of the schemas.

Each setting is a variable of the environment, or stands in the section `facerhythm` of the `datajoint.json`
that DataJoint reads (which leaves sections that it does not know alone):

    {"facerhythm": {"linking_module": "my_lab.pipeline", "db_prefix": "lab_"}}

| section | variable | meaning |
|---|---|---|
| `linking_module` | `FACERHYTHM_LINKING_MODULE` | module, or file, of a lab's own pipeline |
| `db_prefix` | `FACERHYTHM_DB_PREFIX` | beginning of every schema name; `facerhythm_` if not set |
| `schemas` | `FACERHYTHM_SCHEMAS` | whole names in place of prefix and name: `fleet=lab_workers,...` |
| `session_key` | `FACERHYTHM_SESSION_KEY` | `id` or `datetime`: which of the released sessions is used |

A variable comes before the file.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.files.texts import read_json

LINKING_VARIABLE = "FACERHYTHM_LINKING_MODULE"
PREFIX_VARIABLE = "FACERHYTHM_DB_PREFIX"
SCHEMAS_VARIABLE = "FACERHYTHM_SCHEMAS"
SESSION_KEY_VARIABLE = "FACERHYTHM_SESSION_KEY"

DEFAULT_PREFIX = "facerhythm_"
RELEASED_ELEMENTS = "element_facerhythm.workflow"
"""Linking module that is taken where none is named."""
OWN_SCHEMAS = ("facial_behavior_estimation", "keypoint_inference", "fleet")
SECTION = "facerhythm"

SessionKey = Literal["id", "datetime"]

_VARIABLES = {
    "linking_module": LINKING_VARIABLE,
    "db_prefix": PREFIX_VARIABLE,
    "schemas": SCHEMAS_VARIABLE,
    "session_key": SESSION_KEY_VARIABLE,
}
_SCHEMA_NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}")


@dataclass(frozen=True)
class PipelineSettings:
    """The pipeline that is worked on.

    Attributes
    ----------
    linking_module
        Import name of the linking module, or path of its file.
    prefix
        Beginning of the schema names, those of the released Elements too.
    schemas
        Name in the database of each schema of `OWN_SCHEMAS`.
    session_key
        Which of the released sessions: by number (`id`) or by start time (`datetime`).
    """

    linking_module: str
    prefix: str
    schemas: Mapping[str, str]
    session_key: SessionKey

    @property
    def is_of_a_lab(self) -> bool:
        """Whether a lab's own pipeline is meant, and not the released Elements."""
        return self.linking_module != RELEASED_ELEMENTS


def pipeline_settings() -> PipelineSettings:
    """Read the settings of the pipeline, from the environment and from `datajoint.json`.

    Raises
    ------
    ConfigurationError
        A setting is not known, or its value is not allowed.
    """
    given = _given()
    prefix = str(given.get("db_prefix", DEFAULT_PREFIX))
    names = {name: f"{prefix}{name}" for name in OWN_SCHEMAS} | _schema_names(given.get("schemas"))
    for name in names.values():
        if not _SCHEMA_NAME.fullmatch(name):
            raise ConfigurationError(
                f"schema name {name!r} cannot be used; expected 1 to 64 letters, digits and _ - $. It comes "
                f"from {PREFIX_VARIABLE} or {SCHEMAS_VARIABLE}"
            )
    if len(set(names.values())) < len(names):
        raise ConfigurationError(
            f"{SCHEMAS_VARIABLE} gives one name to two schemas ({', '.join(names.values())}); each needs its "
            "own"
        )
    session_key = given.get("session_key", "id")
    if session_key not in get_args(SessionKey):
        raise ConfigurationError(
            f"{SESSION_KEY_VARIABLE} is {session_key!r}; expected {' or '.join(get_args(SessionKey))}"
        )
    return PipelineSettings(
        str(given.get("linking_module", RELEASED_ELEMENTS)), prefix, names, session_key
    )


def _given() -> dict[str, Any]:
    """Gather what was set: in the file, and before that in the environment; an empty variable is none."""
    section = _section_of_file()
    unknown = sorted(set(section) - set(_VARIABLES))
    if unknown:
        raise ConfigurationError(
            f"datajoint.json: section {SECTION!r} has {', '.join(unknown)}; expected "
            f"{', '.join(_VARIABLES)}"
        )
    # an empty prefix is allowed: schemas then have their plain names
    set_here = {
        name: os.environ[variable]
        for name, variable in _VARIABLES.items()
        if os.environ.get(variable) or (name == "db_prefix" and variable in os.environ)
    }
    return {name: value for name, value in section.items() if value is not None} | set_here


def _section_of_file() -> Mapping[str, Any]:
    dj = import_datajoint()
    path = dj.settings.find_config_file()
    if path is None or dj.config.ignore_config_file:
        return {}
    section = read_json(Path(path)).get(SECTION, {})
    if not isinstance(section, Mapping):
        raise ConfigurationError(
            f"{path}: {SECTION!r} is {type(section).__name__}; expected a mapping of {', '.join(_VARIABLES)}"
        )
    return section


def _schema_names(given: Any) -> dict[str, str]:
    """Whole names of schemas: a mapping, or `name=schema` separated by commas."""
    if given is None:
        return {}
    pairs = given
    if isinstance(given, str):
        parts = [part.partition("=") for part in given.split(",") if part.strip()]
        pairs = {name.strip(): value.strip() for name, _, value in parts}
    if not isinstance(pairs, Mapping) or not set(pairs) <= set(OWN_SCHEMAS):
        raise ConfigurationError(
            f"{SCHEMAS_VARIABLE} is {given!r}; expected NAME=SCHEMA, separated by commas, with names of "
            f"{', '.join(OWN_SCHEMAS)}"
        )
    return {str(name): str(value) for name, value in pairs.items()}

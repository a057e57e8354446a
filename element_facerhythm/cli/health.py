"""`facerhythm health`: whether the worker of this machine or container is alive."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, human_seconds, print_json
from element_facerhythm.cli.worker import HEALTH_VARIABLE, HealthFileOption
from element_facerhythm.errors import ConfigurationError, ProcessingError
from element_facerhythm.files.texts import read_json


def health(
    health_file: HealthFileOption = None,
    max_age: Annotated[
        float,
        typer.Option(
            "--max-age", help="Seconds that the last heartbeat may be old.", min=0, max=1e9
        ),
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Report whether the worker that writes the health file gave a heartbeat lately; exit code 1 if not.

    For health checks of containers: it reads a file, not the database. A worker that waits for a database
    that does not answer is healthy, since killing it would lose what it has computed.

    Example: `facerhythm health --health-file /tmp/facerhythm-health.json`
    """
    if health_file is None:
        raise ConfigurationError(
            f"no health file is named: give --health-file, or set {HEALTH_VARIABLE}, as for the worker"
        )
    about, age_s = read_health(health_file)
    if age_s > max_age:
        raise ProcessingError(
            f"the worker had its last heartbeat {human_seconds(age_s)} ago ({health_file})"
        )
    if as_json:
        print_json({**about, "age_s": age_s})
        return
    away_s = about.get("database_away_s")
    away = "" if away_s is None else f"; the database has not answered for {human_seconds(away_s)}"
    what = "working" if about.get("working") else "idle"
    typer.echo(f"worker {about.get('worker_id')} is {what}{away}")


def read_health(path: Path) -> tuple[dict[str, Any], float]:
    """Read a health file, and how many seconds ago it was written."""
    try:
        about = read_json(path, what="health file")
        age_s = time.time() - path.stat().st_mtime
    except (OSError, ValueError) as error:
        raise ProcessingError(f"no worker writes {path}: {error}") from error
    return about, max(age_s, 0.0)

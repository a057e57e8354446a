"""The `facerhythm` command: one module per verb, and one place that turns errors into exit codes.

Exit codes: 0 the work was done, 1 the work failed, 2 the request was wrong (nothing was started and
nothing is left behind), 3 the verb worked and what it looked at is not in order, 130 interrupted. Results go
to stdout, everything else to stderr.

To add a verb:

1. write `cli/<verb>.py` with one function whose docstring is its help and ends with an example;
2. import what is heavy (torch, cv2, datajoint, matplotlib) inside the function, so that `--help` stays fast;
3. register it below;
4. describe it in `docs/reference/command-line.md` (a test fails until all four are done).
"""

import logging
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from element_facerhythm import __version__
from element_facerhythm.cli import (
    admin,
    db,
    demo,
    doctor,
    exporting,
    gc,
    health,
    importing,
    ingest,
    jobs,
    keypoints,
    params,
    qc,
    rank,
    rois,
    run,
    slurm,
    status,
    verify,
    worker,
)
from element_facerhythm.errors import ProcessingError, RequestError

EXIT_FAILED = 1
EXIT_WRONG_REQUEST = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="facerhythm",
    help="Facial rhythms from video: tracked points, spectrograms, tensor components, as files or as rows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("ingest")(ingest.ingest)
app.command("rank")(rank.rank)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("worker")(worker.worker)
app.command("health")(health.health)
app.command("verify")(verify.verify)
app.command("qc")(qc.qc)
app.add_typer(jobs.app, name="jobs")
app.command("gc")(gc.gc)
app.add_typer(rois.app, name="rois")
app.add_typer(params.app, name="params")
app.add_typer(keypoints.app, name="keypoints")
app.add_typer(importing.app, name="import")
app.add_typer(exporting.app, name="export")
app.add_typer(slurm.app, name="slurm")
app.add_typer(db.app, name="db")
app.add_typer(admin.app, name="admin")


def show_version(wanted: bool) -> None:
    """Print the version and stop, where `--version` was given."""
    if wanted:
        typer.echo(f"facerhythm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, help="Log more: -v what is done, -vv details."),
    ] = 0,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Set up logging; runs before every verb."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s"
    )
    # DataJoint reads these when it is imported; it has a handler of its own
    logging.getLogger("datajoint").propagate = False
    os.environ.setdefault("DJ_LOG_STREAM", "stderr")
    os.environ.setdefault("DJ_LOG_LEVEL", "INFO" if verbose else "WARNING")


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome calls for."""
    try:
        app()
    except RequestError as error:
        leave(error, EXIT_WRONG_REQUEST)
    except ProcessingError as error:
        leave(error, EXIT_FAILED)
    except SystemExit as stop:
        if stop.code == EXIT_INTERRUPTED:
            say(
                "interrupted; the same command again goes on after the last stage that was finished"
            )
        raise
    except Exception as error:  # noqa: BLE001  the last place where an error can be explained
        if type(error).__name__ == "AccessError":  # DataJoint's; it is not imported for every verb
            leave(RuntimeError(refusal(error)), EXIT_WRONG_REQUEST)
        traceback.print_exception(error)
        say(
            f"unexpected {type(error).__name__}: this is a defect of facerhythm {__version__}. "
            "Please report it with the lines above."
        )
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def refusal(error: Exception) -> str:
    """Tell that the database account lacks a right for what was asked."""
    reason = error.args[-1] if error.args else error
    return f"the database refuses, the account has no right to do this: {reason}"


def leave(error: Exception, code: int) -> NoReturn:
    """Tell what went wrong on stderr and exit with `code`."""
    logging.getLogger(__name__).debug("where it happened", exc_info=error)
    say(str(error))
    sys.exit(code)


def say(message: str) -> None:
    """Write one message to stderr."""
    typer.echo(f"facerhythm: {message}", err=True)

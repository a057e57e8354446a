"""The `facerhythm` command: one module per verb, and one place that turns errors into exit codes.

Exit codes: 0 the work was done, 1 the work failed, 2 the request was wrong (nothing was started and
nothing is left behind), 3 the verb worked and what it checked is not in order, 130 interrupted. Results go
to stdout, everything else to stderr. With `--json`, a verb that fails prints
`{"error": {"type": ..., "message": ..., "exit_code": ...}}` on stdout, besides the text on stderr.

To add a verb:

1. write `cli/<verb>.py` with one function whose docstring is its help and ends with an example;
2. import what is heavy (torch, cv2, datajoint, matplotlib) inside the function, so that `--help` stays fast;
3. register it below, with `cls=DatabaseCommand` where it uses the database;
4. describe it in `docs/reference/command-line.md` (a test fails until all four are done).
"""

import logging
import os
import sys
import traceback
import warnings
from typing import Annotated, NoReturn

import typer

from element_facerhythm import __version__
from element_facerhythm.cli import (
    admin,
    aggregate,
    bouts,
    check,
    compare,
    curate,
    db,
    demo,
    doctor,
    events,
    figures,
    gc,
    gui,
    health,
    importing,
    index,
    ingest,
    inspect,
    jobs,
    joint,
    keypoints,
    match,
    params,
    qc,
    rank,
    report,
    rois,
    run,
    slurm,
    status,
    verify,
    video,
    watch,
    worker,
)
from element_facerhythm.cli import export as exporting
from element_facerhythm.cli.failure import (
    EXIT_INTERRUPTED,
    INTERRUPTED,
    Failure,
    failure_of,
    usage_failure,
)
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import answers, print_json
from element_facerhythm.errors import without_controls

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
app.command("ingest", cls=DatabaseCommand)(ingest.ingest)
app.command("watch", cls=DatabaseCommand)(watch.watch)
app.command("rank")(rank.rank)
app.command("demo")(demo.demo)
app.command("doctor", cls=DatabaseCommand)(doctor.doctor)
app.command("status", cls=DatabaseCommand)(status.status)
app.command("worker", cls=DatabaseCommand)(worker.worker)
app.command("health")(health.health)
app.command("verify", cls=DatabaseCommand)(verify.verify)
app.command("qc", cls=DatabaseCommand)(qc.qc)
app.command("bouts")(bouts.bouts)
app.command("events")(events.events)
app.command("compare")(compare.compare)
app.command("figures", cls=DatabaseCommand)(figures.figures)
app.command("gui", cls=DatabaseCommand)(gui.gui)
app.add_typer(curate.app, name="curate")
app.command("match")(match.match)
app.command("joint")(joint.joint)
app.command("report", cls=DatabaseCommand)(report.report)
app.command("inspect")(inspect.inspect)
app.command("check")(check.check)
app.add_typer(index.app, name="index")
app.command("aggregate")(aggregate.aggregate)
app.add_typer(video.app, name="video")
app.add_typer(jobs.app, name="jobs")
app.command("gc", cls=DatabaseCommand)(gc.gc)
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
    printed_before = answers.n_printed
    warnings.formatwarning = warning_line
    try:
        app()
    except SystemExit as stop:
        failure = INTERRUPTED if stop.code == EXIT_INTERRUPTED else usage_failure(stop)
        if failure is None:
            raise
        leave(failure, stop, printed_before, printed=failure is not INTERRUPTED)
    except Exception as error:  # noqa: BLE001  the outermost handler
        leave(failure_of(error), error, printed_before)
    sys.exit(0)


def warning_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return a warning of a library for the user: without its place in the code."""
    return f"warning: {without_controls(str(message))}\n"


def leave(
    failure: Failure, error: BaseException, printed_before: int, *, printed: bool = False
) -> NoReturn:
    """Report what went wrong on stderr, with `--json` on stdout as well, and exit with its code.

    Parameters
    ----------
    failure, error
        The failure, and the error that it was made from.
    printed_before
        Number of JSON objects printed before the verb; one that has printed its own prints no second one.
    printed
        Whether it was printed on stderr already.
    """
    logging.getLogger(__name__).debug("where it happened", exc_info=error)
    if failure.is_defect:
        traceback.print_exception(error)
    if not printed:
        typer.echo(f"facerhythm: {without_controls(failure.message)}", err=True)
    if "--json" in sys.argv[1:] and answers.n_printed == printed_before:
        about = {"type": failure.kind, "message": failure.message, "exit_code": failure.exit_code}
        print_json({"error": about})
    sys.exit(failure.exit_code)

"""`facerhythm db`: the embedded database."""

import typer

from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout

app = typer.Typer(
    help="The embedded database: a private PostgreSQL that pip installed. "
    "It is used where DataJoint's configuration names no database.",
    no_args_is_help=True,
)


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Start the embedded database; the first time it is created.

    Example: `facerhythm db start`
    """
    from element_facerhythm.database import embedded

    with quiet_stdout():
        database = embedded.start()
    if as_json:
        print_json({"running": True, "port": database.port, "data_dir": database.data_dir})
    else:
        typer.echo(f"running on {database.host}:{database.port}, data in {database.data_dir}")


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded database; its data stay.

    Example: `facerhythm db stop`
    """
    from element_facerhythm.database import embedded

    with quiet_stdout():
        was_running = embedded.stop()
    if as_json:
        print_json({"running": False, "was_running": was_running})
    else:
        typer.echo("stopped" if was_running else "was not running")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Report whether the embedded database runs, and where its data are.

    Example: `facerhythm db status`
    """
    from element_facerhythm.database import embedded

    with quiet_stdout():
        state = embedded.status()
    if as_json:
        print_json(vars(state))
    elif state.running:
        typer.echo(f"running on port {state.port}, process {state.pid}, data in {state.data_dir}")
    elif state.data_dir is not None:
        typer.echo(f"not running, data in {state.data_dir}; start it: facerhythm db start")
    else:
        typer.echo("never started; start it: facerhythm db start")


@app.command()
def url(as_json: JsonOption = False) -> None:
    """Print the connection URL, password included, for psql and other PostgreSQL clients.

    Example: `psql "$(facerhythm db url)"`
    """
    from element_facerhythm.database import embedded

    with quiet_stdout():
        address = embedded.url()
    if as_json:
        print_json({"url": address})
    else:
        typer.echo(address)

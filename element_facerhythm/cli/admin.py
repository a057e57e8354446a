"""`facerhythm admin`: what the administrator of a shared database does."""

from enum import StrEnum
from typing import Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout

app = typer.Typer(help="Set up a shared database, and accounts for it.", no_args_is_help=True)


class RoleName(StrEnum):
    """What an account is for."""

    viewer = "viewer"
    analyst = "analyst"
    worker = "worker"


@app.command()
def init(as_json: JsonOption = False) -> None:
    """Create every schema, table and queue of jobs that is missing. Run it again after an upgrade.

    Needs an account that may create schemas. The others can then do without that right.

    Example: `facerhythm admin init`
    """
    from element_facerhythm.cli.database import explained_connection, hold_back_job_table_remarks

    hold_back_job_table_remarks()
    with quiet_stdout(), explained_connection():
        from element_facerhythm.admin import initialise

        done = initialise()
    if as_json:
        print_json({"tables": done.tables, "new": done.new})
        return
    rows = [(name, len(tables), len(done.new[name])) for name, tables in done.tables.items()]
    print_table("", ("schema", "tables", "new"), rows, right=("tables", "new"))


@app.command()
def grants(
    role: Annotated[RoleName, typer.Option("--role", help="What the account is for.")],
    user: Annotated[str, typer.Option("--user", help="Name of the account.")],
    host: Annotated[
        str, typer.Option("--host", help="Where it comes from: a name, an address, 10.1.%, ...")
    ] = "%",
    require_tls: Annotated[
        bool, typer.Option("--require-tls", help="Encrypted connections only.")
    ] = False,
    existing: Annotated[
        bool, typer.Option("--existing", help="The account is there: print its rights alone.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL that makes an account of a role, with no more rights than it needs. Runs nothing.

    The first statement is for the administrator of the server; the others need rights on our schemas only,
    and are what `--existing` prints. The password is left to you: the server refuses the first statement
    until <PASSWORD> is replaced.

    Example: `facerhythm admin grants --role analyst --user anna --require-tls > anna.sql`
    """
    if existing and require_tls:
        raise typer.BadParameter(
            "--require-tls is said when the account is made, not with --existing"
        )
    from element_facerhythm.cli.database import activated_workflow

    with quiet_stdout():
        from element_facerhythm import admin

        account = admin.Account(user, host, require_tls)
        admin.require_mysql()
        activated_workflow()
        statements = admin.grants(role.value, account, create_user=not existing)
    if as_json:
        print_json({"role": role.value, "account": str(account), "statements": statements})
        return
    typer.echo(f"-- {role.value} {account}")
    if not existing:
        typer.echo(
            f"-- as an account that may create users; replace {admin.PASSWORD} by a password in single quotes"
        )
        typer.echo(statements.pop(0))
        typer.echo("-- as the administrator of these schemas; `--existing` prints this part alone")
    typer.echo("\n".join(statements))


@app.command()
def guard(
    after: Annotated[
        int, typer.Option("--after", help="Seconds that somebody must have waited.", min=1, max=30)
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL that guards a shared database against those who use it. Runs nothing.

    An account that may only look can lock what it reads: an event looks every second for a connection that
    has changed nothing and that somebody waits for, and ends it. Triggers refuse to change files, polygons
    and the like of which results are there. For the administrator of the server (root): both need an account
    of their own, that may end connections.

    Example: `facerhythm admin guard > guard.sql`
    """
    from element_facerhythm.cli.database import activated_workflow

    with quiet_stdout():
        from element_facerhythm import admin

        admin.require_mysql()
        activated_workflow()
        statements = admin.guard(after)
    if as_json:
        print_json({"statements": statements})
        return
    typer.echo(
        "-- for the administrator of the server; needs event_scheduler = ON (the default of MySQL)"
    )
    typer.echo("DELIMITER //")
    for statement in statements:
        typer.echo(f"{statement}\n//")
    typer.echo("DELIMITER ;")

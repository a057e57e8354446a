"""`facerhythm admin`: commands for the administrator of a shared database."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from element_facerhythm.admin.upgrade import Plan, Step

app = typer.Typer(help="Set up a shared database, and accounts for it.", no_args_is_help=True)


class RoleName(StrEnum):
    """What an account is for."""

    viewer = "viewer"
    analyst = "analyst"
    worker = "worker"


@app.command(cls=DatabaseCommand)
def init(as_json: JsonOption = False) -> None:
    """Create every schema, table and queue of jobs that is missing. Run it again after `admin upgrade`.

    Needs an account that may create schemas. The others can then do without that right.

    Example: `facerhythm admin init`
    """
    from element_facerhythm.cli.database_access import (
        explained_connection,
        hold_back_job_table_remarks,
    )

    hold_back_job_table_remarks()
    with quiet_stdout(), explained_connection():
        from element_facerhythm.admin import initialise

        done = initialise()
    if as_json:
        print_json({"tables": done.tables, "new": done.new})
        return
    rows = [(name, len(tables), len(done.new[name])) for name, tables in done.tables.items()]
    print_table("", ("schema", "tables", "new"), rows, right=("tables", "new"))


@app.command(cls=DatabaseCommand)
def views(as_json: JsonOption = False) -> None:
    """Create views with Element Facemap's names of tables and columns, or recreate them.

    They are in a schema of their own, and nothing else creates them. Run it again after an upgrade; `grants`
    lets every role read them.

    Example: `facerhythm admin views`
    """
    from element_facerhythm.cli.database_access import pipeline_to_change

    with quiet_stdout():
        schema_name = pipeline_to_change().views_schema
        from element_facerhythm.admin import create_views

        names = create_views(schema_name)
    if as_json:
        print_json({"schema": schema_name, "views": names})
        return
    print_table("", ("schema", "view"), [(schema_name, name) for name in names])


@app.command(cls=DatabaseCommand)
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

    The first statement is for the administrator of the server; the others need rights on this package's
    schemas only, and are what `--existing` prints. The password is left to you: the server refuses the first
    statement until <PASSWORD> is replaced.

    Example: `facerhythm admin grants --role analyst --user anna --require-tls > anna.sql`
    """
    if existing and require_tls:
        raise typer.BadParameter(
            "--require-tls is said when the account is made, not with --existing"
        )
    from element_facerhythm.cli.database_access import pipeline_to_read

    with quiet_stdout():
        from element_facerhythm import admin

        account = admin.Account(user, host, require_tls)
        admin.require_mysql()
        statements = admin.grants(pipeline_to_read(), role.value, account, create_user=not existing)
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


@app.command(cls=DatabaseCommand)
def guard(
    after: Annotated[
        int,
        typer.Option("--after", help="Seconds that a connection must have waited.", min=1, max=30),
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL that protects a shared database from its users. Runs nothing.

    An account that may only read can lock what it reads: an event searches every second for a connection that
    has changed nothing and that another one waits for, and ends it. Triggers refuse to change files, polygons
    and the like that have results. For the administrator of the server (root): both need an account of their
    own, that may end connections.

    Example: `facerhythm admin guard > guard.sql`
    """
    from element_facerhythm.cli.database_access import pipeline_to_read

    with quiet_stdout():
        from element_facerhythm import admin

        admin.require_mysql()
        statements = admin.guard(pipeline_to_read(), after)
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


@app.command(cls=DatabaseCommand)
def upgrade(
    plan: Annotated[
        bool, typer.Option("--plan", help="Print every step and its SQL. Changes nothing.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it. Back up the database before.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Upgrade the tables of an earlier version of this package to this one. No row is lost.

    Stop the workers and everything else that uses the tables first, and back up the database. A step is done
    at once or not at all; run it again where it was interrupted. Needs an account that may change tables.

    Example: `facerhythm admin upgrade --plan`
    """
    if plan == apply:
        raise typer.BadParameter("give --plan to see what would be done, or --apply to do it")
    from element_facerhythm.cli.database_access import (
        explained_connection,
        hold_back_job_table_remarks,
    )

    hold_back_job_table_remarks()
    with quiet_stdout(), explained_connection():
        from element_facerhythm.active_pipeline import bound_schemas
        from element_facerhythm.admin.upgrade import apply_plan, make_plan

        schemas = bound_schemas()
        found = apply_plan(schemas, report_step) if apply else make_plan(schemas)
    if as_json:
        print_json(plan_as_json(found, applied=apply))
    else:
        typer.echo("\n".join(plan_lines(found, applied=apply)))


def report_step(step: "Step", number: int, n_steps: int) -> None:
    """Report on stderr which step is being done."""
    typer.echo(f"{number}/{n_steps} {step.table}: {step.text}", err=True)


def plan_as_json(plan: "Plan", *, applied: bool) -> dict[str, Any]:
    """Make the object that `--json` prints."""
    from element_facerhythm.database.schema_version import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "found": {module: version.number for module, version in plan.versions.items()},
        "applied": applied,
        "steps": [
            {
                "table": step.table,
                "kind": step.kind,
                "text": step.text,
                "rows": step.n_rows,
                "statements": list(step.statements),
            }
            for step in plan.steps
        ],
        "kept": plan.kept,
    }


def plan_lines(plan: "Plan", *, applied: bool) -> "Iterator[str]":
    """Yield what a plan is, or was, line by line: comments and SQL."""
    from element_facerhythm.database.schema_version import SCHEMA_VERSION

    for module, version in plan.versions.items():
        state = "" if version.complete else ", whose upgrade did not end"
        yield f"-- {module}: version {version.number}{state}; this package: {SCHEMA_VERSION}"
    if plan.is_done:
        yield "-- nothing to do"
        return
    for step in plan.steps:
        rows = "" if step.n_rows is None else f" ({step.n_rows} rows)"
        yield f"\n-- {step.table}: {step.text}{rows}"
        yield from (f"{statement};" for statement in step.statements)
        if step.fill is not None:
            yield "-- (worked out row by row)"
    for name in plan.kept:
        yield f"-- {name} is a column of no definition, and stays as it is"
    if applied:
        yield (
            "\n-- done. Now: `facerhythm admin init`, then what `facerhythm admin grants --existing` prints "
            "for each account, and what `facerhythm admin guard` prints where it is in use"
        )

"""The `everpost` command."""

import asyncio
import json
from typing import Annotated

import typer

from everpost.cli import cases as cli_cases
from everpost.cli import client as cli_client
from everpost.cli import definitions as cli_definitions
from everpost.cli import mail as cli_mail
from everpost.cli import mailboxes as cli_mailboxes
from everpost.cli import outbox as cli_outbox
from everpost.cli import patterns as cli_patterns
from everpost.cli import review as cli_review
from everpost.cli import run as cli_run
from everpost.cli import templates as cli_templates
from everpost.cli.errors import Commands
from everpost.cli.output import phrase
from everpost.cli.terminal import one_line
from everpost.settings import read_settings

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    # Plain tracebacks: they go to a log too, whose last line has to tell what happened.
    pretty_exceptions_enable=False,
    help="Every email a durable case.",
)
app.add_typer(cli_mail.app, name="mail")
app.add_typer(cli_cases.app, name="cases")
app.add_typer(cli_outbox.app, name="outbox")
app.add_typer(cli_review.review, name="review")
app.add_typer(cli_review.quarantine, name="quarantine")
app.add_typer(cli_definitions.definitions, name="definitions")
app.add_typer(cli_patterns.app, name="patterns")
app.add_typer(cli_mailboxes.app, name="mailboxes")
app.add_typer(cli_templates.app, name="templates")
app.command()(cli_mailboxes.alarms)
app.command("run")(cli_run.run)


@app.command()
def bootstrap(
    json_wanted: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Prepare the database: tables, tenant, admin, and the example on the first start."""
    # Imported here: no other command needs the database's libraries.
    from everpost.embedded.first_start import first_start

    admin = asyncio.run(first_start(read_settings()))
    if json_wanted:
        typer.echo(json.dumps({"name": admin.admin_name, "password": admin.password}))
    else:
        password = f", password: {admin.password}" if admin.password else ""
        typer.echo(f"The database is ready. Admin: {admin.admin_name}{password}")


@app.command()
def login(
    name: Annotated[str, typer.Option(help="Who logs in.")] = cli_client.ADMIN_NAME,
    password: Annotated[
        str | None, typer.Option(help="Better left out: then it is asked for.")
    ] = None,
) -> None:
    """Log this machine's `everpost` command in, as EVERPOST_ADMIN_PASSWORD or by asking."""
    settings = read_settings()
    known = settings.admin_password
    if password is None and known is not None and name == cli_client.ADMIN_NAME:
        password = known.get_secret_value()
    if password is None:
        password = typer.prompt("Password", hide_input=True)
    cli_client.log_in(settings, name, password)
    typer.echo(f"Logged in as {one_line(name)}.")


@app.command()
def health() -> None:
    """Say how the instance and its parts are; exit code 1 when it is not healthy.

    Mailboxes that are red are named too, and do not count for that.
    """
    settings = read_settings()
    healthy, answer = cli_client.health(settings)
    for key, value in answer.items():
        typer.echo(f"{one_line(str(key))}: {one_line(phrase(value), 500)}")
    for line in cli_mailboxes.red_mailboxes(settings):
        typer.echo(line)
    if not healthy:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

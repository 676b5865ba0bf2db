"""`everpost mailboxes`: see, test and attach mailboxes; presets of well-known providers.

Passwords come from the environment, from standard input, or are asked for: never from arguments,
which every user of the machine can read.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from everpost.cli_client import call
from everpost.cli_errors import CommandError, Commands
from everpost.cli_output import columns, facts, phrase
from everpost.settings import Settings, read_settings
from everpost.terminal import one_line

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="See, test and attach the mailboxes that are watched."
)

# Any: what the API answers is JSON.
Json = dict[str, Any]

MAILBOX_COLUMNS = ("id", "address", "definition", "health", "connected", "last_mail_at")
PRESET_COLUMNS = ("name", "title", "imap_host", "smtp_host", "login")
STEP_COLUMNS = ("protocol", "step", "ok", "detail")
PASSWORD_VARIABLE = "MAILBOX_PASSWORD"  # noqa: S105 -- where it is, not what it is


@app.command("list")
def list_mailboxes() -> None:
    """List the attached mailboxes and how they are."""
    listed = call(read_settings(), "GET", "/mailboxes")["items"]
    items = [box | box["health"] | {"health": _health(box)} for box in listed]
    typer.echo(columns(items, MAILBOX_COLUMNS) if items else "No mailbox yet.")
    for line in _last_errors(items):
        typer.echo(line)


def _health(box: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return `ok` or `red`, or that it is paused."""
    paused = box.get("status") == "paused"
    return "paused" if paused else str(box["health"].get("status", ""))


def _last_errors(items: list[Json]) -> Iterator[str]:
    """Give a line for each mailbox that an error keeps from its server; old ones are over."""
    for item in items:
        if item.get("last_error") and not item.get("connected"):
            when, text = phrase(item.get("last_error_at")), str(item["last_error"])
            yield f"{one_line(item['address'])}: {when} {one_line(text, len(text))}"


@app.command()
def presets(
    address: Annotated[
        str | None, typer.Argument(help="Only the provider of this address.")
    ] = None,
) -> None:
    """List the mail servers of well-known providers."""
    query = {"address": address} if address else None
    items = call(read_settings(), "GET", "/mailboxes/presets", query=query)["items"]
    if not items:
        raise CommandError(
            "No preset knows this domain. `everpost mailboxes presets` lists all: choose the one"
            " of who hosts your mail."
        )
    if address:
        typer.echo("\n\n".join(_preset_facts(preset) for preset in items))
    else:
        typer.echo(columns(items, PRESET_COLUMNS))


def _preset_facts(preset: Json) -> str:
    """Lay one preset out for reading: in a table what its login needs would be cut."""
    return facts({name.replace("_", " "): value for name, value in preset.items()})


@app.command()
def test(mailbox: Annotated[str, typer.Argument(metavar="ID", help="Which mailbox.")]) -> None:
    """Try the servers of an attached mailbox; exit code 1 when a step fails."""
    _show(call(read_settings(), "POST", f"/mailboxes/{quote(mailbox, safe='')}/test"))


@app.command()
def reconcile(mailbox: Annotated[str, typer.Argument(metavar="ID", help="Which mailbox.")]) -> None:
    """Compare a mailbox's server with the ledger now, and read what is missing."""
    call(read_settings(), "POST", f"/mailboxes/{quote(mailbox, safe='')}/reconcile")
    typer.echo(
        f"Mailbox {one_line(mailbox)} is being compared with its server. What was found is at"
        f" GET /api/v1/mailboxes/{one_line(mailbox)}/reconciliations."
    )


@app.command()
def attach(
    address: Annotated[str, typer.Argument(help="The mailbox's address.")],
    definition: Annotated[str, typer.Option(help="What its mails become cases of.")],
    preset: Annotated[
        str | None, typer.Option(help="The provider; known by itself for its own domains.")
    ] = None,
    imap_host: Annotated[str | None, typer.Option(help="Instead of the preset's.")] = None,
    smtp_host: Annotated[str | None, typer.Option(help="Instead of the preset's.")] = None,
    username: Annotated[str | None, typer.Option(help="The address, if left out.")] = None,
    folder: Annotated[str, typer.Option(help="Which folder is watched.")] = "INBOX",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    untested: Annotated[
        bool, typer.Option("--untested", help="Attach it even where the test fails.")
    ] = False,
) -> None:
    """Attach a mailbox, once its servers have passed the test.

    The password comes from MAILBOX_PASSWORD, from standard input, or is asked for.
    """
    settings = read_settings()
    servers = _servers(settings, address, preset, imap_host, smtp_host)
    name, password = username or address, _password(password_stdin)
    mailbox: Json = servers | {
        "address": address,
        "definition": definition,
        "folder": folder,
        "imap_username": name,
        "imap_password": password,
        "smtp_username": name,
        "smtp_password": password,
    }
    report = call(settings, "POST", "/mailboxes/test", body=mailbox)
    if not report["ok"] and not untested:
        _show(report)
    attached = call(settings, "POST", "/mailboxes", body=mailbox)
    typer.echo(f"Attached: {one_line(address)}, {one_line(attached['id'])}")


def _servers(
    settings: Settings, address: str, name: str | None, imap_host: str | None, smtp_host: str | None
) -> Json:
    """Return the settings of the servers, from a preset and what replaces it."""
    found = _preset(settings, address, name)
    chosen: Json = {}
    if found is not None:
        if not found["supported"]:
            raise CommandError(f"{one_line(found['title'])}: {one_line(found['login'], 300)}")
        typer.echo(f"{one_line(found['title'])}: {one_line(found['login'], 300)}", err=True)
        kept = (
            "imap_host",
            "imap_port",
            "imap_tls",
            "smtp_host",
            "smtp_port",
            "smtp_tls",
            "plus_addressing",
            "sent_folder",
        )
        chosen = {key: found[key] for key in kept}
    chosen |= {"imap_host": imap_host} if imap_host else {}
    chosen |= {"smtp_host": smtp_host} if smtp_host else {}
    if not chosen.get("imap_host") or not chosen.get("smtp_host"):
        raise CommandError(
            "Whose servers? Name a preset with --preset (`everpost mailboxes presets` lists them),"
            " or the servers with --imap-host and --smtp-host."
        )
    return chosen


def _preset(settings: Settings, address: str, name: str | None) -> Json | None:
    query = {} if name else {"address": address}
    items: list[Json] = call(settings, "GET", "/mailboxes/presets", query=query)["items"]
    if name is None:
        return items[0] if items else None
    found = next((item for item in items if item["name"] == name.lower()), None)
    if found is None:
        names = ", ".join(str(item["name"]) for item in items)
        raise CommandError(f"There is no preset {one_line(name)!r}; there are: {names}.")
    return found


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    known = os.environ.get(PASSWORD_VARIABLE)
    return known if known else str(typer.prompt("Password", hide_input=True))


def _show(report: Json) -> None:
    """Print the steps of a test; ends with exit code 1 where one failed."""
    typer.echo(columns(report["steps"], STEP_COLUMNS))
    for step in report["steps"]:
        if not step["ok"]:
            where = f"{step['protocol']} {step['step']}"
            typer.echo(f"{one_line(where)}: {one_line(step['detail'], 400)}")
            typer.echo(f"  {one_line(step['what_to_do'] or '', 500)}")
    if not report["ok"]:
        raise typer.Exit(1)

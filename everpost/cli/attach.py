"""`everpost mailboxes attach`: from a preset and what replaces it to a mailbox that was tried.

Passwords come from the environment, from standard input, or are asked for: never from arguments,
which every user of the machine can read.
"""

import os
import sys
from typing import Annotated, Any, Literal

import typer

from everpost.cli.client import call
from everpost.cli.errors import CommandError
from everpost.cli.output import columns
from everpost.cli.terminal import one_line
from everpost.settings import Settings, read_settings

# Any: what the API answers is JSON.
Json = dict[str, Any]

TlsKind = Literal["implicit", "starttls", "plain"]
STEP_COLUMNS = ("protocol", "step", "ok", "detail")
PASSWORD_VARIABLE = "MAILBOX_PASSWORD"  # noqa: S105 -- where it is, not what it is
_OF_PRESET = (
    "imap_host",
    "imap_port",
    "imap_tls",
    "smtp_host",
    "smtp_port",
    "smtp_tls",
    "plus_addressing",
    "sent_folder",
)

_Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of the preset's.")]
_Tls = Annotated[
    TlsKind | None,
    typer.Option(help="How TLS begins; `plain`, which is without, for this machine only."),
]


def attach(
    address: Annotated[str, typer.Argument(help="The mailbox's address.")],
    definition: Annotated[str, typer.Option(help="What its mails become cases of.")],
    preset: Annotated[
        str | None, typer.Option(help="The provider; known by itself for its own domains.")
    ] = None,
    imap_host: Annotated[str | None, typer.Option(help="Instead of the preset's.")] = None,
    imap_port: _Port = None,
    imap_tls: _Tls = None,
    smtp_host: Annotated[str | None, typer.Option(help="Instead of the preset's.")] = None,
    smtp_port: _Port = None,
    smtp_tls: _Tls = None,
    username: Annotated[str | None, typer.Option(help="The address, if left out.")] = None,
    name: Annotated[str | None, typer.Option(help="The name that replies come from.")] = None,
    folder: Annotated[str, typer.Option(help="Which folder is watched.")] = "INBOX",
    sent_folder: Annotated[
        str | None, typer.Option(help='Where sent mails are filed; "" for nowhere.')
    ] = None,
    plus_addressing: Annotated[
        bool | None,
        typer.Option(
            "--plus-addressing/--no-plus-addressing",
            help="Whether mail to name+anything@… arrives here too.",
        ),
    ] = None,
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
    given = {
        "imap_host": imap_host,
        "imap_port": imap_port,
        "imap_tls": imap_tls,
        "smtp_host": smtp_host,
        "smtp_port": smtp_port,
        "smtp_tls": smtp_tls,
        "sent_folder": sent_folder,
        "plus_addressing": plus_addressing,
        "name": name,
    }
    servers = _servers(settings, address, preset, given)
    login, password = username or address, _password(password_stdin)
    mailbox: Json = servers | {
        "address": address,
        "definition": definition,
        "folder": folder,
        "imap_username": login,
        "imap_password": password,
        "smtp_username": login,
        "smtp_password": password,
    }
    report = call(settings, "POST", "/mailboxes/test", body=mailbox)
    if not report["ok"] and not untested:
        show_steps(report)
        typer.echo(
            "Nothing was attached. Run it again with what is to be different (`everpost mailboxes"
            " attach --help` lists the options), or with --untested to attach it as it is."
        )
        raise typer.Exit(1)
    attached = call(settings, "POST", "/mailboxes", body=mailbox)
    typer.echo(f"Attached: {one_line(address)}, {one_line(attached['id'])}")


def show_steps(report: Json) -> None:
    """Print the steps of a test, and what to do about those that failed."""
    typer.echo(columns(report["steps"], STEP_COLUMNS))
    for step in report["steps"]:
        if not step["ok"]:
            where = f"{step['protocol']} {step['step']}"
            typer.echo(f"{one_line(where)}: {one_line(step['detail'], 400)}")
            typer.echo(f"  {one_line(step['what_to_do'] or '', 500)}")


def _servers(settings: Settings, address: str, name: str | None, given: Json) -> Json:
    """Return the settings of the servers, from a preset and what replaces it."""
    found = _preset(settings, address, name)
    chosen: Json = {}
    if found is not None:
        if not found["supported"]:
            raise CommandError(f"{one_line(found['title'])}: {one_line(found['login'], 300)}")
        typer.echo(f"{one_line(found['title'])}: {one_line(found['login'], 300)}", err=True)
        chosen = {key: found[key] for key in _OF_PRESET}
    chosen |= {key: value for key, value in given.items() if value is not None}
    chosen |= {"sent_folder": chosen.get("sent_folder") or None}
    missing = [key for key in ("imap_host", "smtp_host") if not chosen.get(key)]
    if missing and found is not None:
        options = " and ".join(f"--{key.replace('_', '-')}" for key in missing)
        raise CommandError(f"{one_line(found['title'])} has no such server: name one by {options}.")
    if missing:
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

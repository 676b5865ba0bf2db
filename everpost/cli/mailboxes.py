"""`everpost mailboxes`: see, test, steer and attach mailboxes; presets of well-known providers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import yaml

from cases.notation.documents import parse_value
from everpost.cli.attach import attach, show_steps
from everpost.cli.client import call
from everpost.cli.definitions import read_file
from everpost.cli.errors import CommandError, Commands
from everpost.cli.output import as_json, columns, facts, phrase
from everpost.cli.terminal import one_line, printable
from everpost.settings import Settings, read_settings

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="See, test, steer and attach the mailboxes that are watched.",
)
app.command()(attach)

# Any: what the API answers is JSON.
Json = dict[str, Any]

MAILBOX_COLUMNS = ("id", "address", "definition", "health", "connected", "last_mail_at")
PRESET_COLUMNS = ("name", "title", "imap_host", "smtp_host", "login")
_COUNTS = ("listed", "known", "missing", "unlisted", "stuck", "older_uidvalidity", "renumbered")

MailboxId = Annotated[str, typer.Argument(metavar="ID", help="Which mailbox.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answers, as it is.")]


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
def test(mailbox: MailboxId) -> None:
    """Try the servers of an attached mailbox; exit code 1 when a step fails."""
    report = call(read_settings(), "POST", _path(mailbox, "/test"))
    show_steps(report)
    if not report["ok"]:
        raise typer.Exit(1)


@app.command()
def pause(mailbox: MailboxId) -> None:
    """Stop watching a mailbox; what comes in meanwhile is taken when it is resumed."""
    call(read_settings(), "POST", _path(mailbox, "/pause"))
    typer.echo(f"Mailbox {one_line(mailbox)} is paused.")


@app.command()
def resume(mailbox: MailboxId) -> None:
    """Watch a paused mailbox again."""
    call(read_settings(), "POST", _path(mailbox, "/resume"))
    typer.echo(f"Mailbox {one_line(mailbox)} is watched again.")


@app.command()
def reconcile(mailbox: MailboxId) -> None:
    """Compare a mailbox's server with the ledger now, and read what is missing."""
    call(read_settings(), "POST", _path(mailbox, "/reconcile"))
    name = one_line(mailbox)
    typer.echo(
        f"Mailbox {name} is being compared with its server."
        f" `everpost mailboxes reconciliations {name}` shows what was found."
    )


@app.command()
def reconciliations(
    mailbox: MailboxId,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    json_wanted: AsJson = False,
) -> None:
    """Show what comparisons of a mailbox with its server found, the newest first."""
    answer = call(
        read_settings(), "GET", _path(mailbox, "/reconciliations"), query={"limit": limit}
    )
    if json_wanted:
        typer.echo(as_json(answer))
        return
    lines = [line for item in answer["items"] for line in _compared(item)]
    typer.echo("\n".join(lines) or "Not compared yet: everpost mailboxes reconcile does it now.")


def _compared(item: Json) -> Iterator[str]:
    """Give a line for a comparison, and one for each gap that it names."""
    counts = ", ".join(f"{name.replace('_', ' ')} {phrase(item.get(name))}" for name in _COUNTS)
    yield f"{phrase(item['at'])}  {counts}"
    for gap in item.get("gaps", []):
        mail = f"mail {gap['uid']}" if gap.get("uid") is not None else "a mail"
        received = f", received {phrase(gap['received_at'])}" if gap.get("received_at") else ""
        yield "  " + one_line(f"{mail}{received}: {gap['what']}; {gap['done']}", 300)


@app.command()
def rules(
    mailbox: MailboxId,
    file: Annotated[
        Path | None,
        typer.Option(help="Replace them by those in this YAML or JSON file."),
    ] = None,
) -> None:
    """Show a mailbox's rules as YAML, or replace all of them by those in a file."""
    if file is None:
        found = call(read_settings(), "GET", _path(mailbox))["rules"]
        text = yaml.safe_dump({"rules": found}, sort_keys=False, allow_unicode=True)
        typer.echo(printable(text).rstrip())
        return
    changed = call(read_settings(), "PATCH", _path(mailbox), body={"rules": _rules_in(file)})
    count = len(changed["rules"])
    typer.echo(f"Mailbox {one_line(mailbox)} has {count} rule{'' if count == 1 else 's'} now.")


def _rules_in(file: Path) -> list[Any]:  # Any: JSON values
    """Return the rules in a file: a list, or as `rules` prints it a mapping that has one."""
    value = read_file(file, parse_value, "rules")
    if isinstance(value, Mapping) and list(value) == ["rules"]:
        value = value["rules"]
    if not isinstance(value, list):
        raise CommandError(f"{file} has to hold a list of rules, or `rules:` and such a list.")
    return value


def alarms(json_wanted: AsJson = False) -> None:
    """List what keeps mailboxes from doing their work, since when, and what to do."""
    answer = call(read_settings(), "GET", "/alarms")
    if json_wanted:
        typer.echo(as_json(answer))
        return
    lines = [line for alarm in answer["items"] for line in _alarm(alarm)]
    typer.echo("\n".join(lines) or "No alarm.")


def _alarm(alarm: Json) -> Iterator[str]:
    where = f"{alarm['address']} ({alarm['mailbox_id']})"
    problems = phrase(alarm["problems"])
    yield one_line(f"{where}: {alarm['kind']} since {phrase(alarm['since'])}: {problems}", 500)
    yield "  " + one_line(str(alarm["what_to_do"]).replace("{id}", alarm["mailbox_id"]), 500)


def red_mailboxes(settings: Settings) -> list[str]:
    """Return a line for each mailbox that is red, or one that says why that is not known."""
    try:
        listed = call(settings, "GET", "/mailboxes")["items"]
    except CommandError as error:
        return [f"mailboxes: not known. {one_line(str(error), 300)}"]
    red = [
        one_line(f"mailbox {box['address']} ({box['id']}): red{_why(box['health'])}", 500)
        for box in listed
        if _health(box) == "red"
    ]
    return [*red, "`everpost alarms` says since when, and what to do."] if red else []


def _why(health: Mapping[str, Any]) -> str:  # Any: JSON values
    found = []
    if health.get("last_error") and not health.get("connected"):
        found.append(str(health["last_error"]))
    if health.get("gaps"):
        found.append(f"{health['gaps']} mails are missing in the ledger")
    return f", {'; '.join(found)}" if found else ""


def _path(mailbox: str, rest: str = "") -> str:
    return f"/mailboxes/{quote(mailbox, safe='')}{rest}"

"""`everpost outbox`: mails that go out, and decisions about those that wait for a person."""

from typing import Annotated, Any

import typer

from everpost.cli.client import call
from everpost.cli.errors import Commands
from everpost.cli.output import as_json, columns, facts, titled
from everpost.cli.terminal import one_line, printable
from everpost.settings import read_settings

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="See mails that go out, and decide about parked ones."
)

LIST_COLUMNS = ("id", "state", "held_for", "kind", "recipients", "subject", "case_id", "reason")
_FACTS = (
    "id",
    "state",
    "held_for",
    "reason",
    "kind",
    "template",
    "case_id",
    "recipients",
    "subject",
    "message_id",
    "mailbox_id",
    "attempts",
    "attempted_at",
    "created_at",
    "updated_at",
)

Number = Annotated[int, typer.Argument(min=1, help="The mail's number, as `outbox list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answers, as it is.")]


@app.command("list")
def list_outbox(
    state: Annotated[
        str | None, typer.Option(help="In this state; `parked`: what waits for a person.")
    ] = None,
    case: Annotated[str | None, typer.Option(help="Of this case.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on after an earlier list.")] = None,
    json_wanted: AsJson = False,
) -> None:
    """List mails that go out, the newest first."""
    given = {"state": state, "case": case, "cursor": cursor}
    query: dict[str, str | int] = {name: value for name, value in given.items() if value}
    answer = call(read_settings(), "GET", "/outbox", query=query | {"limit": limit})
    if json_wanted:
        typer.echo(as_json(answer))
        return
    items = answer.get("items", [])
    typer.echo(columns(items, LIST_COLUMNS) if items else "No such mail.")
    if answer.get("next_cursor"):
        typer.echo(f"There are more: --cursor {one_line(str(answer['next_cursor']))}")


@app.command()
def show(number: Number, json_wanted: AsJson = False) -> None:
    """Show one mail: where it stands, what proves it, and what it says."""
    answer = call(read_settings(), "GET", f"/outbox/{number}")
    typer.echo(as_json(answer) if json_wanted else _described(answer))


@app.command()
def resend(number: Number) -> None:
    """Send a held or unknown mail now, the same bytes."""
    _decide(number, "resend")


@app.command("mark-sent")
def mark_sent(number: Number) -> None:
    """Say that a held or unknown mail has reached its recipients."""
    _decide(number, "mark-sent")


@app.command()
def drop(number: Number) -> None:
    """Say that a held or unknown mail is not to be sent."""
    _decide(number, "drop")


def _decide(number: int, decision: str) -> None:
    answer = call(read_settings(), "POST", f"/outbox/{number}/{decision}")
    typer.echo(one_line(f"Mail {number} is {answer['state']}: {answer.get('reason') or ''}", 300))


def _described(answer: dict[str, Any]) -> str:  # Any: JSON values
    row = answer["row"]
    evidence = row.get("evidence") or {}
    names = [one_line(str(name)) for name in answer.get("attachments", [])]
    decisions = [one_line(str(what).replace("_", "-")) for what in answer.get("resolutions", [])]
    blocks = [
        facts({name.replace("_", " "): row.get(name) for name in _FACTS}),
        titled("Evidence", facts(evidence).splitlines()),
        titled("Attachments", names),
        titled("To decide", [f"everpost outbox {what} {row['id']}" for what in decisions]),
        printable(str(answer.get("text") or "")).strip(),
    ]
    return "\n\n".join(block for block in blocks if block)

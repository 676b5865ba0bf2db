"""`everpost review` and `everpost quarantine`: mails that wait for a person, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from everpost.cli.client import answered, call
from everpost.cli.errors import Commands
from everpost.cli.mail import shown
from everpost.cli.output import as_json, columns, facts, titled
from everpost.cli.terminal import one_line, printable
from everpost.settings import read_settings

review = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="See mails that may belong to a case, and decide about them.",
)
quarantine = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="See mails that could not be read or that a rule put aside, and decide about them.",
)

# Any: what the API answers is JSON.
Json = dict[str, Any]

REVIEW_COLUMNS = (
    "id",
    "received_at",
    "mailbox_id",
    "sender",
    "subject",
    "reason",
    "suggested_case_id",
)
QUARANTINE_COLUMNS = ("id", "received_at", "mailbox_id", "sender", "subject", "reason")
_FACTS = (
    "id",
    "state",
    "reason",
    "suggested_case_id",
    "case_id",
    "decided_by",
    "decided_at",
    "mailbox_id",
    "received_at",
    "size_bytes",
    "message_id",
    "event_type",
)
_PREVIEW = ("sender", "sender_name", "to", "subject", "date", "kind", "attachments", "unreadable")

Number = Annotated[int, typer.Argument(min=1, help="The mail's number, as `list` shows it.")]
Mailbox = Annotated[str | None, typer.Option(help="Of this mailbox.")]
AtMost = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]
From = Annotated[str | None, typer.Option(help="Go on after an earlier list.")]
Reason = Annotated[str | None, typer.Option(help="Why; the ledger keeps it.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answers, as it is.")]


@review.command("list")
def list_review(
    mailbox: Mailbox = None, limit: AtMost = 50, cursor: From = None, json_wanted: AsJson = False
) -> None:
    """List mails under review, the newest first, each with the case where it may belong."""
    answer = _page("/review", mailbox, limit, cursor)
    typer.echo(as_json(answer) if json_wanted else _listed(answer, REVIEW_COLUMNS))


@review.command("show")
def show_review(number: Number, json_wanted: AsJson = False) -> None:
    """Show one mail under review: why it waits, what it says, and what can be decided."""
    answer = call(read_settings(), "GET", f"/ledger/rows/{number}")
    if json_wanted:
        typer.echo(as_json(answer))
        return
    row = answer["row"]
    blocks = [
        _row_facts(row),
        _mail(number) if answer.get("has_raw") else facts(answer.get("event") or {}),
        titled("To decide", _review_choices(row)),
    ]
    typer.echo("\n\n".join(block for block in blocks if block))


@review.command()
def join(
    number: Number, case_id: Annotated[str, typer.Argument(metavar="CASE", help="Its case.")]
) -> None:
    """Make a mail the next one of a case; its sender takes part from now on."""
    _decide(f"/review/{number}/join", {"case_id": case_id})


@review.command("open")
def open_case(
    number: Number,
    definition: Annotated[
        str | None, typer.Option(help="By which definition; else its mailbox's.")
    ] = None,
) -> None:
    """Open a case with a mail."""
    _decide(f"/review/{number}/open", {"definition": definition} if definition else {})


@review.command("discard")
def discard_review(number: Number, reason: Reason = None) -> None:
    """Do nothing with a mail; the ledger keeps it."""
    _decide(f"/review/{number}/discard", {"reason": reason} if reason else {})


@quarantine.command("list")
def list_quarantine(
    mailbox: Mailbox = None, limit: AtMost = 50, cursor: From = None, json_wanted: AsJson = False
) -> None:
    """List mails in quarantine, the newest first, each with the reason."""
    answer = _page("/quarantine", mailbox, limit, cursor)
    typer.echo(as_json(answer) if json_wanted else _listed(answer, QUARANTINE_COLUMNS))


@quarantine.command("show")
def show_quarantine(number: Number, json_wanted: AsJson = False) -> None:
    """Show one mail in quarantine, as far as it can be read, and what can be decided."""
    answer = call(read_settings(), "GET", f"/quarantine/{number}")
    if json_wanted:
        typer.echo(as_json(answer))
        return
    preview = answer.get("preview") or {}
    choices = [f"everpost quarantine {what} {number}" for what in ("release", "discard")]
    blocks = [
        _row_facts(answer["row"]),
        facts({name.replace("_", " "): preview.get(name) for name in _PREVIEW}),
        printable(str(preview.get("text") or "")).strip(),
        titled("To decide", choices),
    ]
    typer.echo("\n\n".join(block for block in blocks if block))


@quarantine.command()
def release(number: Number) -> None:
    """Route a mail as if it came in now, whatever its mailbox's rules say."""
    _decide(f"/quarantine/{number}/release", {})


@quarantine.command("discard")
def discard_quarantine(number: Number, reason: Reason = None) -> None:
    """Do nothing with a mail in quarantine; the ledger keeps it."""
    _decide(f"/quarantine/{number}/discard", {"reason": reason} if reason else {})


def _page(path: str, mailbox: str | None, limit: int, cursor: str | None) -> Json:
    given = {"mailbox": mailbox, "cursor": cursor}
    query: dict[str, str | int] = {name: value for name, value in given.items() if value}
    answer: Json = call(read_settings(), "GET", path, query=query | {"limit": limit})
    return answer


def _listed(answer: Json, names: Sequence[str]) -> str:
    items = answer.get("items", [])
    lines = [columns(items, names) if items else "No mail waits here."]
    if answer.get("next_cursor"):
        lines.append(f"There are more: --cursor {one_line(str(answer['next_cursor']))}")
    return "\n".join(lines)


def _row_facts(row: Mapping[str, Any]) -> str:  # Any: JSON values
    return facts({name.replace("_", " "): row.get(name) for name in _FACTS})


def _mail(number: int) -> str:
    """Return what a mail says, read from its bytes."""
    answer = answered(read_settings(), "GET", f"/ledger/rows/{number}/raw")
    return shown(answer.content).strip()


def _review_choices(row: Mapping[str, Any]) -> list[str]:  # Any: JSON values
    if row.get("state") != "review":
        return []
    case = one_line(str(row.get("suggested_case_id") or "CASE"))
    wanted = (f"join {row['id']} {case}", f"open {row['id']}", f"discard {row['id']}")
    return [f"everpost review {what}" for what in wanted]


def _decide(path: str, body: Json) -> None:
    answer = call(read_settings(), "POST", path, body=body)
    row = answer["row"]
    case = f" with case {row['case_id']}" if row.get("case_id") else ""
    reason = f" ({row['reason']})" if row.get("reason") else ""
    again = "" if answer.get("changed") else "; it was decided so before, and nothing has changed"
    typer.echo(one_line(f"Mail {row['id']} is {row['state']}{case}{reason}{again}.", 400))

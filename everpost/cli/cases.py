"""`everpost cases`: find cases, open one, look into it, give it an event, resume or cancel it."""

import json
import uuid
from typing import Annotated, Any
from urllib.parse import quote

import typer

from everpost.cli.case_next import foretold, next_of
from everpost.cli.case_view import described
from everpost.cli.case_why import explained
from everpost.cli.client import call
from everpost.cli.errors import CommandError, Commands
from everpost.cli.output import as_json, columns
from everpost.cli.terminal import one_line
from everpost.settings import read_settings

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Find cases and see what they do.")

LIST_COLUMNS = (
    "id",
    "status",
    "state",
    "definition",
    "label",
    "subject",
    "customer",
    "opened_at",
    "sub-case of",
    "parked",
)

CaseId = Annotated[str, typer.Argument(help="The case's id, as `cases list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answers, as it is.")]


@app.command("list")
def list_cases(
    state: Annotated[str | None, typer.Option(help="In this state.")] = None,
    status: Annotated[str | None, typer.Option(help="Open or closed.")] = None,
    text: Annotated[str | None, typer.Option(help="With these words.")] = None,
    definition: Annotated[str | None, typer.Option(help="Of this definition.")] = None,
    customer: Annotated[str | None, typer.Option(help="Of this customer's address.")] = None,
    label: Annotated[str | None, typer.Option(help="With this label.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="From this mailbox.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on after an earlier list.")] = None,
    json_wanted: AsJson = False,
) -> None:
    """List cases, the newest first."""
    given = {
        "state": state,
        "status": status,
        "text": text,
        "definition": definition,
        "customer": customer,
        "label": label,
        "mailbox": mailbox,
        "cursor": cursor,
    }
    query: dict[str, str | int] = {name: value for name, value in given.items() if value}
    answer = call(read_settings(), "GET", "/cases", query=query | {"limit": limit})
    if json_wanted:
        typer.echo(as_json(answer))
        return
    items = answer.get("items", [])
    typer.echo(columns([_listed(item) for item in items], LIST_COLUMNS) if items else _none(given))
    if answer.get("next_cursor"):
        typer.echo(f"There are more: --cursor {one_line(str(answer['next_cursor']))}")


@app.command()
def show(case_id: CaseId, json_wanted: AsJson = False) -> None:
    """Show one case: where it stands, what happens next, its messages and why it is so."""
    case = call(read_settings(), "GET", f"/cases/{quote(case_id, safe='')}")
    typer.echo(as_json(case) if json_wanted else described(case))


@app.command()
def why(
    case_id: CaseId,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many steps.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on after an earlier page.")] = None,
    json_wanted: AsJson = False,
) -> None:
    """Tell why a case is where it is: every step, what each guard found, and what was done."""
    query: dict[str, str | int] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    path = f"/cases/{quote(case_id, safe='')}/trace"
    page = call(read_settings(), "GET", path, query=query)
    if json_wanted:
        typer.echo(as_json(page))
        return
    typer.echo(explained(page["items"]) or "Nothing has happened yet.")
    if page.get("next_cursor"):
        typer.echo(f"There are more: --cursor {one_line(str(page['next_cursor']))}")


@app.command("next")
def what_next(case_id: CaseId, json_wanted: AsJson = False) -> None:
    """Tell what happens next in a case: what it waits for, until when, and what holds it back."""
    case = call(read_settings(), "GET", f"/cases/{quote(case_id, safe='')}")
    typer.echo(as_json(next_of(case)) if json_wanted else foretold(case))


@app.command("open")
def open_case(
    definition: Annotated[str, typer.Argument(help="The definition's id.")],
    data: Annotated[str, typer.Option(help="The case's data, a JSON object.")] = "{}",
    to: Annotated[str | None, typer.Option(help="Whom its replies go to, an address.")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="The mailbox that its mail is from.")] = None,
) -> None:
    """Open a case without a mail."""
    given = {"to": to, "subject": subject, "mailbox_id": mailbox}
    body = {"spec_id": definition, "data": _object(data)}
    body |= {name: value for name, value in given.items() if value is not None}
    case = call(read_settings(), "POST", "/cases", body=body)
    typer.echo(f"Opened: case {one_line(case['id'])}.")


@app.command()
def event(
    case_id: CaseId,
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="The event's type.")],
    data: Annotated[str, typer.Option(help="The event's data, a JSON object.")] = "{}",
    event_id: Annotated[
        str | None,
        typer.Option("--id", help="The event's id; the same id is applied once only."),
    ] = None,
) -> None:
    """Give a case an event."""
    event_id = event_id or str(uuid.uuid4())
    body = {"id": event_id, "type": event_type, "data": _object(data)}
    call(read_settings(), "POST", f"/cases/{quote(case_id, safe='')}/events", body=body)
    typer.echo(f"Accepted: event {one_line(event_id)} for case {one_line(case_id)}.")


@app.command()
def resume(case_id: CaseId) -> None:
    """Let a parked case go on. Exit code 1 if it does not, or is parked again."""
    answer = call(read_settings(), "POST", f"/cases/{quote(case_id, safe='')}/resume")
    case = f"Case {one_line(case_id)}"
    if not answer["applied"]:
        raise CommandError(
            f"{case} has not gone on yet: it does so as soon as Temporal and a worker are there."
        )
    if answer["parked"]:
        raise CommandError(f"{case} was resumed, and is parked again: {answer['parked']}.")
    typer.echo(f"{case} goes on." if answer["status"] == "open" else f"{case} has ended.")


@app.command()
def cancel(
    case_id: CaseId,
    reason: Annotated[str | None, typer.Option(help="Why; the trace says so.")] = None,
) -> None:
    """End a case where it stands, parked or not, with its sub-cases and held replies."""
    path = f"/cases/{quote(case_id, safe='')}/cancel"
    answer = call(read_settings(), "POST", path, body={"reason": reason} if reason else None)
    if answer and answer.get("duplicate"):
        typer.echo(f"Case {one_line(case_id)} had been cancelled before: nothing changes.")
    else:
        typer.echo(f"Case {one_line(case_id)} is being cancelled.")


def _listed(item: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """Return a case as a row of the list: a parked one and a sub-case are marked."""
    status = f"{item.get('status')}, parked" if item.get("parked") else item.get("status")
    net = f"{item.get('net')} of " if item.get("net") else ""
    above = f"{net}{item['parent']}" if item.get("parent") else None
    return {**item, "status": status, "sub-case of": above}


def _none(given: dict[str, str | None]) -> str:
    return "No case is like that." if any(given.values()) else "No case yet."


def _object(text: str) -> dict[str, Any]:  # Any: JSON values
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--data is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CommandError('--data has to be a JSON object, such as {"amount": 12}.')
    return value

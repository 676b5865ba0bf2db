"""`everpost patterns`: the control-flow patterns, and runs of them."""

from typing import Annotated, Any

import typer

from everpost.cli.case_next import kept
from everpost.cli.client import call
from everpost.cli.errors import CommandError, Commands
from everpost.cli.output import columns, facts, part_of, titled
from everpost.cli.terminal import one_line, printable
from everpost.settings import read_settings

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Look at the control-flow patterns, and run them."
)

FIRING_COLUMNS = ("firing", "net", "task", "from", "to", "event")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="From 1 to 43.")]
Json = Any  # Any: what the API answers is JSON, and shown as it is


@app.command("list")
def list_patterns() -> None:
    """List the patterns by number."""
    for item in call(read_settings(), "GET", "/patterns")["items"]:
        typer.echo(
            f"{item['number']:>2}  {one_line(item['name'])}: {one_line(item['meaning'], 300)}"
        )


@app.command()
def show(number: Number) -> None:
    """Show a pattern with its definition as it is written, example included."""
    pattern = call(read_settings(), "GET", f"/patterns/{_number(number)}")
    typer.echo(f"{pattern['number']}  {one_line(pattern['name'])}")
    typer.echo(one_line(pattern["meaning"], 300))
    typer.echo()
    typer.echo(printable(pattern["text"]).rstrip())


@app.command()
def run(
    number: Number,
    events: Annotated[
        str | None,
        typer.Option(help="Types of events, with commas between, in place of the example's."),
    ] = None,
) -> None:
    """Run a pattern as a case, and show what it did."""
    wanted = None if events is None else [name.strip() for name in events.split(",")]
    variables = {} if wanted is None else {"events": [name for name in wanted if name]}
    answer = call(
        read_settings(),
        "POST",
        f"/patterns/{_number(number)}/execute",
        body={"variables": variables},
    )
    typer.echo(columns([_firing(entry) for entry in answer["trace"]], FIRING_COLUMNS))
    typer.echo(
        facts(
            {
                "case": answer["case_id"],
                "status": answer["status"],
                "note": answer["note"],
                "marking": answer["marking"],
                "variables": answer["variables"],
                "events given": [_given(event) for event in answer["events_fed"]],
                "events left": answer["events_left"],
                "running": answer["running"],
            }
        )
    )
    if answer["kept"]:
        typer.echo(titled("Events that nothing has taken", kept(answer["kept"])))


def _number(text: str) -> str:
    """Return a pattern's number as it may stand in an address."""
    if not (text.isascii() and text.isdigit()):
        raise CommandError(f"{one_line(text)!r} is no number; `everpost patterns list` shows them.")
    return text


def _given(event: dict[str, Json]) -> str:
    return str(event["event"]) if event["taken"] else f"{event['event']} (not taken)"


def _firing(entry: Json) -> dict[str, Json]:
    event = entry.get("event") or {}
    return {
        "firing": entry.get("firing"),
        "net": entry.get("net"),
        "task": f"{entry.get('task')} {part_of(entry)}".rstrip(),
        "from": ", ".join(entry.get("from", [])),
        "to": ", ".join(entry.get("to", [])),
        "event": event.get("type"),
    }

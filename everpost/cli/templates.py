"""`everpost templates`: see what a mail would say before anything is sent."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from everpost.cli.client import call
from everpost.cli.definitions import spec_of
from everpost.cli.errors import CommandError, Commands
from everpost.cli.output import as_json
from everpost.cli.terminal import one_line, printable
from everpost.settings import read_settings

app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="See what the mails of a definition would say."
)

TEMPLATE_FIELDS = ("subject", "text", "html")


# A group of one command would be that command itself.
@app.callback()
def group() -> None:
    """See what the mails of a definition would say."""


@app.command()
def preview(
    definition: Annotated[str, typer.Argument(help="The definition's id.")],
    name: Annotated[str, typer.Argument(help="The template's name.")],
    case: Annotated[str | None, typer.Option(help="Fill it in with this case's data.")] = None,
    version: Annotated[int | None, typer.Option(help="Of the definition; else the newest.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Case data as a JSON object, in place of the case's.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Take the template from this definition, not registered.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Show the HTML, not the text.")] = False,
    json_wanted: Annotated[
        bool, typer.Option("--json", help="What the API answers, as it is.")
    ] = False,
) -> None:
    """Show what a template would say; nothing is sent. Exit code 1 when it has problems."""
    body: dict[str, Any] = {"data": _object(data) if data else {}}  # Any: JSON
    given = {"case_id": case, "version": version, "template": file and _template(file, name)}
    body |= {key: value for key, value in given.items() if value is not None}
    path = f"/workflows/{quote(definition, safe='')}/templates/{quote(name, safe='')}/preview"
    found = call(read_settings(), "POST", path, body=body)
    if json_wanted:
        typer.echo(as_json(found))
    else:
        _show(found, html=html)
    if found["problems"]:
        raise typer.Exit(1)


def _show(found: Any, *, html: bool) -> None:  # Any: what the API answers is JSON
    if found["text"] is not None:
        typer.echo(f"Subject: {one_line(found['subject'], 1_000)}\n")
        typer.echo(printable(found["html"] if html else found["text"]))
    for problem in found["problems"]:
        typer.echo(f"{one_line(problem['place'])}: {one_line(problem['message'], 500)}", err=True)


def _object(text: str) -> dict[str, Any]:  # Any: JSON
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandError('--data has to be a JSON object, such as \'{"order": "A-1"}\'.')
    return value


def _template(file: Path, name: str) -> dict[str, Any]:  # Any: JSON
    templates = spec_of(file).get("templates")
    found = templates.get(name) if isinstance(templates, dict) else None
    if not isinstance(found, dict):
        raise CommandError(f"{file} has no template {one_line(name)}.")
    return {field: found[field] for field in TEMPLATE_FIELDS if field in found}

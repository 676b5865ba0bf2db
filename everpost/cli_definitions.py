"""`everpost definitions` and `everpost mailboxes`: what cases run on, and where mail comes from."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from cases.documents import parse_document
from cases.errors import DefinitionInvalid
from everpost.cli_client import answered, call
from everpost.cli_errors import CommandError, Commands
from everpost.cli_output import columns, phrase
from everpost.settings import read_settings
from everpost.terminal import one_line, printable

definitions = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Check and register case definitions."
)
mailboxes = typer.Typer(cls=Commands, no_args_is_help=True, help="See the attached mailboxes.")

DEFINITION_COLUMNS = ("id", "name", "version", "hash", "created_at", "created_by")
MAILBOX_COLUMNS = ("id", "address", "definition", "status", "connected", "last_mail_at")

DefinitionFile = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file.")]


@definitions.command()
def validate(file: DefinitionFile) -> None:
    """Check a definition without registering it."""
    call(read_settings(), "POST", "/workflows/validate", body={"spec": spec_of(file)})
    typer.echo(f"{file} is valid.")


@definitions.command()
def register(file: DefinitionFile) -> None:
    """Register a definition, or a new version of it."""
    answer = answered(read_settings(), "POST", "/workflows", body={"spec": spec_of(file)})
    stored = answer.json()
    name, version = one_line(stored["id"]), stored["version"]
    if answer.status_code == HTTPStatus.OK:
        typer.echo(f"{name}: unchanged, still version {version}")
    else:
        typer.echo(f"Registered: {name}, version {version}")


@definitions.command("list")
def list_definitions() -> None:
    """List the registered definitions."""
    items = call(read_settings(), "GET", "/workflows")["items"]
    typer.echo(columns(items, DEFINITION_COLUMNS) if items else "No definition yet.")


@mailboxes.command("list")
def list_mailboxes() -> None:
    """List the attached mailboxes and how they are."""
    listed = call(read_settings(), "GET", "/mailboxes")["items"]
    items = [mailbox | mailbox["health"] for mailbox in listed]
    typer.echo(columns(items, MAILBOX_COLUMNS) if items else "No mailbox yet.")
    for line in _last_errors(items):
        typer.echo(line)


def _last_errors(items: list[Mapping[str, Any]]) -> Iterator[str]:  # Any: JSON values
    """Give a line for each mailbox that an error keeps from its server; old ones are over."""
    for item in items:
        if item.get("last_error") and not item.get("connected"):
            when, text = phrase(item.get("last_error_at")), str(item["last_error"])
            yield f"{one_line(item['address'])}: {when} {one_line(text, len(text))}"


def spec_of(file: Path) -> Mapping[str, Any]:  # Any: JSON values
    """Return the definition in a file; raises CommandError when it holds none."""
    try:
        return parse_document(file.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8.") from None
    except DefinitionInvalid as error:
        raise CommandError(f"{file} holds no definition: {printable(str(error))}") from None

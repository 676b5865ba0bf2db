"""`everpost definitions`: what cases run on."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cases.documents import parse_document
from cases.errors import DefinitionInvalid
from everpost.cli_client import answered, call
from everpost.cli_errors import CommandError, Commands
from everpost.cli_output import columns
from everpost.settings import read_settings
from everpost.terminal import one_line, printable

definitions = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Check and register case definitions."
)

DEFINITION_COLUMNS = ("id", "name", "version", "hash", "created_at", "created_by")

Parsed = TypeVar("Parsed")
DefinitionFile = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file.")]


@definitions.command()
def validate(file: DefinitionFile) -> None:
    """Check a definition without registering it; exits with 1 if it is unsound."""
    answer = call(read_settings(), "POST", "/workflows/validate", body={"spec": spec_of(file)})
    typer.echo(f"{file} is valid. Soundness: {answer['verdict']}.")
    for found in answer["findings"]:
        typer.echo(one_line(f"{found['severity']} {found['kind']}, {found['place']}:"))
        typer.echo(one_line(f"  {found['message']}"))
        if found["witness"]:
            typer.echo(one_line(f"  the way there: {', '.join(found['witness'])}"))
    if answer["verdict"] == "unsound":
        raise typer.Exit(1)


@definitions.command()
def register(
    file: DefinitionFile,
    force: Annotated[bool, typer.Option("--force", help="Although it is unsound.")] = False,
) -> None:
    """Register a definition, or a new version of it."""
    path = "/workflows?force=true" if force else "/workflows"
    answer = answered(read_settings(), "POST", path, body={"spec": spec_of(file)})
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


def spec_of(file: Path) -> Mapping[str, Any]:  # Any: JSON values
    """Return the definition in a file; raises CommandError when it holds none."""
    return read_file(file, parse_document, "definition")


def read_file(file: Path, parse: Callable[[str], Parsed], what: str) -> Parsed:
    """Return what a YAML or JSON file says; raises CommandError when it holds no such thing."""
    try:
        return parse(file.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8.") from None
    except DefinitionInvalid as error:
        raise CommandError(f"{file} holds no {what}: {printable(str(error))}") from None

"""`everpost definitions`: what cases run on."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from cases.definitions import parse_definition
from cases.drawing.picture import CannotDraw
from cases.errors import DefinitionInvalid
from cases.notation.documents import parse_document
from clients.drawing import drawn
from everpost.cli.client import answered, call
from everpost.cli.errors import CommandError, Commands
from everpost.cli.output import columns
from everpost.cli.terminal import one_line, printable
from everpost.settings import read_settings

definitions = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Check, draw and register case definitions."
)

DEFINITION_COLUMNS = ("id", "name", "version", "soundness", "hash", "created_at", "created_by")

LINE_LENGTH = 500

# What is told of a version that is not known to be sound.
_MARKS: Mapping[str | None, str] = {
    "unsound": "It is marked as unsound: its cases may not come to their end.",
    "possible": "It is marked as possible: unsound if guards that read the same data disagree.",
    "unknown": "It is marked as unknown: it is too large to be checked, and may be unsound.",
}

Parsed = TypeVar("Parsed")
DefinitionFile = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file.")]


@definitions.command()
def validate(file: DefinitionFile) -> None:
    """Check a definition without registering it; exits with 1 if it is unsound."""
    answer = call(read_settings(), "POST", "/workflows/validate", body={"spec": spec_of(file)})
    typer.echo(f"{file} is valid. Soundness: {answer['verdict']}.")
    for found in answer["findings"]:
        place = f"{found['severity']} {found['kind']}, {found['place']}:"
        typer.echo(one_line(place, LINE_LENGTH))
        typer.echo("  " + one_line(found["message"], LINE_LENGTH))
        if found["witness"]:
            way = f"the way there: {', '.join(found['witness'])}"
            typer.echo("  " + one_line(way, LINE_LENGTH))
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
    if marked := _MARKS.get(stored.get("soundness")):
        typer.echo(marked)


@definitions.command("list")
def list_definitions() -> None:
    """List the registered definitions."""
    items = call(read_settings(), "GET", "/workflows")["items"]
    typer.echo(columns(items, DEFINITION_COLUMNS) if items else "No definition yet.")


@definitions.command()
def draw(
    source: Annotated[
        str, typer.Argument(metavar="ID|FILE", help="A registered definition, or a file.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="Of a registered one; else its newest.")
    ] = None,
    net: Annotated[str | None, typer.Option(help="One of its `nets`; else the main one.")] = None,
    case_id: Annotated[
        str | None,
        typer.Option("--case", help="Draw this case's tokens too, in the version it runs on."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here, not to the terminal.")
    ] = None,
) -> None:
    """Draw a definition as SVG: its states or tasks, and what moves a case from one to the next."""
    if _is_file(source):
        if version is not None or case_id is not None:
            raise CommandError("--version and --case are for a registered definition, not a file.")
        svg = _drawn_file(Path(source), net)
    elif case_id is not None:
        if version is not None or net is not None:
            raise CommandError("--case draws what the case runs on: leave --version and --net out.")
        svg = _drawn_case(source, case_id)
    else:
        given = {"version": version, "net": net}
        query: dict[str, str | int] = {name: value for name, value in given.items() if value}
        path = f"/workflows/{quote(source, safe='')}/drawing"
        svg = answered(read_settings(), "GET", path, query=query).text
    if output is None:
        typer.echo(printable(svg), nl=False)
        return
    try:
        output.write_text(svg, "utf-8")
    except OSError as error:
        raise CommandError(f"Cannot write {output}: {error.strerror}.") from None
    typer.echo(f"Drawn: {output}")


def _is_file(source: str) -> bool:
    """Tell whether a file is meant: ids of definitions have neither a dot nor a slash."""
    return "." in source or "/" in source or Path(source).is_file()


def _drawn_file(file: Path, net: str | None) -> str:
    try:
        return drawn(parse_definition(spec_of(file)), net)
    except DefinitionInvalid as error:
        raise CommandError(f"{file} is not valid: {printable(str(error))}") from None
    except CannotDraw as error:
        raise CommandError(one_line(str(error), 500)) from None


def _drawn_case(definition: str, case_id: str) -> str:
    path = f"/cases/{quote(case_id, safe='')}"
    case = call(read_settings(), "GET", path)
    if case.get("definition") != definition:
        runs = one_line(str(case.get("definition")))
        raise CommandError(f"Case {one_line(case_id)} runs on {runs}: draw that one.")
    return answered(read_settings(), "GET", f"{path}/drawing").text


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

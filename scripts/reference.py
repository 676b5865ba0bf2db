"""Writes docs/reference from the code: definitions, API, settings, commands.

`make docs` runs it; a test compares its pages with the files, so that neither drifts.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from api.__main__ import services_from
from api.app import create_app
from api.problems import DATABASE_DOWN, FAILED, INVALID, KINDS, PROBLEM_TYPE, TYPE_PREFIX
from cases.definitions import definition_schema
from everpost.cli.main import app as command_line
from everpost.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by scripts/reference.py from the code: change that, then run `make docs`. -->"

# Any: JSON Schema and OpenAPI documents are JSON.
Json = Any
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {}",
    "maxProperties": "at most {}",
}
# Longer ones tell a reader nothing; the JSON Schema and OpenAPI have them.
LONGEST_PATTERN = 50
ONE_CHARACTER = "at least 1 characters"


def pages() -> dict[str, str]:
    """Return every page of the reference by its file's name."""
    schema = definition_schema()
    return {
        "definitions.md": definitions_page(schema),
        "definition.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "api.md": api_page(openapi()),
        "settings.md": settings_page(),
        "cli.md": cli_page(),
    }


def openapi() -> Json:
    """Return the API's OpenAPI document, as `/openapi.json` does."""
    with tempfile.TemporaryDirectory() as home:
        # No .env: the reference is the same on every machine. Nothing is connected.
        settings = Settings(_env_file=None, home=Path(home))  # type: ignore[call-arg]  # theirs
        return create_app(asyncio.run(services_from(settings))).openapi()


def definitions_page(schema: Json) -> str:
    """Return the keys of a case definition, part by part."""
    parts = {
        name: shape
        for name, definition in schema["$defs"].items()
        if (shape := _object_shape(definition)) is not None
    }
    notations = [form["$ref"].rpartition("/")[2] for form in schema["anyOf"]]
    sections = [_shape_section(name, parts.pop(name)) for name in notations]
    sections += [_shape_section(name, parts[name]) for name in sorted(parts)]
    choices = [
        _choices_section(name, definition)
        for name, definition in sorted(schema["$defs"].items())
        if "enum" in definition
    ]
    return _page(
        "Case definitions",
        "Every key that a definition may have, in YAML or JSON: first a definition of states, then"
        " one of tasks and conditions, then their parts. What it all means is in"
        " [the tutorial](../tutorial.md) and in"
        " [how to write tasks and conditions](../how-to/write-tasks-and-conditions.md). The same as"
        " a JSON Schema, for editors:"
        " [definition.schema.json](definition.schema.json); the API gives it at"
        " `GET /api/v1/workflows/schema`. A key that is not here is a mistake, and"
        " `everpost definitions validate FILE` names it.",
        [*sections, *choices],
    )


def api_page(document: Json) -> str:
    """Return every request of the API, with what goes in and what comes out."""
    of_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            section = _operation_section(method.upper(), path, operation)
            of_tag.setdefault(operation["tags"][0], []).append(section)
    sections = [f"## {tag.capitalize()}\n\n" + "\n\n".join(of_tag[tag]) for tag in of_tag]
    shapes = [
        _choices_section(name, shape, level=3)
        if "enum" in shape
        else _shape_section(name, _object_shape(shape), level=3)
        for name, shape in sorted(document["components"]["schemas"].items())
        if "enum" in shape or "properties" in (_object_shape(shape) or ())
    ]
    return _page(
        "The API",
        "A running instance shows the same at `/docs` and as OpenAPI at `/openapi.json`."
        " Every request but the login and those under Health needs the header"
        " `Authorization: Bearer TOKEN`, with a token from `POST /auth/token`.",
        [*sections, _problems_section(), "## What goes in and out\n\n" + "\n\n".join(shapes)],
    )


def settings_page() -> str:
    """Return every setting with its default and its meaning."""
    comments = _env_comments((ROOT / ".env.example").read_text("utf-8"))
    rows = []
    for field, info in Settings.model_fields.items():
        name = f"{ENV_PREFIX}{field.upper()}"
        meaning, default = comments[name]
        if isinstance(info.annotation, type) and issubclass(info.annotation, Enum):
            choices = ", ".join(f"`{choice.value}`" for choice in info.annotation)
            meaning = f"{meaning} One of {choices}."
        rows.append((f"`{name}`", f"`{default}`" if default else "", meaning))
    return _page(
        "Settings",
        "From the environment, or from `.env` in the folder where the command runs; the"
        " environment wins. `.env.example` has them all. An empty one counts as not set.",
        [_table(("setting", "default", "meaning"), rows)],
    )


def cli_page() -> str:
    """Return every command with its arguments and options."""
    root = typer.main.get_command(command_line)
    return _page(
        "Commands",
        "`everpost` is at `.venv/bin/everpost` once `make run` or `make setup` has run. It finds"
        " its instance by the [settings](settings.md), above all `EVERPOST_HOME`, where the login"
        " is kept too, and the ports.",
        [_command_section(path, command) for path, command in _commands("everpost", root)],
    )


# Parts of pages.


def _page(title: str, about: str, sections: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", NOTE, about, *sections]) + "\n"


def _shape_section(name: str, shape: Json, level: int = 2) -> str:
    required = shape.get("required", ())
    rows = [
        (
            f"`{key}`" + (" (needed)" if key in required else ""),
            _type(field),
            _meaning(field),
        )
        for key, field in shape["properties"].items()
    ]
    head = f"{'#' * level} {name}"
    about = [shape["description"]] if shape.get("description") else []
    keys = _table(("key", "type", "meaning"), rows) if rows else "It has no keys."
    return "\n\n".join([head, *about, keys])


def _choices_section(name: str, shape: Json, level: int = 2) -> str:
    about = [shape["description"]] if shape.get("description") else []
    choices = ", ".join(f"`{choice}`" for choice in shape["enum"])
    return "\n\n".join([f"{'#' * level} {name}", *about, f"One of {choices}."])


def _object_shape(definition: Json) -> Json:
    """Return the object form of a part that may have short forms too; None for choices."""
    forms = [definition, *definition.get("anyOf", ())]
    return next((form for form in forms if form.get("type") == "object"), None)


def _operation_section(method: str, path: str, operation: Json) -> str:
    blocks = [f"### {method} {path}", operation["description"]]
    parameters = operation.get("parameters", ())
    if parameters:
        rows = [
            (
                f"`{parameter['name']}`" + (" (needed)" if parameter.get("required") else ""),
                parameter["in"],
                _type(parameter["schema"]),
                parameter.get("description") or _meaning(parameter["schema"]),
            )
            for parameter in parameters
        ]
        blocks.append(_table(("parameter", "in", "type", "meaning"), rows))
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        blocks.append(f"Body: {_type(content['schema'])}.")
    blocks.append(_answers(operation["responses"]))
    return "\n\n".join(blocks)


def _answers(responses: Json) -> str:
    good = []
    for status, response in sorted(responses.items()):
        if PROBLEM_TYPE in response.get("content", {}):
            continue
        bodies = [
            _type(content["schema"]) if content.get("schema") else f"`{kind}`"
            for kind, content in response.get("content", {}).items()
        ]
        said = response["description"]
        words = [", ".join(bodies), "" if said == "Successful Response" else said]
        good.append(" ".join([f"`{status}`", ": ".join(word for word in words if word)]).strip())
    errors = sorted(s for s, r in responses.items() if PROBLEM_TYPE in r.get("content", {}))
    text = "Answers: " + "; ".join(answer.rstrip(".") for answer in good) + "."
    if errors:
        text += f" Problems: {', '.join(f'`{status}`' for status in errors)}."
    return text


def _problems_section() -> str:
    kinds = sorted(
        {*KINDS.values(), DATABASE_DOWN, INVALID, FAILED},
        key=lambda kind: (kind.status, kind.name),
    )
    rows = [(f"`{TYPE_PREFIX}{kind.name}`", str(int(kind.status)), kind.title) for kind in kinds]
    return (
        "## Problems\n\nErrors are problem details (RFC 9457, `application/problem+json`)."
        " `type` never changes its meaning, `detail` says what to do, and `problems`, where it is,"
        " names every mistake with its place.\n\n" + _table(("type", "status", "title"), rows)
    )


def _commands(path: str, command: Json) -> Iterator[tuple[str, Json]]:
    """Give every command that does something, with its full name, in order of declaration."""
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(f"{path} {name}", child)


def _command_section(path: str, command: Json) -> str:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    usage = [path, *map(_argument_name, arguments)]
    if len(parameters) > len(arguments):
        usage.append("[OPTIONS]")
    blocks = [f"## {path}", _one_paragraph(command.help or ""), f"    {' '.join(usage)}"]
    if parameters:
        rows = [(_parameter_name(p), _default(p), getattr(p, "help", "") or "") for p in parameters]
        blocks.append(_table(("parameter", "default", "meaning"), rows))
    return "\n\n".join(blocks)


def _argument_name(parameter: Json) -> str:
    return str(parameter.metavar or parameter.name).upper()


def _parameter_name(parameter: Json) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_argument_name(parameter)}` (needed)"
    name = max(parameter.opts, key=len)
    return f"`{name}`" + (" (needed)" if parameter.required else "")


def _default(parameter: Json) -> str:
    default = parameter.default
    simple = isinstance(default, str | int) and not isinstance(default, bool)
    return f"`{default}`" if simple else ""


# Words for JSON Schema.


def _type(schema: Json) -> str:
    """Return what a schema takes, in words; other shapes are linked on the same page."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        members = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        forms = [_type(form) for form in members if form.get("type") != "null"]
        return " or ".join(dict.fromkeys(forms))
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object":
            values = _values(schema)
            return f"mapping of names to {_type(values)}" if values else "mapping"
        case "string":
            return str(schema.get("format", "text"))
        case str(name):
            return name
    return "any JSON"


def _values(schema: Json) -> Json:
    """Return the schema of a mapping's values; None where there is none."""
    by_pattern = list(schema.get("patternProperties", {}).values())
    additional = schema.get("additionalProperties")
    return by_pattern[0] if by_pattern else additional if isinstance(additional, Mapping) else None


def _meaning(schema: Json) -> str:
    """Return what a field's schema says beyond its type."""
    sentences = [schema["description"]] if schema.get("description") else []
    limits = _limits(schema)
    if limits:
        sentences.append(f"{limits[0].upper()}{limits[1:]}.")
    default = schema.get("default")
    if default not in (None, [], {}):
        sentences.append(f"Default: `{json.dumps(default)}`.")
    examples = schema.get("examples")
    if examples and all(isinstance(example, str) for example in examples):
        sentences.append(f"For example {', '.join(f'`{example}`' for example in examples)}.")
    return " ".join(sentences)


def _limits(schema: Json) -> str:
    forms = [schema, *schema.get("anyOf", ())]
    said = [
        words.format(form[key]) for form in forms for key, words in BOUNDS.items() if key in form
    ]
    patterns = (form.get("pattern", "") for form in forms)
    said += [f"like `{pattern}`" for pattern in patterns if 0 < len(pattern) <= LONGEST_PATTERN]
    return ", ".join(dict.fromkeys(limit for limit in said if limit != ONE_CHARACTER))


def _env_comments(text: str) -> dict[str, tuple[str, str]]:
    """Return each setting of `.env.example` with the comment above it and its default."""
    found: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        elif "=" in line:
            name, _, default = line.partition("=")
            found[name] = (" ".join(comment), default)
            comment = []
        else:
            comment = []
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return _one_paragraph(text).replace("|", "\\|")


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())


def main() -> int:
    """Write the pages, and return the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

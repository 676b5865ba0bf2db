"""Case definitions: read, checked, stored under the hash of their one canonical text.

`parse_document` reads a text, `parse_definition` checks what it says, `canonical_json` is the text
that is stored, and `content_hash` of that text names the version.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cases.checks.definition import problems_in, replies_without_to
from cases.data import data_problems
from cases.errors import DataInvalid, DefinitionInvalid, Problem
from cases.expressions.conditions import Op
from cases.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_DEPTH,
    MAX_DOCUMENT_NODES,
    MAX_PATTERNS,
    MAX_PROBLEMS,
)
from cases.notation.declarations import Definition
from cases.notation.documents import A_DEFINITION_IS, parse_document
from cases.notation.mending import mended_spec
from cases.notation.shapes import problems_of
from cases.notation.states import StatesDefinition
from cases.notation.tasks import TasksDefinition
from cases.values import JSON, PlainJson, kind_of

__all__ = [
    "Definition",
    "canonical_json",
    "check_data",
    "content_hash",
    "data_defaults",
    "definition_of",
    "definition_schema",
    "parse_definition",
    "parse_document",
    "replies_without_to",
]


# What only the tasks notation has.
_OF_TASKS = ("tasks", "conditions", "nets", "locks", "ends", "max_depth")


def parse_definition(spec: object) -> Definition:
    """Return the definition that a value says, or raise DefinitionInvalid with every problem."""
    plain = PlainJson(MAX_DOCUMENT_NODES, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_BYTES)
    copied = plain.copy(spec)
    if plain.problems:
        raise DefinitionInvalid(plain.problems[:MAX_PROBLEMS])
    if not isinstance(copied, Mapping):
        message = f"{A_DEFINITION_IS}, not {kind_of(copied)}"
        raise DefinitionInvalid([Problem("", message)])
    if _patterns_in(copied) > MAX_PATTERNS:
        message = f"has more than {MAX_PATTERNS} patterns (`matches`, `pattern`)"
        raise DefinitionInvalid([Problem("", message)])
    notation = notation_of(copied)
    try:
        definition = notation.model_validate(copied)
    except ValidationError as error:
        problems = [*problems_of(error, notation), *_problems_beside(copied, error)]
        raise DefinitionInvalid(problems[:MAX_PROBLEMS]) from None
    if len(canonical_json(definition).encode()) > MAX_DOCUMENT_BYTES:
        # The short forms are written out there, so it can be longer than what was given.
        message = f"is larger than {MAX_DOCUMENT_BYTES // 1024} KiB in its canonical form"
        raise DefinitionInvalid([Problem("", message)])
    found = list(islice(problems_in(definition), MAX_PROBLEMS))
    if found:
        raise DefinitionInvalid(found)
    return definition


def notation_of(spec: Mapping[str, Any]) -> type[StatesDefinition] | type[TasksDefinition]:
    """Return in which notation a definition is written, or raise DefinitionInvalid if in both.

    Any: JSON values, of which only the keys are looked at.
    """
    of_tasks = [key for key in _OF_TASKS if key in spec]
    if "states" in spec and of_tasks:
        message = f"a definition with states has no {of_tasks[0]}: take one of the two away"
        raise DefinitionInvalid([Problem(of_tasks[0], message)])
    return TasksDefinition if of_tasks else StatesDefinition


def _patterns_in(spec: JSON) -> int:
    """Return how many patterns a definition may have: a field of that name is taken for one."""
    if isinstance(spec, Mapping):
        own = spec.get("op") == Op.MATCHES or "pattern" in spec
        return own + sum(map(_patterns_in, spec.values()))
    return sum(map(_patterns_in, spec)) if isinstance(spec, list) else 0


def _problems_beside(spec: Mapping[str, JSON], error: ValidationError) -> list[Problem]:
    """Return the wrong references of a spec whose shapes are wrong too, so that all come at once.

    What has a wrong shape is mended for the look; if that does not do, the references have to wait.
    """
    mended = mended_spec(spec, error)
    try:
        definition = notation_of(mended).model_validate(mended)
    except ValidationError:
        return []
    return list(islice(problems_in(definition, mended=True), MAX_PROBLEMS))


def canonical_json(definition: Definition) -> str:
    """Return the one text of a definition: sorted, compact, without defaults.

    Only tasks and conditions keep the order of writing, since it decides which goes first.
    """
    spec = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(definition, TasksDefinition):
        spec.setdefault("tasks", {})  # says which notation it is, also where nothing is in it
    sort = isinstance(definition, StatesDefinition)
    return json.dumps(
        spec if sort else _sorted_but_nodes(spec),
        sort_keys=sort,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _sorted_but_nodes(net: Mapping[str, Any]) -> dict[str, Any]:
    """Return a net sorted by key at every depth, but for the names of its tasks and conditions."""
    found: dict[str, Any] = {}
    for key in sorted(net):
        if key in ("tasks", "conditions"):
            found[key] = {name: _sorted(node) for name, node in net[key].items()}
        elif key == "nets":
            found[key] = {name: _sorted_but_nodes(net[key][name]) for name in sorted(net[key])}
        else:
            found[key] = _sorted(net[key])
    return found


def _sorted(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def content_hash(text: str) -> str:
    """Return the name of a version: the SHA-256 of its canonical text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def definition_of(document: str) -> Definition:
    """Return the definition of a canonical (or any valid) text; the same text is parsed once."""
    return parse_definition(parse_document(document))


def definition_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of definitions, the short forms included.

    Any, since this is pydantic's own type for a schema.
    """
    either: TypeAdapter[StatesDefinition | TasksDefinition] = TypeAdapter(
        StatesDefinition | TasksDefinition
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A case definition",
        "description": "Written as states, or as tasks and conditions.",
        **either.json_schema(by_alias=True),
    }


def check_data(definition: Definition, data: object) -> None:
    """Raise DataInvalid with every problem unless the data fits the definition's `data`."""
    problems = data_problems(definition.data, data)
    if problems:
        raise DataInvalid(problems)


def data_defaults(definition: Definition) -> dict[str, JSON]:
    """Return the data that a case has when nothing else is said."""
    fields = definition.data.items()
    return {name: schema.default for name, schema in fields if schema.default is not None}

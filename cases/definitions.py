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

from cases.checks import problems_in, replies_without_to
from cases.data import data_problems
from cases.declarations import Definition
from cases.documents import parse_document
from cases.errors import DataInvalid, DefinitionInvalid, Problem
from cases.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_DEPTH,
    MAX_DOCUMENT_NODES,
    MAX_PROBLEMS,
)
from cases.mending import mended_spec
from cases.shapes import problems_of
from cases.states import StatesDefinition
from cases.tasks import TasksDefinition
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


def parse_definition(spec: object) -> Definition:
    """Return the definition that a value says, or raise DefinitionInvalid with every problem."""
    plain = PlainJson(MAX_DOCUMENT_NODES, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_BYTES)
    copied = plain.copy(spec)
    if plain.problems:
        raise DefinitionInvalid(plain.problems[:MAX_PROBLEMS])
    if not isinstance(copied, Mapping):
        message = f"a definition is a mapping with id, start and states, not {kind_of(copied)}"
        raise DefinitionInvalid([Problem("", message)])
    try:
        definition = notation_of(copied).model_validate(copied)
    except ValidationError as error:
        problems = [*problems_of(error), *_problems_beside(copied, error)]
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
    """Return in which notation a definition is written: what has states has no tasks.

    Any: JSON values, of which only the keys are looked at.
    """
    return TasksDefinition if "tasks" in spec or "conditions" in spec else StatesDefinition


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
    """Return the one text of a definition: sorted, compact, without defaults."""
    spec = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


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
    schema = either.json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def check_data(definition: Definition, data: object) -> None:
    """Raise DataInvalid with every problem unless the data fits the definition's `data`."""
    problems = data_problems(definition.data, data)
    if problems:
        raise DataInvalid(problems)


def data_defaults(definition: Definition) -> dict[str, JSON]:
    """Return the data that a case has when nothing else is said."""
    fields = definition.data.items()
    return {name: schema.default for name, schema in fields if schema.default is not None}

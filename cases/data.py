"""Case data: the part of JSON Schema that a definition may use, and a check with bounded cost.

Not the jsonschema library: definitions come from strangers, and it follows `$ref`, recurses without
a limit, and matches patterns with Python's backtracking `re`. The keywords here are those that
people use for case data, with JSON Schema's meaning (2020-12); patterns are RE2. An unknown keyword
is refused at registration rather than ignored, as JSON Schema would.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, StrictBool, StrictFloat, StrictInt, model_validator

from cases.errors import Problem
from cases.expressions.regexes import (
    BadPattern,
    instructions_of,
    pattern_test,
    visits_of_match,
)
from cases.limits import (
    MAX_DATA_BYTES,
    MAX_DATA_DEPTH,
    MAX_DATA_FIELDS,
    MAX_DATA_NODES,
    MAX_LIST_CHOICES,
    MAX_PATTERN_CHARS,
    MAX_PROBLEMS,
)
from cases.model import Line, Model
from cases.nearest import nearest
from cases.values import JSON, PlainJson, kind_of, place_of, place_under

_Count = Annotated[StrictInt, Field(ge=0, le=MAX_DATA_BYTES)]
_Choices = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=MAX_LIST_CHOICES)]


class DataType(StrEnum):
    """The types of JSON Schema."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"
    NULL = "null"


class DataFormat(StrEnum):
    """The formats that are checked."""

    DATE_TIME = "date-time"
    DATE = "date"
    EMAIL = "email"


class DataSchema(Model):
    """What one field of the case data may be (JSON Schema 2020-12, a part of it)."""

    type: DataType | None = None
    title: Line | None = None
    description: Line | None = None
    default: JsonValue = Field(None, description="What the field is when a case starts without it.")
    examples: tuple[JsonValue, ...] | None = None
    enum: _Choices | None = None
    format: DataFormat | None = None
    pattern: Annotated[str, Field(max_length=MAX_PATTERN_CHARS)] | None = None
    min_length: _Count | None = Field(None, alias="minLength")
    max_length: _Count | None = Field(None, alias="maxLength")
    minimum: StrictFloat | None = None
    maximum: StrictFloat | None = None
    exclusive_minimum: StrictFloat | None = Field(None, alias="exclusiveMinimum")
    exclusive_maximum: StrictFloat | None = Field(None, alias="exclusiveMaximum")
    items: "DataSchema | None" = None
    min_items: _Count | None = Field(None, alias="minItems")
    max_items: _Count | None = Field(None, alias="maxItems")
    properties: Annotated[dict[str, "DataSchema"], Field(max_length=MAX_DATA_FIELDS)] | None = None
    required: tuple[str, ...] | None = None
    additional_properties: StrictBool | None = Field(None, alias="additionalProperties")

    @model_validator(mode="after")
    def _pattern_compiles(self) -> Self:
        if self.pattern is not None:
            try:
                pattern_test(self.pattern)
            except BadPattern as error:
                raise ValueError(f"has a pattern that {error}") from None
        return self


def problems_of_value(schema: DataSchema, value: JSON, place: str) -> Iterator[Problem]:
    """Yield what keeps a plain JSON value from fitting a schema."""
    if schema.type is not None and not _IS_TYPE[schema.type](value):
        yield Problem(place, f"must be of type {schema.type}, not {kind_of(value)}")
        return
    if schema.enum is not None and not any(_equal(value, choice) for choice in schema.enum):
        choices = [choice for choice in schema.enum if isinstance(choice, str)]
        yield Problem(place, "is not one of the allowed values", nearest(value, choices))
    if isinstance(value, str):
        yield from _text_problems(schema, value, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_problems(schema, value, place)
    elif isinstance(value, list | tuple):
        yield from _list_problems(schema, list(value), place)
    elif isinstance(value, Mapping):
        yield from _object_problems(schema, value, place)


# How much text is copied and measured, and how much of a pattern's program made, in the time of a
# visit.
_CHARS_PER_VISIT = 64
_COMPILED_PER_VISIT = 4
# A field that is not there is answered with so many of those that are.
_FIELDS_NAMED = 10


def data_problems(schemas: Mapping[str, DataSchema], data: object) -> list[Problem]:
    """Return what keeps a value of unknown origin from being case data; at most 100."""
    if not isinstance(data, Mapping):
        return [Problem("data", f"must be a mapping of fields to values, not {kind_of(data)}")]
    plain = PlainJson(MAX_DATA_NODES, MAX_DATA_DEPTH, MAX_DATA_BYTES)
    copied = plain.copy(data, ("data",))
    if plain.problems or not isinstance(copied, Mapping):
        return plain.problems[:MAX_PROBLEMS]
    if len(json.dumps(copied, ensure_ascii=False).encode()) > MAX_DATA_BYTES:
        return [Problem("data", f"is larger than {MAX_DATA_BYTES // 1024} KiB")]
    problems: list[Problem] = []
    for name, value in copied.items():
        place = place_of(("data", name))
        if name not in schemas:
            problems.append(_unknown(place, name, schemas))
        elif value is not None or schemas[name].type is DataType.NULL:
            problems += problems_of_value(schemas[name], value, place)
        if len(problems) >= MAX_PROBLEMS:
            break
    return problems[:MAX_PROBLEMS]


def visits_of_check(schemas: Mapping[str, DataSchema], data: Mapping[str, JSON]) -> int:
    """Return what it costs to check case data, in visits of a step."""
    return sum(visits_of_value(schemas.get(name), value) for name, value in data.items())


def visits_of_value(schema: DataSchema | None, value: JSON) -> int:
    """Return what it costs to check a plain JSON value against a schema, in visits of a step."""
    visits = 1 + (0 if schema is None or schema.enum is None else len(schema.enum))
    if isinstance(value, str):
        visits += len(value) // _CHARS_PER_VISIT
        if schema is not None and schema.pattern is not None:
            instructions = instructions_of(schema.pattern)
            visits += instructions // _COMPILED_PER_VISIT + visits_of_match(instructions, value)
    elif isinstance(value, list | tuple):
        items = None if schema is None else schema.items
        visits += sum(visits_of_value(items, item) for item in value)
    elif isinstance(value, Mapping):
        fields = {} if schema is None or schema.properties is None else schema.properties
        visits += sum(visits_of_value(fields.get(name), item) for name, item in value.items())
    return visits


def _unknown(place: str, name: str, schemas: Mapping[str, DataSchema]) -> Problem:
    """Return the problem that a field is not declared, with those that are."""
    near, message = nearest(name, schemas), "is not a field of this definition"
    if near is None:
        some = ", ".join(list(schemas)[:_FIELDS_NAMED])
        more = ", and more" if len(schemas) > _FIELDS_NAMED else ""
        message += f", which has {some}{more}" if schemas else ", which has none"
    return Problem(place, message, near)


def moment_of(value: JSON) -> datetime | None:
    """Return the aware time that a text says (RFC 3339), or None."""
    if not isinstance(value, str) or len(value) > 40 or "T" not in value.upper():
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


_IS_TYPE: Mapping[DataType, Callable[[JSON], bool]] = {
    DataType.STRING: lambda value: isinstance(value, str),
    DataType.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    # 1.0 is an integer too (JSON Schema 2020-12 core, 4.2.3).
    DataType.INTEGER: lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    ),
    DataType.BOOLEAN: lambda value: isinstance(value, bool),
    DataType.ARRAY: lambda value: isinstance(value, list | tuple),
    DataType.OBJECT: lambda value: isinstance(value, Mapping),
    DataType.NULL: lambda value: value is None,
}


def _equal(one: Any, other: Any) -> bool:  # Any: JSON values of any two kinds
    """Compare as JSON does: true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == 10


def _is_address(value: str) -> bool:
    return re.fullmatch(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}", value) is not None


_FORMATS: Mapping[DataFormat, tuple[Callable[[str], bool], str]] = {
    DataFormat.DATE_TIME: (
        lambda value: moment_of(value) is not None,
        "a time with its zone, such as 2026-01-31T09:00:00Z",
    ),
    DataFormat.DATE: (_is_date, "a date, such as 2026-01-31"),
    DataFormat.EMAIL: (_is_address, "a mail address"),
}


def _text_problems(schema: DataSchema, value: str, place: str) -> Iterator[Problem]:
    if schema.min_length is not None and len(value) < schema.min_length:
        yield Problem(place, f"is shorter than {schema.min_length} characters")
    if schema.max_length is not None and len(value) > schema.max_length:
        yield Problem(place, f"is longer than {schema.max_length} characters")
    if schema.format is not None:
        fits, example = _FORMATS[schema.format]
        if not fits(value):
            yield Problem(place, f"must be {example}")
    if schema.pattern is not None and not pattern_test(schema.pattern)(value):
        yield Problem(place, f"does not match the pattern {schema.pattern}")


def _number_problems(schema: DataSchema, value: float, place: str) -> Iterator[Problem]:
    if schema.minimum is not None and value < schema.minimum:
        yield Problem(place, f"must be at least {schema.minimum:g}")
    if schema.maximum is not None and value > schema.maximum:
        yield Problem(place, f"must be at most {schema.maximum:g}")
    if schema.exclusive_minimum is not None and value <= schema.exclusive_minimum:
        yield Problem(place, f"must be more than {schema.exclusive_minimum:g}")
    if schema.exclusive_maximum is not None and value >= schema.exclusive_maximum:
        yield Problem(place, f"must be less than {schema.exclusive_maximum:g}")


def _list_problems(schema: DataSchema, value: list[JSON], place: str) -> Iterator[Problem]:
    if schema.min_items is not None and len(value) < schema.min_items:
        yield Problem(place, f"needs at least {schema.min_items} items")
    if schema.max_items is not None and len(value) > schema.max_items:
        yield Problem(place, f"may have at most {schema.max_items} items")
    if schema.items is not None:
        for index, item in enumerate(value):
            yield from problems_of_value(schema.items, item, f"{place}[{index}]")


def _object_problems(
    schema: DataSchema, value: Mapping[str, JSON], place: str
) -> Iterator[Problem]:
    properties = schema.properties or {}
    for name in schema.required or ():
        if name not in value:
            yield Problem(place, f"needs the field {name}")
    for name, item in value.items():
        if name in properties:
            yield from problems_of_value(properties[name], item, place_under(place, name))
        elif schema.additional_properties is False:
            yield Problem(place, f"has no field {name}", nearest(name, properties))

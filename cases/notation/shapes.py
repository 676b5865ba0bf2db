"""Pydantic's errors over a definition, as problems in plain words with the nearest right name."""

import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cases.errors import Problem
from cases.limits import MAX_PROBLEMS
from cases.model import ADDRESS
from cases.nearest import nearest
from cases.notation.tasks import UNION_MARKS
from cases.values import kind_of, place_of, shown_text

Place = tuple[str | int, ...]


def problems_of(error: ValidationError, notation: type[BaseModel]) -> list[Problem]:
    """Return pydantic's errors over a notation as problems in plain words; at most 100."""
    details = error.errors(include_url=False)[:MAX_PROBLEMS]
    # A list whose entries are all wrong is also too short; that is no second problem.
    parents = [detail["loc"][:-1] for detail in details if detail["type"] != "too_short"]
    kept = [d for d in details if d["type"] != "too_short" or d["loc"] not in parents]
    return list(dict.fromkeys(_problem_of(detail, notation) for detail in kept))


def written_place(detail: ErrorDetails) -> Place:
    """Return where an error is in what was written, without the marks of a union's members."""
    return tuple(part for part in detail["loc"] if part not in UNION_MARKS)


def _problem_of(detail: ErrorDetails, notation: type[BaseModel]) -> Problem:
    place = written_place(detail)
    kind, given = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(place[-1])
        keys = _keys_at(notation, place[:-1])
        message = f"unknown key; known here: {', '.join(keys)}"
        return Problem(place_of(place), message, nearest(key, keys))
    if kind == "missing":
        return Problem(place_of(place), "is missing")
    if kind == "value_error":
        return Problem(place_of(place), str(context["error"]))
    if kind == "enum":
        names = expected_names(context)
        message = f"must be one of {', '.join(names)}, not {_given(given)}"
        return Problem(place_of(place), message, nearest(given, names))
    if place and place[-1] == "[key]":
        return Problem(place_of(place[:-1]), f"this key {wanted(kind, context)}")
    if kind in _SIZES:
        return Problem(place_of(place), wanted(kind, context))
    if kind in _NO_MODEL and _has_short_form(notation, place):
        return Problem(place_of(place), f"must be text or a mapping, not {_given(given)}")
    return Problem(place_of(place), f"{wanted(kind, context)}, not {_given(given)}")


_NO_MODEL = ("model_type", "model_attributes_type")
_SIZES = ("too_short", "too_long", "string_too_short", "string_too_long")

_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "has characters that are not allowed here",
}


def wanted(kind: str, context: Mapping[str, Any]) -> str:
    """Return what pydantic wanted of a value, in words.

    Any: pydantic's own type for the context.
    """
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), _WANTED[kind])
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    if kind == "too_short":
        return f"must have at least {context['min_length']} entry"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        return f"must be {'at least' if 'ge' in context else 'at most'} {bound:g}"
    return _WANTED.get(kind, "has the wrong type")


def expected_names(context: Mapping[str, Any]) -> list[str]:
    """Return the words of which pydantic wanted one.  Any: as in `wanted`."""
    # It tells the members of an enumeration as Python shows them: <Tls.PLAIN: 'plain'>.
    return re.findall(r"'([^']*)'", str(context["expected"]))


def _given(value: object) -> str:
    """Return what was given, in words: short scalars themselves, else their kind."""
    if isinstance(value, str):
        return repr(shown_text(value))
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return kind_of(value)


_PATTERNS = {
    r"^[a-z][a-z0-9_-]*$": "must be a name of a-z, 0-9, _ and -, starting with a letter",
    r"^[A-Za-z][A-Za-z0-9_-]*$": "must be a name of letters, digits, _ and -",
    r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$": "must be an event's type, such as email or order.paid",
    ADDRESS.pattern: "must be a mail address",
}


def _keys_at(notation: type[BaseModel], place: Place) -> list[str]:
    """Return the keys that the model at a place knows, as they are written."""
    model = _model_at(notation, place)
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _has_short_form(notation: type[BaseModel], place: Place) -> bool:
    """Tell whether what stands at a place may be a text instead of a mapping."""
    return hasattr(_model_at(notation, place), "_short_form")


def _model_at(notation: type[BaseModel], place: Place) -> type[BaseModel] | None:
    found: Any = notation  # Any: annotations are of no one type
    for part in place:
        found = _below(found, part)
    return _model_in(found)


def _below(annotation: Any, part: str | int) -> Any:
    """Return the annotation of what stands under a key or an index."""
    model = _model_in(annotation)
    if model is not None and isinstance(part, str):
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                return field.annotation
        return None
    for member in _members(annotation):
        arguments = get_args(member)
        if get_origin(member) is dict:
            return arguments[1]
        if get_origin(member) is tuple:
            return arguments[0]
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def _members(annotation: Any) -> Iterable[Any]:
    """Yield the types of a union, without their Annotated wrapping."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation

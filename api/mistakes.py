"""What is wrong with a request in plain words: pydantic's own are for those who program with it."""

from collections.abc import Mapping
from typing import Any

from cases.notation.shapes import expected_names, wanted

_A_TIME = "must be a time with its zone, such as 2026-01-31T12:00:00Z"
# Beside what a definition can be wrong in; the rest has the same words as there.
_WANTED: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field: remove it, or correct its name",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "none_required": "must be left out",
    "timezone_aware": _A_TIME,
    "datetime_type": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_from_date_parsing": _A_TIME,
}


def told(found: Mapping[str, Any]) -> str:
    """Return what pydantic says of a mistake in our words, never with the input itself.

    The input may be a password.  Any: one of pydantic's own descriptions of an error.
    """
    kind, context = found["type"], found.get("ctx", {})
    if kind in ("enum", "literal_error"):
        return f"must be one of {', '.join(expected_names(context))}"
    if kind == "value_error":
        return str(found["msg"]).removeprefix("Value error, ")
    return _WANTED.get(kind) or wanted(kind, context)

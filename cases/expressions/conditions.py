"""Condition trees as they are written: `all`, `any`, `not`, and leaves `field op value`."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from cases.expressions.fields import source_of
from cases.limits import MAX_CONDITION_LEAVES, MAX_LINE_CHARS
from cases.model import Model
from cases.values import shown_text


class Op(StrEnum):
    """How a leaf compares the field with its value."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MORE_THAN = "more_than"
    LESS_THAN = "less_than"
    EXISTS = "exists"
    MISSING = "missing"
    MATCHES = "matches"


WITHOUT_VALUE = (Op.EXISTS, Op.MISSING)
WITH_LIST = (Op.IN, Op.NOT_IN)
WITH_NUMBER = (Op.AT_LEAST, Op.AT_MOST, Op.MORE_THAN, Op.LESS_THAN)
WITH_TEXT = (Op.STARTS_WITH, Op.ENDS_WITH, Op.MATCHES)
# A pattern is compiled and judged when the definition is read, so it stands there itself.
WITHOUT_FIELD = (*WITHOUT_VALUE, Op.MATCHES)

_Parts = Annotated[tuple["Condition", ...], Field(min_length=1, max_length=MAX_CONDITION_LEAVES)]


class Condition(Model):
    """A condition: exactly one of `all`, `any`, `not`, or a leaf of `field`, `op` and `value`."""

    all: _Parts | None = Field(None, description="True when each of these is true.")
    any: _Parts | None = Field(None, description="True when at least one of these is true.")
    not_: "Condition | None" = Field(None, alias="not", description="True when this is false.")
    field: Annotated[str, StringConstraints(max_length=MAX_LINE_CHARS)] | None = Field(
        None,
        description="label, confidence, event.type, event.NAME or data.NAME (dots go deeper); with "
        "tasks also thread.NAME, such as thread.number and thread.item.",
        examples=["label", "event.subject", "data.amount"],
    )
    op: Op | None = Field(
        None,
        description="How to compare. contains, starts_with and ends_with ignore case; matches is "
        "an RE2 pattern found anywhere in the text. A missing field makes every op but "
        "`missing` false.",
    )
    value: JsonValue = Field(
        None,
        description="What to compare with; none for exists, missing. {from: FIELD} compares with "
        "what that field holds.",
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = ("all", "any", "not_", "field")
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of all, any, not, or field with op and value")
        if given != ["field"] and (self.op is not None or self.value is not None):
            raise ValueError("has op or value without a field")
        if given == ["field"] and self.op is None:
            raise ValueError("has a field without an op: add one, such as `op: is`")
        return self


def text_of(condition: Condition) -> str:
    """Return a condition in words, as `label is refund and confidence at least 0.7`."""
    if condition.all is not None:
        return " and ".join(_inner(part) for part in condition.all)
    if condition.any is not None:
        return " or ".join(_inner(part) for part in condition.any)
    if condition.not_ is not None:
        return f"not ({text_of(condition.not_)})"
    words = (condition.op or "").replace("_", " ")
    if condition.op in WITHOUT_VALUE:
        return f"{condition.field} {words}"
    return f"{condition.field} {words} {_value_text(condition.value)}"


def _inner(part: Condition) -> str:
    """Return a part in words, in brackets where it is itself of several parts."""
    several = len(part.all or part.any or ()) > 1
    return f"({text_of(part)})" if several else text_of(part)


def _value_text(value: JsonValue) -> str:
    source = source_of(value)
    if source is not None:
        return source
    if isinstance(value, list):
        return shown_text(", ".join(_value_text(item) for item in value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return shown_text(str(value))

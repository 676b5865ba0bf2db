"""Whether the conditions of a definition compare what can be compared, within their limits."""

from collections.abc import Iterator, Sequence

from cases.checks.fields import FieldChecks
from cases.errors import Problem
from cases.expressions.conditions import (
    WITH_LIST,
    WITH_NUMBER,
    WITH_TEXT,
    WITHOUT_FIELD,
    WITHOUT_VALUE,
    Condition,
    Op,
)
from cases.expressions.fields import source_of
from cases.expressions.guards import leaf_of
from cases.expressions.regexes import BadPattern
from cases.limits import (
    MAX_CONDITION_DEPTH,
    MAX_CONDITION_LEAVES,
    MAX_LIST_CHOICES,
    MAX_PATTERNS_PER_CONDITION,
)
from cases.nearest import nearest
from cases.values import JSON, kind_of, place_of, shown_text

Place = tuple[str | int, ...]


class ConditionChecks:
    """The checks of conditions against a definition's fields and labels."""

    def __init__(self, fields: FieldChecks, labels: Sequence[str]) -> None:
        self._fields = fields
        self._labels = labels

    def problems(self, place: Place, condition: Condition) -> Iterator[Problem]:
        """Yield what is wrong with a condition, at any depth."""
        leaves = patterns = 0
        for here, depth, part in _parts_of(place, 1, condition):
            if depth > MAX_CONDITION_DEPTH:
                message = f"is nested more than {MAX_CONDITION_DEPTH} levels deep"
                yield Problem(place_of(here), message)
                return
            if part.field is not None and part.op is not None:
                leaves += 1
                patterns += part.op is Op.MATCHES
                yield from self._leaf(here, part.field, part.op, part.value)
        if leaves > MAX_CONDITION_LEAVES:
            message = f"has {leaves} comparisons; at most {MAX_CONDITION_LEAVES} are allowed"
            yield Problem(place_of(place), message)
        if patterns > MAX_PATTERNS_PER_CONDITION:
            message = f"has {patterns} patterns; at most {MAX_PATTERNS_PER_CONDITION} are allowed"
            yield Problem(place_of(place), message)

    def _leaf(self, place: Place, field: str, op: Op, value: JSON) -> Iterator[Problem]:
        fields = list(self._fields.field(place_of((*place, "field")), field))
        source = source_of(value)
        if source is None:
            values = list(_value_problems(place_of((*place, "value")), op, value))
        else:
            values = list(self._source_problems((*place, "value"), op, source))
        yield from fields
        yield from values
        if fields or values:
            return
        try:
            leaf_of(field, op, value)
        except BadPattern as error:
            yield Problem(place_of((*place, "value")), f"{shown_text(str(value))!r} {error}")
        if field == "label" and source is None:
            yield from self._label(place, op, value)
        if field == "confidence" and op not in (*WITH_NUMBER, *WITHOUT_VALUE, Op.IS, Op.IS_NOT):
            message = "confidence is a number from 0 to 1: compare it with at_least or less_than"
            yield Problem(place_of((*place, "op")), message)

    def _source_problems(self, place: Place, op: Op, source: str) -> Iterator[Problem]:
        if op in WITHOUT_FIELD:
            message = (
                f"{op} needs no value"
                if op in WITHOUT_VALUE
                else f"{op} needs a pattern that stands here: a field cannot give it"
            )
            yield Problem(place_of(place), message)
        else:
            yield from self._fields.field(place_of((*place, "from")), source)

    def _label(self, place: Place, op: Op, value: JSON) -> Iterator[Problem]:
        if op in WITH_NUMBER:
            message = "label is text: compare it with is or in"
            yield Problem(place_of((*place, "op")), message)
        if op not in (Op.IS, Op.IS_NOT, *WITH_LIST):
            return
        several = isinstance(value, list | tuple)
        for index, label in enumerate(value if isinstance(value, list | tuple) else [value]):
            if label not in self._labels:
                where = place_of((*place, "value", index) if several else (*place, "value"))
                message = f"there is no label {shown_text(str(label))}"
                yield Problem(where, message, nearest(label, self._labels))


def _parts_of(
    place: Place, depth: int, condition: Condition
) -> Iterator[tuple[Place, int, Condition]]:
    """Yield a condition and all its parts, each with its place and depth.

    Recursion is bounded: the document's own depth is.
    """
    yield place, depth, condition
    for key, parts in (("all", condition.all), ("any", condition.any)):
        for index, part in enumerate(parts or ()):
            yield from _parts_of((*place, key, index), depth + 1, part)
    if condition.not_ is not None:
        yield from _parts_of((*place, "not"), depth + 1, condition.not_)


def _value_problems(where: str, op: Op, value: JSON) -> Iterator[Problem]:
    """Yield what is wrong with the value that an op is given."""
    if op in WITHOUT_VALUE:
        if value is not None:
            yield Problem(where, f"{op} needs no value")
    elif value is None:
        yield Problem(where, f"{op} needs a value")
    elif op in WITH_LIST:
        if not isinstance(value, list | tuple) or not all(map(_is_scalar, value)) or not value:
            yield Problem(where, f"{op} needs a list of texts or numbers, such as [a, b]")
        elif len(value) > MAX_LIST_CHOICES:
            yield Problem(where, f"has more than {MAX_LIST_CHOICES} choices")
    elif not _is_scalar(value):
        yield Problem(where, f"{op} needs text or a number, not {kind_of(value)}")
    elif op in WITH_NUMBER and (isinstance(value, str | bool)):
        yield Problem(where, f"{op} needs a number, not {kind_of(value)}")
    elif op in WITH_TEXT and not isinstance(value, str):
        yield Problem(where, f"{op} needs text, not {kind_of(value)}")


def _is_scalar(value: JSON) -> bool:
    return isinstance(value, str | int | float)

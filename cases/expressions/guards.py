"""Guards: condition trees compiled to closures that cost about a microsecond a leaf.

A guard never raises, whatever it meets: a field that is missing or of the wrong type makes its leaf
false, and the explanation says so. What it looks at of one value is capped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from cases.expressions.conditions import (
    WITH_LIST,
    WITH_NUMBER,
    WITH_TEXT,
    WITHOUT_VALUE,
    Condition,
    Op,
    text_of,
)
from cases.expressions.fields import Facts, Reader, reader_of, source_of
from cases.expressions.regexes import instructions_of, pattern_test, visits_of_match
from cases.limits import MAX_GUARD_ITEMS, MAX_GUARD_TEXT_CHARS, MAX_LIST_CHOICES
from cases.values import JSON, kind_of, shown

Holds = Callable[[Facts], bool]
_Test = Callable[[JSON], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one leaf of a guard said, and why; `source` is the field that gave what was wanted."""

    field: str
    op: str
    wanted: JSON
    found: JSON
    holds: bool
    reason: str | None
    source: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the verdict for the trace, its values clipped."""
        verdict: dict[str, JSON] = {"field": self.field, "op": self.op}
        if self.op not in WITHOUT_VALUE:
            verdict["value"] = shown(self.wanted)
        if self.source is not None:
            verdict["from"] = self.source
        verdict |= {"found": shown(self.found), "holds": self.holds}
        if self.reason:
            verdict["reason"] = self.reason
        return verdict


@dataclass(frozen=True, slots=True)
class Leaf:
    """A comparison of one field with one value, or with what another one holds."""

    field: str
    op: Op
    wanted: JSON
    read: Reader
    test: _Test

    def verdict(self, facts: Facts) -> Verdict:
        """Return what this leaf says of the facts."""
        found = self.read(facts)
        holds = self.test(found)
        reason = None if holds else _mismatch(self.op, self.wanted, found)
        return Verdict(self.field, self.op, self.wanted, found, holds, reason)


@dataclass(frozen=True, slots=True)
class TwoFields:
    """A comparison of two fields; where either is missing it is false."""

    field: str
    op: Op
    source: str
    read: Reader
    read_wanted: Reader

    def holds(self, facts: Facts) -> bool:
        """Tell whether the comparison is true."""
        wanted = self.read_wanted(facts)
        return _is_comparable(self.op, wanted) and _test(self.op, wanted)(self.read(facts))

    def verdict(self, facts: Facts) -> Verdict:
        """Return what this leaf says of the facts."""
        found, wanted = self.read(facts), self.read_wanted(facts)
        holds, reason = self.holds(facts), None
        if wanted is None:
            reason = f"{self.source} is missing"
        elif not _is_comparable(self.op, wanted):
            reason = f"{self.source} is {kind_of(wanted)}, which {self.op} cannot compare with"
        elif not holds:
            reason = _mismatch(self.op, wanted, found)
        return Verdict(self.field, self.op, wanted, found, holds, reason, self.source)


# These look through the whole of a value, so that their time grows with it.
_LOOK_THROUGH = (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH)
# To look at so many characters takes as long as to look at one item of a list: about 0.2 µs.
_CHARS_PER_ITEM = 64


@dataclass(frozen=True, slots=True)
class Guard:
    """A compiled condition tree."""

    text: str
    holds: Holds
    leaves: tuple[Leaf | TwoFields, ...]
    through: tuple[Leaf | TwoFields, ...] = ()
    patterns: tuple[tuple[Reader, int], ...] = ()

    def visits(self, facts: Facts) -> int:
        """Return what it costs to look through the long values that this guard reads."""
        items = sum(_items_in(leaf.read(facts)) for leaf in self.through)
        for read, instructions in self.patterns:
            found = read(facts)
            if isinstance(found, str):
                items += visits_of_match(instructions, found)
        return items

    def explain(self, facts: Facts) -> tuple[Verdict, ...]:
        """Return the verdict of every leaf, those included that did not matter."""
        return tuple([leaf.verdict(facts) for leaf in self.leaves])


def guard_of(condition: Condition) -> Guard:
    """Return the compiled form of a condition that passed the checks of its definition."""
    leaves: list[Leaf | TwoFields] = []
    holds = _compiled(condition, leaves)
    through = tuple(leaf for leaf in leaves if leaf.op in _LOOK_THROUGH)
    patterns = [
        (leaf.read, instructions_of(str(leaf.wanted)))
        for leaf in leaves
        if isinstance(leaf, Leaf) and leaf.op is Op.MATCHES
    ]
    return Guard(text_of(condition), holds, tuple(leaves), through, tuple(patterns))


def _items_in(found: JSON) -> int:
    if isinstance(found, str):
        return min(len(found), MAX_GUARD_TEXT_CHARS) // _CHARS_PER_ITEM
    return min(len(found), MAX_GUARD_ITEMS) if isinstance(found, list | tuple) else 0


def _compiled(condition: Condition, leaves: list[Leaf | TwoFields]) -> Holds:
    """Return the closure of a condition, and add its leaves in the order of writing."""
    if condition.all is not None:
        return _every([_compiled(part, leaves) for part in condition.all])
    if condition.any is not None:
        return _some([_compiled(part, leaves) for part in condition.any])
    if condition.not_ is not None:
        inner = _compiled(condition.not_, leaves)
        return lambda facts: not inner(facts)
    if condition.field is None or condition.op is None:
        raise ValueError("a condition without parts and field passed the checks: a defect of ours")
    leaf = leaf_of(condition.field, condition.op, condition.value)
    leaves.append(leaf)
    if isinstance(leaf, TwoFields):
        return leaf.holds
    read, test = leaf.read, leaf.test
    return lambda facts: test(read(facts))


def leaf_of(field: str, op: Op, wanted: JSON) -> Leaf | TwoFields:
    """Return a compiled leaf; BadField and BadPattern say what cannot be compiled."""
    source = source_of(wanted)
    if source is not None:
        return TwoFields(field, op, source, reader_of(field), reader_of(source))
    return Leaf(field, op, wanted, reader_of(field), _test(op, wanted))


def _every(parts: Sequence[Holds]) -> Holds:
    def holds(facts: Facts) -> bool:
        return all(part(facts) for part in parts)

    return holds


def _some(parts: Sequence[Holds]) -> Holds:
    def holds(facts: Facts) -> bool:
        return any(part(facts) for part in parts)

    return holds


def _test(op: Op, wanted: JSON) -> _Test:
    """Return what an op does with the value found; None is a field that is missing."""
    match op:
        case Op.EXISTS:
            return lambda found: found is not None
        case Op.MISSING:
            return lambda found: found is None
        case Op.IS:
            return lambda found: _same_kind(found, wanted) and found == wanted
        case Op.IS_NOT:
            return lambda found: _same_kind(found, wanted) and found != wanted
        case Op.IN | Op.NOT_IN:
            return _membership(op, wanted)
        case Op.CONTAINS:
            return _containment(wanted)
        case Op.STARTS_WITH | Op.ENDS_WITH | Op.MATCHES:
            return _text_test(op, str(wanted))
        case Op.AT_LEAST | Op.AT_MOST | Op.MORE_THAN | Op.LESS_THAN:
            return _number_test(op, wanted)
        case _:
            assert_never(op)


def _is_comparable(op: Op, wanted: JSON) -> bool:
    """Tell whether an op can compare with a value that was not known when the guard was written."""
    if op in WITH_NUMBER:
        return _is_number(wanted)
    if op in WITH_LIST:
        return isinstance(wanted, list | tuple) and len(wanted) <= MAX_LIST_CHOICES
    if op in WITH_TEXT:
        return isinstance(wanted, str) and len(wanted) <= MAX_GUARD_TEXT_CHARS
    if isinstance(wanted, str):
        return len(wanted) <= MAX_GUARD_TEXT_CHARS
    return isinstance(wanted, int | float)


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_kind(found: JSON, wanted: JSON) -> bool:
    """Tell whether two scalars can be compared: True is not 1, and "1" is not 1."""
    if isinstance(wanted, str):
        return isinstance(found, str)
    if isinstance(wanted, bool):
        return isinstance(found, bool)
    return _is_number(found) and _is_number(wanted)


def _membership(op: Op, wanted: JSON) -> _Test:
    choices = tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)

    def chosen(found: JSON) -> bool:
        return any(_same_kind(found, choice) and found == choice for choice in choices)

    if op is Op.IN:
        return chosen
    return lambda found: isinstance(found, str | int | float) and not chosen(found)


def _containment(wanted: JSON) -> _Test:
    """Return the test for a part of a text (ignoring case) or an item of a list."""
    part = wanted.casefold() if isinstance(wanted, str) else None

    def contains(found: JSON) -> bool:
        if isinstance(found, str):
            return part is not None and part in found[:MAX_GUARD_TEXT_CHARS].casefold()
        if isinstance(found, list | tuple):
            items = found[:MAX_GUARD_ITEMS]
            return any(_same_kind(item, wanted) and item == wanted for item in items)
        return False

    return contains


def _text_test(op: Op, wanted: str) -> _Test:
    if op is Op.MATCHES:
        matches = pattern_test(wanted)
        return lambda found: isinstance(found, str) and matches(found)
    part = wanted.casefold()
    if op is Op.STARTS_WITH:
        return lambda found: (
            isinstance(found, str) and found[:MAX_GUARD_TEXT_CHARS].casefold().startswith(part)
        )
    return lambda found: (
        isinstance(found, str) and found[-MAX_GUARD_TEXT_CHARS:].casefold().endswith(part)
    )


def _number_test(op: Op, wanted: JSON) -> _Test:
    limit = wanted if isinstance(wanted, int | float) else float("nan")

    def number(found: JSON) -> int | float:
        # NaN is neither above nor below anything, so what is no number makes each test false.
        if isinstance(found, int | float) and not isinstance(found, bool):
            return found
        return float("nan")

    if op is Op.AT_LEAST:
        return lambda found: number(found) >= limit
    if op is Op.AT_MOST:
        return lambda found: number(found) <= limit
    if op is Op.MORE_THAN:
        return lambda found: number(found) > limit
    return lambda found: number(found) < limit


def _mismatch(op: Op, wanted: JSON, found: JSON) -> str | None:
    """Return why a leaf could not be true at all, or None when it just was not."""
    if op is Op.MISSING:
        return None
    if found is None:
        return "the field is missing"
    if op is Op.EXISTS or _fits(op, wanted, found):
        return None
    return f"the field is {kind_of(found)}, not {_needed(op, wanted)}"


def _fits(op: Op, wanted: JSON, found: JSON) -> bool:
    """Tell whether the value found is of a type that the op can say something about."""
    if op in (Op.IS, Op.IS_NOT):
        return _same_kind(found, wanted)
    if op in (Op.IN, Op.NOT_IN):
        return isinstance(found, str | int | float)
    if op is Op.CONTAINS:
        return isinstance(found, list | tuple) or (
            isinstance(found, str) and isinstance(wanted, str)
        )
    if op in (Op.STARTS_WITH, Op.ENDS_WITH, Op.MATCHES):
        return isinstance(found, str)
    return _is_number(found)


def _needed(op: Op, wanted: JSON) -> str:
    if op in (Op.IS, Op.IS_NOT):
        return kind_of(wanted)
    if op in (Op.IN, Op.NOT_IN):
        return "text or a number"
    if op is Op.CONTAINS:
        return "text or a list"
    return "text" if op in (Op.STARTS_WITH, Op.ENDS_WITH, Op.MATCHES) else "a number"

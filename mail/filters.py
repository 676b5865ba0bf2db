"""Filters: a mailbox's rules, which tell from a mail alone where it goes; the first match decides.

Allow and block lists are rules too: `when: {not: {from: [...]}}, then: quarantine` lets in nobody
else, `when: {from: [...]}, then: ignore` shuts out.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticError

from cases.errors import Problem
from cases.limits import MAX_PROBLEMS
from cases.model import Model
from mail.filter_conditions import Leaf, When
from mail.message import Message

MAX_RULES = 100
MAX_DEPTH = 8
MAX_CONDITIONS = 100
# The worst pattern takes some 30 ms of the text that is looked at: together at most 3 s.
MAX_PATTERNS_TOGETHER = 100
MAX_ENTRIES_TOGETHER = 10_000

IGNORE: Final = "ignore"
QUARANTINE: Final = "quarantine"

_Name = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
]
_Then = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _within_bounds(when: When) -> When:
    count, deepest = 0, 0
    left = [(when, 1)]
    while left:
        part, depth = left.pop()
        count, deepest = count + 1, max(deepest, depth)
        left += [(inner, depth + 1) for inner in part.parts()]
    if deepest > MAX_DEPTH:
        raise ValueError(f"conditions are nested {deepest} deep, {MAX_DEPTH} is the most")
    if count > MAX_CONDITIONS:
        raise ValueError(f"has {count} conditions within it, {MAX_CONDITIONS} is the most")
    return when


class Rule(Model):
    """One rule: mails of which `when` is true go where `then` says.

    `then` is `ignore` (the ledger keeps the rule's name), `quarantine` (a person decides), or
    the id of the definition that a new case runs on. Lower priorities are tried first, equal
    ones in the order of writing.
    """

    name: _Name = Field(description="What the ledger names it by.", examples=["newsletters"])
    priority: Annotated[int, Field(ge=0, le=10_000)] = 100
    when: Annotated[When, AfterValidator(_within_bounds)]
    then: _Then = Field(examples=["ignore", "quarantine", "support"])

    @property
    def definition(self) -> str | None:
        """The definition that a new case runs on, where the rule names one."""
        return None if self.then in (IGNORE, QUARANTINE) else self.then

    def to_json(self) -> dict[str, JsonValue]:
        """Return the rule as it is stored; `parse` reads it again."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _together(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return the rules as they are tried; ValueError where they do not go together."""
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two rules are named {twice[0]!r}: the ledger could not tell them apart")
    parts = [part for rule in rules for part in _everything(rule.when)]
    patterns = sum(part.patterns for part in parts)
    if patterns > MAX_PATTERNS_TOGETHER:
        raise ValueError(f"{patterns} patterns together, {MAX_PATTERNS_TOGETHER} is the most")
    entries = sum(part.entries for part in parts)
    if entries > MAX_ENTRIES_TOGETHER:
        raise ValueError(f"{entries} entries together, {MAX_ENTRIES_TOGETHER:,} is the most")
    return rules


def _everything(when: When) -> Iterator[When]:
    yield when
    for part in when.parts():
        yield from _everything(part)


Rules = Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES), AfterValidator(_together)]
"""The rules of one mailbox in the order of writing, checked together."""

_RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(Rules)


class BadRules(ValueError):
    """Rules that cannot be used; `problems` names each mistake with its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the mistakes."""
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def parse(rules: Iterable[JsonValue]) -> tuple[Rule, ...]:
    """Return rules from their JSON, in the order in which they are tried; raises BadRules.

    What was parsed lately is remembered, since each mail of a mailbox asks for the same rules.
    """
    try:
        text = json.dumps(list(rules))
    except RecursionError:
        raise BadRules([Problem("rules", f"nested deeper than {MAX_DEPTH} conditions")]) from None
    return _parsed(text)


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[Rule, ...]:
    try:
        rules = _RULES.validate_json(text)
    except PydanticError as error:
        raise BadRules(_problems(error)) from None
    return in_order(rules)


def _problems(error: PydanticError) -> list[Problem]:
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Problem(_place(mistake["loc"]), mistake["msg"].removeprefix("Value error, "))
        for mistake in listed[:MAX_PROBLEMS]
    ]


def _place(steps: Sequence[int | str]) -> str:
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return f"rules{shown}"


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules in the order in which they are tried."""
    return tuple(sorted(rules, key=lambda rule: rule.priority))


def first_match(rules: Sequence[Rule], message: Message) -> Rule | None:
    """Return the first of the rules, in the order of `parse`, that is true of a mail, or None."""
    return next((rule for rule in rules if rule.when.holds(message)), None)


@dataclass(frozen=True, slots=True)
class Tried:
    """What one rule says of a mail, and why."""

    rule: Rule
    holds: bool
    leaves: tuple[Leaf, ...]


def explain(rules: Sequence[Rule], message: Message) -> tuple[Tried, ...]:
    """Return what each rule says of a mail up to the first that is true, which comes last."""
    tried: list[Tried] = []
    for rule in rules:
        holds = rule.when.holds(message)
        tried.append(Tried(rule, holds, tuple(rule.when.leaves(message))))
        if holds:
            break
    return tuple(tried)

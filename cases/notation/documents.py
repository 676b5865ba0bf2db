"""Reading a definition's text: YAML or JSON, without what makes YAML surprising or dangerous.

The scalars are those of YAML 1.2's core schema, so that `on:` is the word "on" and not true, `010`
is text, and a date is text. Anchors, aliases, tags, merge keys and several documents are refused: a
definition is a tree, and an alias can make a small text huge. Reading goes event by event with a
stack of our own, so that nesting costs neither recursion nor memory before the cap is met.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from cases.errors import DefinitionInvalid, Problem
from cases.limits import MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_NODES, MAX_INTEGER
from cases.values import JSON, kind_of, shown_text

A_DEFINITION_IS = "a definition is a mapping with id, start, and states or tasks"

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_NOT_NUMBERS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def parse_document(text: str) -> Mapping[str, JSON]:
    """Return the mapping that a YAML or JSON text says, or raise DefinitionInvalid."""
    value = parse_value(text)
    if not isinstance(value, Mapping):
        raise _invalid(f"{A_DEFINITION_IS}, not {kind_of(value)}")
    return value


def parse_value(text: str) -> JSON:
    """Return whatever a YAML or JSON text says, or raise DefinitionInvalid."""
    if len(text) > MAX_DOCUMENT_BYTES or len(text.encode("utf-8", "replace")) > MAX_DOCUMENT_BYTES:
        raise _invalid(f"the document is larger than {MAX_DOCUMENT_BYTES // 1024} KiB")
    value = _json(text) if text.lstrip()[:1] == "{" else None
    return _yaml(text) if value is None else value


def _invalid(message: str, line: int | None = None) -> DefinitionInvalid:
    """Return the error for a text, with the line (counted from 1) where it is known."""
    place = "" if line is None else f"line {line}"
    return DefinitionInvalid([Problem(place, message)])


class _NotPlainJson(ValueError):
    """The text is not JSON, or has what is better reported with YAML's line numbers."""


def _json(text: str) -> JSON:
    """Return the JSON value of a text, or None where YAML shall have a look (and the last word)."""
    try:
        value: JSON = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value


def _distinct(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """Return the pairs as a mapping; a key that comes twice would silently lose its first value."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise _NotPlainJson
    return mapping


def _no_constant(name: str) -> JSON:
    """Refuse NaN and Infinity, which Python reads though JSON has none."""
    raise _NotPlainJson(name)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read."""

    value: dict[str, JSON] | list[JSON]
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)


def _yaml(text: str) -> JSON:
    """Return the value of a YAML text, or raise DefinitionInvalid with the line."""
    try:
        return _Builder().value_of(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise _invalid(
            f"this is not YAML: {shown_text(error.problem or 'unreadable')}", line
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise _invalid(f"this is not YAML: {shown_text(str(error))}") from None


class _Builder:
    """Builds one value out of the parser's events."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._nodes = 0
        self._documents = 0
        self._result: JSON = None

    def value_of(self, text: str) -> JSON:
        """Return the text's only document."""
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            # The C parser marks every event, though its types leave room for none.
            self._take(event, event.start_mark.line + 1 if event.start_mark else 1)
        return self._result

    def _take(self, event: yaml.Event, line: int) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _invalid("a second document starts here: one text, one definition", line)
            case yaml.AliasEvent():
                raise _invalid("aliases (*name) are not allowed: write the value out", line)
            case yaml.NodeEvent():
                self._node(event, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._stack.pop()
            case _:
                pass

    def _node(self, event: yaml.NodeEvent, line: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_DOCUMENT_NODES:
            raise _invalid(f"the document has more than {MAX_DOCUMENT_NODES:,} values", line)
        if event.anchor is not None:
            raise _invalid("anchors (&name) are not allowed: write the value out", line)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
            return
        if isinstance(event, yaml.CollectionStartEvent) and event.tag is not None:
            raise _invalid(f"the tag {shown_text(event.tag)} is not allowed: leave it out", line)
        if len(self._stack) >= MAX_DOCUMENT_DEPTH:
            raise _invalid(f"the document is nested more than {MAX_DOCUMENT_DEPTH} levels", line)
        opened = _Open({} if isinstance(event, yaml.MappingStartEvent) else [])
        self._put(opened.value, line)
        self._stack.append(opened)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if event.tag is not None:
            raise _invalid(f"the tag {shown_text(event.tag)} is not allowed: leave it out", line)
        plain = event.implicit[0]
        self._put(_plain_scalar(event.value, line) if plain else event.value, line)

    def _put(self, value: JSON, line: int) -> None:
        """Put a value where the text stands: the result, a list's end, a key, or a key's value."""
        if not self._stack:
            self._result = value
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key = self._new_key(top, value, line)
        else:
            top.value[top.key] = value
            top.key = None

    def _new_key(self, top: _Open, key: JSON, line: int) -> str:
        if not isinstance(key, str):
            raise _invalid(f"a key is {kind_of(key)}: write keys as text, in quotes", line)
        if key in top.lines:
            first = top.lines[key]
            raise _invalid(
                f"the key {shown_text(key)!r} is there twice (first in line {first})", line
            )
        top.lines[key] = line
        return key


def _plain_scalar(text: str, line: int) -> JSON:
    """Return what an unquoted scalar means (YAML 1.2.2, 10.3.2, without octal and hexadecimal)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text)
        return number if abs(number) <= MAX_INTEGER else text
    if _NOT_NUMBERS.fullmatch(text):
        raise _invalid(f"{text} is not a number that JSON has", line)
    if _FLOAT.fullmatch(text) and ("." in text or "e" in text.lower()):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise _invalid(f"{shown_text(text)} is too large for a number", line)
        return value
    return text

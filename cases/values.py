"""JSON values: their type, a bounded check of what comes from outside, a short form for showing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cases.errors import Problem
from cases.limits import MAX_INTEGER, MAX_SHOWN_CHARS, MAX_SHOWN_ITEMS

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words: text, a number, a list, …"""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a Python {type(value).__name__}"


def shown(value: JSON, depth: int = 2) -> JSON:
    """Return a value short enough for a trace: long text, lists and mappings are clipped."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else "a number beyond 64 bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        keys = list(value)[:MAX_SHOWN_ITEMS]
        return {shown_text(str(key)): shown(value[key], depth - 1) for key in keys}
    if isinstance(value, list | tuple):
        return [shown(item, depth - 1) for item in value[:MAX_SHOWN_ITEMS]]
    return kind_of(value)


def shown_text(text: str) -> str:
    """Return text of at most `MAX_SHOWN_CHARS` characters that any JSON encoder takes."""
    if len(text) > MAX_SHOWN_CHARS:
        text = text[: MAX_SHOWN_CHARS - 1] + "…"
    # A lone surrogate cannot be encoded as UTF-8, and would break whoever stores the trace.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def place_of(parts: Sequence[str | int]) -> str:
    """Return where something stands, as `states.triage.on[1].to`."""
    place = ""
    for part in parts:
        place = f"{place}[{part}]" if isinstance(part, int) else place_under(place, part)
    return place


def place_under(place: str, name: str) -> str:
    """Return the place of a key inside another place; a strange key stands in quotes."""
    plain = name.replace("_", "").replace("-", "").isalnum()
    key = shown_text(name if plain else repr(name))
    return f"{place}.{key}" if place else key


@dataclass(slots=True)
class PlainJson:
    """Copies a value of unknown origin into plain JSON, or says what in it is not JSON.

    The caps bound time and memory whatever comes in, a mapping that contains itself included.
    """

    max_nodes: int
    max_depth: int
    max_chars: int
    problems: list[Problem] = field(default_factory=list)
    _nodes: int = 0
    _chars: int = 0

    def copy(self, value: object, parts: tuple[str | int, ...] = ()) -> JSON:
        """Return the value as JSON; what is wrong with it is found in `problems`."""
        self._nodes += 1
        if self._full(parts):
            return None
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value, parts)
        if isinstance(value, int | float):
            return self._number(value, parts)
        if len(parts) >= self.max_depth and isinstance(value, Mapping | list | tuple):
            return self._refuse(parts, f"is nested more than {self.max_depth} levels deep")
        if isinstance(value, Mapping):
            return self._mapping(value, parts)
        if isinstance(value, list | tuple):
            return [
                self.copy(item, (*parts, index))
                for index, item in enumerate(value[: self.max_nodes + 1])
                if not self._full(parts)
            ]
        return self._refuse(parts, f"{kind_of(value)} is not JSON: write it as text or a number")

    def _full(self, parts: tuple[str | int, ...]) -> bool:
        """Tell whether a cap is reached, and note it the first time."""
        if self._nodes <= self.max_nodes and self._chars <= self.max_chars:
            return False
        what = "values" if self._nodes > self.max_nodes else "characters"
        cap = self.max_nodes if self._nodes > self.max_nodes else self.max_chars
        message = f"is too large: more than {cap:,} {what}"
        if not any(problem.message == message for problem in self.problems):
            self.problems.append(Problem("", message))
        return True

    def _refuse(self, parts: tuple[str | int, ...], message: str) -> JSON:
        """Note a problem; None stands where the refused value stood."""
        self.problems.append(Problem(place_of(parts), message))
        return None

    def _text(self, value: str, parts: tuple[str | int, ...]) -> JSON:
        self._chars += len(value)
        if self._full(parts):
            return None
        # PostgreSQL stores neither NUL nor a lone surrogate in text.
        if "\x00" in value:
            return self._refuse(parts, "contains a NUL character: take it out")
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            return self._refuse(parts, "contains half of a surrogate pair, which is not Unicode")
        return value

    def _number(self, value: float, parts: tuple[str | int, ...]) -> JSON:
        if isinstance(value, float) and not math.isfinite(value):
            return self._refuse(parts, f"{value} is not a JSON number")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            return self._refuse(parts, "is a whole number beyond 64 bits: write it as text")
        return value

    def _mapping(self, value: Mapping[object, object], parts: tuple[str | int, ...]) -> JSON:
        copied: dict[str, JSON] = {}
        for key, item in value.items():
            if self._full(parts):
                break
            if not isinstance(key, str):
                name = "null" if key is None else shown_text(str(shown(_key_value(key))))
                self._refuse(parts, f"the key {name} is {kind_of(key)}: write keys as text")
            elif self._text(key, parts) is not None:
                copied[key] = self.copy(item, (*parts, key))
        return copied


def _key_value(key: object) -> JSON:
    """Return a key that is not text as something that can be shown without calling its code."""
    return key if isinstance(key, bool | int | float) else kind_of(key)

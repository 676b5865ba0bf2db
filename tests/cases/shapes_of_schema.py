"""Values drawn from the JSON Schema of definitions: of the right shapes mostly, else any JSON."""

from collections.abc import Callable
from random import Random
from typing import Any

# Any: JSON Schema and JSON.
Json = Any

# Few names, so that what is drawn meets itself; some are no names at all.
NAMES = ("a", "b", "c", "p", "end", "x", "amount", "orders", "->a", "", "a" * 70)
TEXTS = (
    *NAMES,
    *("1 hour", "2 days", "data.amount", "data.orders", "thread.item", "event.x", "label"),
    *("ops@example.com", "\x00", "\ud800", "é" * 50, "(", "data." + "a." * 40),
)
NUMBERS = (0, 1, 2, 3, -1, 0.5, 10**6, 2**70, True)
MAX_DEPTH = 12


def drawn(schema: Json, random: Random) -> Json:
    """Return a value that a schema describes, or one that is wrong in a place or two."""
    return _Drawing(schema.get("$defs", {}), random).value(schema, 0)


def broken(value: Json, random: Random) -> Json:
    """Return a value with one part of it replaced by JSON of any shape."""
    if not isinstance(value, list | dict) or not value or random.random() < 0.2:
        return _Drawing({}, random).junk(0)
    key = random.choice(range(len(value)) if isinstance(value, list) else list(value))
    copied = value.copy()
    copied[key] = broken(value[key], random)
    return copied


class _Drawing:
    def __init__(self, parts: Json, random: Random) -> None:
        self._parts = parts
        self._random = random

    def value(self, schema: Json, depth: int) -> Json:
        """Return a value for a schema; what is deep is kept small."""
        if self._random.random() < 0.01:
            return self.junk(depth)
        if "$ref" in schema:
            return self.value(self._parts[schema["$ref"].rpartition("/")[2]], depth)
        if "enum" in schema or "const" in schema:
            return self._random.choice(schema.get("enum", [schema.get("const")]))
        choices = schema.get("anyOf", schema.get("oneOf"))
        if choices and "properties" not in schema:
            return self.value(self._random.choice(choices), depth)
        return self._typed(schema.get("type"))(schema, depth)

    def junk(self, depth: int) -> Json:
        """Return JSON of any shape."""
        pick = self._random.randrange(6 if depth < MAX_DEPTH else 3)
        if pick < 3:
            return self._random.choice((*TEXTS, *NUMBERS, None))
        items = [self.junk(depth + 2) for _ in range(self._random.randrange(3))]
        return items if pick == 3 else {self._random.choice(TEXTS): item for item in items}

    def _typed(self, kind: str | None) -> Callable[[Json, int], Json]:
        kinds: dict[str | None, Callable[[Json, int], Json]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda schema, depth: self._random.choice(TEXTS),
            "integer": lambda schema, depth: self._random.choice(NUMBERS),
            "number": lambda schema, depth: self._random.choice(NUMBERS),
            "boolean": lambda schema, depth: self._random.random() < 0.5,
            "null": lambda schema, depth: None,
        }
        return kinds.get(kind, lambda schema, depth: self.junk(depth))

    def _array(self, schema: Json, depth: int) -> Json:
        count = self._random.randrange(3) if depth < MAX_DEPTH else 0
        return [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]

    def _object(self, schema: Json, depth: int) -> Json:
        needed = set(schema.get("required", ()))
        likely = 0.35 if depth < MAX_DEPTH else 0
        found = {
            key: self.value(part, depth + 1)
            for key, part in schema.get("properties", {}).items()
            if key in needed or self._random.random() < likely
        }
        values = schema.get("additionalProperties") or next(
            iter(schema.get("patternProperties", {}).values()), None
        )
        if values and depth < MAX_DEPTH:
            for _ in range(self._random.randrange(4)):
                part = {} if values is True else values
                found[self._random.choice(NAMES[:8])] = self.value(part, depth + 1)
        if self._random.random() < 0.01:
            found[self._random.choice(TEXTS)] = self.junk(depth)
        return found

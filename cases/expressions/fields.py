"""Fields: how guards and `from` name a fact, as `label`, `event.subject` or `data.order.id`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cases.limits import MAX_PATH_SEGMENTS
from cases.values import JSON


@dataclass(slots=True)
class Facts:
    """What is known at a firing: the event, the data of case and thread, what the case is about.

    Not frozen, since one is made for every look at a guard and freezing triples its cost.
    """

    event_type: str | None
    event: Mapping[str, JSON]
    data: Mapping[str, JSON]
    label: str | None
    confidence: float | None
    thread: Mapping[str, JSON] = field(default_factory=dict)


# Gives a fact, or None where it is missing: JSON's null and nothing at all are the same to a rule.
Reader = Callable[[Facts], JSON]


class BadField(ValueError):
    """A text that names no fact; the message says which there are."""


def reader_of(field: str) -> Reader:
    """Return the function that reads a field, or raise BadField."""
    fixed = _FIXED.get(field)
    if fixed is not None:
        return fixed
    root, _, rest = field.partition(".")
    path = tuple(rest.split("."))
    if root not in ("event", "data", "thread") or not all(path):
        raise BadField(
            "is not a field: write label, confidence, event.type, event.NAME, data.NAME or "
            "thread.NAME"
        )
    if len(path) > MAX_PATH_SEGMENTS:
        raise BadField(f"has more than {MAX_PATH_SEGMENTS} segments")
    return _path_reader(root, path)


def source_of(value: JSON) -> str | None:
    """Return the field that `{from: FIELD}` names, or None for a value that is meant literally."""
    if isinstance(value, Mapping) and list(value) == ["from"]:
        source = value["from"]
        return source if isinstance(source, str) else ""
    return None


def _path_reader(root: str, path: tuple[str, ...]) -> Reader:
    """Return the reader of a path; one segment, the usual case, has its own for speed."""
    if len(path) == 1:
        name = path[0]
        if root == "data":
            return lambda facts: facts.data.get(name)
        if root == "thread":
            return lambda facts: facts.thread.get(name)
        return lambda facts: facts.event.get(name)
    if root == "data":
        return lambda facts: _walk(facts.data, path)
    if root == "thread":
        return lambda facts: _walk(facts.thread, path)
    return lambda facts: _walk(facts.event, path)


def _walk(value: JSON, path: tuple[str, ...]) -> JSON:
    """Return what stands at the end of a path; a whole number counts into a list from 0."""
    for name in path:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list | tuple) and name.isascii() and name.isdigit():
            index = int(name[:9])
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _label(facts: Facts) -> JSON:
    """Return what the event at hand is about, where it says so, else what the case is about."""
    return facts.event.get("label", facts.label)


def _confidence(facts: Facts) -> JSON:
    return facts.event.get("confidence", facts.confidence)


_FIXED: Mapping[str, Reader] = {
    "label": _label,
    "confidence": _confidence,
    "event.type": lambda facts: facts.event_type,
}

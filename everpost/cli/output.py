"""How the commands lay out what the API answers: columns, titled lists, times."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from everpost.cli.terminal import one_line, printable

# Any: what the API answers is JSON, and shown as it is.
Json = Any
GAP = "  "
LONGEST_CELL = 60
SHORT_HASH = 12
LONGEST_NAME_OF_PART = 40
# As `datetime` writes it, with a zone.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def columns(rows: Sequence[Mapping[str, Json]], names: Sequence[str]) -> str:
    """Return the rows under a heading, aligned; a column that no row fills is left out.

    Plain text that is never cut to the terminal's width.
    """
    used = [name for name in names if any(row.get(name) not in (None, "") for row in rows)]
    cells = [[name.replace("_", " ") for name in used]]
    cells += [[cell(name, row.get(name)) for name in used] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(used))]
    return "\n".join(
        GAP.join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def cell(name: str, value: Json) -> str:
    """Return a value in one short line; only ids, which are there to be copied, stay whole."""
    text = phrase(value)
    if name == "hash":
        return one_line(text)[:SHORT_HASH]
    return one_line(text, len(text) if name == "id" else LONGEST_CELL)


def phrase(value: Json) -> str:
    """Return a value as words: times in UTC, as the API has them, nested values as `key value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _time(value) or value
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {phrase(part)}" for key, part in value.items() if _says(part))
    if isinstance(value, Iterable):
        return "; ".join(phrase(part) for part in value)
    return str(value)


def facts(named: Mapping[str, Json]) -> str:
    """Return one line for each fact that says something, its name first."""
    texts = {name: one_line(text, 300) for name, value in named.items() if (text := phrase(value))}
    width = max((len(name) for name in texts), default=0)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in texts.items())


def indented(text: str, limit: int) -> str:
    """Return a text on one line, with its leading spaces: they say what belongs together."""
    return " " * (len(text) - len(text.lstrip())) + one_line(text, limit)


def titled(title: str, lines: Iterable[str]) -> str:
    """Return lines under their title, or "" when there are none."""
    indented = [f"  {line}" for line in lines]
    return "\n".join([f"{title}:", *indented]) if indented else ""


def as_json(value: Json) -> str:
    """Return a value as JSON, for programs."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False))


def _says(value: Json) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def part_of(entry: Mapping[str, Json]) -> str:
    """Return which thread or instance an entry is about, as `#2 (order A-17)`, or ""."""
    number = entry.get("instance") or entry.get("number")
    if number is None:
        return f"thread {entry['thread']}" if entry.get("thread") is not None else ""
    item = one_line(phrase(entry.get("item")), LONGEST_NAME_OF_PART)
    return f"#{number} ({item})" if item else f"#{number}"


def with_times(text: str) -> str:
    """Return a text with the times in it as all others are shown."""
    return _TIME.sub(lambda found: _time(found[0].replace(" ", "T")) or found[0], text)


def _time(text: str) -> str | None:
    """Return an ISO 8601 time with a zone as UTC, to the second; None for other texts."""
    if "T" not in text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if time.tzinfo else None
    except OverflowError:
        return None

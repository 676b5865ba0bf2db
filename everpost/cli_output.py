"""How the commands lay out what the API answers: columns, titled lists, times."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from everpost.terminal import one_line, printable

# Any: what the API answers is JSON, and shown as it is.
Json = Any
GAP = "  "
LONGEST_CELL = 60
SHORT_HASH = 12


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
        return text[:SHORT_HASH]
    return one_line(text, len(text) if name == "id" else LONGEST_CELL)


def phrase(value: Json) -> str:
    """Return a value as words: times in this machine's zone, nested values as `key value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _local_time(value) or value
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


def titled(title: str, lines: Iterable[str]) -> str:
    """Return lines under their title, or "" when there are none."""
    indented = [f"  {line}" for line in lines]
    return "\n".join([f"{title}:", *indented]) if indented else ""


def as_json(value: Json) -> str:
    """Return a value as JSON, for programs."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False))


def _says(value: Json) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _local_time(text: str) -> str | None:
    """Return an ISO 8601 time with a zone as local time, to the second; None for other texts."""
    if "T" not in text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time.tzinfo else None

"""The log files of the supervised processes, and what of them a person at the terminal sees."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic

from everpost.cli.terminal import one_line

ROTATE_AT_BYTES = 10_000_000
SHOWN_AT_MOST_EVERY = timedelta(minutes=1)
READ_AT_MOST_BYTES = 1_000_000
TAIL_BYTES = 4_096
_SHOWN_LEVELS = frozenset({"error", "critical"})
_SHOWN_FACTS = ("mailbox", "case_id", "error", "reason")


def open_log(path: Path) -> int:
    """Return a descriptor that appends to the log; a long log is set aside first, as `NAME.log.1`.

    Processes write to the file themselves: a pipe through the supervisor would hold them up when
    it is busy.
    """
    with suppress(FileNotFoundError):
        if path.stat().st_size > ROTATE_AT_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty, fit to be shown; "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    text = next((line for line in reversed(lines) if line.strip()), "")
    return one_line(notable(text) or text)


def notable(line: str) -> str | None:
    """Return what a log entry tells a person, or None if it is no error of ours."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("level") not in _SHOWN_LEVELS:
        return None
    facts = [f"{key}={entry[key]}" for key in _SHOWN_FACTS if entry.get(key)]
    return one_line(" ".join([str(entry.get("event", "error")), *facts]))


@dataclass(slots=True)
class ErrorDigest:
    """The errors that a log gained since the last look, each kind at most once a minute."""

    path: Path
    offset_bytes: int = 0
    _shown_at: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_now_on(cls, path: Path) -> "ErrorDigest":
        """Return a digest that begins at the end of what is in the log already."""
        return cls(path, offset_bytes=path.stat().st_size if path.exists() else 0)

    def news(self) -> list[str]:
        """Return a line for each error that is new and was not shown a moment ago."""
        return [text for line in self._new_lines() if (text := notable(line)) and self._due(text)]

    def _new_lines(self) -> Iterator[str]:
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            if self.path.stat().st_size < self.offset_bytes:
                self.offset_bytes = 0  # set aside, and begun anew
            file.seek(self.offset_bytes)
            news = file.read(READ_AT_MOST_BYTES)
            whole, newline, _unfinished = news.rpartition(b"\n")
            # A line that is longer than what is read at once is passed over.
            passed_over = not newline and len(news) == READ_AT_MOST_BYTES
            self.offset_bytes += len(news) if passed_over else len(whole) + len(newline)
            yield from whole.decode(errors="replace").splitlines()

    def _due(self, text: str) -> bool:
        kind, now = text.split(" ", 1)[0], monotonic()
        if now - self._shown_at.get(kind, float("-inf")) < SHOWN_AT_MOST_EVERY.total_seconds():
            return False
        self._shown_at[kind] = now
        return True

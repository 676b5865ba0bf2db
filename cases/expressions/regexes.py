"""Regular expressions whose cost is bounded: RE2 never backtracks."""

from collections.abc import Callable
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

from cases.limits import (
    INSTRUCTIONS_PER_VISIT,
    MAX_PATTERN_CHARS,
    MAX_PATTERN_MEMORY_BYTES,
    MAX_PATTERN_TEXT_CHARS,
)


class BadPattern(ValueError):
    """A pattern that RE2 does not take, with the reason."""


def pattern_test(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text contains a match, or raise BadPattern.

    Only the first `MAX_PATTERN_TEXT_CHARS` characters of a text are looked at.
    """
    search = _compiled(pattern).search

    def found(text: str) -> bool:
        text = text[:MAX_PATTERN_TEXT_CHARS]
        if not text.isascii():  # a lone surrogate would make RE2's encoder raise
            text = text.encode("utf-8", "replace").decode("utf-8")
        return search(text) is not None

    return found


def instructions_of(pattern: str) -> int:
    """Return how long the program is that RE2 makes of a pattern; `a.{1000}b` makes 8,006."""
    return int(_compiled(pattern).programsize)


def visits_of_match(instructions: int, text: str) -> int:
    """Return what it costs to look for a pattern in a text, in visits of a step.

    At the worst RE2 follows each instruction at each character, which takes 1.5 ns.
    """
    chars = min(len(text), MAX_PATTERN_TEXT_CHARS)
    return instructions * chars // INSTRUCTIONS_PER_VISIT


def _compiled(pattern: str) -> Any:  # Any: google-re2 ships no types
    """Return a pattern as RE2 knows it; RE2's module keeps the last ones itself."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadPattern(f"is longer than {MAX_PATTERN_CHARS:,} characters")
    options = re2.Options()
    options.max_mem = MAX_PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        raise BadPattern(f"is not a pattern that RE2 knows ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Return RE2's own words; they come as bytes."""
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else "not Unicode"

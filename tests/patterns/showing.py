"""The list of what the patterns show: each check by its pattern's number and a sentence.

A check is a function that raises AssertionError, so that it serves as a test, and to find the
faults that are planted in the engine.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What one pattern does, and the function that asserts it."""

    pattern: int
    sentence: str
    run: Callable[[], None]

    def __str__(self) -> str:
        """Return the check as the tests name it."""
        return f"{self.pattern:02} {self.sentence}"


CHECKS: list[Check] = []


def shows(pattern: int, sentence: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a function to the checks of a pattern."""

    def add(run: Callable[[], None]) -> Callable[[], None]:
        CHECKS.append(Check(pattern, sentence, run))
        return run

    return add

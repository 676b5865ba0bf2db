"""Waiting for what other processes bring about."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value],
    seconds: float = 20.0,
    explain: Callable[[], object] = lambda: "",
) -> Value:
    """Return the condition's first true value; AssertionError with an explanation after a time."""
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"it did not come to that within {seconds} s\n{explain()}")
        time.sleep(0.05)

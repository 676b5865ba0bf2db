"""Waiting for something that another thread or process brings about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nothing here could set an event
            await asyncio.sleep(0.002)

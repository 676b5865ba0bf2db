"""Heartbeats beside a long activity, so that its worker's death is noticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio import activity

EVERY = timedelta(seconds=2)


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat every two seconds while the block runs; a short activity sends none."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()

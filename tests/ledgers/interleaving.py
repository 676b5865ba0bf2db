"""Two transactions side by side, as two processes would run them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")

# Long enough for the other one to get here, unless something makes it wait.
FOR_THE_OTHER_S = 0.3


def together(
    step: Callable[Parameters, Awaitable[Value]],
) -> Callable[Parameters, Awaitable[Value]]:
    """Return a step that two callers take at the same time, where nothing keeps one back."""
    both = asyncio.Barrier(2)

    async def taken(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
            async with asyncio.timeout(FOR_THE_OTHER_S):
                await both.wait()
        return await step(*args, **kwargs)

    return taken

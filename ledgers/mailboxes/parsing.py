"""Mails read in another process, killed when it takes too long or too much memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import anyio
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from mail.message import DEFAULT_LIMITS, Flaw, Limits, Parsed, Unparsable
from mail.reading.parse import MEMORY_LIMIT_BYTES, parse_batch

ONE_MAIL = timedelta(seconds=5)
# A batch gets the time of a few bad mails; then each is read alone, to find the bad one.
ONE_BATCH = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a mail could not be read."""

    reason: str


class Parser:
    """Reads mails in at most `processes` other processes."""

    def __init__(self, processes: int = 1) -> None:
        """Start none yet; each is started when it is first needed, and kept."""
        self._limiter = CapacityLimiter(processes)

    async def read(
        self, raws: Sequence[bytes], limits: Limits = DEFAULT_LIMITS
    ) -> list[Parsed | Unreadable]:
        """Return what each mail says, in order; a bad mail costs only itself.

        With larger `limits` each mail is read alone, with more time and memory.
        """
        if not raws:
            return []
        if limits != DEFAULT_LIMITS:
            return [await self._alone(raw, limits) for raw in raws]
        results = await self._attempt(list(raws), ONE_BATCH)
        if results is not None:
            return results
        return [await self._alone(raw, limits) for raw in raws]

    async def _alone(self, raw: bytes, limits: Limits) -> Parsed | Unreadable:
        time = ONE_MAIL * max(1.0, limits.size_bytes / DEFAULT_LIMITS.size_bytes)
        results = await self._attempt([raw], time, limits)
        if results is None:
            return Unreadable(f"reading it took over {time.seconds} s or ended the reading process")
        return results[0]

    async def _attempt(
        self, raws: list[bytes], limit: timedelta, limits: Limits = DEFAULT_LIMITS
    ) -> list[Parsed | Unreadable] | None:
        larger = max(1.0, limits.size_bytes / DEFAULT_LIMITS.size_bytes)
        memory_bytes = int(MEMORY_LIMIT_BYTES * larger)
        try:
            with anyio.fail_after(limit.total_seconds()):
                parsed = await to_process.run_sync(
                    parse_batch,
                    raws,
                    limits,
                    memory_bytes,
                    cancellable=True,
                    limiter=self._limiter,
                )
        except (TimeoutError, BrokenWorkerProcess, MemoryError):
            return None
        if len(raws) > 1 and any(map(_lacked_memory, parsed)):
            return None  # each alone has more room than all of them together
        return [
            Unreadable(str(result)) if isinstance(result, Unparsable) else result
            for result in parsed
        ]


def _lacked_memory(result: Parsed | Unparsable) -> bool:
    return isinstance(result, Unparsable) and result.reason is Flaw.OUT_OF_MEMORY

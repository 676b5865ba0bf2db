"""Keeps the processes of one instance alive, and ends them all with itself."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from everpost.embedded.children import Child, Say, Watchdog
from everpost.embedded.processes import Process, Stages

READY_WITHIN = timedelta(seconds=60)
LOOK_AT_LOGS_EVERY_SECONDS = 0.5


class StartError(Exception):
    """The instance cannot start; the text says why and what to do."""


class NeverReadyError(StartError):
    """A process did not come up."""

    def __init__(self, process: Process, last_words: str, log: Path) -> None:
        """Keep the process; its log says more than its last words."""
        super().__init__(
            f"{process.name} does not start: {last_words or 'it says nothing'} (see {log})"
        )
        self.process = process


class Supervisor:
    """Starts processes stage by stage, restarts what dies, and stops all in reverse order."""

    def __init__(
        self,
        stages: Stages,
        *,
        logs: Path,
        environment: Mapping[str, str],
        say: Say,
    ) -> None:
        """Start nothing yet; `start` does. The folder of logs is made if need be."""
        logs.mkdir(parents=True, exist_ok=True)
        self._say = say
        self._logs = logs
        self._watchdog = Watchdog()
        self._stages = [
            [
                Child(process, logs=logs, environment=environment, watchdog=self._watchdog, say=say)
                for process in stage
            ]
            for stage in stages
        ]
        self._watching: list[asyncio.Task[None]] = []
        self._keeping: dict[Child, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Return once every process is ready; raises NeverReadyError when one does not get so."""
        self._watching = [
            asyncio.create_task(self._watchdog.keep()),
            asyncio.create_task(self._report_errors()),
        ]
        for stage in self._stages:
            self._keeping |= {child: asyncio.create_task(child.keep()) for child in stage}
            await self._all_ready(stage)

    async def stop(self) -> None:
        """End every process, the last stage first; none is left when this returns."""
        for stage in reversed(self._stages):
            await asyncio.gather(*(child.stop() for child in stage))
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    def kill(self) -> None:
        """End every process at once."""
        for stage in self._stages:
            for child in stage:
                child.kill()

    async def _all_ready(self, stage: Sequence[Child]) -> None:
        try:
            async with asyncio.TaskGroup() as readiness:
                for child in stage:
                    readiness.create_task(self._until_ready(child))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _until_ready(self, child: Child) -> None:
        ready = asyncio.create_task(child.until_ready())
        hopeless = asyncio.create_task(child.hopeless.wait())
        try:
            await asyncio.wait(
                {ready, hopeless},
                timeout=READY_WITHIN.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not ready.done():
                log = self._logs / f"{child.process.name}.log"
                raise NeverReadyError(child.process, child.last_words, log)
            ready.result()
        finally:
            ready.cancel()
            hopeless.cancel()

    async def _report_errors(self) -> None:
        while True:
            for stage in self._stages:
                for child in stage:
                    child.report_errors()
            await asyncio.sleep(LOOK_AT_LOGS_EVERY_SECONDS)


async def run_until_stopped(
    supervisor: Supervisor, start: Callable[[], Awaitable[None]], say: Say
) -> None:
    """Start, wait for Ctrl-C or SIGTERM, and stop; whatever `start` raises comes after the stop.

    A second Ctrl-C kills at once. A second SIGTERM does not: a service manager, or `make`, may
    send it to the whole group and to each process.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def interrupt() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, stop.set)
    starting = asyncio.ensure_future(start())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopped
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        if stop.is_set():
            say("stopping")
        await supervisor.stop()

"""One supervised process: started, watched, started again, stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

from everpost.embedded import die_with_parent, watchdog
from everpost.embedded.child_logs import ErrorDigest, last_line, open_log
from everpost.embedded.processes import Process

FIRST_DELAY = timedelta(seconds=0.2)
LONGEST_DELAY = timedelta(seconds=10)
ALIVE_LONG_ENOUGH = timedelta(seconds=30)
PROBE_EVERY_SECONDS = 0.05
WATCHDOG_AGAIN_SECONDS = 1.0
DEATHS_BEFORE_GIVING_UP = 3

Say = Callable[[str], None]
# Isolated and without site-packages: these files need neither, and start in 15 ms.
_BARE_PYTHON = (sys.executable, "-I", "-S")


def next_delay(previous: timedelta | None, alive: timedelta) -> timedelta:
    """Return how long to wait before a process that ended is started again.

    Doubles from one death to the next; a process that lived long enough begins anew.
    """
    if previous is None or alive >= ALIVE_LONG_ENOUGH:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)


def ending(return_code: int) -> str:
    """Return how a process ended, in words."""
    if return_code >= 0:
        return f"ended with exit code {return_code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-return_code).name}"
    return f"was killed by signal {-return_code}"


def tied(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs another one and has it killed when this process ends."""
    parent, kill = str(os.getpid()), str(int(signal.SIGKILL))
    return (*_BARE_PYTHON, die_with_parent.__file__, parent, kill, *command)


def kill_group(group: int) -> None:
    """Kill every process of a group, if any is left."""
    # PermissionError: some systems answer so for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class Watchdog:
    """The process that ends the groups of this one, should this one die without a word."""

    def __init__(self) -> None:
        """Start nothing yet; `keep` does."""
        self._groups: set[int] = set()
        self._input: asyncio.StreamWriter | None = None

    def add(self, group: int) -> None:
        """Have the group ended when this process dies."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Leave the group alone: it has ended."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    async def keep(self) -> None:
        """Keep a watchdog running until cancelled; then it ends by itself."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *(*_BARE_PYTHON, watchdog.__file__),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            self._input = process.stdin
            self._tell("".join(f"+{group}\n" for group in self._groups))
            try:
                await process.wait()
                await asyncio.sleep(WATCHDOG_AGAIN_SECONDS)
            except asyncio.CancelledError:
                self._say_goodbye()
                await process.wait()
                raise

    def _tell(self, text: str) -> None:
        # A watchdog that has just died hears the whole list from `keep` once it runs again.
        if self._input is not None and not self._input.is_closing():
            self._input.write(text.encode())

    def _say_goodbye(self) -> None:
        if self._input is not None:
            self._input.close()


class Child:
    """A process that is kept running.

    It leads a process group of its own: a Ctrl-C at the terminal reaches the supervisor alone,
    which stops its children in order, and what a child started can be ended with it.
    """

    def __init__(
        self,
        process: Process,
        *,
        logs: Path,
        environment: Mapping[str, str],
        watchdog: Watchdog,
        say: Say,
    ) -> None:
        """Start nothing yet; `keep` does."""
        self.process = process
        self.hopeless = asyncio.Event()  # it died again and again: matters only at the start
        self._deaths = 0
        self._log = logs / f"{process.name}.log"
        self._digest = ErrorDigest.from_now_on(self._log)
        self._environment = environment
        self._watchdog = watchdog
        self._say = say
        self._running: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        return last_line(self._log)

    async def keep(self) -> None:
        """Run the process, again and again, until it is told to stop."""
        delay = None
        while not self._stopping.is_set():
            began = monotonic()
            return_code = await self._run()
            if self._stopping.is_set():
                return
            self._deaths += 1
            if self._deaths == DEATHS_BEFORE_GIVING_UP:
                self.hopeless.set()
            delay = next_delay(delay, timedelta(seconds=monotonic() - began))
            self._say(self._obituary(return_code, delay))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay.total_seconds())

    async def until_ready(self) -> None:
        """Return once the process answers."""
        # Polled: another process cannot set an event of ours.
        while not (self._running is not None and await self.process.ready()):  # noqa: ASYNC110
            await asyncio.sleep(PROBE_EVERY_SECONDS)

    async def stop(self) -> None:
        """Ask the process to end; the rest of its group is killed when it has, or is too slow."""
        self._stopping.set()
        if (running := self._running) is None:
            return
        with suppress(ProcessLookupError):
            running.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(running.wait(), self.process.stop_within.total_seconds())
        self.kill()
        await running.wait()

    def kill(self) -> None:
        """End the process and what it started, at once."""
        self._stopping.set()
        if self._running is not None:
            kill_group(self._running.pid)

    def report_errors(self) -> None:
        """Say what errors the log gained."""
        for text in self._digest.news():
            self._say(f"{self.process.name}: {text}")

    async def _run(self) -> int:
        self._running = running = await self._spawn()
        self._watchdog.add(running.pid)
        if self._stopping.is_set():
            kill_group(running.pid)  # told to stop while it was being started
        back = asyncio.create_task(self._say_when_back())
        try:
            return await running.wait()
        finally:
            back.cancel()
            # What the process had started must not live on beside its successor.
            kill_group(running.pid)
            self._watchdog.remove(running.pid)
            self._running = None

    async def _spawn(self) -> asyncio.subprocess.Process:
        log = open_log(self._log)
        try:
            return await asyncio.create_subprocess_exec(
                *tied(self.process.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _say_when_back(self) -> None:
        if self._deaths:
            await self.until_ready()
            self._say(f"{self.process.name} runs again")

    def _obituary(self, return_code: int, delay: timedelta) -> str:
        words = f" ({self.last_words})" if return_code > 0 and self.last_words else ""
        again = f"starts again in {delay.total_seconds():g} s"
        return f"{self.process.name} {ending(return_code)}{words}; {again}"

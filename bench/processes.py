"""What processes use, read from /proc: processor time and memory by name."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# What a command line holds, and what its process is called in the report.
_NAMES: Mapping[str, str] = {
    "start-dev": "temporal",
    "-m api": "api",
    "-m workers cases": "workers-cases",
    "-m workers mail": "workers-mail",
    "anyio": "parser",
    "everpost.mailserver": "mailserver",
    "everpost run": "supervisor",
    "bench.bare_workflow": "bare worker",
    "smtp_sink": "smtp sink",
    "dovecot": "dovecot",
}


@dataclass(frozen=True, slots=True)
class Memory:
    """A process's memory. PSS shares out pages that several processes hold."""

    pss_bytes: int
    rss_bytes: int

    def larger(self, other: "Memory") -> "Memory":
        """Return the larger of each."""
        return Memory(
            max(self.pss_bytes, other.pss_bytes),
            max(self.rss_bytes, other.rss_bytes),
        )

    def plus(self, other: "Memory") -> "Memory":
        """Return both together."""
        return Memory(self.pss_bytes + other.pss_bytes, self.rss_bytes + other.rss_bytes)


NO_MEMORY = Memory(0, 0)


def tree(root: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def names_of(roots: list[int]) -> dict[int, str]:
    """Return what each process below the roots is called."""
    return {pid: _name(pid) for root in roots for pid in tree(root)}


def cpu_seconds(names: Mapping[int, str]) -> dict[str, float]:
    """Return user and system time so far, by name."""
    used: dict[str, float] = {}
    for pid, name in names.items():
        if fields := _stat(pid):
            ticks = int(fields[11]) + int(fields[12])
            used[name] = used.get(name, 0.0) + ticks / TICKS_PER_SECOND
    return used


def memory(names: Mapping[int, str]) -> dict[str, Memory]:
    """Return memory now, by name."""
    used: dict[str, Memory] = {}
    for pid, name in names.items():
        used[name] = used.get(name, NO_MEMORY).plus(_memory(pid))
    return used


@dataclass(slots=True)
class CpuMeter:
    """Processor time by name between two moments."""

    names: Callable[[], dict[int, str]]
    _before: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Begin here."""
        self._before = cpu_seconds(self.names())

    def used(self) -> dict[str, float]:
        """Return what was used since the start, the most first."""
        now = cpu_seconds(self.names())
        used = {name: seconds - self._before.get(name, 0.0) for name, seconds in now.items()}
        return dict(sorted(used.items(), key=lambda item: -item[1]))


@dataclass(slots=True)
class MemoryPeak:
    """The largest memory of each process, and of all at one moment, while the block runs."""

    names: Callable[[], dict[int, str]]
    every_seconds: float = 0.25
    each: dict[str, Memory] = field(default_factory=dict)
    total: Memory = NO_MEMORY
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.every_seconds):
            now = memory(self.names())
            total = NO_MEMORY
            for name, used in now.items():
                self.each[name] = self.each.get(name, NO_MEMORY).larger(used)
                total = total.plus(used)
            self.total = self.total.larger(total)


@contextmanager
def without_bytecode_switch() -> Iterator[None]:
    """Let child processes write bytecode; without it each workflow compiles its modules anew."""
    value = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        yield
    finally:
        if value is not None:
            os.environ["PYTHONDONTWRITEBYTECODE"] = value


def _stat(pid: int) -> list[str]:
    """Return the fields after the command's name: state, parent, …; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "ended"
    return next((name for part, name in _NAMES.items() if part in command), "other")


def _memory(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return NO_MEMORY
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(kilobytes["Pss"] * 1024, kilobytes["Rss"] * 1024)

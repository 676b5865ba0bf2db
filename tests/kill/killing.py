"""Killing: at each named point once, and at random moments."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledgers.crash_points import CrashPoint
from tests.product.instance import Instance

PROCESSES = ("cases", "mail", "api", "temporal")

# By who reaches them, in the order in which they are armed: the points whose recovery takes
# longest first. The last one is reached by the mail worker as well as by the API.
BY_PROCESS: Mapping[str, Sequence[CrashPoint]] = {
    "mail": (
        CrashPoint.INTAKE_CLAIMED,
        CrashPoint.INTAKE_FETCHED,
        CrashPoint.INTAKE_STORED,
        CrashPoint.INTAKE_COMMITTED,
    ),
    "cases": (
        CrashPoint.OUTBOX_ATTEMPTING,
        CrashPoint.OUTBOX_ANSWERED,
        CrashPoint.OUTBOX_INTENDED,
        CrashPoint.OUTBOX_CONNECTED,
        CrashPoint.OUTBOX_UNTOLD,
        CrashPoint.OUTBOX_SENT,
    ),
    "api": (
        CrashPoint.API_ACCEPTED,
        CrashPoint.OUTBOX_RESOLVED,
        CrashPoint.DELIVERY_SIGNALLED,
    ),
}


@dataclass
class Points:
    """Arms the points of each process one after the other."""

    folder: Path
    waiting: dict[str, list[CrashPoint]]
    armed: dict[str, CrashPoint] = field(default_factory=dict)
    hit: list[CrashPoint] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether every point has been hit."""
        return not self.armed and not any(self.waiting.values())

    @property
    def missing(self) -> list[CrashPoint]:
        """Return the points that nobody has reached."""
        return [*self.armed.values(), *(p for points in self.waiting.values() for p in points)]

    def look(self, ready: Sequence[str]) -> None:
        """Note what was hit, and arm the next points of the processes that are ready."""
        for process, point in list(self.armed.items()):
            if self._hit(point).exists():
                self.hit.append(point)
                del self.armed[process]
        for process in ready:
            if process not in self.armed and self.waiting.get(process):
                self.armed[process] = self.waiting[process].pop(0)
                self.arm(self.armed[process])

    def arm(self, point: CrashPoint) -> Path:
        """Let the next process that reaches a point die there; return what is there once it has."""
        (self.folder / point).touch()
        return self._hit(point)

    def _hit(self, point: CrashPoint) -> Path:
        return self.folder / f"{point}.hit"


@dataclass
class RandomKills:
    """Kills one process after another, each at a random moment."""

    product: Instance
    seed: int
    wanted: int
    mean_seconds: float
    victims: tuple[str, ...] = PROCESSES
    counts: dict[str, int] = field(default_factory=dict)
    _random: random.Random = field(init=False)
    _next: float = 0.0
    _order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # the same order again

    @property
    def is_done(self) -> bool:
        """Whether as many were killed as were wanted."""
        return sum(self.counts.values()) >= self.wanted

    def look(self, now: float) -> None:
        """Kill the next process if its moment has come."""
        if not self._next:
            self._next = now + self._pause()
        if now < self._next or self.is_done:
            return
        self._next = now + self._pause()
        if not self._order:
            self._order = self._random.sample(self.victims, len(self.victims))
        name = self._order.pop()
        if self.product.kill(name):
            self.counts[name] = self.counts.get(name, 0) + 1

    def _pause(self) -> float:
        return self._random.uniform(0.5, 1.5) * self.mean_seconds

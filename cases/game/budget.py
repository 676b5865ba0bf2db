"""How much may happen in one step without an event of the outside: what bounds its time.

Temporal grants a workflow task two seconds. 10,000 firings and their trace took 0.35 s of them:
0.1 s to fire, 0.17 s for the lines of the record, 0.06 s to write them as 2.6 MB of JSON. As many
visits as are granted beside them take about as long again.
"""

from cases.events import Event
from cases.expressions.guards import Guard
from cases.game.working import Working
from cases.limits import (
    MAX_AUTOMATIC_FIRINGS,
    MAX_AUTOMATIC_FIRINGS_BEFORE,
    MAX_THREAD_DEPTH,
    MAX_VISITS,
    VISITS_PER_LEAF,
)
from cases.state import LONG_STEPS


class TooManyFirings(Exception):
    """A step that would fire for ever, as far as anybody can tell."""

    def __init__(self, most: int = MAX_AUTOMATIC_FIRINGS) -> None:
        """Keep how many firings the step was granted."""
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"{self.most:,} firings in one step without an event from outside: "
            "the definition goes round in a loop"
        )


class ThreadsTooDeep(TooManyFirings):
    """A step that has begun threads of threads of threads."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"threads are nested more than {MAX_THREAD_DEPTH} deep: the definition splits threads "
            "in a loop and does not merge them"
        )


class TooMuchToLookAt(TooManyFirings):
    """A step that has looked at too much of its net: joins, guards, tasks that can't start."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"{MAX_VISITS:,} places, tasks, threads, guards and data looked at in one step without "
            "an event from outside: the definition goes round in a loop, begins too many threads, "
            "or takes too long over its OR-joins, guards and data"
        )


def count_firing(work: Working) -> None:
    """Count a firing, or an instance of a task, or raise TooManyFirings."""
    work.unfed += 1
    if work.unfed > MAX_AUTOMATIC_FIRINGS_BEFORE:
        old = work.core_version < LONG_STEPS
        most = MAX_AUTOMATIC_FIRINGS_BEFORE if old else MAX_AUTOMATIC_FIRINGS
        if work.unfed > most:
            raise TooManyFirings(most)


def count_visits(work: Working, visits: int) -> None:
    """Count the places and tasks that a look at the net has met, or raise TooManyFirings."""
    work.visited += visits
    if work.visited > MAX_VISITS and work.core_version >= LONG_STEPS:
        raise TooMuchToLookAt


def count_look(work: Working, guard: Guard, event: Event | None, thread: int | None) -> None:
    """Count a look at a guard, which may have many leaves, long patterns, and long values."""
    visits = VISITS_PER_LEAF * len(guard.leaves)
    if guard.through or guard.patterns:
        visits += guard.visits(work.facts(event, thread))
    count_visits(work, visits)

"""How much a case may hold when a step is over: what bounds the state that its driver carries.

A token with its thread of control takes about 120 bytes of JSON, so as many as are allowed stay
below 1.5 MB; Temporal takes payloads of 2 MB. The data of events come on top; what is large goes
into the store of the driver's payloads.

A flood of events parks the case. One that is parked keeps what comes until it holds as much as it
may; what comes after that is let go, and said so in the trace. The ledger has its row and its mail
all the same, so that is where it is found again; without end it would wedge the case for good.
"""

import json
from collections.abc import Iterator

from cases.events import Event
from cases.game.asked import check_asked
from cases.game.budget import TooManyFirings
from cases.game.threads import drop_unused
from cases.game.working import Working
from cases.limits import MAX_EVENTS_BYTES, MAX_KEPT, MAX_THREADS_DATA_BYTES, MAX_WAITING
from cases.state import LONG_STEPS, CaseStatus
from cases.values import JSON

# Fewer than these are never too large: what comes in with one event is bounded.
_FEW = 100


class TooMuchKept(TooManyFirings):
    """A step that leaves more tokens, threads and undoable actions than a case may hold."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"more than {MAX_KEPT:,} tokens, threads, running and undoable actions at once: "
            "the definition makes more than it takes away, so split less, or merge and end threads"
        )


class TooMuchThreadData(TooManyFirings):
    """A step that leaves more data of threads than a case may hold."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"the threads hold more than {MAX_THREADS_DATA_BYTES // 1024:,} KiB of data together: "
            "set less in each thread, or split into fewer"
        )


class TooManyEvents(TooManyFirings):
    """A step that leaves more events than a case may hold."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"more than {MAX_WAITING:,} events that nothing has taken, or more than "
            f"{MAX_EVENTS_BYTES // 1024**2} MiB of data that came with events: let a task take "
            "them as they come, or send fewer to one case"
        )


def check_kept(work: Working) -> None:
    """Raise TooManyFirings where a step leaves more than a case may hold, or asks for too much."""
    if work.core_version < LONG_STEPS:
        return
    check_asked(work)
    if work.threads:
        drop_unused(work)
    kept = sum(len(resting) for resting in work.marking.tokens.values())
    kept += len(work.threads) + len(work.running) + len(work.undoable)
    kept += len(work.beside) + len(work.holding) + len(work.outcomes)
    if kept > MAX_KEPT:
        raise TooMuchKept
    many = work.status is CaseStatus.OPEN and kept + len(work.waiting) > _FEW
    if many and holds_too_many_events(work, MAX_WAITING):
        raise TooManyEvents
    if (work.threads or work.holding) and _data_bytes(work) > MAX_THREADS_DATA_BYTES:
        raise TooMuchThreadData


def holds_too_many_events(work: Working, most: int) -> bool:
    """Tell whether more events wait than `most`, or all that there are hold too much data."""
    if len(work.waiting) > most:
        return True
    distinct = {id(event): event for event in _events(work) if event is not None}
    return sum(_event_bytes(event) for event in distinct.values()) > MAX_EVENTS_BYTES


def _events(work: Working) -> Iterator[Event | None]:
    """Yield all events that the state speaks of, as often as it does."""
    yield from work.waiting
    yield from (outcome.event for outcome in work.outcomes)
    for tokens in work.marking.tokens.values():
        yield from (token.event for token in tokens)
    for firing in work.running.values():
        yield firing.event
        yield firing.failure
        yield from (token.event for token in firing.tokens)
        yield from (one.event for one in firing.undoing)
    yield from (one.event for one in work.undoable)
    for beside in work.beside.values():
        yield None if beside.undoable is None else beside.undoable.event
    for held in work.holding.values():
        yield held.event  # its undoing speaks of the same one


def _event_bytes(event: Event) -> int:
    return sum(len(name) + _bytes_of(value) for name, value in event.data.items())


def _data_bytes(work: Working) -> int:
    data = [thread.data for thread in work.threads.values()]
    data += [held.own for held in work.holding.values()]
    return sum(_bytes_of(value) for own in data for value in own.values())


def _bytes_of(value: JSON) -> int:
    """Return about how many bytes a value takes; a number takes few."""
    if isinstance(value, int | float) or value is None:
        return 8
    return len(value) * 2 if isinstance(value, str) else len(json.dumps(value))

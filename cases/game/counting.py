"""From when deadlines count: from the receipt of the event that led to their state.

So an outage of ours takes nobody's time. Cases of the first core count from when the case took it.
"""

from collections.abc import Sequence
from datetime import datetime

from cases.events import ACTION_FAILED, ACTION_UNKNOWN, CLASSIFIED, Event
from cases.game.working import Working
from cases.net import Net, Task
from cases.state import RECEIVED_COUNTS, Token


def received(work: Working, event: Event | None) -> datetime:
    """Return the time from which the deadlines count of a state that an event opens."""
    if event is None or work.core_version < RECEIVED_COUNTS:
        return work.now
    return min(event.at, work.now)


def basis_of(
    work: Working,
    task: Task,
    tokens: Sequence[Token],
    event: Event | None,
    due: datetime | None,
) -> datetime | None:
    """Return the time from which the deadlines count of what a firing leads to.

    An outside event's is when it was received, a deadline's when it was `due`, and what goes on
    by itself keeps its tokens' time. None is the time when the firing completes.
    """
    if work.core_version < RECEIVED_COUNTS or not tokens:
        return None
    since = tokens[0].since if len(tokens) == 1 else max(token.since for token in tokens)
    if due is not None:
        basis = max(since, due)
        return None if _would_be_over(work.net, task, basis, work.now) else basis
    if event is None or task.event_type is None or event.type == CLASSIFIED:
        return since
    if event.type in (ACTION_FAILED, ACTION_UNKNOWN):
        return None
    return min(max(since, event.at), work.now)


def _would_be_over(net: Net, task: Task, basis: datetime, now: datetime) -> bool:
    """Tell whether a deadline that repeats itself would be due again at once.

    After an outage a reminder comes once, not as often as it would have meanwhile.
    """
    places = [branch.place for branch in task.outputs]
    again = net.places[task.inputs[0].place].state in [net.places[place].state for place in places]
    timings = [entry.task.timing for place in places for entry in net.timers.get(place, ())]
    ends = [basis + timing.after for timing in timings if timing and timing.after is not None]
    return again and any(end <= now for end in ends)

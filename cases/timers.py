"""When deadlines are due: derived from the tokens and the case data, never stored.

`after` counts from the moment when the token came, and `at` is a time in the case data, so both are
absolute and come out the same however often they are asked for. A token inside a task has no
deadlines until it rests again; those that are overdue by then are due at once.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from cases.data import moment_of
from cases.fields import Facts
from cases.net import Net, NumberedTask, Timing
from cases.state import Token
from cases.values import JSON

Timer = tuple[datetime, NumberedTask, Token]


def running_timers(
    net: Net, tokens: Mapping[str, tuple[Token, ...]], data: Mapping[str, JSON]
) -> Iterator[Timer]:
    """Yield every deadline that can still fire, with its due time and its token; unsorted."""
    for place, resting in tokens.items():
        for entry in net.timers.get(place, ()):
            for token in resting:
                if entry.task.id in token.fired or entry.task.timing is None:
                    continue
                due = due_at(entry.task.timing, token, data)
                if due is not None:
                    yield due, entry, token


def due_at(timing: Timing, token: Token, data: Mapping[str, JSON]) -> datetime | None:
    """Return when a deadline of a token is due, or None while the case data has no time for it."""
    if timing.after is not None:
        return token.since + timing.after
    if timing.at is None:
        return None
    return moment_of(timing.at(Facts(None, {}, data, None, None)))


def timer_order(timer: Timer) -> tuple[datetime, int, int]:
    """Return what timers are sorted by: due time, then declaration, then the token's age."""
    due, entry, token = timer
    return due, entry.order, token.id

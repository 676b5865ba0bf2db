"""When deadlines are due: derived from the tokens, the running tasks and the case data.

They are never stored. `after` counts from the moment when the token came or the task started, and
`at` is a time in the case data, so both are absolute and come out the same however often they are
asked for. A token inside a task has no deadlines until it rests again; those that are overdue by
then are due at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cases.data import moment_of
from cases.expressions.fields import Facts
from cases.net import Net, NumberedTask, Timing
from cases.state import Firing, Token
from cases.values import JSON


@dataclass(slots=True)
class Timer:
    """Something that is due at a time: a deadline of a token or of a running firing, or a retry.

    `entry` is the deadline's task, or for a retry the one that runs; exactly one of `token` and
    `firing` is there. Not frozen, since many are made in each step and freezing triples the cost.
    """

    due: datetime
    entry: NumberedTask
    token: Token | None = None
    firing: Firing | None = None
    retry: bool = False

    @property
    def order(self) -> tuple[datetime, int, int, bool]:
        """What timers are sorted by: due time, then declaration, then the age of what has it.

        No two of a case are equal in it.
        """
        if self.token is not None:
            return self.due, self.entry.order, self.token.id, False
        return self.due, self.entry.order, 0 if self.firing is None else self.firing.number, True


def all_timers(
    net: Net,
    tokens: Mapping[str, tuple[Token, ...]],
    running: Mapping[int, Firing],
    data: Mapping[str, JSON],
) -> Iterator[Timer]:
    """Yield all that time alone can set off; unsorted.

    A deadline of a token is among them also when its task can't take that token as the case stands.
    """
    if net.timers:
        yield from _of_tokens(net, tokens, data)
    for firing in running.values():
        retry = firing.retry
        if retry is not None and retry.due is not None and not firing.pending:
            yield Timer(retry.due, net.numbered[firing.task], firing=firing, retry=True)
        if firing.since is not None and firing.task in net.watching:
            yield from _of_firing(net, firing, data)


def _of_tokens(
    net: Net, tokens: Mapping[str, tuple[Token, ...]], data: Mapping[str, JSON]
) -> Iterator[Timer]:
    for place, resting in tokens.items():
        for entry in net.timers.get(place, ()):
            for token in resting:
                if entry.task.id in token.fired or entry.task.timing is None:
                    continue
                due = _due_at(entry.task.timing, token.since, data)
                if due is not None:
                    yield Timer(due, entry, token=token)


def _of_firing(net: Net, firing: Firing, data: Mapping[str, JSON]) -> Iterator[Timer]:
    """Yield the deadlines of a running firing; those of a group are over when it has passed."""
    if firing.parent is not None or (firing.group is not None and firing.group.passed):
        return
    for entry in net.watching[firing.task]:
        if entry.task.id in firing.fired or entry.task.timing is None or firing.since is None:
            continue
        due = _due_at(entry.task.timing, firing.since, data)
        if due is not None:
            yield Timer(due, entry, firing=firing)


def _due_at(timing: Timing, since: datetime, data: Mapping[str, JSON]) -> datetime | None:
    """Return when a deadline is due, or None while the case data has no time for it."""
    if timing.after is not None:
        return since + timing.after
    if timing.at is None:
        return None
    return moment_of(timing.at(Facts(None, {}, data, None, None)))

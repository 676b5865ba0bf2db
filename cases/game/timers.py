"""When deadlines are due: derived from the tokens, the running tasks and the case data.

They are never stored. `after` counts from the moment when the token came or the task started, and
`at` is a time in the case data, so both are absolute and come out the same however often they are
asked for. A task that joins several places waits from when it had enough of them: from the last
token to come of those that it would take. A token inside a task has no deadlines until it rests
again; those that are overdue by then are due at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cases.data import moment_of
from cases.expressions.fields import Facts
from cases.game.marking import Marking
from cases.net import Join, Net, NumberedTask, Task, Timing
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
    marking: Marking | None = None,
) -> Iterator[Timer]:
    """Yield all that time alone can set off for some tokens and running firings; unsorted.

    A deadline of a token is among them also when its task can't take that token as the case stands,
    but for a join, which has one when its places are filled: `marking` is where it looks for them,
    if not among the tokens given.
    """
    if net.timers:
        yield from _of_tokens(net, tokens, data, marking)
    for firing in running.values():
        retry = firing.retry
        if retry is not None and retry.due is not None and not firing.pending:
            yield Timer(retry.due, net.numbered[firing.task], firing=firing, retry=True)
        if firing.since is not None and firing.task in net.watching:
            yield from _of_firing(net, firing, data)


def due_of_token(
    marking: Marking | None, entry: NumberedTask, token: Token, data: Mapping[str, JSON]
) -> datetime | None:
    """Return when a deadline of a token is due, if it has that one, and it is not over."""
    timing = entry.task.timing
    if timing is None or entry.task.id in token.fired:
        return None
    since: datetime | None = token.since
    if entry.only_input is None and marking is not None:
        since = _filled_since(marking, entry.task, token)
    return None if since is None else _due_at(timing, since, data)


def _of_tokens(
    net: Net,
    tokens: Mapping[str, tuple[Token, ...]],
    data: Mapping[str, JSON],
    marking: Marking | None,
) -> Iterator[Timer]:
    for place, resting in tokens.items():
        for entry in net.timers.get(place, ()):
            if marking is None and entry.only_input is None:
                marking = Marking(net, tokens)
            for token in resting:
                due = due_of_token(marking, entry, token, data)
                if due is not None:
                    yield Timer(due, entry, token=token)


def _filled_since(marking: Marking, task: Task, token: Token) -> datetime | None:
    """Return when the last token came that a join had to wait for, if this is the token it is by.

    That is the first of those that it would take, so that a join has one timer, not one for each.
    """
    taken = marking.taken_with(task, token)
    if not taken or taken[0].id != token.id:
        return None
    came: dict[str, datetime] = {}
    for one in taken:
        came[one.place] = max(came.get(one.place, one.since), one.since)
    needed = task.threshold if task.join is Join.PARTIAL else len(came)
    return sorted(came.values())[:needed][-1]


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

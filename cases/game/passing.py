"""The passing of time: deadlines fire and held replies go out, each with all that comes of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush

from cases.game import holding
from cases.game.firing import fire
from cases.game.overdue import pass_running, renewed
from cases.game.settling import settle
from cases.game.starting import may_start, prepare
from cases.game.timers import Timer, all_timers
from cases.game.working import Working
from cases.net import NumberedTask
from cases.state import CaseStatus, Firing, Token
from cases.trace import TraceKind
from cases.values import JSON


def pass_time(work: Working, until: datetime) -> None:
    """Do what is due by a time, each thing with all that follows before the next."""
    while work.status is CaseStatus.OPEN and _pass_next(work, until):
        pass


def _pass_next(work: Working, until: datetime) -> bool:
    """Do what is due first, and more in its order while that is known; False if nothing is due.

    To look at all deadlines anew after each would take seconds where thousands are due at once.
    """
    moved = held_back = False
    work.timed.clear()
    due = list(_due_timers(work, until, work.marking.tokens, work.running))
    heapify(due)
    while due:
        timer = heappop(due)[1]
        before = timer.due
        if not renewed(work, timer):
            continue
        if timer.due != before:  # a join that has other tokens now
            if timer.due <= until:
                heappush(due, (timer.order, timer))
            continue
        if timer.token is not None and not may_start(work, timer.entry, timer.token):
            held_back = True
            continue
        if _release_before(work, timer.due, until):
            return True
        data, firings = work.data, work.firings
        _fire_timer(work, timer)
        moved = True
        if work.status is not CaseStatus.OPEN or held_back or _has_others(work, data, firings):
            return True
        while work.timed:
            token = work.timed.pop()
            if any(entry.only_input is None for entry in work.net.timers[token.place]):
                return True
            for one in _due_timers(work, until, {token.place: (token,)}, {}):
                heappush(due, one)
    return _release_before(work, until, until) or moved


def _due_timers(
    work: Working,
    until: datetime,
    tokens: Mapping[str, tuple[Token, ...]],
    running: Mapping[int, Firing],
) -> Iterator[tuple[tuple[datetime, int, int, bool], Timer]]:
    """Yield what is due by a time for some tokens and running tasks, each with its place in order.

    No two have the same place.
    """
    for timer in all_timers(work.net, tokens, running, work.data, work.marking):
        if timer.due <= until:
            yield timer.order, timer


def _has_others(work: Working, data: Mapping[str, JSON], firings: int) -> bool:
    """Tell whether deadlines may have come up since then that are not those of new tokens."""
    if work.data is not data and work.wiring.times_in_data:
        return True
    return bool(work.net.watching) and next(reversed(work.running), 0) > firings


def _release_before(work: Working, due: datetime, until: datetime) -> bool:
    """Let the held reply go out that is due first, if that is before something else."""
    held = holding.first_due(work, until)
    if held is None or held.due > due:
        return False
    holding.release(work, held)
    settle(work)
    return True


def _fire_timer(work: Working, timer: Timer) -> None:
    token = timer.token
    if token is None:
        pass_running(work, timer)
    elif work.holds(timer.entry, None, token.thread):
        prepare(work, timer.entry.task, token)
        fire(work, timer.entry, [timer.entry], None, token.cause, token, timer.due)
    else:
        _miss(work, timer.entry, token)
    settle(work)
    if work.holding:
        holding.come_to_rest(work)


def _miss(work: Working, entry: NumberedTask, token: Token) -> None:
    """Note that a deadline was due and its guard said no: it does not come back this visit."""
    work.marking.note_fired(token, entry.task.id)
    note = work.note(TraceKind.MISSED, task=entry.task.id, cause=token.cause)
    note.came_from = note.went_to = work.states([token.place])
    note.guards = work.explained([entry], None, token.thread)

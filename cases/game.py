"""The token game: one step of a net, run to completion on a working copy of the state.

Automatic tasks fire first, in declared order. When none can, the joins are looked at that wait for
what may still come; then the outcomes of actions are offered, since they belong to what has
happened already; then the events of the outside that wait, oldest first. After each firing all of
it is looked at again, until nothing moves. Nothing here iterates over a set, reads a clock, or
draws.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush

from cases import holding
from cases.actions import Perform, Reply
from cases.budget import count_look, count_visits
from cases.completing import close, close_where_final, put_new
from cases.counting import received
from cases.errors import IllegalEvent
from cases.events import TRANSIENT_EVENTS, ActionEnded, Event, Input, TimePassed
from cases.firing import end_action, fire
from cases.leftovers import drop_transient, keep_event, note_untaken, report_outcomes
from cases.limits import MAX_INSTANCES
from cases.listening import Listener, hear, running_listeners, takes
from cases.net import NumberedTask
from cases.overdue import pass_running, renewed
from cases.rounds import go_on_with_rounds
from cases.starting import anchors, chosen, may_start, prepare, startable
from cases.state import CaseState, CaseStatus, Firing, Token
from cases.threads import drop_unused
from cases.timers import Timer, all_timers
from cases.trace import TraceKind
from cases.values import JSON
from cases.working import Working

# So many looks at tasks that can't start are counted at a time.
_MANY_LOOKS = 50

# What takes an event: a running firing, or a task, the token by which it starts, and all that
# could have started.
_Taker = Listener | tuple[NumberedTask, Token | None, list[NumberedTask]]

# What a step is asked for


def open_case(work: Working, event: Event | None) -> None:
    """Put the first token in its place; the event that opens the case is used up by it."""
    note = work.note(TraceKind.STARTED, event=event)
    if event is not None:
        work.consumed.append(event.id)
        note.cause = event.id
    start = work.net.start
    put_new(work, start, event, note.cause, received(work, event))
    note.went_to = work.states([start])
    close_where_final(work, [start])


def reopen(work: Working, event: Event) -> None:
    """Put a token into the state in which a closed case goes on."""
    place = work.net.reopens_in
    if place is None or work.status is not CaseStatus.CLOSED:
        raise IllegalEvent(event.id, "the case is not closed, or stays so by its definition")
    work.status, work.reason = CaseStatus.OPEN, None
    note = work.note(TraceKind.REOPENED, event=event, cause=event.id)
    put_new(work, place, event, event.id, received(work, event))
    note.went_to = work.states([place])


def use_up(work: Working, event: Event) -> None:
    """Offer the mail that reopens a case where it has come to.

    What nothing there takes is used up all the same, like a mail that opens a case.
    """
    settle(work)
    index = keep_event(work, event)
    if work.status is CaseStatus.OPEN and not work.running and _offer(work, index):
        settle(work)
    else:
        work.waiting = [kept for kept in work.waiting if kept is not event]
        work.consumed.append(event.id)


def answer(work: Working, event: Event) -> None:
    """Answer a mail to the closed case, which stays closed."""
    template = work.net.late_answer
    if template is None or work.status is not CaseStatus.CLOSED:
        raise IllegalEvent(event.id, "the case is not closed, or its definition answers nothing")
    work.firings += 1
    note = work.note(TraceKind.ANSWERED, firing=work.firings, event=event, cause=event.id)
    reply = Reply(template)
    note.did.append(str(reply))
    work.consumed.append(event.id)
    work.commands.append(Perform(work.firings, 0, reply, event.id, event, False))


def take(work: Working, event: Input) -> None:
    """Do all that comes of an input."""
    if isinstance(event, Event):
        _take_event(work, event)
    elif isinstance(event, TimePassed):
        _pass_time(work, event.until or work.now)
    else:
        end_action(work, event)
        settle(work)


def keep(work: Working, event: Input) -> None:
    """Note an input without letting anything fire."""
    if isinstance(event, Event):
        keep_event(work, event)
    elif isinstance(event, ActionEnded):
        work.unfed, work.visited = -MAX_INSTANCES, 0  # the instances that come next may begin
        end_action(work, event)


def park(work: Working, reason: str) -> None:
    """Stop the case until a person looks at it."""
    if work.status is CaseStatus.OPEN:
        work.status = CaseStatus.PARKED
        work.reason = reason
        work.note(TraceKind.PARKED).notes.append(reason)


def settle(work: Working) -> None:
    """Fire what can fire, until nothing can; then see whether that was all."""
    while work.status is CaseStatus.OPEN:
        if not (
            _fire_automatic(work)
            or (work.rounds and go_on_with_rounds(work))
            or (work.wiring.late and _fire_late(work))
            or (work.outcomes and _fire_outcome(work))
            or (work.waiting and _fire_waiting(work))
        ):
            _see_whether_that_was_all(work)
            break


def finish(work: Working) -> CaseState:
    """Settle what nothing has taken, and return the state that the step leads to."""
    if work.outcomes:
        report_outcomes(work)
    if work.waiting:
        drop_transient(work)
    if work.holding:
        holding.come_to_rest(work)
    if work.threads:
        drop_unused(work)
    return work.state()


# Reasons to fire


def _take_event(work: Working, event: Event) -> None:
    if work.holding:
        holding.hear(work, event)
    # What waited before did so in vain, and nothing has moved since: only this one is new.
    index = keep_event(work, event)
    if work.status is not CaseStatus.OPEN:
        return
    if _offer(work, index):
        settle(work)
    elif event.type not in TRANSIENT_EVENTS and event.type not in work.wiring.fleeting:
        note_untaken(work, event, TraceKind.WAITING)


def _fire_automatic(work: Working) -> bool:
    """Fire the next automatic task, if one may; its event is the one that brought its token."""
    while entry := work.marking.next_automatic():
        if work.marking.looked > _MANY_LOOKS:
            count_visits(work, work.marking.looked)
            work.marking.looked = 0
        if _fire_by_itself(work, entry):
            return True
    return False


def _fire_late(work: Working) -> bool:
    """Fire the first task that may once nothing else moves: an OR-join, one that a lock kept."""
    count_visits(work, work.wiring.late_visits)
    return any(_fire_by_itself(work, entry) for entry in work.wiring.late)


def _fire_by_itself(work: Working, entry: NumberedTask) -> bool:
    """Fire an automatic task, if it may start and its guard lets it."""
    for anchor in anchors(work, entry):
        token = work.marking.last_to_come(entry, anchor)
        event = None if token is None else token.event
        if entry.task.guard is not None:
            count_look(work, entry.task.guard)
            if not work.holds(entry, event, None if anchor is None else anchor.thread):
                continue
        work.marking.look_again([entry.order])  # there may be tokens for one more firing
        prepare(work, entry.task, anchor)
        fire(work, entry, [entry], event, token.cause if token else None, anchor)
        return True
    return False


def _fire_outcome(work: Working) -> bool:
    for index, outcome in enumerate(work.outcomes):
        taker = _taker(work, outcome.event)
        if taker is not None:
            del work.outcomes[index]
            _give(work, taker, outcome.event, outcome.cause)
            return True
    return False


def _fire_waiting(work: Working) -> bool:
    return any(_offer(work, index, kept=True) for index in range(len(work.waiting)))


def _offer(work: Working, index: int, *, kept: bool = False) -> bool:
    """Give a waiting event to what takes it, if there is anything."""
    event = work.waiting[index]
    taker = _taker(work, event, kept=kept)
    if taker is None:
        return False
    del work.waiting[index]
    work.consumed.append(event.id)
    work.unfed = work.visited = 0
    _give(work, taker, event, event.id)
    return True


def _taker(work: Working, event: Event, *, kept: bool = False) -> _Taker | None:
    """Return what takes an event: the first in declared order, of one task the oldest."""
    enabled = startable(work, event.type, kept=kept)
    start = chosen(work, enabled, event)
    if work.running:
        listeners = running_listeners(work, event.type)
        listener = next((one for one in listeners if takes(work, one, event)), None)
        if listener is not None and (start is None or listener.before(start[0])):
            return listener
    return None if start is None else (*start, enabled)


def _give(work: Working, taker: _Taker, event: Event, cause: str | None) -> None:
    if isinstance(taker, Listener):
        hear(work, taker, event, cause)
        return
    entry, token, enabled = taker
    prepare(work, entry.task, token)
    fire(work, entry, enabled, event, cause, token)


def _see_whether_that_was_all(work: Working) -> None:
    """End a case with nothing left to do, or stop it where its net wants a final place (WCP-11).

    A reply that is held has still to go out.
    """
    if work.running:
        return
    tokens = work.marking.tokens
    if work.net.ends_when_empty:
        if not work.holding and not any(place in work.wiring.taken_from for place in tokens):
            close(work, "nothing is left to do")
    elif not tokens:
        park(work, "no token is left and nothing runs, but no final condition has been reached")


def _pass_time(work: Working, until: datetime) -> None:
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
        if not renewed(work, timer):
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
    for timer in all_timers(work.net, tokens, running, work.data):
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

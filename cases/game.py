"""The token game: one step of a net, run to completion on a working copy of the state.

Automatic tasks fire first, in declared order; then the outcomes of actions are offered, since they
belong to what has happened already; then the events of the outside that wait, oldest first. After
each firing all of it is looked at again, until nothing moves. Nothing here iterates over a set,
reads a clock, or draws.
"""

from datetime import datetime

from cases import holding
from cases.actions import Perform, Reply
from cases.counting import received
from cases.errors import IllegalEvent
from cases.events import TRANSIENT_EVENTS, ActionEnded, Event, Input, TimePassed
from cases.firing import close_where_final, end_action, fire, put_new
from cases.leftovers import drop_transient, keep_event, note_untaken, report_outcomes
from cases.net import NumberedTask
from cases.state import CaseState, CaseStatus, Token
from cases.timers import running_timers, timer_order
from cases.trace import TraceKind
from cases.working import Working

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
        end_action(work, event)


def park(work: Working, reason: str) -> None:
    """Stop the case until a person looks at it."""
    if work.status is CaseStatus.OPEN:
        work.status = CaseStatus.PARKED
        work.reason = reason
        work.note(TraceKind.PARKED).notes.append(reason)


def settle(work: Working) -> None:
    """Fire what can fire, until nothing can."""
    while work.status is CaseStatus.OPEN:
        if not (
            _fire_automatic(work)
            or (work.outcomes and _fire_outcome(work))
            or (work.waiting and _fire_waiting(work))
        ):
            break


def finish(work: Working) -> CaseState:
    """Settle what nothing has taken, and return the state that the step leads to."""
    if work.outcomes:
        report_outcomes(work)
    if work.waiting:
        drop_transient(work)
    if work.holding:
        holding.come_to_rest(work)
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
    elif event.type not in TRANSIENT_EVENTS:
        note_untaken(work, event, TraceKind.WAITING)


def _fire_automatic(work: Working) -> bool:
    """Fire the next automatic task, if one may; its event is the one that brought its token."""
    while entry := work.marking.next_automatic():
        token = work.marking.first_token(entry.task)
        event = token.event if token else None
        if work.chosen([entry], event):
            work.marking.look_again([entry.order])  # there may be tokens for one more firing
            fire(work, entry, [entry], event, token.cause if token else None)
            return True
    return False


def _fire_outcome(work: Working) -> bool:
    for index, outcome in enumerate(work.outcomes):
        enabled = work.marking.listeners(outcome.event.type)
        chosen = work.chosen(enabled, outcome.event)
        if chosen is not None:
            del work.outcomes[index]
            fire(work, chosen, enabled, outcome.event, outcome.cause)
            return True
    return False


def _fire_waiting(work: Working) -> bool:
    return any(_offer(work, index) for index in range(len(work.waiting)))


def _offer(work: Working, index: int) -> bool:
    """Fire the task that takes a waiting event, if there is one."""
    event = work.waiting[index]
    enabled = work.marking.listeners(event.type)
    chosen = work.chosen(enabled, event)
    if chosen is None:
        return False
    del work.waiting[index]
    work.consumed.append(event.id)
    work.unfed = 0
    fire(work, chosen, enabled, event, event.id)
    return True


def _pass_time(work: Working, until: datetime) -> None:
    """Fire the deadlines that are due, each with all that follows before the next."""
    while work.status is CaseStatus.OPEN:
        timers = running_timers(work.net, work.marking.tokens, work.data)
        due = [t for t in timers if t[0] <= until and work.marking.enabled(t[1])]
        first = min(due, key=timer_order, default=None)
        held = holding.first_due(work, until)
        if held is not None and (first is None or held.due <= first[0]):
            holding.release(work, held)
        elif first is not None:
            _fire_deadline(work, *first)
        else:
            return


def _fire_deadline(work: Working, due: datetime, entry: NumberedTask, token: Token) -> None:
    if work.chosen([entry], None):
        fire(work, entry, [entry], None, token.cause, token, due)
    else:
        _miss(work, entry, token)
    settle(work)
    if work.holding:
        holding.come_to_rest(work)


def _miss(work: Working, entry: NumberedTask, token: Token) -> None:
    """Note that a deadline was due and its guard said no: it does not come back this visit."""
    work.marking.note_fired(token, entry.task.id)
    note = work.note(TraceKind.MISSED, task=entry.task.id, cause=token.cause)
    note.came_from = note.went_to = work.states([token.place])
    note.guards = work.explained([entry], None)

"""The token game: what one step does to a working copy of a case, run to completion."""

from cases.actions import Perform, Reply
from cases.errors import IllegalEvent
from cases.events import ActionEnded, Event, Input, TimePassed
from cases.game import holding
from cases.game.completing import close_where_final, put_new
from cases.game.counting import received
from cases.game.firing import end_action
from cases.game.leftovers import drop_transient, hold_back, keep_event, report_outcomes
from cases.game.news import NEVER
from cases.game.offering import offer
from cases.game.passing import pass_time
from cases.game.settling import settle, take_event
from cases.game.threads import drop_unused
from cases.game.working import Working
from cases.limits import MAX_INSTANCES
from cases.state import LONG_STEPS, CaseState, CaseStatus
from cases.trace import TraceKind


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
    if work.status is CaseStatus.OPEN and not work.running and offer(work, index):
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


def resume(work: Working) -> None:
    """Let a parked case go on: with the ends that it has not heard, then with all that waits."""
    work.status, work.reason = CaseStatus.OPEN, None
    work.news.offered_before = NEVER
    for place in work.marking.tokens:
        work.marking.look_again(work.wiring.automatic.get(place, ()))
    unheard, work.unheard = work.unheard, ()
    for ended in unheard:
        end_action(work, ended)
    # While a case of an older core was parked, its tasks went on, and could not end it.
    close_where_final(work, list(work.marking.tokens))
    settle(work)


def take(work: Working, event: Input) -> None:
    """Do all that comes of an input."""
    if isinstance(event, Event):
        take_event(work, event)
    elif isinstance(event, TimePassed):
        pass_time(work, event.until or work.now)
    elif _is_to_hold_back(work, event):
        hold_back(work, event)
    else:
        end_action(work, event)
        settle(work)


def _is_to_hold_back(work: Working, ended: ActionEnded) -> bool:
    """Tell whether the end of an action has to wait: its task does not go on in a parked case."""
    parked = work.status is CaseStatus.PARKED and work.core_version >= LONG_STEPS
    return parked and ended.firing in work.running


def keep(work: Working, event: Input) -> None:
    """Note an input without letting anything fire."""
    if isinstance(event, Event):
        keep_event(work, event)
    elif isinstance(event, ActionEnded):
        work.unfed, work.visited = -MAX_INSTANCES, 0  # the instances that come next may begin
        end_action(work, event)


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

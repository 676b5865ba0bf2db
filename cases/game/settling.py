"""Settling: a net fires what it can until nothing moves, in an order that is always the same.

Automatic tasks fire first, in declared order. When none can, the joins are looked at that wait for
what may still come; then the outcomes of actions are offered, since they belong to what has
happened already; then the events of the outside that wait, oldest first. After each firing all of
it is looked at again. Nothing here iterates over a set, reads a clock, or draws.
"""

from cases.events import TRANSIENT_EVENTS, Event
from cases.game import holding
from cases.game.budget import count_look, count_visits
from cases.game.completing import close, park
from cases.game.firing import fire
from cases.game.kept import holds_too_many_events
from cases.game.leftovers import keep_event, let_go, note_untaken
from cases.game.offering import fire_outcome, fire_waiting, offer
from cases.game.rounds import go_on_with_rounds
from cases.game.starting import anchors_to_ask, prepare
from cases.game.working import Working
from cases.limits import MAX_WAITING
from cases.net import NumberedTask
from cases.state import CaseStatus
from cases.trace import TraceKind

# So many looks at tasks that can't start are counted at a time.
_MANY_LOOKS = 50


def settle(work: Working) -> None:
    """Fire what can fire, until nothing can; then see whether that was all."""
    while work.status is CaseStatus.OPEN:
        if not (
            _fire_automatic(work)
            or (work.rounds and go_on_with_rounds(work))
            or (work.wiring.late and _fire_late(work))
            or (work.outcomes and fire_outcome(work))
            or (work.waiting and fire_waiting(work))
        ):
            _see_whether_that_was_all(work)
            break


def take_event(work: Working, event: Event) -> None:
    if work.holding:
        holding.hear(work, event)
    if work.status is CaseStatus.PARKED and holds_too_many_events(work, MAX_WAITING - 1):
        let_go(work, event)
        return
    # What waited before did so in vain, and nothing has moved since: only this one is new.
    index = keep_event(work, event)
    if work.status is not CaseStatus.OPEN:
        return
    if offer(work, index):
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
    for anchor in anchors_to_ask(work, entry):
        token = work.marking.last_to_come(entry, anchor)
        event = None if token is None else token.event
        if entry.task.guard is not None:
            thread = None if anchor is None else anchor.thread
            count_look(work, entry.task.guard, event, thread)
            if not work.holds(entry, event, thread):
                continue
        work.marking.look_again([entry.order])  # there may be tokens for one more firing
        prepare(work, entry.task, anchor)
        fire(work, entry, [entry], event, token.cause if token else None, anchor)
        return True
    return False


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

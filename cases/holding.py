"""Replies that wait for a while before they go out, and what withdraws them meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cases.actions import Perform, Reply
from cases.events import EMAIL, TAKEN_OVER, Event
from cases.state import Beside, CaseStatus, Firing, Held, Undoable
from cases.trace import TraceEntry, TraceKind
from cases.working import Working

# What makes a held reply stale before anything has taken it.
_SPEAKS_AGAINST: Mapping[str, str] = {
    EMAIL: "a mail has come",
    TAKEN_OVER: "a person has taken the case over",
}


def hold(
    work: Working,
    reply: Reply,
    wait: timedelta,
    index: int,
    firing: Firing,
    note: TraceEntry,
    undoable: Undoable | None = None,
) -> None:
    """Hold a reply; where the case comes to rest in this step is where it belongs."""
    due = work.now + wait
    note.notes.append(f"{reply}: held until {due.isoformat()}")
    key = (firing.number, index)
    held = Held(*key, firing.task, reply, firing.event, firing.cause, due, (), undoable)
    work.holding = {**work.holding, key: held}
    work.newly_held = (*work.newly_held, key)


def first_due(work: Working, until: datetime) -> Held | None:
    """Return the reply that goes out first, if one is due by then."""
    due = [held for held in work.holding.values() if held.due <= until]
    return min(due, key=lambda held: (held.due, held.firing, held.index), default=None)


def release(work: Working, held: Held) -> None:
    """Ask for a reply that has waited long enough."""
    _let_go(work, [held])
    note = work.note(TraceKind.RELEASED, firing=held.firing, task=held.task, cause=held.cause)
    note.did.append(str(held.action))
    key = (held.firing, held.index)
    work.commands.append(Perform(*key, held.action, held.cause, held.event, False))
    work.beside[key] = Beside(*key, str(held.action), held.cause, held.undoable)


def hear(work: Working, event: Event) -> None:
    """Withdraw all that is held if an event makes it stale."""
    why = _SPEAKS_AGAINST.get(event.type)
    if why is not None:
        _withdraw(work, list(work.holding.values()), why, event)


def come_to_rest(work: Working) -> None:
    """Note where the case stands now; withdraw the replies that it has left behind."""
    here = work.visible_states()
    for key in work.newly_held:
        if key in work.holding:
            work.holding = {**work.holding, key: replace(work.holding[key], states=here)}
    work.newly_held = ()
    if work.status is CaseStatus.CLOSED:
        _withdraw(work, list(work.holding.values()), "the case has closed")
        return
    left = [held for held in work.holding.values() if held.states != here]
    if left:
        _withdraw(work, left, f"the case has gone on to {', '.join(here)}")


def _withdraw(work: Working, gone: Sequence[Held], why: str, event: Event | None = None) -> None:
    _let_go(work, gone)
    for held in gone:
        note = work.note(
            TraceKind.WITHDRAWN,
            firing=held.firing,
            task=held.task,
            event=event,
            cause=held.cause,
        )
        note.notes.append(f"{held.action}: {why}")


def _let_go(work: Working, gone: Sequence[Held]) -> None:
    kept = dict(work.holding)
    for held in gone:
        del kept[held.firing, held.index]
    work.holding = kept

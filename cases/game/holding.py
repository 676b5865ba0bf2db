"""Replies that wait for a while before they go out, and what withdraws them meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cases.actions import Perform, Reply
from cases.events import EMAIL, TAKEN_OVER, Event
from cases.game.lineage import lineage
from cases.game.reach import leads_to
from cases.game.working import NO_DATA, Working
from cases.state import Beside, CaseStatus, Firing, Held, Undoable
from cases.trace import TraceEntry, TraceKind

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
    held = Held(
        *key,
        firing.task,
        reply,
        firing.event,
        firing.cause,
        due,
        undoable=undoable,
        thread=firing.thread,
        own=NO_DATA if firing.thread is None else work.thread_data(firing.thread),
    )
    work.holding = {**work.holding, key: held}
    work.newly_held[key] = work.tokens_made


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
    work.commands.append(Perform(*key, held.action, held.cause, held.event, False, held.own))
    work.beside[key] = Beside(*key, str(held.action), held.cause, held.undoable)


def hear(work: Working, event: Event) -> None:
    """Withdraw all that is held if an event makes it stale."""
    why = _SPEAKS_AGAINST.get(event.type)
    if why is not None:
        _withdraw(work, list(work.holding.values()), why, event)


def come_to_rest(work: Working) -> None:
    """Note where each newly held reply belongs; withdraw those that their own way has left behind.

    What moves in a parallel branch or in another thread does not concern a reply.
    """
    stands = _stands(work)
    for key, made in work.newly_held.items():
        if key in work.holding:
            held = _settled(work, work.holding[key], made, stands)
            work.holding = {**work.holding, key: held}
    work.newly_held = {}
    if work.status is CaseStatus.CLOSED:
        _withdraw(work, list(work.holding.values()), "the case has closed")
        return
    left = [held for held in work.holding.values() if not _is_there(held, stands)]
    if left:
        _withdraw(work, left, f"the case has gone on to {', '.join(work.visible_states())}")


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a token is seen to be: at rest, or in the task `firing` that has taken it."""

    token: int
    place: str
    state: str
    thread: int | None
    firing: Firing | None = None


def _stands(work: Working) -> list[_Stand]:
    resting = [(token, None) for tokens in work.marking.tokens.values() for token in tokens]
    inside = [(token, held) for held in work.running.values() for token in held.tokens]
    return [
        _Stand(token.id, token.place, work.net.places[token.place].state, token.thread, firing)
        for token, firing in (*resting, *inside)
    ]


def _settled(work: Working, held: Held, made: int, stands: Sequence[_Stand]) -> Held:
    """Return a held reply with the states and the thread to which its own way has led."""
    own = [one for one in stands if _is_own(work, held, made, one)] if len(stands) > 1 else stands
    # An instance rests where its group does; and what nothing came of belongs to the whole case.
    groups = [one for one in stands if one.firing is not None and one.firing.task == held.task]
    own = own or groups or stands
    threads = {one.thread for one in own}
    thread = own[0].thread if len(threads) == 1 else None
    return replace(held, states=tuple(dict.fromkeys(one.state for one in own)), thread=thread)


def _is_own(work: Working, held: Held, made: int, stand: _Stand) -> bool:
    """Tell whether a token came of the firing that holds a reply, or is still in it."""
    if stand.firing is not None and stand.firing.number == held.firing:
        return True
    return (
        stand.token > made
        and held.thread in lineage(work.threads, stand.thread)
        and leads_to(work.net, held.task, stand.place)
    )


def _is_there(held: Held, stands: Sequence[_Stand]) -> bool:
    """Tell whether all is still where it stood when a reply was held."""
    here = {one.state for one in stands if held.thread is None or one.thread == held.thread}
    return here.issuperset(held.states)


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

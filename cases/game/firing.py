"""How a task fires: it takes its tokens and begins; and how the end of an action takes it on."""

from collections.abc import Sequence
from datetime import datetime

from cases.events import ActionEnded, Ending, Event
from cases.game.acting import take_end
from cases.game.budget import count_firing
from cases.game.completing import Completion, complete
from cases.game.counting import basis_of
from cases.game.instances import open_group
from cases.game.leftovers import keep_failure
from cases.game.life import carry_on
from cases.game.performing import set_field
from cases.game.threads import thread_of
from cases.game.working import Working
from cases.net import NumberedTask, Trigger
from cases.state import Firing, Token
from cases.trace import TraceEntry, TraceKind


def fire(
    work: Working,
    entry: NumberedTask,
    enabled: Sequence[NumberedTask],
    event: Event | None,
    cause: str | None,
    token: Token | None = None,
    due: datetime | None = None,
) -> None:
    """Let a task take its tokens and begin; `due` is when its deadline was."""
    count_firing(work)
    task = entry.task
    work.firings += 1
    note = TraceEntry(TraceKind.FIRED, work.now, work.firings, task.id, event, cause)
    work.trace.append(note)
    note.enabled = tuple([candidate.task.id for candidate in enabled])
    note.guards = work.explained(enabled, event, None if token is None else token.thread)
    note.due = due
    tokens = work.marking.take(task, token)
    note.came_from = work.states([taken.place for taken in tokens])
    thread = thread_of(work, tokens) if work.threads else None
    if thread is not None:
        work.tell_thread(note, thread)
    if entry.only_input is not None and entry.only_input in work.wiring.offered:
        note.withdrawn = _lost_the_choice(work, entry, entry.only_input)
    basis = basis_of(work, task, tokens, event, due)
    sets = work.wiring.sets[entry.order]
    if sets is not None:
        for action in sets:
            note.did.append(str(action))
            set_field(work, action, thread, note, work.facts(event, thread))
        complete(work, Completion(task, tokens, event, cause, basis, thread, note))
        return
    firing = Firing(
        work.firings,
        task.id,
        tokens,
        event,
        cause,
        0,
        basis,
        since=_since(work, entry, basis),
        thread=thread,
    )
    if task.instances is not None:
        open_group(work, task, firing, note)
    else:
        carry_on(work, task, firing, note)


def fire_watching(
    work: Working, entry: NumberedTask, watched: Firing, due: datetime, thread: int | None
) -> None:
    """Let a deadline of a running task fire; it takes no token."""
    count_firing(work)
    task = entry.task
    work.firings += 1
    note = work.note(TraceKind.FIRED, firing=work.firings, task=task.id, cause=watched.cause)
    note.enabled = (task.id,)
    note.due = due
    work.tell_thread(note, thread)
    note.came_from = work.states([token.place for token in watched.tokens])
    note.notes.append(f"{watched.task} has been running since {watched.since}")
    firing = Firing(
        work.firings, task.id, (), None, watched.cause, 0, min(due, work.now), thread=thread
    )
    carry_on(work, task, firing, note)


def end_action(work: Working, ended: ActionEnded) -> None:
    """Note that an action has ended, and go on with the task that it held."""
    beside = work.beside.pop((ended.firing, ended.index), None)
    firing = work.running.get(ended.firing)
    if beside is not None:
        note = work.note(TraceKind.ENDED, firing=beside.firing, cause=beside.cause)
        note.notes.append(f"{beside.action}: {ended.outcome}")
        if beside.undoable is not None and ended.outcome == Ending.DONE:
            work.undoable = (*work.undoable, beside.undoable)
        keep_failure(work, ended, beside.action, beside.cause)
    elif firing is not None and _asked_for(work, firing, ended.index):
        _go_on(work, firing, ended)
    else:
        note = work.note(TraceKind.IGNORED, firing=ended.firing)
        note.notes.append(f"action {ended.index} ended, and nothing waits for it")


def _asked_for(work: Working, firing: Firing, index: int) -> bool:
    """Tell whether a firing waits for the end of an action that there is.

    One that waits for its event stands behind its last action, and waits for none.
    """
    return firing.awaits(index) and (
        bool(firing.undoing) or 0 <= index < len(work.net.numbered[firing.task].task.actions)
    )


def _go_on(work: Working, firing: Firing, ended: ActionEnded) -> None:
    """Take up a task where its actions had stopped it."""
    del work.running[firing.number]
    task = work.net.numbered[firing.task].task
    note = work.note(
        TraceKind.ENDED,
        firing=firing.number,
        task=task.id,
        event=firing.event,
        cause=firing.cause,
    )
    work.tell_thread(note, firing.thread)
    note.came_from = work.states([token.place for token in firing.tokens])
    firing, holds = take_end(work, task, firing, ended, note)
    if holds:
        work.run(firing)
    else:
        carry_on(work, task, firing, note)


def _lost_the_choice(work: Working, entry: NumberedTask, place: str) -> tuple[str, ...]:
    """Return the tasks that had waited for an event or a time with the token now taken (WCP-16)."""
    if place in work.marking.tokens:
        return ()
    return tuple([task for task in work.wiring.offered[place] if task != entry.task.id])


def _since(work: Working, entry: NumberedTask, basis: datetime | None) -> datetime | None:
    """Return from when the deadlines of a running task count, if it has any.

    What an event or a deadline starts counts from that, so that an outage takes nobody's time; the
    rest from now, since its tokens may have waited for a guard, a lock or each other.
    """
    task = entry.task
    if task.id not in work.net.watching:
        return None
    return work.now if basis is None or task.trigger is Trigger.NONE else basis

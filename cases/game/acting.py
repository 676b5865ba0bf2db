"""The actions of a task in their order: what happens at once, and what the task waits for.

Neighbours of one group are asked for at once, and the task goes on when all of them that hold it
have ended.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from cases.actions import (
    Action,
    Classify,
    CloseCase,
    Compensate,
    Notify,
    Planned,
    Reply,
    SetData,
    Subcase,
)
from cases.events import ActionEnded, Ending
from cases.game.budget import count_firing
from cases.game.compensation import claimed, in_place_of, note_done, steps_of, undoable_of
from cases.game.leftovers import keep_failure
from cases.game.outcomes import failure
from cases.game.performing import ActionRefused, ask, set_field, take_ending
from cases.game.retrying import to_try_again, tries_left
from cases.game.working import Working
from cases.net import Task
from cases.state import Firing
from cases.trace import TraceEntry, TraceKind


@dataclass(frozen=True, slots=True)
class Ended:
    """A firing that has done all that it has to do; `closes` is why it ends the case, if so."""

    firing: Firing
    closes: str | None = None


def act(work: Working, task: Task, firing: Firing, note: TraceEntry) -> Ended | None:
    """Do a firing's actions from where it stands; None when one holds it, or it waits."""
    while not firing.failed and firing.position < len(task.actions):
        action = task.actions[firing.position].action
        if isinstance(action, CloseCase):
            note.did.append(str(action))
            return Ended(firing, action.reason)
        if isinstance(action, Compensate):
            note.did.append(str(action))
            firing = replace(firing, position=firing.position + 1)
            firing = undo(work, claimed(work, action, firing, note), 0)
            holds = bool(firing.undoing)
        else:
            firing, holds = _do_group(work, task, firing, note)
        if holds:
            work.run(firing)
            return None
    if firing.failed or task.until is None:
        return Ended(firing)
    work.run(replace(firing, position=len(task.actions) + 1))
    return None


def take_end(
    work: Working, task: Task, firing: Firing, ended: ActionEnded, note: TraceEntry
) -> tuple[Firing, bool]:
    """Return a firing of which an action has ended, and whether another one holds it still."""
    planned = _planned(work, task, firing, ended.index)
    note.notes.append(f"{planned.action}: {ended.outcome}")
    firing = replace(firing, pending=tuple(i for i in firing.pending if i != ended.index))
    if ended.outcome == Ending.FAILED:
        firing = _failed(work, task, planned, firing, ended, note)
    else:
        take_ending(work, planned.action, ended, _doer(firing), note)
        if ended.outcome == Ending.DONE and not firing.undoing:
            note_done(work, planned, ended.index, firing)
    return _after(work, firing, ended.index)


def ask_again(work: Working, task: Task, firing: Firing, note: TraceEntry) -> tuple[Firing, bool]:
    """Return a firing that has asked again for what failed, and whether that holds it."""
    retry = firing.retry
    if retry is None:
        return firing, False
    firing = replace(firing, retry=replace(retry, indexes=(), due=None))
    held: list[int] = []
    for index in retry.indexes:
        planned = _planned(work, task, firing, index)
        note.did.append(str(planned.action))
        firing, holds = _do(work, task, planned, index, firing, note)
        if holds:
            held.append(index)
    return _after(work, replace(firing, pending=tuple(held)), retry.indexes[-1])


def undo(work: Working, firing: Firing, step: int) -> Firing:
    """Undo what a firing has to undo, from a step of the first on, until an action holds it.

    It takes a new number for each action, which is that one's key.
    """
    while firing.undoing:
        undoable = firing.undoing[0]
        task = work.net.numbered[undoable.task].task
        steps = task.actions[undoable.index].undo
        while step < len(steps):
            firing, holds = _undo_step(work, task, firing, step)
            if holds:
                return firing
            step += 1
        firing, step = replace(firing, undoing=firing.undoing[1:]), 0
    return firing


def _undo_step(work: Working, task: Task, firing: Firing, step: int) -> tuple[Firing, bool]:
    count_firing(work)
    work.firings += 1
    firing = replace(firing, number=work.firings, retry=None)
    undoable = firing.undoing[0]
    note = work.note(
        TraceKind.UNDOING,
        firing=firing.number,
        task=undoable.task,
        event=undoable.event,
        cause=undoable.cause,
    )
    note.thread = undoable.thread
    planned = _planned(work, task, firing, step)
    note.did.append(str(planned.action))
    firing, holds = _do(work, task, planned, step, firing, note)
    if holds:
        return replace(firing, pending=(step,)), True
    return firing, _waits_to_retry(firing)


def _after(work: Working, firing: Firing, index: int) -> tuple[Firing, bool]:
    """Return a firing after the last action that held it, and whether anything still does."""
    if firing.pending or _waits_to_retry(firing):
        return firing, True
    firing = replace(firing, retry=None)
    if firing.undoing:
        firing = undo(work, firing, index + 1)
    return firing, bool(firing.undoing)


def _waits_to_retry(firing: Firing) -> bool:
    return firing.retry is not None and firing.retry.due is not None


def _doer(firing: Firing) -> Firing:
    """Return the firing as which actions are done: what is undone is so with its own event."""
    return in_place_of(firing, firing.undoing[0]) if firing.undoing else firing


def _planned(work: Working, task: Task, firing: Firing, index: int) -> Planned:
    """Return an action of a firing: of its task, or of what it undoes, which always holds it."""
    if not firing.undoing:
        return task.actions[index]
    return replace(steps_of(work, firing.undoing[0])[index], blocking=True, hold=None)


def _do_group(work: Working, task: Task, firing: Firing, note: TraceEntry) -> tuple[Firing, bool]:
    """Do the next action, with those that are asked for together with it; tell if that holds."""
    first = firing.position
    after = _end_of_group(task, first)
    held: list[int] = []
    for index in range(first, after):
        planned = task.actions[index]
        note.did.append(str(planned.action))
        firing, holds = _do(work, task, planned, index, firing, note)
        if holds:
            held.append(index)
    # An action that holds its task alone is told by the position.
    pending = tuple(held) if after - first > 1 else ()
    firing = replace(firing, position=after, pending=pending)
    return firing, bool(held) or _waits_to_retry(firing)


def _end_of_group(task: Task, first: int) -> int:
    """Return the index after the actions that are asked for together with the first."""
    group, after = task.actions[first].group, first + 1
    while group is not None and after < len(task.actions):
        planned = task.actions[after]
        if planned.group != group or isinstance(planned.action, CloseCase | Compensate):
            break
        after += 1
    return after


def _do(
    work: Working, task: Task, planned: Planned, index: int, firing: Firing, note: TraceEntry
) -> tuple[Firing, bool]:
    """Do an action; return what the firing has become, and whether the action holds it."""
    action: Action = planned.action
    doer = _doer(firing)
    match action:
        case SetData():
            facts = work.facts(doer.event, doer.thread)
            if set_field(work, action, doer.thread, note, facts) and not firing.undoing:
                note_done(work, planned, index, firing)
            return firing, False
        case Classify() | Reply() | Notify() | Subcase():
            undoable = None if firing.undoing else undoable_of(planned, index, firing)
            try:
                return firing, ask(work, planned, action, index, doer, note, undoable)
            except ActionRefused as refusal:
                return _refused(work, task, planned, index, firing, note, str(refusal)), False
        case CloseCase() | Compensate():
            return firing, False  # what is undone neither ends the case nor undoes more
        case _:
            assert_never(action)


def _refused(
    work: Working,
    task: Task,
    planned: Planned,
    index: int,
    firing: Firing,
    note: TraceEntry,
    reason: str,
) -> Firing:
    """Return a firing after an action failed that can't even be asked for."""
    note.notes.append(f"{planned.action}: {reason}")
    failed = ActionEnded(firing.number, index, Ending.FAILED, {"reason": reason})
    if planned.blocking or isinstance(planned.action, Subcase):
        return _failed(work, task, planned, firing, failed, note)
    keep_failure(work, failed, str(planned.action), firing.cause)
    return firing


def _failed(
    work: Working,
    task: Task,
    planned: Planned,
    firing: Firing,
    ended: ActionEnded,
    note: TraceEntry,
) -> Firing:
    """Return a firing after an action failed that held it: it comes again, or the task goes on."""
    if tries_left(firing, planned):
        return to_try_again(work, planned, ended.index, firing, note)
    if task.error_outputs and not firing.undoing:
        failed = failure(ended, str(planned.action), firing.cause, work.now)
        event = firing.event if failed is None else failed.event
        return replace(firing, failed=True, failure=firing.failure or event)
    take_ending(work, planned.action, ended, _doer(firing), note)
    return firing

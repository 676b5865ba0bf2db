"""Undoing what was done: each action's own undoing, the last that ended first.

Every undoing runs under a firing number of its own, so that it is a row of its own in the outbox.
One that fails is told to people, and the next goes on.

What runs beside the case and has not ended yet is not undone: whether it will be done nobody knows.
It stays as it is, and can be undone from when it has been done, by what compensates then. Who wants
it undone in any case lets it block.
"""

from collections.abc import Sequence
from dataclasses import replace

from cases.actions import Compensate, Planned
from cases.game.working import Working
from cases.state import Firing, Undoable
from cases.trace import TraceEntry


def note_done(work: Working, planned: Planned, index: int, firing: Firing) -> None:
    """Note that an action has been done, if there is a way to undo it."""
    undoable = undoable_of(planned, index, firing)
    if undoable is not None:
        work.undoable = (*work.undoable, undoable)


def undoable_of(planned: Planned, index: int, firing: Firing) -> Undoable | None:
    """Return what is to be noted when an action has been done, if it can be undone."""
    if not planned.undo:
        return None
    return Undoable(firing.number, index, firing.task, firing.event, firing.cause, firing.thread)


def claimed(work: Working, action: Compensate, firing: Firing, note: TraceEntry) -> Firing:
    """Return a firing that has all to undo that an action names; no other one undoes it too."""
    chosen: list[Undoable] = []
    others: list[Undoable] = []
    for one in work.undoable:
        named = not action.tasks or one.task in action.tasks
        (chosen if named else others).append(one)
    for beside in work.beside.values():
        later = beside.undoable
        if later is not None and (not action.tasks or later.task in action.tasks):
            note.notes.append(f"{beside.action} has not ended: not undone, and can be once it has")
    if not chosen:
        note.notes.append("there is nothing to undo")
        return firing
    work.undoable = tuple(others)
    return replace(firing, undoing=tuple(reversed(chosen)), pending=())


def steps_of(work: Working, undoable: Undoable) -> Sequence[Planned]:
    """Return the actions that undo one that was done."""
    return work.net.numbered[undoable.task].task.actions[undoable.index].undo


def in_place_of(firing: Firing, undoable: Undoable) -> Firing:
    """Return the firing as which an action is undone: what that one took, and its thread."""
    return replace(firing, event=undoable.event, cause=undoable.cause, thread=undoable.thread)

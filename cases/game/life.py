"""How a running firing goes on: to where something holds it, or to its end."""

from cases.game.acting import Ended, act
from cases.game.completing import close, complete, completion_of
from cases.game.instances import instance_ended
from cases.game.working import Working
from cases.net import Task
from cases.state import Firing
from cases.trace import TraceEntry


def carry_on(work: Working, task: Task, firing: Firing, note: TraceEntry) -> None:
    """Do a firing's actions from where it stands; when nothing holds it, it ends."""
    ended = act(work, task, firing, note)
    if ended is not None:
        finish(work, task, ended, note)


def finish(work: Working, task: Task, ended: Ended, note: TraceEntry) -> None:
    """End a firing that has done all: it fills its outputs, or counts in its group."""
    if ended.firing.parent is None:
        complete(work, completion_of(task, ended.firing, note))
    else:
        instance_ended(work, task, ended, note)
    if ended.closes is not None:
        close(work, ended.closes)

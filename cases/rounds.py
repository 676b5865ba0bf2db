"""Rounds of partial joins: what comes after the join has fired belongs to the round (WCP-28, 31).

It takes one token of each input; more of them on an input wait for the next round. A round is over
when every input has been used, or when nothing can come to those that have not (WCP-9, 30).
"""

from collections.abc import Sequence

from cases.cancelling import of_tasks, withdraw_each
from cases.net import NumberedTask, Rest, Task
from cases.reach import ahead, reaching
from cases.state import Token
from cases.trace import TraceKind
from cases.working import Working


def may_begin(work: Working, task: Task) -> bool:
    """Tell whether a partial join is not in a round, nor still at work on its last one."""
    if task.id in work.rounds:
        return False
    return task.rest is not Rest.CANCEL or not any(
        firing.task == task.id for firing in work.running.values()
    )


def begin_round(work: Working, task: Task, anchor: Token | None) -> None:
    """Note which inputs a partial join uses as it fires.

    One that cancels has no round: it empties the other inputs and its region at once, and once more
    the region when it completes (WCP-29, 32). Its own tokens are taken right after.
    """
    if anchor is None:
        used = work.marking.filled(task)
    else:
        bound = work.marking.bound(task, anchor) or ()
        used = list(dict.fromkeys(token.place for token in bound))
    inputs = [arc.place for arc in task.inputs]
    if task.rest is Rest.CANCEL:
        gone = [place for place in (*inputs, *task.cancel_places) if place not in used]
        work.marking.empty(gone)
        withdraw_each(work, of_tasks(work, task.cancel_tasks))
    elif len(used) < len(inputs):
        work.rounds[task.id] = tuple(place for place in inputs if place in used)


def go_on_with_rounds(work: Working) -> bool:
    """Take into their rounds the tokens that came late, and end those that are over."""
    changed = False
    for entry in work.wiring.partial if work.rounds else ():
        if entry.task.id in work.rounds:
            changed = _go_on(work, entry) or changed
    return changed


def _go_on(work: Working, entry: NumberedTask) -> bool:
    task = entry.task
    used = work.rounds[task.id]
    late = [
        arc
        for arc in task.inputs
        if arc.place not in used and len(work.marking.tokens.get(arc.place, ())) >= arc.weight
    ]
    for arc in late:
        work.marking.drop_oldest(arc)
        note = work.note(TraceKind.IGNORED, task=task.id)
        note.came_from = work.states([arc.place])
        note.notes.append(f"came late: {task.id} has fired already, and takes it into that round")
    used = (*used, *(arc.place for arc in late))
    missing = [arc.place for arc in task.inputs if arc.place not in used]
    if missing and _may_still_come(work, task, missing):
        work.rounds[task.id] = used
        return bool(late)
    del work.rounds[task.id]
    return True


def _may_still_come(work: Working, task: Task, missing: Sequence[str]) -> bool:
    """Tell whether a token or a running task can still lead to one of the missing inputs."""
    ways = reaching(work, task, missing)
    if any(place in ways for place in work.marking.tokens):
        return True
    return any(place in ways for _, places in ahead(work) for place in places)

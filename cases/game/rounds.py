"""Rounds of partial joins: what comes after the join has fired belongs to the round (WCP-28, 31).

It takes one token of each input; more of them on an input wait for the next round. A round is over
when every input has been used, or when nothing can come to those that have not (WCP-9, 30). Each
thread of control has rounds of its own; those above and below it take part in them.
"""

from collections.abc import Mapping, Sequence

from cases.game.cancelling import of_tasks, withdraw_each
from cases.game.lineage import related
from cases.game.reach import ahead, reaching
from cases.game.threads import thread_of
from cases.game.working import Working
from cases.net import NumberedTask, Rest, Task
from cases.state import RoundKey, Token
from cases.trace import TraceKind


def is_in_round(work: Working, task: Task, thread: int | None) -> bool:
    """Tell whether a partial join has fired in a thread, and its round is not over."""
    return any(
        join == task.id and related(work.threads, thread, other) for join, other in work.rounds
    )


def still_cancels(work: Working, task: Task) -> bool:
    """Tell whether a join that cancels is still at work since it last fired."""
    return task.rest is Rest.CANCEL and any(
        firing.task == task.id for firing in work.running.values()
    )


def begin_round(work: Working, task: Task, anchor: Token | None) -> None:
    """Note which inputs a partial join uses as it fires.

    One that cancels has no round: it empties the other inputs, as far as they are of its thread,
    and its region at once, and once more the region when it completes (WCP-29, 32). Its own tokens
    are taken right after.
    """
    thread = None
    if anchor is None:
        used = work.marking.filled(task)
    else:
        bound = work.marking.bound(task, anchor) or ()
        thread = thread_of(work, bound)
        used = list(dict.fromkeys(token.place for token in bound))
    inputs = [arc.place for arc in task.inputs]
    if task.rest is Rest.CANCEL:
        for place in dict.fromkeys(inputs):
            if place not in used:
                work.marking.drop(_of_thread(work, place, thread))
        work.marking.empty([place for place in task.cancel_places if place not in used])
        withdraw_each(work, of_tasks(work, task.cancel_tasks))
    elif len(used) < len(inputs):
        work.rounds[task.id, thread] = tuple(place for place in inputs if place in used)


def go_on_with_rounds(work: Working) -> bool:
    """Take into their rounds the tokens that came late, and end those that are over."""
    changed = False
    for entry in work.wiring.partial:
        for key in [one for one in work.rounds if one[0] == entry.task.id]:
            changed = _go_on(work, entry, key) or changed
    return changed


def _go_on(work: Working, entry: NumberedTask, key: RoundKey) -> bool:
    task, (_, thread) = entry.task, key
    late = _late(work, task, key)
    for place, tokens in late.items():
        work.marking.drop(tokens)
        note = work.note(TraceKind.IGNORED, task=task.id)
        note.came_from, note.thread = work.states([place]), thread
        note.notes.append(f"came late: {task.id} has fired already, and takes it into that round")
    used = (*work.rounds[key], *late)
    missing = [arc.place for arc in task.inputs if arc.place not in used]
    if missing and _may_still_come(work, task, missing, thread):
        work.rounds[key] = used
        return bool(late)
    del work.rounds[key]
    return True


def _late(work: Working, task: Task, key: RoundKey) -> Mapping[str, Sequence[Token]]:
    """Return the tokens that have come to inputs which a round has not used, by their places."""
    found: dict[str, Sequence[Token]] = {}
    for arc in task.inputs:
        if arc.place not in work.rounds[key]:
            tokens = _of_thread(work, arc.place, key[1])
            if len(tokens) >= arc.weight:
                found[arc.place] = tokens[: arc.weight]
    return found


def _of_thread(work: Working, place: str, thread: int | None) -> list[Token]:
    """Return the tokens in a place of a thread, and of those above and below it."""
    resting = work.marking.tokens.get(place, ())
    return [token for token in resting if related(work.threads, token.thread, thread)]


def _may_still_come(work: Working, task: Task, missing: Sequence[str], thread: int | None) -> bool:
    """Tell whether a token or a running task can still lead to one of the missing inputs."""
    ways = reaching(work, task, missing)
    for place, tokens in work.marking.tokens.items():
        if place in ways and any(related(work.threads, one.thread, thread) for one in tokens):
            return True
    return any(
        place in ways
        for firing, places in ahead(work)
        if related(work.threads, firing.thread, thread)
        for place in places
    )

"""How a firing completes: it empties what it cancels, fills its outputs, and may end the case."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cases.actions import Close
from cases.events import Event
from cases.game.budget import count_look, count_visits
from cases.game.cancelling import cancel_region, of_tasks, withdraw, withdraw_all
from cases.game.threads import tokens_for
from cases.game.working import Working
from cases.limits import MAX_TRACED_LEAVES, VISITS_PER_TOKEN
from cases.net import Branch, Rest, Split, Task, Trigger
from cases.state import CaseStatus, Firing, Token
from cases.trace import BranchChoice, TraceEntry, TraceKind

# So many outputs the count of firings bounds well enough.
_FEW = 5


@dataclass(slots=True)
class Completion:
    """A firing whose outputs are to be filled, and the entry of the trace that tells of it.

    Not frozen, since one is made for every firing and freezing triples its cost.
    """

    task: Task
    tokens: Sequence[Token]
    event: Event | None
    cause: str | None
    basis: datetime | None
    thread: int | None
    note: TraceEntry
    failed: bool = False


def completion_of(task: Task, firing: Firing, note: TraceEntry) -> Completion:
    """Return how a firing completes that was running; a failure that it handles is its event."""
    failed = firing.failed and bool(task.error_outputs)
    event = firing.failure if failed and firing.failure is not None else firing.event
    return Completion(
        task, firing.tokens, event, firing.cause, firing.basis, firing.thread, note, failed
    )


def complete(work: Working, completion: Completion) -> None:
    """Fill the outputs of a firing, and of those running that it takes as done (WCP-27)."""
    if not completion.task.complete_tasks:
        _complete_one(work, completion)
        return
    # One after the other, not one inside the other: a chain of them may be as long as the net.
    waiting = deque([completion])
    while waiting and work.status is CaseStatus.OPEN:
        completion = waiting.popleft()
        waiting += _taken_as_done(work, completion.task)
        _complete_one(work, completion)


def pass_group(work: Working, task: Task, firing: Firing, note: TraceEntry) -> None:
    """Fill the outputs of a task with instances; those that run are withdrawn or come to an end."""
    group = firing.group
    if group is None:
        return
    instances = task.instances
    # With a threshold of 0 there is nothing left over: each of them is meant to run.
    over = instances is not None and instances.rest is Rest.CANCEL and instances.threshold != 0
    if over and group.made > group.done:
        withdraw(work, firing)
    elif group.made > group.done:
        passed = replace(group, passed=True)
        work.run(replace(firing, tokens=(), group=passed))
    else:
        work.running.pop(firing.number, None)
    complete(work, completion_of(task, firing, note))


def put_new(
    work: Working,
    place: str,
    event: Event | None,
    cause: str | None,
    since: datetime,
    thread: int | None = None,
) -> None:
    """Put a new token into a place: a visit begins."""
    work.tokens_made += 1
    token = Token(work.tokens_made, place, since, event, cause, (), thread)
    work.marking.put(token)
    if place in work.net.timers:
        work.timed.append(token)


def close_where_final(work: Working, places: Sequence[str]) -> None:
    """End the case when a token has come into a final place (explicit termination, WCP-43)."""
    for id_ in places:
        place = work.net.places[id_]
        if place.final:
            close(work, f"reached the final state {place.state}")


def close(work: Working, reason: str) -> None:
    """End the case, and all that it has begun."""
    if work.status is CaseStatus.OPEN:
        work.status = CaseStatus.CLOSED
        work.reason = reason
        withdraw_all(work)
        work.commands.append(Close(reason))


def park(work: Working, reason: str) -> None:
    """Stop the case until a person looks at it."""
    if work.status is CaseStatus.OPEN:
        work.status = CaseStatus.PARKED
        work.reason = reason
        work.note(TraceKind.PARKED).notes.append(reason)


def _complete_one(work: Working, completion: Completion) -> None:
    """Empty what a task cancels and fill its outputs, in one go."""
    task = completion.task
    if task.cancel_places or task.cancel_tasks:
        cancel_region(work, task)
    if completion.failed:
        branches: Sequence[Branch] = task.error_outputs
    elif task.split is Split.ALL:
        branches = task.outputs
    else:
        branches = _chosen(work, completion)
    if len(branches) > _FEW:
        count_visits(work, VISITS_PER_TOKEN * len(branches))
    for branch in branches:
        if task.keeps_visit and completion.tokens:
            _put_back(work, task, completion.tokens[0], branch.place)
        else:
            _fill(work, completion, branch)
    places = [branch.place for branch in branches]
    completion.note.went_to = work.states(places)
    close_where_final(work, places)


def _fill(work: Working, completion: Completion, branch: Branch) -> None:
    """Put into a place what one output gives."""
    event, cause = completion.event, completion.cause
    since = completion.basis or work.now
    if branch.weight == 1 and branch.each is None:
        put_new(work, branch.place, event, cause, since, completion.thread)
        return
    for thread in tokens_for(work, branch, completion.thread, event):
        put_new(work, branch.place, event, cause, since, thread)


def _chosen(work: Working, completion: Completion) -> Sequence[Branch]:
    """Return the outputs that a task chooses (WCP-4, WCP-6); the last is the default."""
    task = completion.task
    facts = work.facts(completion.event, completion.thread)
    chosen = [b for b in task.outputs if b.guard is None or b.guard.holds(facts)]
    branches = (chosen[:1] if task.split is Split.FIRST else chosen) or task.outputs[-1:]
    room, told, asked = MAX_TRACED_LEAVES, [], True
    for branch in task.outputs:
        if branch.guard is not None:
            count_look(work, branch.guard, completion.event, completion.thread)
        leaves = 0 if branch.guard is None else len(branch.guard.leaves)
        told_of = asked and branch.guard is not None and leaves <= room
        explained = branch.guard.explain(facts) if told_of and branch.guard else ()
        room -= min(leaves, room)
        state = work.net.places[branch.place].state
        taken = any(one is branch for one in branches)
        told.append(BranchChoice(state, taken, explained, asked or branch.guard is None))
        asked = asked and not (taken and task.split is Split.FIRST)
    completion.note.branches = tuple(told)
    return branches


def _put_back(work: Working, task: Task, token: Token, place: str) -> None:
    """Put a token into a place in the same visit: its deadlines run on."""
    fired = (*token.fired, task.id) if task.trigger is Trigger.DEADLINE else token.fired
    work.marking.put(
        Token(token.id, place, token.since, token.event, token.cause, fired, token.thread)
    )


def _taken_as_done(work: Working, task: Task) -> list[Completion]:
    """Withdraw the running firings of the tasks that another one completes; return their ends."""
    ends: list[Completion] = []
    for firing in of_tasks(work, task.complete_tasks):
        passed = firing.group is not None and firing.group.passed
        if firing.parent is None:
            withdraw(work, firing)
        if firing.parent is None and not passed:
            note = work.note(
                TraceKind.ENDED, firing=firing.number, task=firing.task, cause=firing.cause
            )
            note.came_from = work.states([token.place for token in firing.tokens])
            note.notes.append(f"taken as done by {task.id}")
            done = work.net.numbered[firing.task].task
            ends.append(completion_of(done, replace(firing, failed=False), note))
    return ends

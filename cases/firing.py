"""How a task fires: it takes its tokens, does its actions, and fills its outputs."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from cases.actions import Classify, Close, CloseCase, Compensate, Notify, Reply, SetData, Subcase
from cases.counting import basis_of
from cases.events import ActionEnded, Event
from cases.leftovers import keep_failure
from cases.limits import MAX_AUTOMATIC_FIRINGS
from cases.net import Branch, NumberedTask, Split, Task, Trigger
from cases.performing import ask, set_field, take_ending
from cases.state import CaseStatus, Firing, Token
from cases.trace import TraceEntry, TraceKind
from cases.working import Working


class TooManyFirings(Exception):
    """A step that would fire for ever, as far as anybody can tell."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"{MAX_AUTOMATIC_FIRINGS:,} firings in one step without an event from outside: "
            "the definition goes round in a loop"
        )


def fire(
    work: Working,
    entry: NumberedTask,
    enabled: Sequence[NumberedTask],
    event: Event | None,
    cause: str | None,
    token: Token | None = None,
    due: datetime | None = None,
) -> None:
    """Let a task take its tokens and do its actions; `due` is when its deadline was."""
    work.unfed += 1
    if work.unfed > MAX_AUTOMATIC_FIRINGS:
        raise TooManyFirings
    task = entry.task
    work.firings += 1
    note = TraceEntry(TraceKind.FIRED, work.now, work.firings, task.id, event, cause)
    work.trace.append(note)
    note.enabled = tuple([candidate.task.id for candidate in enabled])
    note.guards = work.explained(enabled, event)
    tokens = work.marking.take(task, token)
    note.came_from = work.states([taken.place for taken in tokens])
    basis = basis_of(work, task, tokens, event, due)
    if task.actions:
        _act(work, task, Firing(work.firings, task.id, tokens, event, cause, 0, basis), note)
    else:
        _complete(work, task, tokens, event, cause, basis, note)


def end_action(work: Working, ended: ActionEnded) -> None:
    """Note that an action has ended, and go on with the task that it held."""
    beside = work.beside.pop((ended.firing, ended.index), None)
    firing = work.running.get(ended.firing)
    if beside is not None:
        note = work.note(TraceKind.ENDED, firing=beside.firing, cause=beside.cause)
        note.notes.append(f"{beside.action}: {ended.outcome}")
        keep_failure(work, ended, beside.action, beside.cause)
    elif firing is not None and firing.position == ended.index + 1:
        _go_on(work, firing, ended)
    else:
        note = work.note(TraceKind.IGNORED, firing=ended.firing)
        note.notes.append(f"action {ended.index} ended, and nothing waits for it")


def put_new(
    work: Working, place: str, event: Event | None, cause: str | None, since: datetime
) -> None:
    """Put a new token into a place: a visit begins."""
    work.tokens_made += 1
    work.marking.put(Token(work.tokens_made, place, since, event, cause))


def close_where_final(work: Working, places: Sequence[str]) -> None:
    """End the case when a token has come into a final place (explicit termination, WCP-43)."""
    for id_ in places:
        place = work.net.places[id_]
        if place.final:
            _close(work, f"reached the final state {place.state}")


def _close(work: Working, reason: str) -> None:
    if work.status is CaseStatus.OPEN:
        work.status = CaseStatus.CLOSED
        work.reason = reason
        work.running = {}
        work.commands.append(Close(reason))


def _go_on(work: Working, firing: Firing, ended: ActionEnded) -> None:
    """Take up a task where its blocking action had stopped it."""
    del work.running[firing.number]
    task = work.net.numbered[firing.task].task
    action = task.actions[ended.index].action
    note = work.note(
        TraceKind.ENDED,
        firing=firing.number,
        task=task.id,
        event=firing.event,
        cause=firing.cause,
    )
    note.came_from = work.states([token.place for token in firing.tokens])
    note.notes.append(f"{action}: {ended.outcome}")
    take_ending(work, action, ended, firing, note)
    _act(work, task, firing, note)


def _act(work: Working, task: Task, firing: Firing, note: TraceEntry) -> None:
    """Do a task's actions from where it stands, until one holds its tokens or all are done."""
    reason = None
    for index in range(firing.position, len(task.actions)):
        planned = task.actions[index]
        action = planned.action
        note.did.append(str(action))
        match action:
            case SetData():
                set_field(work, action, firing, note)
            case CloseCase():
                reason = action.reason
                break
            case Classify() | Reply() | Notify() | Subcase():
                if ask(work, planned, action, index, firing, note):
                    work.running[firing.number] = firing.held_at(index + 1)
                    return
            case Compensate():
                raise NotImplementedError  # TEMP
            case _:
                assert_never(action)
    _complete(work, task, firing.tokens, firing.event, firing.cause, firing.basis, note)
    if reason is not None:
        _close(work, reason)


def _complete(
    work: Working,
    task: Task,
    tokens: Sequence[Token],
    event: Event | None,
    cause: str | None,
    basis: datetime | None,
    note: TraceEntry,
) -> None:
    """Empty what the task cancels and fill its outputs, in one go."""
    if task.cancel_places:
        work.marking.empty(task.cancel_places)
    if task.cancel_tasks:
        kept = work.running.items()
        work.running = {n: held for n, held in kept if held.task not in task.cancel_tasks}
    branches = task.outputs if task.split is Split.ALL else _branches(work, task, event)
    for branch in branches:
        for _ in range(branch.weight):
            if task.keeps_visit and tokens:
                _put_back(work, task, tokens[0], branch.place)
            else:
                put_new(work, branch.place, event, cause, basis or work.now)
    places = [branch.place for branch in branches]
    note.went_to = work.states(places)
    close_where_final(work, places)


def _branches(work: Working, task: Task, event: Event | None) -> Sequence[Branch]:
    """Return the outputs that a task chooses (WCP-4, WCP-6); the last is the default."""
    facts = work.facts(event)
    chosen = [b for b in task.outputs if b.guard is None or b.guard.holds(facts)]
    return (chosen[:1] if task.split is Split.FIRST else chosen) or task.outputs[-1:]


def _put_back(work: Working, task: Task, token: Token, place: str) -> None:
    """Put a token into a place in the same visit: its deadlines run on."""
    fired = (*token.fired, task.id) if task.trigger is Trigger.DEADLINE else token.fired
    work.marking.put(Token(token.id, place, token.since, token.event, token.cause, fired))

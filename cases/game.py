"""The token game: one step of a net, run to completion on a working copy of the state.

Automatic tasks fire first, in declared order; then the outcomes of actions are offered, since they
belong to what has happened already; then the events of the outside that wait, oldest first. After
each firing all of it is looked at again, until nothing moves. Nothing here iterates over a set,
reads a clock, or draws.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from cases.actions import (
    Classify,
    Close,
    CloseCase,
    Command,
    Notify,
    OutsideAction,
    Perform,
    Planned,
    Reply,
    SetData,
)
from cases.addresses import addressed
from cases.data import data_problems
from cases.events import ActionEnded, Ending, Event, Input, TimePassed
from cases.fields import Facts
from cases.guards import Verdict
from cases.limits import MAX_AUTOMATIC_FIRINGS, MAX_TRACED_LEAVES
from cases.marking import Marking
from cases.net import Branch, Net, NumberedTask, Split, Task, Trigger
from cases.outcomes import classified, failure, label_in, report_of
from cases.state import Beside, CaseState, CaseStatus, Firing, Outcome, Token
from cases.states import UNCLASSIFIED
from cases.timers import running_timers, timer_order
from cases.trace import TraceEntry, TraceKind


class TooManyFirings(Exception):
    """A step that would fire for ever, as far as anybody can tell."""

    def __str__(self) -> str:
        """Return the reason for which a case is parked."""
        return (
            f"{MAX_AUTOMATIC_FIRINGS:,} firings in one step without an event from outside: "
            "the definition goes round in a loop"
        )


class Game:
    """A step in the making; `finish` gives the state that it leads to."""

    def __init__(self, net: Net, state: CaseState, now: datetime) -> None:
        self.commands: list[Command] = []
        self.trace: list[TraceEntry] = []
        self.consumed: list[str] = []
        self._net = net
        self._now = now
        self._marking = Marking(net, state.tokens)
        self._running = dict(state.running)
        self._beside = dict(state.beside)
        self._outcomes = list(state.outcomes)
        self._waiting = list(state.waiting)
        self._data = state.data
        self._label = state.label
        self._confidence = state.confidence
        self._status = state.status
        self._reason = state.reason
        self._firings = state.firings
        self._tokens_made = state.tokens_made
        self._core_version = state.core_version
        self._unfed = 0  # firings since an event of the outside was last taken

    # What a step is asked for

    def open(self, event: Event | None) -> None:
        """Put the first token in its place; the event that opens the case is used up by it."""
        note = self._note(TraceKind.STARTED, event=event)
        if event is not None:
            self.consumed.append(event.id)
            note.cause = event.id
        start = self._net.start
        self._put_new(start, event, note.cause)
        note.went_to = self._states([start])
        self._close_where_final([start])

    def take(self, event: Input) -> None:
        """Do all that comes of an input."""
        if isinstance(event, Event):
            # What waited before did so in vain, and nothing has moved since: only this one is new.
            index = self._keep_event(event)
            if self._status is not CaseStatus.OPEN:
                return
            if self._offer(index):
                self.settle()
            else:
                self._note_waiting(event)
        elif isinstance(event, TimePassed):
            self._pass_time()
        else:
            self._end_action(event)
            self.settle()

    def keep(self, event: Input) -> None:
        """Note an input without letting anything fire."""
        if isinstance(event, Event):
            self._keep_event(event)
        elif isinstance(event, ActionEnded):
            self._end_action(event)

    def park(self, reason: str) -> None:
        """Stop the case until a person looks at it."""
        if self._status is CaseStatus.OPEN:
            self._status = CaseStatus.PARKED
            self._reason = reason
            self._note(TraceKind.PARKED).notes.append(reason)

    def settle(self) -> None:
        """Fire what can fire, until nothing can."""
        while self._status is CaseStatus.OPEN:
            if not (self._fire_automatic() or self._fire_outcome() or self._fire_waiting()):
                break

    def finish(self) -> CaseState:
        """Return the state that the step leads to."""
        if self._outcomes:
            self._report_outcomes()
        return CaseState(
            tokens=self._marking.tokens,
            running=self._running,
            beside=self._beside,
            outcomes=tuple(self._outcomes),
            waiting=tuple(self._waiting),
            data=self._data,
            label=self._label,
            confidence=self._confidence,
            status=self._status,
            reason=self._reason,
            firings=self._firings,
            tokens_made=self._tokens_made,
            core_version=self._core_version,
        )

    # Reasons to fire

    def _fire_automatic(self) -> bool:
        """Fire the next automatic task, if one may; its event is the one that brought its token."""
        while entry := self._marking.next_automatic():
            token = self._marking.first_token(entry.task)
            event = token.event if token else None
            if self._chosen([entry], event):
                self._marking.look_again([entry.order])  # there may be tokens for one more firing
                self._fire(entry, [entry], event, token.cause if token else None)
                return True
        return False

    def _fire_outcome(self) -> bool:
        for index, outcome in enumerate(self._outcomes):
            enabled = self._marking.listeners(outcome.event.type)
            chosen = self._chosen(enabled, outcome.event)
            if chosen is not None:
                del self._outcomes[index]
                self._fire(chosen, enabled, outcome.event, outcome.cause)
                return True
        return False

    def _fire_waiting(self) -> bool:
        return any(self._offer(index) for index in range(len(self._waiting)))

    def _offer(self, index: int) -> bool:
        """Fire the task that takes a waiting event, if there is one."""
        event = self._waiting[index]
        enabled = self._marking.listeners(event.type)
        chosen = self._chosen(enabled, event)
        if chosen is None:
            return False
        del self._waiting[index]
        self.consumed.append(event.id)
        self._unfed = 0
        self._fire(chosen, enabled, event, event.id)
        return True

    def _pass_time(self) -> None:
        """Fire the deadlines that are due, each with all that follows before the next."""
        while self._status is CaseStatus.OPEN:
            timers = running_timers(self._net, self._marking.tokens, self._data)
            due = [t for t in timers if t[0] <= self._now and self._marking.enabled(t[1])]
            if not due:
                return
            _, entry, token = min(due, key=timer_order)
            if self._chosen([entry], None):
                self._fire(entry, [entry], None, token.cause, token)
            else:
                self._miss(entry.task, token)
            self.settle()

    def _miss(self, task: Task, token: Token) -> None:
        """Note that a deadline was due and its guard said no: it does not come back this visit."""
        self._marking.note_fired(token, task.id)
        note = self._note(TraceKind.MISSED, task=task.id, cause=token.cause)
        note.came_from = note.went_to = self._states([token.place])
        note.guards = self._explained([task], None)

    def _chosen(self, enabled: Sequence[NumberedTask], event: Event | None) -> NumberedTask | None:
        """Return the first task whose guard holds."""
        facts = None
        for entry in enabled:
            guard = entry.task.guard
            if guard is None:
                return entry
            facts = facts or self._facts(event)
            if guard.holds(facts):
                return entry
        return None

    def _facts(self, event: Event | None) -> Facts:
        if event is None:
            return Facts(None, {}, self._data, self._label, self._confidence)
        return Facts(event.type, event.data, self._data, self._label, self._confidence)

    # Firing

    def _fire(
        self,
        entry: NumberedTask,
        enabled: Sequence[NumberedTask],
        event: Event | None,
        cause: str | None,
        token: Token | None = None,
    ) -> None:
        """Let a task take its tokens and do its actions."""
        self._unfed += 1
        if self._unfed > MAX_AUTOMATIC_FIRINGS:
            raise TooManyFirings
        task = entry.task
        self._firings += 1
        note = TraceEntry(TraceKind.FIRED, self._now, self._firings, task.id, event, cause)
        self.trace.append(note)
        note.enabled = tuple([candidate.task.id for candidate in enabled])
        note.guards = self._explained([candidate.task for candidate in enabled], event)
        tokens = self._marking.take(task, token)
        note.came_from = self._states([taken.place for taken in tokens])
        self._act(task, Firing(self._firings, task.id, tokens, event, cause, 0), note)

    def _explained(
        self, tasks: Sequence[Task], event: Event | None
    ) -> tuple[tuple[str, tuple[Verdict, ...]], ...]:
        """Return what each guard says, leaf by leaf, as far as a trace has room for it."""
        guarded = [(task.id, task.guard) for task in tasks if task.guard is not None]
        if not guarded:
            return ()
        facts = self._facts(event)
        explained: list[tuple[str, tuple[Verdict, ...]]] = []
        room = MAX_TRACED_LEAVES
        for task, guard in guarded:
            if room >= len(guard.leaves):
                room -= len(guard.leaves)
                explained.append((task, guard.explain(facts)))
        return tuple(explained)

    def _act(self, task: Task, firing: Firing, note: TraceEntry) -> None:
        """Do a task's actions from where it stands, until one holds its tokens or all are done."""
        for index in range(firing.position, len(task.actions)):
            planned = task.actions[index]
            action = planned.action
            note.did.append(str(action))
            match action:
                case SetData():
                    self._set(action, firing, note)
                case CloseCase():
                    self._complete(task, firing, note)
                    self._close(action.reason)
                    return
                case Classify() | Reply() | Notify():
                    if self._ask(planned, action, index, firing, note):
                        self._running[firing.number] = firing.held_at(index + 1)
                        return
                case _:
                    assert_never(action)
        self._complete(task, firing, note)

    def _complete(self, task: Task, firing: Firing, note: TraceEntry) -> None:
        """Empty what the task cancels and fill its outputs, in one go."""
        if task.cancel_places:
            self._marking.empty(task.cancel_places)
        if task.cancel_tasks:
            kept = self._running.items()
            self._running = {n: held for n, held in kept if held.task not in task.cancel_tasks}
        branches = task.outputs if task.split is Split.ALL else self._branches(task, firing)
        for branch in branches:
            for _ in range(branch.weight):
                if task.keeps_visit and firing.tokens:
                    self._put_back(task, firing.tokens[0], branch.place)
                else:
                    self._put_new(branch.place, firing.event, firing.cause)
        places = [branch.place for branch in branches]
        note.went_to = self._states(places)
        self._close_where_final(places)

    def _branches(self, task: Task, firing: Firing) -> Sequence[Branch]:
        """Return the outputs that a task chooses (WCP-4, WCP-6); the last is the default."""
        facts = self._facts(firing.event)
        chosen = [b for b in task.outputs if b.guard is None or b.guard.holds(facts)]
        return (chosen[:1] if task.split is Split.FIRST else chosen) or task.outputs[-1:]

    def _put_new(self, place: str, event: Event | None, cause: str | None) -> None:
        """Put a new token into a place: a visit begins."""
        self._tokens_made += 1
        self._marking.put(Token(self._tokens_made, place, self._now, event, cause))

    def _put_back(self, task: Task, token: Token, place: str) -> None:
        """Put a token into a place in the same visit: its deadlines run on."""
        fired = (*token.fired, task.id) if task.trigger is Trigger.DEADLINE else token.fired
        self._marking.put(Token(token.id, place, token.since, token.event, token.cause, fired))

    def _close_where_final(self, places: Sequence[str]) -> None:
        """End the case when a token has come into a final place (explicit termination, WCP-43)."""
        for place in places:
            if self._net.places[place].final:
                self._close(f"reached the final state {self._net.places[place].state}")

    def _close(self, reason: str) -> None:
        if self._status is CaseStatus.OPEN:
            self._status = CaseStatus.CLOSED
            self._reason = reason
            self._running = {}
            self.commands.append(Close(reason))

    # Actions

    def _ask(
        self, planned: Planned, action: OutsideAction, index: int, firing: Firing, note: TraceEntry
    ) -> bool:
        """Command an action; tell whether it holds the token."""
        resolved = addressed(action, self._data)
        if resolved is None:
            reason = "the case data has no mail address for it"
            note.notes.append(f"{action}: {reason}")
            failed = ActionEnded(firing.number, index, Ending.FAILED, {"reason": reason})
            self._add_failure(failed, str(action), firing.cause)
            return False
        number, cause = firing.number, firing.cause
        blocking = planned.blocking
        self.commands.append(Perform(number, index, resolved, cause, firing.event, blocking))
        if not blocking:
            self._beside[number, index] = Beside(number, index, str(resolved), cause)
        return blocking

    def _set(self, action: SetData, firing: Firing, note: TraceEntry) -> None:
        """Set a field, unless the value does not fit it: then the field stays as it is."""
        value = action.value
        if action.source is not None:
            value = action.source(self._facts(firing.event))
            if value is None:
                note.notes.append(f"{action.field} not set: {action.source_field} is missing")
                return
            problems = data_problems(self._net.fields, {**self._data, action.field: value})
            if problems:
                note.notes.append(f"{action.field} not set: {problems[0]}")
                return
        self._data = {**self._data, action.field: value}
        self._marking.look_again(self._net.guarded)

    def _end_action(self, ended: ActionEnded) -> None:
        """Note that an action has ended, and go on with the task that it held."""
        beside = self._beside.pop((ended.firing, ended.index), None)
        firing = self._running.get(ended.firing)
        if beside is not None:
            note = self._note(TraceKind.ENDED, firing=beside.firing, cause=beside.cause)
            note.notes.append(f"{beside.action}: {ended.outcome}")
            self._add_failure(ended, beside.action, beside.cause)
        elif firing is not None and firing.position == ended.index + 1:
            self._go_on(firing, ended)
        else:
            note = self._note(TraceKind.IGNORED, firing=ended.firing)
            note.notes.append(f"action {ended.index} ended, and nothing waits for it")

    def _go_on(self, firing: Firing, ended: ActionEnded) -> None:
        """Take up a task where its blocking action had stopped it."""
        del self._running[firing.number]
        task = self._net.numbered[firing.task].task
        action = task.actions[ended.index].action
        note = self._note(
            TraceKind.ENDED,
            firing=firing.number,
            task=task.id,
            event=firing.event,
            cause=firing.cause,
        )
        note.came_from = self._states([token.place for token in firing.tokens])
        note.notes.append(f"{action}: {ended.outcome}")
        if isinstance(action, Classify):
            self._take_label(ended, firing, note)
        else:
            self._add_failure(ended, str(action), firing.cause)
        self._act(task, firing, note)

    def _take_label(self, ended: ActionEnded, firing: Firing, note: TraceEntry) -> None:
        label, confidence = label_in(ended, self._net.labels)
        if self._label is None or label != UNCLASSIFIED:
            # What says nothing about the case takes nothing away from what is known of it.
            self._label, self._confidence = label, confidence
        note.notes.append(f"label {label}, confidence {confidence:g}")
        self._outcomes.append(classified(ended, label, confidence, firing.cause, self._now))
        self._marking.look_again(self._net.guarded)

    # Outcomes and events that nothing takes

    def _add_failure(self, ended: ActionEnded, action: str, cause: str | None) -> None:
        outcome = failure(ended, action, cause, self._now)
        if outcome is not None:
            self._outcomes.append(outcome)

    def _report_outcomes(self) -> None:
        """Report the outcomes that nothing takes where the case stands.

        They wait only while a task holds its tokens, or the case is parked, and something may take
        them afterwards. Else a failed reply would wait, unseen, for a state that may never come.
        """
        held = bool(self._running) or self._status is CaseStatus.PARKED
        kept: list[Outcome] = []
        for outcome in self._outcomes:
            if held and outcome.event.type in self._net.listening:
                kept.append(outcome)
                continue
            self._note(TraceKind.UNHANDLED, event=outcome.event, cause=outcome.cause)
            report = report_of(outcome)
            if report is not None:
                self.commands.append(report)
        self._outcomes = kept

    def _keep_event(self, event: Event) -> int:
        """Put an event among those that wait, by when it was received; return its position."""
        index = len(self._waiting)
        while index and self._waiting[index - 1].at > event.at:
            index -= 1
        self._waiting.insert(index, event)
        return index

    def _note_waiting(self, event: Event) -> None:
        """Note why nothing took an event: who could have, and what the guards said."""
        note = self._note(TraceKind.WAITING, event=event)
        note.came_from = note.went_to = self._states(list(self._marking.tokens))
        enabled = self._marking.listeners(event.type)
        note.enabled = tuple([entry.task.id for entry in enabled])
        note.guards = self._explained([entry.task for entry in enabled], event)

    def _note(
        self,
        kind: TraceKind,
        *,
        firing: int | None = None,
        task: str | None = None,
        event: Event | None = None,
        cause: str | None = None,
    ) -> TraceEntry:
        """Add an entry to the trace and return it."""
        entry = TraceEntry(kind, self._now, firing, task, event, cause)
        self.trace.append(entry)
        return entry

    def _states(self, places: Sequence[str]) -> tuple[str, ...]:
        """Return the states that people see for some places."""
        return tuple([self._net.places[place].state for place in places])

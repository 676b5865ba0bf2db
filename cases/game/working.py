"""The working copy of a case in one step: what the parts of the token game read and change.

A step makes one, plays on it, and takes the next state from it; the state that it began with stays
as it was.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cases.actions import Command
from cases.events import Event
from cases.expressions.fields import Facts
from cases.expressions.guards import Verdict
from cases.game.marking import Marking
from cases.limits import MAX_TRACED_LEAVES
from cases.net import Net, NumberedTask
from cases.state import ActionKey, CaseState, Firing, Held, Thread, Token
from cases.trace import TraceEntry, TraceKind
from cases.values import JSON

NO_DATA: Mapping[str, JSON] = {}

Explained = tuple[tuple[str, tuple[Verdict, ...]], ...]


class Working:
    """A case's state, open to change, and what the step has asked for and noted so far."""

    def __init__(self, net: Net, state: CaseState, now: datetime) -> None:
        self.net = net
        self.now = now
        self.commands: list[Command] = []
        self.trace: list[TraceEntry] = []
        self.consumed: list[str] = []
        self.marking = Marking(net, state.tokens, state.threads)
        self.wiring = self.marking.wiring
        self.news = self.marking.news
        self.running = dict(state.running)
        self.beside = dict(state.beside)
        self.holding: Mapping[ActionKey, Held] = state.holding
        # what this step holds, and how many tokens there had been before
        self.newly_held: dict[ActionKey, int] = {}
        self.outcomes = list(state.outcomes)
        self.waiting = list(state.waiting)
        self.data = state.data
        self.label = state.label
        self.confidence = state.confidence
        self.status = state.status
        self.reason = state.reason
        self.firings = state.firings
        self.tokens_made = state.tokens_made
        self.core_version = state.core_version
        self.threads_made = state.threads_made
        self.rounds = dict(state.rounds)
        self.undoable = state.undoable
        self.depth = state.depth
        self.unheard = state.unheard
        self.timed: list[Token] = []  # tokens that have come to where deadlines run
        self.unfed = 0  # firings since an event of the outside was last taken
        self.visited = 0  # nodes that were looked at meanwhile to see what may still come

    @property
    def threads(self) -> dict[int, Thread]:
        """The threads of control, by their ids."""
        return self.marking.threads

    @threads.setter
    def threads(self, threads: dict[int, Thread]) -> None:
        self.marking.threads = threads

    def state(self) -> CaseState:
        """Return the state that the step leads to."""
        return CaseState(
            tokens=self.marking.tokens,
            running=self.running,
            beside=self.beside,
            holding=self.holding,
            outcomes=tuple(self.outcomes),
            waiting=tuple(self.waiting),
            data=self.data,
            label=self.label,
            confidence=self.confidence,
            status=self.status,
            reason=self.reason,
            firings=self.firings,
            tokens_made=self.tokens_made,
            core_version=self.core_version,
            threads=self.threads,
            threads_made=self.threads_made,
            rounds=self.rounds,
            undoable=self.undoable,
            depth=self.depth,
            unheard=self.unheard,
        )

    def run(self, firing: Firing) -> None:
        """Have a firing run, or go on as it is now."""
        self.running[firing.number] = firing
        self.news.firing_went_on(firing.number)

    def changed(self, field: str) -> None:
        """Look again at what asks for a field: `data.NAME`, `thread.NAME`, label or confidence."""
        self.news.field_set(field)
        self.marking.look_again(self.wiring.readers.get(field, ()))

    def facts(self, event: Event | None, thread: int | None = None) -> Facts:
        """Return what guards may ask for while an event is taken in a thread of control."""
        own = NO_DATA if thread is None else self.thread_data(thread)
        if event is None:
            return Facts(None, NO_DATA, self.data, self.label, self.confidence, own)
        return Facts(event.type, event.data, self.data, self.label, self.confidence, own)

    def thread_data(self, thread: int) -> Mapping[str, JSON]:
        """Return a thread's data: its own, and what it does not have itself from its parents."""
        known = self.threads.get(thread)
        if known is None:
            return NO_DATA
        if known.parent is None:
            return known.data
        return {**self.thread_data(known.parent), **known.data}

    def holds(self, entry: NumberedTask, event: Event | None, thread: int | None) -> bool:
        """Tell whether a task's guard lets it start in a thread of control."""
        guard = entry.task.guard
        return guard is None or guard.holds(self.facts(event, thread))

    def explained(
        self, entries: Sequence[NumberedTask], event: Event | None, thread: int | None = None
    ) -> Explained:
        """Return what each task's guard says, leaf by leaf, as far as a trace has room for it."""
        guarded = [(e.task.id, e.task.guard) for e in entries if e.task.guard is not None]
        if not guarded:
            return ()
        facts = self.facts(event, thread)
        explained: list[tuple[str, tuple[Verdict, ...]]] = []
        room = MAX_TRACED_LEAVES
        for task, guard in guarded:
            if room >= len(guard.leaves):
                room -= len(guard.leaves)
                explained.append((task, guard.explain(facts)))
        return tuple(explained)

    def tell_thread(self, note: TraceEntry, thread: int | None) -> None:
        """Note in which thread of control something happens, and what it was made for."""
        note.thread = thread
        if thread is not None and thread in self.threads:
            data = self.thread_data(thread)
            note.number, note.item = data.get("number"), data.get("item")

    def tell_withdrawn(self, gone: Sequence[str]) -> None:
        """Note what can't happen any more with what was noted last, since that is the cause."""
        if self.trace and gone:
            self.trace[-1].withdrawn = (*self.trace[-1].withdrawn, *gone)

    def note(
        self,
        kind: TraceKind,
        *,
        firing: int | None = None,
        task: str | None = None,
        event: Event | None = None,
        cause: str | None = None,
    ) -> TraceEntry:
        """Add an entry to the trace and return it."""
        entry = TraceEntry(kind, self.now, firing, task, event, cause)
        self.trace.append(entry)
        return entry

    def states(self, places: Sequence[str]) -> tuple[str, ...]:
        """Return the states that people see for some places."""
        return tuple([self.net.places[place].state for place in places])

    def visible_states(self) -> tuple[str, ...]:
        """Return the states in which people see the case, each once."""
        inside = [token.place for held in self.running.values() for token in held.tokens]
        return tuple(dict.fromkeys(self.states([*self.marking.tokens, *inside])))

"""Runs of the patterns on the engine alone: events by name, and what can be seen of a case."""

from collections.abc import Sequence
from datetime import timedelta

from cases.actions import Command, Perform, Subcase
from cases.compiling.compile import compile_net
from cases.engine import Step
from cases.events import ActionEnded, Ending
from cases.net import Net
from cases.notation.declarations import Definition, Example
from cases.outlook.outlook import marking
from cases.state import CaseStatus, Firing
from cases.trace import TraceEntry, TraceKind
from cases.values import JSON
from ledgers.casework.patterns import all_patterns
from tests.cases.driving import NOON, Case

Data = dict[str, JSON]


class Run(Case):
    """A case of a pattern; its sub-cases run to their end as soon as they are asked for.

    `history` is the trace with that of the sub-cases in between, where it happened.
    """

    def __init__(self, definition: Definition, net: Net, data: Data, depth: int = 0) -> None:
        self.definition = definition
        self.depth = depth
        self.deepest = depth
        self._sent = 0
        self._answered = 0
        self.history: list[TraceEntry] = []
        super().__init__(net, data, now=NOON, depth=depth)
        self._run_subcases()

    def tell(self, type_: str, /, **data: JSON) -> "Run":
        """Give the case an event, a minute later."""
        self._sent += 1
        self.now += timedelta(minutes=1)
        self.send(f"{type_}-{self._sent}", type_, **data)
        self._run_subcases()
        return self

    def tell_all(self, *types: str) -> "Run":
        """Give the case events without data."""
        for type_ in types:
            self.tell(type_)
        return self

    @property
    def started(self) -> list[str]:
        """The tasks that have started, in order; an instance is not one by itself."""
        return [entry.task for entry in self.traced(TraceKind.FIRED) if entry.task is not None]

    def times(self, task: str) -> int:
        """Return how often a task has started."""
        return self.started.count(task)

    @property
    def running(self) -> list[str]:
        """The tasks that are running, each as often as it does, in alphabetical order."""
        return sorted(
            firing.task for firing in self.state.running.values() if firing.parent is None
        )

    @property
    def instances(self) -> list[Firing]:
        """The instances that are running."""
        return [f for f in self.state.running.values() if f.parent is not None]

    @property
    def marking(self) -> dict[str, int]:
        """How many tokens rest in each place that has any."""
        return marking(self.state)

    @property
    def kept(self) -> list[str]:
        """The types of the events that nothing has taken, oldest first."""
        return [event.type for event in self.state.waiting]

    @property
    def closed(self) -> bool:
        """Whether the case has come to its end."""
        return self.state.status is CaseStatus.CLOSED

    def _note(self, taken: Step) -> Step:
        self.history += taken.trace
        return super()._note(taken)

    def _run_subcases(self) -> None:
        while self._answered < len(self.commands):
            command = self.commands[self._answered]
            self._answered += 1
            self._run_subcase(command)

    def _run_subcase(self, command: Command) -> None:
        if not (isinstance(command, Perform) and isinstance(command.action, Subcase)):
            return
        net = compile_net(self.definition, command.action.net)
        child = Run(self.definition, net, dict(command.action.data), self.depth + 1)
        self.deepest = max(self.deepest, child.deepest)
        assert child.closed, child.state
        self.history += child.history
        self.give(
            ActionEnded(command.firing, command.index, Ending.DONE, {"data": child.state.data})
        )


def begin(number: int, **data: JSON) -> Run:
    """Open a case of a pattern; data that is not given is that of the example."""
    definition = all_patterns()[number].definition
    return Run(definition, compile_net(definition), {**example_of(number).data, **data})


def example_of(number: int) -> Example:
    """Return a pattern's example."""
    example = all_patterns()[number].definition.example
    assert example is not None, f"pattern {number} has no example"
    return example


def play(number: int) -> Run:
    """Run a pattern with its example."""
    run = begin(number)
    for event in example_of(number).events:
        run.tell(event.event, **event.data)
    return run


def counts(run: Run, task: str, events: Sequence[str]) -> list[int]:
    """Return how often a task has started after each of some events."""
    return [run.tell(event).times(task) for event in events]

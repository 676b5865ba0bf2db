"""A small driver of the engine: small definitions, a clock that stands still, JSON in between."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cases.actions import Command, Perform
from cases.compiling.compile import compile_net
from cases.definitions import parse_definition
from cases.dumping import dump_state, load_state
from cases.engine import Step, start, step
from cases.events import ActionEnded, Ending, Event, Input, TimePassed
from cases.net import Net
from cases.outlook.outlook import state_names
from cases.state import CaseState
from cases.trace import TraceEntry, TraceKind
from cases.values import JSON

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

# Any: specs are written loosely on purpose, since many of them are wrong.
Spec = dict[str, Any]


def spec(states: Spec, **more: Any) -> Spec:
    """Return a definition that starts in its first state; undeclared keys have a default."""
    return {
        "id": "small",
        "start": next(iter(states)),
        "labels": {"refund": "money back", "other": "anything else"},
        "templates": {"thanks": {"text": "Thanks"}, "sorry": {"text": "Sorry"}},
        "teams": {"leads": ["leads@example.com"]},
        "states": states,
        **more,
    }


def net_from(states: Spec, **more: Any) -> Net:
    """Return the net of a small definition."""
    return compile_net(parse_definition(spec(states, **more)))


def reloaded(net: Net, state: CaseState) -> CaseState:
    """Return a state after its way through JSON."""
    return load_state(net, json.loads(json.dumps(dump_state(state), allow_nan=False)))


class Case:
    """A case that is driven by hand, and remembers all that came of it."""

    def __init__(
        self,
        net: Net,
        data: Mapping[str, JSON] | None = None,
        event: Event | None = None,
        now: datetime = NOON,
        depth: int = 0,
    ) -> None:
        self.net = net
        self.now = now
        self.commands: list[Command] = []
        self.trace: list[TraceEntry] = []
        self.consumed: list[str] = []
        self.last = self._note(start(net, data or {}, now, event, depth=depth))

    @property
    def state(self) -> CaseState:
        """Return where the case stands."""
        return self.last.state

    @property
    def at(self) -> str:
        """Return the one state in which the case stands."""
        (name,) = state_names(self.net, self.state)
        return name

    def give(self, event: Input) -> Step:
        """Take an input at the case's own time, through JSON."""
        self.last = self._note(step(self.net, reloaded(self.net, self.state), event, self.now))
        return self.last

    def send(self, id_: str, type_: str = "email", /, **data: JSON) -> Step:
        """Take an event of the outside."""
        return self.give(Event(id_, type_, self.now, data))

    def wait(self, **duration: int) -> Step:
        """Let time pass, and tell the case."""
        self.now += timedelta(**duration)
        return self.give(TimePassed())

    def end(self, command: Command, outcome: Ending = Ending.DONE, **data: JSON) -> Step:
        """End an action that was asked for."""
        assert isinstance(command, Perform)
        return self.give(ActionEnded(command.firing, command.index, outcome, data))

    def classify(self, label: str, confidence: float = 0.9) -> Step:
        """End the classification that was asked for last."""
        return self.end(self.performs[-1], label=label, confidence=confidence)

    @property
    def performs(self) -> list[Perform]:
        """Return the actions that were asked for, oldest first."""
        return [command for command in self.commands if isinstance(command, Perform)]

    @property
    def asked(self) -> list[str]:
        """Return the actions that were asked for, in words."""
        return [str(command.action) for command in self.performs]

    def traced(self, kind: TraceKind) -> list[TraceEntry]:
        """Return the trace's entries of one kind."""
        return [entry for entry in self.trace if entry.kind is kind]

    def _note(self, taken: Step) -> Step:
        self.commands += taken.commands
        self.trace += taken.trace
        self.consumed += taken.consumed
        return taken

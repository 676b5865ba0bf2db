"""The engine: a pure function from a case's state and what happened to its next state.

    step(net, state, input, now) -> Step(state, commands, trace, consumed)

Its driver (Temporal's workflow, a simulator, a test) does what the commands say, feeds back how it
ended, keeps one timer for the first of `outlook.deadlines`, and drops events that it has seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cases.actions import Command
from cases.errors import IllegalEvent
from cases.events import ActionEnded, Event, Input
from cases.game import Game, TooManyFirings
from cases.net import Net
from cases.state import CaseState
from cases.trace import TraceEntry
from cases.values import JSON


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an input: the next state, what is to be done, why, and which events it used.

    `consumed` holds ids of outside events, those included that had been waiting.
    """

    state: CaseState
    commands: tuple[Command, ...]
    trace: tuple[TraceEntry, ...]
    consumed: tuple[str, ...]

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return the ids of the events that nothing has taken yet, oldest first."""
        return tuple(event.id for event in self.state.waiting)


def start(net: Net, data: Mapping[str, JSON], now: datetime, event: Event | None = None) -> Step:
    """Open a case with data that fits its definition.

    `event` is what opens it, usually the mail: it is consumed by the start, so that `classify` and
    `reply` in the first state know which mail they are about. A mail given to the first `step`
    instead would wait for a state that takes `email`.
    """
    _check(now, event)
    empty = CaseState(tokens={}, data={**net.defaults, **data})
    game = Game(net, empty, now)
    try:
        game.open(event)
        game.settle()
    except TooManyFirings as error:
        game = Game(net, empty, now)
        game.open(event)
        game.park(str(error))
    return _step(game)


def step(net: Net, state: CaseState, event: Input, now: datetime) -> Step:
    """Return what comes of an input; the state that was given stays as it was.

    Raises IllegalEvent for a time without a zone. A loop that would fire without end parks the case
    as it was before the step, with the input kept and none of the loop's commands.
    """
    _check(now, event)
    game = Game(net, state, now)
    try:
        game.take(event)
    except TooManyFirings as error:
        game = Game(net, state, now)
        game.keep(event)
        game.park(str(error))
    return _step(game)


def _step(game: Game) -> Step:
    state = game.finish()
    return Step(state, tuple(game.commands), tuple(game.trace), tuple(game.consumed))


def _check(now: datetime, event: Input | None) -> None:
    """Refuse times without a zone: they would compare with nothing, in the middle of a step."""
    if now.tzinfo is None:
        raise IllegalEvent("now", "the time has no zone: pass an aware one, in UTC")
    if isinstance(event, Event):
        if event.at.tzinfo is None:
            raise IllegalEvent(event.id, "its time has no zone: pass an aware one, in UTC")
    elif isinstance(event, ActionEnded) and not isinstance(event.event_data, Mapping):
        raise IllegalEvent(f"{event.firing}.{event.index}", "its data is not a mapping")

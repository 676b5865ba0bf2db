"""Where a case stands: its tokens, running tasks, waiting events and data, as plain JSON and back.

States are values: a step makes a new one and leaves the old one as it was. The mappings in them are
not to be changed. The trace is not in here: five bytes a firing are 400 KB at 80,000 firings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from cases.actions import Reply
from cases.errors import StateInvalid
from cases.events import Event
from cases.net import Net
from cases.values import JSON

# Goes up when a change of the core makes the same inputs lead elsewhere.
#   1: a state's deadlines count from the moment when the case took the event that led there
#   2: they count from the moment when that event was received
CORE_VERSION = 2
RECEIVED_COUNTS = 2

# Firing number and index: an action's key for the whole life of its case.
ActionKey = tuple[int, int]


class CaseStatus(StrEnum):
    """Whether a case goes on: closed is for good, parked waits for a person."""

    OPEN = "open"
    CLOSED = "closed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Token:
    """A token at rest: where it is and since when.

    `event` brought it there, `cause` is the id of the outside's event that this goes back to, and
    `fired` are the deadlines that have fired during this visit.
    """

    id: int
    place: str
    since: datetime
    event: Event | None = None
    cause: str | None = None
    fired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firing:
    """A task that holds its tokens while an action runs; `position` is the next action's index.

    The deadlines of the state that it leads to count from `basis`; None is when it completes.
    """

    number: int
    task: str
    tokens: tuple[Token, ...]
    event: Event | None
    cause: str | None
    position: int
    basis: datetime | None = None

    def held_at(self, position: int) -> "Firing":
        """Return this firing, held before the action at a position."""
        return replace(self, position=position)


@dataclass(frozen=True, slots=True)
class Beside:
    """An action that runs beside the case, and whose end may become an event."""

    firing: int
    index: int
    action: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A reply that goes out when it is `due`, unless it is withdrawn before.

    `states` are those in which the case stood when the step was over that asked for it.
    """

    firing: int
    index: int
    task: str
    action: Reply
    event: Event | None
    cause: str | None
    due: datetime
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The event of an action's end, until a task takes it."""

    event: Event
    cause: str | None


@dataclass(frozen=True, slots=True)
class CaseState:
    """All that a case needs to go on; tokens are by place."""

    tokens: Mapping[str, tuple[Token, ...]]
    running: Mapping[int, Firing] = field(default_factory=dict)
    beside: Mapping[ActionKey, Beside] = field(default_factory=dict)
    holding: Mapping[ActionKey, Held] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    waiting: tuple[Event, ...] = ()
    data: Mapping[str, JSON] = field(default_factory=dict)
    label: str | None = None
    confidence: float | None = None
    status: CaseStatus = CaseStatus.OPEN
    reason: str | None = None
    firings: int = 0
    tokens_made: int = 0
    core_version: int = CORE_VERSION


def dump_state(state: CaseState) -> dict[str, JSON]:
    """Return the state as JSON; `load_state` gives back an equal one."""
    return {
        "core_version": state.core_version,
        "status": state.status.value,
        "reason": state.reason,
        "data": state.data,
        "label": state.label,
        "confidence": state.confidence,
        "tokens": [_token_json(token) for tokens in state.tokens.values() for token in tokens],
        "running": [_firing_json(firing) for firing in state.running.values()],
        "beside": [[b.firing, b.index, b.action, b.cause] for b in state.beside.values()],
        "holding": [_held_json(held) for held in state.holding.values()],
        "outcomes": [[_event_json(o.event), o.cause] for o in state.outcomes],
        "waiting": [_event_json(event) for event in state.waiting],
        "firings": state.firings,
        "tokens_made": state.tokens_made,
    }


def load_state(net: Net, dumped: Mapping[str, Any]) -> CaseState:
    """Return the state that `dump_state` gave, or raise StateInvalid if it is not one of this net.

    Any, since the parts of a JSON mapping are looked at one by one.
    """
    version = dumped.get("core_version")
    if version not in range(1, CORE_VERSION + 1):
        raise StateInvalid(f"the state is of core version {version}, this core is {CORE_VERSION}")
    try:
        state = _loaded(dumped)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StateInvalid(f"the state is damaged: {type(error).__name__} {error}") from error
    _check_names(net, state)
    return state


def _loaded(dumped: Mapping[str, Any]) -> CaseState:
    tokens: dict[str, tuple[Token, ...]] = {}
    for token in map(_token, dumped["tokens"]):
        tokens[token.place] = (*tokens.get(token.place, ()), token)
    beside = [Beside(*fields) for fields in dumped["beside"]]
    holding = map(_held, dumped.get("holding", ()))
    return CaseState(
        tokens=tokens,
        running={firing.number: firing for firing in map(_firing, dumped["running"])},
        beside={(entry.firing, entry.index): entry for entry in beside},
        holding={(held.firing, held.index): held for held in holding},
        outcomes=tuple(Outcome(_event(event), cause) for event, cause in dumped["outcomes"]),
        waiting=tuple(_event(event) for event in dumped["waiting"]),
        data=dumped["data"],
        label=dumped["label"],
        confidence=dumped["confidence"],
        status=CaseStatus(dumped["status"]),
        reason=dumped["reason"],
        firings=dumped["firings"],
        tokens_made=dumped["tokens_made"],
        core_version=dumped["core_version"],
    )


def _check_names(net: Net, state: CaseState) -> None:
    """Refuse a state whose tokens are in places, or inside tasks, that the net does not have."""
    for firing in state.running.values():
        if firing.task not in net.numbered:
            raise StateInvalid(f"the state runs the task {firing.task}, which this net has not")
    held = [token.place for firing in state.running.values() for token in firing.tokens]
    for place in (*state.tokens, *held):
        if place not in net.places:
            raise StateInvalid(f"the state has a token in {place}, which this net has not")


def _event_json(event: Event) -> dict[str, JSON]:
    return {
        "id": event.id,
        "type": event.type,
        "at": event.at.isoformat(),
        "data": event.data,
    }


def _event(dumped: Mapping[str, Any]) -> Event:
    at = datetime.fromisoformat(dumped["at"])
    return Event(dumped["id"], dumped["type"], at, dumped["data"])


def _token_json(token: Token) -> dict[str, JSON]:
    return {
        "id": token.id,
        "place": token.place,
        "since": token.since.isoformat(),
        "event": None if token.event is None else _event_json(token.event),
        "cause": token.cause,
        "fired": list(token.fired),
    }


def _token(dumped: Mapping[str, Any]) -> Token:
    return Token(
        id=dumped["id"],
        place=dumped["place"],
        since=datetime.fromisoformat(dumped["since"]),
        event=None if dumped["event"] is None else _event(dumped["event"]),
        cause=dumped["cause"],
        fired=tuple(dumped["fired"]),
    )


def _firing_json(firing: Firing) -> dict[str, JSON]:
    return {
        "number": firing.number,
        "task": firing.task,
        "tokens": [_token_json(token) for token in firing.tokens],
        "event": None if firing.event is None else _event_json(firing.event),
        "cause": firing.cause,
        "position": firing.position,
        "basis": None if firing.basis is None else firing.basis.isoformat(),
    }


def _firing(dumped: Mapping[str, Any]) -> Firing:
    return Firing(
        number=dumped["number"],
        task=dumped["task"],
        tokens=tuple(map(_token, dumped["tokens"])),
        event=None if dumped["event"] is None else _event(dumped["event"]),
        cause=dumped["cause"],
        position=dumped["position"],
        basis=datetime.fromisoformat(dumped["basis"]) if dumped.get("basis") else None,
    )


def _held_json(held: Held) -> dict[str, JSON]:
    return {
        "firing": held.firing,
        "index": held.index,
        "task": held.task,
        "action": {
            "template": held.action.template,
            "to": held.action.to,
            "approve": held.action.approve,
            "approvers": list(held.action.approvers),
            "attach": list(held.action.attach),
        },
        "event": None if held.event is None else _event_json(held.event),
        "cause": held.cause,
        "due": held.due.isoformat(),
        "states": list(held.states),
    }


def _held(dumped: Mapping[str, Any]) -> Held:
    action = dumped["action"]
    return Held(
        firing=dumped["firing"],
        index=dumped["index"],
        task=dumped["task"],
        action=Reply(
            action["template"],
            action["to"],
            action["approve"],
            tuple(action["approvers"]),
            tuple(action["attach"]),
        ),
        event=None if dumped["event"] is None else _event(dumped["event"]),
        cause=dumped["cause"],
        due=datetime.fromisoformat(dumped["due"]),
        states=tuple(dumped["states"]),
    )

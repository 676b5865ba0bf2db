"""Where a case stands: its tokens, running tasks, waiting events and data.

States are values: a step makes a new one and leaves the old one as it was. The mappings in them are
not to be changed. The trace is not in here: five bytes a firing are 400 KB at 80,000 firings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cases.actions import Reply
from cases.events import ActionEnded, Event
from cases.values import JSON

# Goes up when a change of the core makes the same inputs lead elsewhere.
#   1: a state's deadlines count from the moment when the case took the event that led there
#   2: they count from the moment when that event was received
#   3: a step may have ten thousand firings, not one thousand, and what it looks at is counted
CORE_VERSION = 3
RECEIVED_COUNTS = 2
LONG_STEPS = 3

# Firing number and index: an action's key for the whole life of its case.
ActionKey = tuple[int, int]
# A partial join and the thread of control in which it has fired.
RoundKey = tuple[str, int | None]


class CaseStatus(StrEnum):
    """Whether a case goes on: closed is for good, parked waits for a person."""

    OPEN = "open"
    CLOSED = "closed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Token:
    """A token at rest: where it is and since when.

    `event` brought it there, `cause` is the id of the outside's event that this goes back to, and
    `fired` are the deadlines that have fired during this visit. `thread` is the id of the thread of
    control that it belongs to; None is the case's own.
    """

    id: int
    place: str
    since: datetime
    event: Event | None = None
    cause: str | None = None
    fired: tuple[str, ...] = ()
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of control of its own, or an instance of a task (WCP-12 to 15, 42).

    `data` is its own: `number` counts from 1 among those that began with it, `item` is the list's
    item that it was made for, and what else there is was set. It is dropped with its last token.
    """

    id: int
    data: Mapping[str, JSON]
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The instances of one firing of a task; each that runs is a firing with this one as `parent`.

    `made` of all have been started or wait for their turn, and `items` are what the last of those
    that wait are for; the others have none. `done` have ended, so many of them as `failed` by a
    failure that the task handles. With `passed` the outputs have been filled and the others come to
    their end.
    """

    items: tuple[JSON, ...]
    made: int
    started: int = 0
    done: int = 0
    passed: bool = False
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """Actions of one group that failed and are asked for again when it is `due`.

    `tries` they have had. Without a time they have been asked for again and have not ended.
    """

    indexes: tuple[int, ...]
    tries: int
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Undoable:
    """An action that was done and can be undone."""

    firing: int
    index: int
    task: str
    event: Event | None
    cause: str | None
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """A task that is running: it holds its tokens while an action runs or an event is awaited.

    `position` is the index of the action that comes next; it is past the last one while the task
    waits for its event. The deadlines of the state that it leads to count from `basis`; None is
    when it completes. Those that watch the task count from `since`, and `fired` are the ones that
    are over. `pending` are actions of one group that have not ended, `retry` those that come again.
    `undoing` are actions still to be undone before the task goes on: of the first, `pending` is
    where its undoing stands. `group` holds the instances of a task that has several, and each of
    them names it as `parent`. `failed` is whether a blocking action has failed that the task
    handles, and `failure` the event of it.
    """

    number: int
    task: str
    tokens: tuple[Token, ...]
    event: Event | None
    cause: str | None
    position: int
    basis: datetime | None = None
    since: datetime | None = None
    fired: tuple[str, ...] = ()
    thread: int | None = None
    pending: tuple[int, ...] = ()
    retry: Retry | None = None
    undoing: tuple[Undoable, ...] = ()
    group: Group | None = None
    parent: int | None = None
    failed: bool = False
    failure: Event | None = None

    def awaits(self, index: int) -> bool:
        """Tell whether an action that this firing asked for has not ended."""
        if self.pending:
            return index in self.pending
        if self.undoing or self.group is not None or (self.retry and self.retry.due):
            return False
        return self.position == index + 1


@dataclass(frozen=True, slots=True)
class Beside:
    """An action that runs beside the case, and whose end may become an event.

    `undoable` is how it is undone once it is done.
    """

    firing: int
    index: int
    action: str
    cause: str | None
    undoable: Undoable | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A reply that goes out when it is `due`, unless it is withdrawn before.

    `states` are those to which its own way had led when the step was over that asked for it, and
    `thread` is the thread of control in which it stands there, None being any. `own` is the data of
    the thread in which it was asked for.
    """

    firing: int
    index: int
    task: str
    action: Reply
    event: Event | None
    cause: str | None
    due: datetime
    states: tuple[str, ...] = ()
    undoable: Undoable | None = None
    thread: int | None = None
    own: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The event of an action's end, until a task takes it."""

    event: Event
    cause: str | None


@dataclass(frozen=True, slots=True)
class CaseState:
    """All that a case needs to go on; tokens are by place.

    `rounds` holds, for each partial join and thread in which it has fired, the inputs that its
    round has used up, the one before it can fire again (WCP-28, 31). `undoable` are in the order in
    which they ended. `depth` is how many cases this one is a sub-case of. `unheard` are ends of
    actions that a parked case takes up when it is resumed.
    """

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
    threads: Mapping[int, Thread] = field(default_factory=dict)
    threads_made: int = 0
    rounds: Mapping[RoundKey, tuple[str, ...]] = field(default_factory=dict)
    undoable: tuple[Undoable, ...] = ()
    depth: int = 0
    unheard: tuple[ActionEnded, ...] = ()


def waits_for(state: CaseState, firing: int, index: int) -> bool:
    """Tell whether a case waits for the end of an action, which may hold a task or run beside."""
    running = state.running.get(firing)
    return (firing, index) in state.beside or (running is not None and running.awaits(index))

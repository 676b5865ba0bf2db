"""The trace of a step: what happened, what could have, and which guard said what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cases.events import Event
from cases.expressions.guards import Verdict
from cases.limits import MAX_SHOWN_ITEMS
from cases.values import JSON, shown, shown_text


class TraceKind(StrEnum):
    """What an entry tells."""

    STARTED = "started"  # the case was opened
    FIRED = "fired"  # a task took its tokens
    INSTANCE = "instance"  # one of the instances of a task began
    HEARD = "heard"  # a running task took the event that it waited for
    UNDOING = "undoing"  # what undoes an action was asked for
    RETRIED = "retried"  # an action that failed was asked for again
    ENDED = "ended"  # an action that held a token, or whose end matters, has ended
    WAITING = "waiting"  # an event met nothing that waits for it, and is kept
    MISSED = "missed"  # a deadline was due, and its guard said no
    UNHANDLED = "unhandled"  # an action's outcome that nothing in this state handles
    IGNORED = "ignored"  # an end that nobody waits for, such as that of a cancelled task
    RELEASED = "released"  # nothing spoke against a reply that was held: it goes out
    WITHDRAWN = "withdrawn"  # a reply that was held does not go out
    REOPENED = "reopened"  # a mail has opened the closed case again
    ANSWERED = "answered"  # a mail to the closed case is answered, and it stays closed
    PARKED = "parked"  # the case stopped and waits for a person


@dataclass(frozen=True, slots=True)
class BranchChoice:
    """An output of a split: where it leads, whether it was chosen, and what its guard said.

    The guards after the first that holds are not `asked` where one branch is enough.
    """

    state: str
    chosen: bool
    verdicts: tuple[Verdict, ...] = ()
    asked: bool = True

    def to_json(self) -> dict[str, JSON]:
        """Return the choice as JSON."""
        verdicts: list[JSON] = [verdict.to_json() for verdict in self.verdicts]
        told: dict[str, JSON] = {"to": self.state, "chosen": self.chosen, "guard": verdicts}
        return told if self.asked else {**told, "asked": False}


@dataclass(slots=True)
class TraceEntry:
    """One entry; it is filled while its task fires, and then left alone.

    `thread` is the thread of control, `number` which of those that began with it (from 1), and
    `item` what it was made for; `instance` is the number of an instance in its group (from 1),
    `due` when the deadline was, and `branches` what a split looked at. `withdrawn` is what can't
    happen any more: running tasks and tokens of a cancelled region, and the tasks for which a token
    had stood ready that another one took.
    """

    kind: TraceKind
    at: datetime
    firing: int | None = None
    task: str | None = None
    event: Event | None = None
    cause: str | None = None
    enabled: tuple[str, ...] = ()
    guards: tuple[tuple[str, tuple[Verdict, ...]], ...] = ()
    came_from: tuple[str, ...] = ()
    went_to: tuple[str, ...] = ()
    did: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    branches: tuple[BranchChoice, ...] = ()
    thread: int | None = None
    instance: int | None = None
    due: datetime | None = None
    number: JSON = None
    item: JSON = None
    withdrawn: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        """Return the entry as JSON, what is empty left out."""
        event: dict[str, JSON] = {}
        if self.event is not None:
            event = {"id": shown_text(self.event.id), "type": shown_text(self.event.type)}
        entry: dict[str, JSON] = {
            "kind": self.kind.value,
            "at": self.at.isoformat(),
            "firing": self.firing,
            "task": self.task,
            "event": event,
            "cause": self.cause and shown_text(self.cause),
            "enabled": list(self.enabled),
            "guards": {
                task: [verdict.to_json() for verdict in verdicts] for task, verdicts in self.guards
            },
            "from": list(self.came_from),
            "to": list(self.went_to),
            "did": self.did,
            "notes": self.notes,
            "branches": [branch.to_json() for branch in self.branches],
            "thread": self.thread,
            "instance": self.instance,
            "due": None if self.due is None else self.due.isoformat(),
            "number": self.number,
            "item": shown(self.item, depth=1),
            "withdrawn": clipped(self.withdrawn),
        }
        return {key: value for key, value in entry.items() if value not in (None, [], {})}


def clipped(names: Sequence[str]) -> list[JSON]:
    """Return the first names of a list, and how many more there are."""
    more = len(names) - MAX_SHOWN_ITEMS
    return [*names[:MAX_SHOWN_ITEMS], *([f"and {more} more"] if more > 0 else [])]

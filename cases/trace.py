"""The trace of a step: what happened, what could have, and which guard said what."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cases.events import Event
from cases.guards import Verdict
from cases.values import JSON, shown_text


class TraceKind(StrEnum):
    """What an entry tells."""

    STARTED = "started"  # the case was opened
    FIRED = "fired"  # a task took its tokens
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


@dataclass(slots=True)
class TraceEntry:
    """One entry; it is filled while its task fires, and then left alone."""

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
        }
        return {key: value for key, value in entry.items() if value not in (None, [], {})}

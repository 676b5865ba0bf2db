"""What goes into a step: an event of the outside, the end of an action, the passing of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cases.values import JSON

EMAIL = "email"
CLASSIFIED = "classified"
ACTION_FAILED = "action_failed"
ACTION_UNKNOWN = "action_unknown"
# A mail of ours came back, or a server refused one of its recipients (RFC 3464).
BOUNCE = "bounce"
# A program answered for a person, out of office say (RFC 3834): no `email`, so it moves nothing
# that waits for a person's answer.
AUTO_REPLY = "auto_reply"
# A mail that was held, or of which nobody knew whether it was sent, has come to its end.
RESOLVED = "resolved"
# A person has taken the case over: what is held back for a while is withdrawn.
TAKEN_OVER = "taken_over"

# These tell of something that is over: a state that does not wait for one never hears of it.
TRANSIENT_EVENTS = frozenset({BOUNCE, AUTO_REPLY, RESOLVED, TAKEN_OVER})

# Events that the core makes itself; whoever takes events from strangers refuses these types.
# What opens a case without a mail. It is used up by that, so no task ever hears of it.
OPENED = "opened"
# The product's own words to a case.
OWN_PREFIX = "everpost."
RESERVED_EVENTS = (CLASSIFIED, ACTION_FAILED, ACTION_UNKNOWN, BOUNCE, AUTO_REPLY, RESOLVED)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened outside: a mail, a decision, a message of another program.

    `at` is when it was received, aware; events that wait are taken in its order. The core does not
    look for an id that it has seen before: its driver does.
    """

    id: str
    type: str
    at: datetime
    data: Mapping[str, JSON] = field(default_factory=dict)


class Ending(StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An action that `Perform` asked for has ended.

    `event_data` goes into the event that comes of it: label and confidence of a `classify` (what
    else there is, such as classifier and model, goes with them), `reason` of a failure.
    """

    firing: int
    index: int
    outcome: Ending
    event_data: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The clock has moved on: every deadline that is due by now fires, or by `until`."""

    until: datetime | None = None


Input = Event | ActionEnded | TimePassed

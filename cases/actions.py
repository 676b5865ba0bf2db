"""What a task does when it fires, and the commands by which a step asks the outside for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cases.events import Event
from cases.expressions.fields import Reader
from cases.values import JSON, shown, shown_text


@dataclass(frozen=True, slots=True)
class Classify:
    """Find out what the mail is about."""

    def __str__(self) -> str:
        """Return the action in words."""
        return "classify"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer by a template; `to` is an address, or None for who wrote the mail.

    In a net `to` may still be `data.FIELD`, and `attach` holds the fields that hold the files; in a
    command `to` is resolved and `attach` holds ids of files. `approvers` are the addresses of the
    team `approve`; without a team it goes out unasked.
    """

    template: str
    to: str | None = None
    approve: str | None = None
    approvers: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the action in words."""
        to = f" to {shown_text(self.to)}" if self.to else ""
        return f"reply {self.template}{to}" + (
            f" if {self.approve} approve" if self.approve else ""
        )


@dataclass(frozen=True, slots=True)
class Notify:
    """Write to people by a template; `team` is the name under which the addresses were found.

    In a net `to` may still hold `data.FIELD`, and `attach` holds the fields that hold the files; in
    a command `to` is resolved and `attach` holds ids of files.
    """

    template: str
    to: tuple[str, ...]
    team: str | None = None
    attach: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the action in words."""
        return f"notify {self.team or shown_text(', '.join(self.to))} by {self.template}"


@dataclass(frozen=True, slots=True)
class SetData:
    """Set a field of the case data to a literal, or to what `source` reads."""

    field: str
    value: JSON
    source: Reader | None = None
    source_field: str | None = None

    def __str__(self) -> str:
        """Return the action in words."""
        value = json.dumps(shown(self.value), ensure_ascii=False)
        return f"set {self.field} to {self.source_field or value}"


@dataclass(frozen=True, slots=True)
class CloseCase:
    """End the case."""

    reason: str

    def __str__(self) -> str:
        """Return the action in words."""
        return "close"


@dataclass(frozen=True, slots=True)
class Given:
    """A value for a field: a literal, or what `source` reads."""

    field: str
    value: JSON
    source: Reader | None = None
    source_field: str | None = None


@dataclass(frozen=True, slots=True)
class Subcase:
    """Run a net of the same definition as a case of its own, and wait for its end (WCP-22).

    `given` fills the sub-case's data when it starts, `returned` the case's from the sub-case's when
    it has ended (their sources read the sub-case's data). In a command `data` is resolved.
    """

    net: str
    given: tuple[Given, ...] = ()
    returned: tuple[Given, ...] = ()
    data: Mapping[str, JSON] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the action in words."""
        return f"run {self.net}"


@dataclass(frozen=True, slots=True)
class Compensate:
    """Undo what has been done and can be undone, the last first; of some tasks, or of all."""

    tasks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the action in words."""
        return f"undo {', '.join(self.tasks)}" if self.tasks else "undo all"


MailAction = Reply | Notify
OutsideAction = Classify | MailAction | Subcase
Action = OutsideAction | SetData | CloseCase | Compensate


@dataclass(frozen=True, slots=True)
class Planned:
    """An action in a task's list, and whether it holds the token until it ends.

    With `hold` it waits so long beside the case before it is asked for. Neighbours of one `group`
    are asked for at once, and the task goes on when all of them that block have ended. A blocking
    action that failed is asked for again, `attempts` times in all, each time after `wait`. `undo`
    is what undoes it once it is done.
    """

    action: Action
    blocking: bool = False
    hold: timedelta | None = None
    group: int | None = None
    attempts: int = 1
    wait: timedelta = timedelta(0)
    undo: tuple["Planned", ...] = ()


@dataclass(frozen=True, slots=True)
class Perform:
    """Do an action; `firing` and `index` are its key for the whole life of the case.

    `event` is what the task took, and what a template's `event.NAME` means. `event_id` is the event
    of the outside that this goes back to: the mail that is classified or answered, also where
    `classified` or a deadline came in between; None in a case that no event has met yet. `thread`
    is what a mail's template reads as `thread.NAME`: the data of the task's thread of control.
    """

    firing: int
    index: int
    action: OutsideAction
    event_id: str | None
    event: Event | None
    blocking: bool
    thread: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Close:
    """The case has ended: nothing moves it any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReportUnhandled:
    """Tell people that an action failed, or that nobody knows whether it was done, or its bounce.

    It comes where the definition does not handle `action_failed`, `action_unknown` or a hard
    `bounce` in the state in which the case stands. A bounce's report has a firing number of its
    own: each of an action's recipients may bounce.
    """

    event_type: str
    firing: int
    index: int
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """End what an action has begun: nothing waits for it any more.

    Only a sub-case can be withdrawn; mails that are on their way stay so.
    """

    firing: int
    index: int


Command = Perform | Close | ReportUnhandled | Withdraw

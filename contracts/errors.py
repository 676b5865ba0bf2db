"""What callers do wrong. Another system's failures keep their library's errors; the rest is a bug.

Each error keeps its objects and builds its text from them; the text says what to do next.
"""

from collections.abc import Sequence

from cases.errors import Problem as Problem
from cases.nearest import nearest
from cases.values import shown_text

# So many of the types that a definition waits for are named to whoever sends another one.
_TYPES_TOLD = 20


class CallerError(Exception):
    """The caller did something wrong, and can put it right; the text may be shown to them."""


class DefinitionNotFound(CallerError):
    """No case definition has this id, or not this version."""

    def __init__(self, definition: str, version: int | None = None) -> None:
        """Keep what was asked for."""
        which = f"definition {definition!r}" + (f", version {version}" if version else "")
        super().__init__(f"There is no {which}; GET /api/v1/workflows lists what there is.")
        self.definition = definition
        self.version = version


class PatternNotFound(CallerError):
    """There is no control-flow pattern of this number."""

    def __init__(self, number: str, first: int, last: int) -> None:
        """Keep what was asked for."""
        super().__init__(
            f"There is no pattern {shown_text(number)!r}: they are numbered from {first} to {last};"
            " GET /api/v1/patterns lists them."
        )
        self.number = number


class TemplateNotFound(CallerError):
    """A definition has no template of this name."""

    def __init__(self, definition: str, template: str, known: Sequence[str]) -> None:
        """Keep what was asked for; `known` are the names that there are."""
        there_are = f"it has {', '.join(sorted(known)[:20])}" if known else "it has none"
        super().__init__(f"Definition {definition!r} has no template {template!r}; {there_are}.")
        self.definition = definition
        self.template = template


class CaseDataInvalid(CallerError):
    """The data for a case is not what its definition declares."""

    def __init__(self, definition: str, problems: Sequence[Problem]) -> None:
        """Keep the definition and the mistakes."""
        super().__init__(
            f"The data does not fit definition {definition!r}: {_count(problems)};"
            " correct what `problems` names."
        )
        self.definition = definition
        self.problems = tuple(problems)


class StartRefused(CallerError):
    """A case of this definition can't be started in this way."""

    def __init__(self, definition: str, reason: str) -> None:
        """Keep the definition and the reason, which says what to do."""
        super().__init__(f"Definition {definition!r} {reason}")
        self.definition = definition


class CaseNotFound(CallerError):
    """No case has this id."""

    def __init__(self, case_id: str) -> None:
        """Keep the id."""
        super().__init__(f"There is no case {case_id!r}; GET /api/v1/cases lists what there is.")
        self.case_id = case_id


class CaseClosed(CallerError):
    """The case has ended and takes no more events."""

    def __init__(self, case_id: str, status: str) -> None:
        """Keep the case and how it ended."""
        super().__init__(f"Case {case_id} is {status} and takes no events; start a new case.")
        self.case_id = case_id
        self.status = status


class CaseNotParked(CallerError):
    """Only a case that is parked can be resumed."""

    def __init__(self, case_id: str) -> None:
        """Keep the case."""
        super().__init__(
            f"Case {case_id} is not parked, so there is nothing to resume;"
            f" GET /api/v1/cases/{case_id} shows what it waits for."
        )
        self.case_id = case_id


class KeyReused(CallerError):
    """An `Idempotency-Key` came again with another request."""

    def __init__(self, key: str) -> None:
        """Keep the key."""
        super().__init__(
            f"The Idempotency-Key {key!r} has started a case with other content;"
            " use a new key for a new case."
        )
        self.key = key


class EventReused(CallerError):
    """An event's id came again with other content."""

    def __init__(self, case_id: str, external_id: str) -> None:
        """Keep the case and the event's id."""
        super().__init__(
            f"Case {case_id} already has an event {external_id!r} with other content;"
            " use a new id for a new event."
        )
        self.case_id = case_id
        self.external_id = external_id


class EventTypeReserved(CallerError):
    """The event's type is one that only Everpost itself may send."""

    def __init__(self, event_type: str) -> None:
        """Keep the type."""
        super().__init__(f"Events of type {event_type!r} can't be sent; use a type of your own.")
        self.event_type = event_type


class EventTypeUnknown(CallerError):
    """Nothing in the case's definition ever waits for events of this type."""

    def __init__(self, definition: str, event_type: str, known: Sequence[str]) -> None:
        """Keep the definition and the type; `known` are the types that it waits for."""
        near = nearest(event_type, known)
        super().__init__(
            f"Definition {definition!r} never waits for events of type {shown_text(event_type)!r}."
            f" {_waited_for(known)}"
        )
        self.event_type = event_type
        self.problems = (Problem("type", "nothing ever waits for this type", near),)


class MailboxNotFound(CallerError):
    """No mailbox has this id."""

    def __init__(self, mailbox_id: str) -> None:
        """Keep the id."""
        super().__init__(
            f"There is no mailbox {mailbox_id!r}; GET /api/v1/mailboxes lists what there is."
        )
        self.mailbox_id = mailbox_id


class MailboxTaken(CallerError):
    """A folder of an address is watched already."""

    def __init__(self, address: str, folder: str, mailbox_id: str | None = None) -> None:
        """Keep the address, the folder, and the mailbox that watches it, where that is known."""
        which = f"mailbox {mailbox_id}" if mailbox_id else "that mailbox"
        super().__init__(
            f"Folder {folder!r} of {address} is attached already; change {which} instead."
        )
        self.address = address
        self.folder = folder
        self.mailbox_id = mailbox_id


class MailboxPaused(CallerError):
    """A paused mailbox can't do what only a watched one can."""

    def __init__(self, mailbox_id: str) -> None:
        """Keep the mailbox."""
        super().__init__(
            f"Mailbox {mailbox_id} is paused, so it is not compared with its server; resume it"
            f" first: POST /api/v1/mailboxes/{mailbox_id}/resume."
        )
        self.mailbox_id = mailbox_id


class MailboxInvalid(CallerError):
    """A mailbox's settings do not go together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the mistakes."""
        super().__init__(f"The mailbox has {_count(problems)}; correct what `problems` names.")
        self.problems = tuple(problems)


class RowNotFound(CallerError):
    """The intake ledger has no such row."""

    def __init__(self, row_id: int) -> None:
        """Keep the row's id."""
        super().__init__(
            f"The ledger has no row {row_id}; GET /api/v1/ledger/rows lists what there is."
        )
        self.row_id = row_id


class FileNotFound(CallerError):
    """No file has this id."""

    def __init__(self, file_id: str) -> None:
        """Keep the id."""
        super().__init__(f"There is no file {file_id!r}; POST /api/v1/files uploads one.")
        self.file_id = file_id


class RowDecided(CallerError):
    """A row does not wait for a decision any more, or never did."""

    def __init__(
        self,
        row_id: int,
        asked: str,
        state: str,
        reason: str | None,
        case_id: str | None,
        by: str | None,
    ) -> None:
        """Keep the row, the state that it would have to be in, and what became of it."""
        became = f"it is {state}" + (f" with case {case_id}" if case_id else "")
        became += f" ({reason})" if reason else ""
        became += f", decided by {by}" if by else ""
        super().__init__(
            f"Row {row_id} is not in the state {asked}: {became}. Nothing was changed."
        )
        self.row_id = row_id
        self.state = state


class RowHasNoMail(CallerError):
    """A row can't do what only a mail can."""

    def __init__(self, row_id: int, what: str) -> None:
        """Keep the row; `what` says what it can't do, and what to do instead."""
        super().__init__(f"Row {row_id} is an event of a program, no mail: {what}")
        self.row_id = row_id


class MailUnreadable(CallerError):
    """A mail still can't be read."""

    def __init__(self, row_id: int, reason: str) -> None:
        """Keep the row and the reason."""
        super().__init__(
            f"The mail of row {row_id} still can't be read: {reason}. Download it from"
            f" /api/v1/ledger/rows/{row_id}/raw, or discard it."
        )
        self.row_id = row_id


class MailUnreachable(CallerError):
    """A mail whose bytes are on its server alone can't be fetched from there any more."""

    def __init__(self, row_id: int) -> None:
        """Keep the row."""
        super().__init__(
            f"The mail of row {row_id} was never fetched, and its mailbox is gone or has given its"
            " numbers anew: if the mail is still there, it has another row by now. Discard this."
        )
        self.row_id = row_id


class MailNotFound(CallerError):
    """The outbox has no such mail."""

    def __init__(self, outbox_id: int) -> None:
        """Keep the row's id."""
        super().__init__(
            f"The outbox has no mail {outbox_id}; GET /api/v1/outbox lists what there is."
        )
        self.outbox_id = outbox_id


class MailDecided(CallerError):
    """A mail does not wait for a decision, or no more."""

    def __init__(self, outbox_id: int, state: str) -> None:
        """Keep the mail and where it stands."""
        super().__init__(
            f"Mail {outbox_id} is {state}: only one that is held or unknown waits for a decision."
        )
        self.outbox_id = outbox_id
        self.state = state


class MailWithheld(CallerError):
    """A mail's bytes hold a secret of its recipient's."""

    def __init__(self, outbox_id: int) -> None:
        """Keep the row's id."""
        super().__init__(
            f"Mail {outbox_id} has its approver's own link, so its bytes are not shown;"
            " decide about the mail that it asks about instead."
        )
        self.outbox_id = outbox_id


class CursorInvalid(CallerError):
    """A cursor is not one that a list gave out."""

    def __init__(self) -> None:
        """Say where cursors come from."""
        super().__init__("The cursor is not one of ours; use `next_cursor` of the page before.")


def _waited_for(known: Sequence[str]) -> str:
    """Return in words which types of events a definition waits for, the first of many."""
    if not known:
        return "It waits for no events that can be sent."
    told = ", ".join(shown_text(name) for name in known[:_TYPES_TOLD])
    more = len(known) - _TYPES_TOLD
    return f"It waits for {told}" + (f" and {more} more." if more > 0 else ".")


def _count(problems: Sequence[Problem]) -> str:
    return "one mistake" if len(problems) == 1 else f"{len(problems)} mistakes"

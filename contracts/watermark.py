"""How far a case's mailbox has been read: a deadline fires only once that is past its time."""

from datetime import datetime

from contracts.model import Payload


class ReadingAsked(Payload):
    """Asks whether all that reached a case's mailbox until `due` has reached the case."""

    tenant: str
    case_id: str
    mailbox_id: str
    due: datetime


class Reading(Payload):
    """Whether it has; else how far its mailbox is read, and which of its events are under way."""

    complete: bool
    read_until: datetime | None = None
    connected: bool = False
    under_way: list[int] = []

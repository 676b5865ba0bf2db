"""What intake works with: a mailbox's watch, its claimed mails and what became of them."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cases.definitions import Definition
from cases.events import EMAIL
from contracts.model import Json
from mail.message import Message
from mail.reading.automatic import Robot
from store.tables import IntakeState

# A routed row is delivered at once by whoever routed it; the delivery watch takes over later.
DELIVERY_GRACE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Watcher:
    """One watch of a mailbox's folder under one UIDVALIDITY, with its fencing epoch."""

    tenant: str
    mailbox_id: str
    folder: str
    uidvalidity: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail whose attempt has been counted; `attempts` includes this one.

    `released` says that a person has let it out of quarantine.
    """

    row_id: int
    uid: int
    attempts: int
    released: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An attachment whose bytes are in the blob store; `part` is its place in the mail."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    blob: str
    part: int
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail that was fetched, stored and read, its attachments too.

    `released` says that a person has let it out of quarantine.
    """

    row_id: int
    size_bytes: int
    received_at: datetime
    blob: str
    message: Message
    files: tuple[StoredFile, ...] = ()
    released: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A mail that can't be read; it is quarantined with what bytes there are."""

    row_id: int
    reason: str
    size_bytes: int | None
    received_at: datetime
    blob: str | None


@dataclass(frozen=True, slots=True)
class PinnedVersion:
    """A version of a definition: what a case runs on."""

    name: str
    version: int
    hash: str
    definition: Definition


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case that a mail may join, or one that a mail opens.

    `wakes` says that the case has ended and that its definition lets mail reach it again.
    """

    case_id: str
    definition: PinnedVersion
    is_open: bool
    follows: str | None = None
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one mail: its row's new state and, unless it ends here, its case.

    `also_takes_part` are those who take part in the case besides the mail's sender.
    """

    mail: Arrived
    state: IntakeState
    reason: str | None = None
    duplicate_of: int | None = None
    case: KnownCase | None = None
    opens_case: bool = False
    suggested_case_id: str | None = None
    event_type: str = EMAIL
    event: dict[str, Json] | None = None
    robot: Robot | None = None
    also_takes_part: frozenset[str] = frozenset()
    correlation_id: str = field(default_factory=lambda: secrets.token_hex(8))


class Fenced(Exception):
    """Another watch has taken this mailbox; this one must stop."""

    def __init__(self, watcher: Watcher) -> None:
        """Keep the watch that lost."""
        super().__init__(f"mailbox {watcher.mailbox_id}: epoch {watcher.epoch} is over")
        self.watcher = watcher

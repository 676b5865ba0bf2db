"""What intake works with: a mailbox's watch, its claimed mails and what became of them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from classifiers.result import LabelSpec
from contracts.model import Json
from mail.automatic import Robot
from mail.message import Message
from store.tables import IntakeState


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
    """A mail whose attempt has been counted; `attempts` includes this one."""

    row_id: int
    uid: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail that was fetched, stored and read."""

    row_id: int
    size_bytes: int
    received_at: datetime
    blob: str
    message: Message


@dataclass(frozen=True, slots=True)
class Refused:
    """A mail that can't be read; it is quarantined with what bytes there are."""

    row_id: int
    reason: str
    size_bytes: int | None
    received_at: datetime
    blob: str | None


@dataclass(frozen=True, slots=True)
class DefinitionFacts:
    """A version of a definition, and the labels that its mails are sorted by."""

    name: str
    version: int
    hash: str
    labels: Mapping[str, LabelSpec]


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case that a mail may join, or one that a mail opens."""

    case_id: str
    definition: DefinitionFacts
    is_open: bool
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one mail: its row's new state and, unless it ends here, its case."""

    mail: Arrived
    state: IntakeState
    reason: str | None = None
    duplicate_of: int | None = None
    case: KnownCase | None = None
    opens_case: bool = False
    suggested_case_id: str | None = None
    event: dict[str, Json] | None = None
    robot: Robot | None = None
    correlation_id: str = field(default_factory=lambda: secrets.token_hex(8))


class Fenced(Exception):
    """Another watch has taken this mailbox; this one must stop."""

    def __init__(self, watcher: Watcher) -> None:
        """Keep the watch that lost."""
        super().__init__(f"mailbox {watcher.mailbox_id}: epoch {watcher.epoch} is over")
        self.watcher = watcher

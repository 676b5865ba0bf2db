"""The outbox's rows: what a mail that goes out is, where it stands, and how it ended.

Nothing is sent twice silently, and what is not known is shown as unknown. `freezing` writes rows,
`attempts` changes them as they are sent, `resolving` as people decide.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.outbox import Outcome, Refusal, SendOutcome, SendRequest
from store.database import Database
from store.tables import Outbox, OutboxState

# RFC 5321, 4.5.4.1: give up after four or five days.
GIVE_UP_AFTER = timedelta(days=4)

OUTCOMES: Mapping[OutboxState, Outcome] = {
    OutboxState.SENT: Outcome.DONE,
    OutboxState.FILED: Outcome.DONE,
    OutboxState.PARTLY_SENT: Outcome.DONE,
    OutboxState.SUPPRESSED: Outcome.DONE,
    OutboxState.REFUSED: Outcome.FAILED,
    OutboxState.HELD: Outcome.HELD,
    OutboxState.DROPPED: Outcome.FAILED,
    OutboxState.UNKNOWN: Outcome.UNKNOWN,
}


class HeldFor(StrEnum):
    """Why a mail is held until a person decides."""

    APPROVAL = "approval"
    LOOP = "loop"
    GIVEN_UP = "given_up"


class Evidence(StrEnum):
    """What a row's evidence may hold."""

    # Of the newest attempt.
    ANSWER = "answer"
    QUEUE_ID = "queue_id"
    PROVIDER_ID = "provider_id"
    REFUSED = "refused"
    # Of the row's whole life.
    SENT_FOLDER = "sent_folder"
    # There once policy has sent it again: that happens once.
    RESENT_AFTER = "resent_after"
    # The rows of the mails that ask for approval.
    LETTERS = "letters"
    # What people decided, the oldest first: `resolution`, `by`, `at`, `state` before.
    RESOLUTIONS = "resolutions"


class RequestChanged(Exception):
    """A key came again with another request: our bug, and nothing is sent."""

    def __init__(self, outbox_id: int) -> None:
        """Keep the row."""
        super().__init__(f"outbox row {outbox_id} was frozen from another request")
        self.outbox_id = outbox_id


@dataclass(frozen=True, slots=True)
class Frozen:
    """A mail ready to be frozen: its bytes, whom it goes to, and why not, if it may not."""

    raw: bytes
    message_id: str
    envelope_from: str
    recipients: tuple[str, ...]
    sender: str
    subject: str
    text: str
    references: tuple[str, ...]
    mailbox_id: str | None
    replies_per_day: int
    suppressed: str | None = None
    failed: str | None = None
    # The names of the files that it carries.
    attached: tuple[str, ...] = ()


class Keyed(Protocol):
    """What names a row: its id within its tenant."""

    @property
    def id(self) -> int:
        """The row's number."""
        ...

    @property
    def tenant(self) -> str:
        """Whose row it is."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """A row by its number, for who has nothing else of it."""

    tenant: str
    id: int


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row as its sender needs it."""

    id: int
    tenant: str
    case_id: str
    firing: int
    action_index: int
    kind: str
    state: OutboxState
    reason: str | None
    held_for: HeldFor | None
    mailbox_id: str | None
    message_id: str
    recipients: tuple[str, ...]
    envelope_from: str
    subject: str
    raw: bytes
    lease_until: datetime | None
    attempts: int
    created_at: datetime
    digest: str
    evidence: Mapping[str, Any]

    @property
    def resolutions(self) -> Sequence[Mapping[str, Any]]:
        """Return what people decided about it, the oldest first."""
        found: list[Mapping[str, Any]] = self.evidence.get(Evidence.RESOLUTIONS, [])
        return found

    @property
    def letters(self) -> Sequence[int]:
        """Return the rows of the mails that ask for its approval."""
        found: list[int] = self.evidence.get(Evidence.LETTERS, [])
        return found

    @property
    def waits_since(self) -> datetime:
        """Return since when it is to be sent: frozen, or sent again by a person's decision."""
        if not self.resolutions:
            return self.created_at
        return datetime.fromisoformat(self.resolutions[-1]["at"])

    def outcome(self) -> SendOutcome | None:
        """Return how it ended, or None while it has not."""
        outcome = OUTCOMES.get(self.state)
        if outcome is None:
            return None
        return SendOutcome(
            outcome=outcome,
            outbox_id=self.id,
            state=self.state,
            reason=self.reason,
            refused=self._refusals() if outcome is Outcome.DONE else [],
            held_for=self.held_for.value if self.held_for else None,
        )

    def _refusals(self) -> list[Refusal]:
        said: Mapping[str, str] = self.evidence.get(Evidence.REFUSED, {})
        return [
            # RFC 5321, 4.2.1: a first digit of 5 is for good.
            Refusal(recipient=address, answer=answer, permanent=answer.startswith("5"))
            for address, answer in said.items()
        ]


def request_digest(request: SendRequest) -> str:
    """Return the digest of what is asked for, without what only travels along."""
    # Without defaults, so that a field which a later release adds changes no old digest.
    text = request.model_dump_json(exclude={"record", "correlation_id"}, exclude_defaults=True)
    return hashlib.sha256(text.encode()).hexdigest()


async def read(database: Database, row: Keyed) -> Row:
    """Return a row as it is now."""
    async with database.read() as connection:
        found = await find_by_id(connection, row.tenant, row.id)
    if found is None:
        raise LookupError(f"there is no outbox row {row.id}")
    return found


async def find_by_id(
    connection: AsyncConnection, tenant: str, outbox_id: int, *, for_update: bool = False
) -> Row | None:
    """Return a row, or None; `for_update` keeps others from changing it in this transaction."""
    query = select(Outbox).where(Outbox.tenant == tenant, Outbox.id == outbox_id)
    if for_update:
        query = query.with_for_update()
    found = (await connection.execute(query)).one_or_none()
    return None if found is None else _row(found)


async def find(connection: AsyncConnection, request: SendRequest) -> Row | None:
    """Return the row of a request that came before; raises `RequestChanged` when it differs."""
    found = (
        await connection.execute(
            select(Outbox).where(
                Outbox.tenant == request.tenant,
                Outbox.case_id == request.case_id,
                Outbox.firing == request.firing,
                Outbox.action_index == request.action_index,
            )
        )
    ).one_or_none()
    if found is None:
        return None
    row = _row(found)
    if row.digest != request_digest(request):
        raise RequestChanged(row.id)
    return row


async def asks_for_approval(connection: AsyncConnection, row: Row) -> bool:
    """Return whether a mail asks for another one's approval, and so holds a secret link."""
    of_firing = await connection.execute(
        select(Outbox.evidence).where(
            Outbox.tenant == row.tenant,
            Outbox.case_id == row.case_id,
            Outbox.firing == row.firing,
        )
    )
    return any(row.id in evidence.get(Evidence.LETTERS, []) for evidence in of_firing.scalars())


# A result row's attributes are typed by the table, which the driver's Row does not carry.
def _row(found: Any) -> Row:
    return Row(
        id=found.id,
        tenant=found.tenant,
        case_id=found.case_id,
        firing=found.firing,
        action_index=found.action_index,
        kind=found.kind,
        state=OutboxState(found.state),
        reason=found.reason,
        held_for=HeldFor(found.held_for) if found.held_for else None,
        mailbox_id=found.mailbox_id,
        message_id=found.message_id,
        recipients=tuple(found.recipients),
        envelope_from=found.envelope_from,
        subject=found.subject,
        raw=found.raw,
        lease_until=found.lease_until,
        attempts=found.attempts,
        created_at=found.created_at,
        digest=found.digest,
        evidence=found.evidence,
    )

"""The outbox: nothing is sent twice silently, and what is not known is shown as unknown.

A mail's bytes and Message-ID are frozen and committed before the first attempt. `attempting`
is written durably right before DATA, so whoever finds a row there that it does not own knows
that the mail was perhaps delivered. Each change is a compare-and-set on state and owner.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.outbox import Outcome, SendOutcome, SendRequest
from ledgers import record
from ledgers.inserts import insert_new
from ledgers.locks import one_at_a_time
from store.database import Database
from store.tables import Message, Outbox, OutboxState, Participant

# Longer than the pause between two renewals, shorter than people's patience.
LEASE = timedelta(seconds=30)
CAP_PERIOD = timedelta(days=1)
# RFC 5321, 4.5.4.1: give up after four or five days.
GIVE_UP_AFTER = timedelta(days=4)

OUTCOMES: Mapping[OutboxState, Outcome] = {
    OutboxState.SENT: Outcome.DONE,
    OutboxState.FILED: Outcome.DONE,
    OutboxState.PARTLY_SENT: Outcome.DONE,
    OutboxState.SUPPRESSED: Outcome.DONE,
    OutboxState.REFUSED: Outcome.FAILED,
    OutboxState.HELD: Outcome.FAILED,
    OutboxState.DROPPED: Outcome.FAILED,
    OutboxState.UNKNOWN: Outcome.UNKNOWN,
}


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
class Row:
    """An outbox row as its sender needs it."""

    id: int
    tenant: str
    case_id: str
    state: OutboxState
    reason: str | None
    mailbox_id: str | None
    message_id: str
    recipients: tuple[str, ...]
    envelope_from: str
    raw: bytes
    lease_until: datetime | None
    attempts: int
    created_at: datetime
    digest: str
    evidence: Mapping[str, Any]

    def outcome(self) -> SendOutcome | None:
        """Return how it ended, or None while it has not."""
        outcome = OUTCOMES.get(self.state)
        if outcome is None:
            return None
        return SendOutcome(outcome=outcome, outbox_id=self.id, state=self.state, reason=self.reason)


def request_digest(request: SendRequest) -> str:
    """Return the digest of what is asked for, without what only travels along."""
    # Without defaults, so that a field which a later release adds changes no old digest.
    text = request.model_dump_json(exclude={"record", "correlation_id"}, exclude_defaults=True)
    return hashlib.sha256(text.encode()).hexdigest()


async def freeze(database: Database, request: SendRequest, mail: Frozen) -> Row:
    """Write the step's record and freeze the mail, counting its correspondents' cap.

    Idempotent: what was frozen first stays.
    """
    async with database.write() as connection:
        if request.record is not None:
            await record.write(connection, request.record)
        known = await find(connection, request)
        if known is not None:
            return known
        state, reason = await _first_state(connection, request, mail)
        return await _insert(connection, request, mail, state, reason)


async def _first_state(
    connection: AsyncConnection, request: SendRequest, mail: Frozen
) -> tuple[OutboxState, str | None]:
    if mail.failed is not None:
        return OutboxState.REFUSED, mail.failed
    if mail.suppressed is not None:
        return OutboxState.SUPPRESSED, mail.suppressed
    if request.kind == "reply" and await _over_cap(connection, request.tenant, mail):
        return OutboxState.SUPPRESSED, f"cap: {mail.replies_per_day} replies a day"
    return OutboxState.INTENDED, None


async def _over_cap(connection: AsyncConnection, tenant: str, mail: Frozen) -> bool:
    # Some robots carry no header: only counting over all cases ends such a loop (RFC 3834, 2).
    correspondent = mail.recipients[0].lower()
    await one_at_a_time(connection, "cap", tenant, correspondent)
    count = (
        await connection.execute(
            select(func.count())
            .select_from(Outbox)
            .where(
                Outbox.tenant == tenant,
                Outbox.correspondent == correspondent,
                Outbox.created_at > utc_now() - CAP_PERIOD,
                Outbox.kind == "reply",
                Outbox.state != OutboxState.SUPPRESSED,
            )
        )
    ).scalar_one()
    return int(count) >= mail.replies_per_day


async def _insert(
    connection: AsyncConnection,
    request: SendRequest,
    mail: Frozen,
    state: OutboxState,
    reason: str | None,
) -> Row:
    now = utc_now()
    inserted = await connection.execute(
        insert(Outbox)
        .values(
            tenant=request.tenant,
            case_id=request.case_id,
            firing=request.firing,
            action_index=request.action_index,
            kind=request.kind,
            digest=request_digest(request),
            state=state,
            reason=reason,
            mailbox_id=mail.mailbox_id,
            message_id=mail.message_id,
            correspondent=mail.recipients[0].lower() if mail.recipients else "",
            recipients=list(mail.recipients),
            envelope_from=mail.envelope_from,
            subject=mail.subject,
            raw=mail.raw,
            attempts=0,
            evidence={},
            created_at=now,
            updated_at=now,
        )
        .returning(Outbox.id)
    )
    outbox_id = int(inserted.scalar_one())
    if state is OutboxState.INTENDED:
        await _index(connection, request, mail, outbox_id, now)
    return Row(
        id=outbox_id,
        tenant=request.tenant,
        case_id=request.case_id,
        state=state,
        reason=reason,
        mailbox_id=mail.mailbox_id,
        message_id=mail.message_id,
        recipients=mail.recipients,
        envelope_from=mail.envelope_from,
        raw=mail.raw,
        lease_until=None,
        attempts=0,
        created_at=now,
        digest=request_digest(request),
        evidence={},
    )


async def _index(
    connection: AsyncConnection,
    request: SendRequest,
    mail: Frozen,
    outbox_id: int,
    now: datetime,
) -> None:
    """Make the mail findable by its Message-ID, and its recipients participants."""
    await connection.execute(
        insert(Message).values(
            tenant=request.tenant,
            case_id=request.case_id,
            direction="out",
            outbox_id=outbox_id,
            at=now,
            message_id=mail.message_id,
            sender=mail.sender,
            recipients=list(mail.recipients),
            subject=mail.subject,
            text=mail.text,
            references=list(mail.references),
            attachments=[],
        )
    )
    await insert_new(
        connection,
        Participant,
        [
            {"tenant": request.tenant, "case_id": request.case_id, "address": address.lower()}
            for address in mail.recipients
        ],
    )


async def begin_attempt(database: Database, row: Row, owner: str) -> bool:
    """Set `intended → attempting`, durably; False when somebody else was faster."""
    now = utc_now()
    return await _set(
        database,
        row,
        (Outbox.state == OutboxState.INTENDED,),
        state=OutboxState.ATTEMPTING,
        owner=owner,
        lease_until=now + LEASE,
        attempts=Outbox.attempts + 1,
    )


async def renew(database: Database, row: Keyed, owner: str) -> None:
    """Keep an attempt that waits long for the server's answer from looking abandoned."""
    await _set(
        database,
        row,
        (Outbox.state == OutboxState.ATTEMPTING, Outbox.owner == owner),
        lease_until=utc_now() + LEASE,
    )


async def end_attempt(
    database: Database,
    row: Keyed,
    owner: str,
    state: OutboxState,
    *,
    reason: str | None,
    evidence: Mapping[str, Any],
) -> bool:
    """Set `attempting → state` for the attempt's owner."""
    return await _set(
        database,
        row,
        (Outbox.state == OutboxState.ATTEMPTING, Outbox.owner == owner),
        state=state,
        reason=reason,
        evidence=dict(evidence),
        owner=None,
        lease_until=None,
    )


async def abandon(database: Database, row: Row) -> bool:
    """Set an attempt that lost its owner to `unknown`: perhaps delivered, perhaps not."""
    return await _set(
        database,
        row,
        (Outbox.state == OutboxState.ATTEMPTING, Outbox.lease_until == row.lease_until),
        state=OutboxState.UNKNOWN,
        reason="the connection or the process ended after DATA had begun",
        owner=None,
        lease_until=None,
    )


async def settle(
    database: Database,
    row: Keyed,
    before: OutboxState,
    after: OutboxState,
    *,
    reason: str | None,
    evidence: Mapping[str, Any],
) -> bool:
    """Set `before → after` outside an attempt, with what tells why."""
    return await _set(
        database,
        row,
        (Outbox.state == before,),
        state=after,
        reason=reason,
        evidence=dict(evidence),
    )


async def begin_filing(database: Database, row: Keyed, owner: str) -> bool:
    """Take the filing of a sent mail; False while somebody else is at it."""
    now = utc_now()
    return await _set(
        database,
        row,
        (
            Outbox.state == OutboxState.SENT,
            or_(Outbox.lease_until.is_(None), Outbox.lease_until < now),
        ),
        owner=owner,
        lease_until=now + LEASE,
    )


async def file(database: Database, row: Keyed) -> bool:
    """Set `sent → filed`: a copy is in the Sent folder."""
    return await _set(
        database,
        row,
        (Outbox.state == OutboxState.SENT,),
        state=OutboxState.FILED,
        owner=None,
        lease_until=None,
    )


async def read(database: Database, row: Keyed) -> Row:
    """Return a row as it is now."""
    async with database.read() as connection:
        found = (
            await connection.execute(
                select(Outbox).where(Outbox.tenant == row.tenant, Outbox.id == row.id)
            )
        ).one()
    return _row(found)


async def _set(database: Database, row: Keyed, conditions: tuple[Any, ...], **values: Any) -> bool:
    async with database.write() as connection:
        result = await connection.execute(
            update(Outbox)
            .where(Outbox.tenant == row.tenant, Outbox.id == row.id, *conditions)
            .values(updated_at=utc_now(), **values)
        )
        return bool(result.rowcount == 1)


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


# A result row's attributes are typed by the table, which the driver's Row does not carry.
def _row(found: Any) -> Row:
    return Row(
        id=found.id,
        tenant=found.tenant,
        case_id=found.case_id,
        state=OutboxState(found.state),
        reason=found.reason,
        mailbox_id=found.mailbox_id,
        message_id=found.message_id,
        recipients=tuple(found.recipients),
        envelope_from=found.envelope_from,
        raw=found.raw,
        lease_until=found.lease_until,
        attempts=found.attempts,
        created_at=found.created_at,
        digest=found.digest,
        evidence=found.evidence,
    )

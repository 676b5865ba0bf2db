"""The two ledgers as people look at them: counts, rows, and what waits for a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MailNotFound, RowNotFound
from store.cursors import Page, page_of, read_row_cursor, row_cursor
from store.tables import Intake, IntakeState, Mailbox, Message, Outbox, OutboxState

# What waits for a person: whether it was sent is unknown, or it is not to be sent unseen.
PARKED = (OutboxState.UNKNOWN, OutboxState.HELD)


@dataclass(frozen=True, slots=True)
class IntakeFilter:
    """Which intake rows a list holds; None means that it does not matter."""

    state: IntakeState | None = None
    mailbox_id: str | None = None
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class IntakeRow:
    """A row of the intake ledger; of its event only what tells people which one it is."""

    id: int
    source: str
    state: IntakeState
    reason: str | None
    attempts: int
    seen_at: datetime
    received_at: datetime
    mailbox_id: str | None
    folder: str | None
    uidvalidity: int | None
    uid: int | None
    size_bytes: int | None
    message_id: str | None
    external_id: str | None
    duplicate_of: int | None
    case_id: str | None
    suggested_case_id: str | None
    deliveries: int
    due_at: datetime | None
    delivered_at: datetime | None
    applied_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    event_type: str | None
    sender: str | None
    subject: str | None


@dataclass(frozen=True, slots=True)
class IntakeDetail:
    """One row with its event in full and the key of its raw bytes, where there are any."""

    row: IntakeRow
    event: dict[str, Any] | None  # Any: JSON, the `data` of a contracts.case.CaseEvent
    blob: str | None


@dataclass(frozen=True, slots=True)
class IntakeCount:
    """How many rows of a mailbox stand in a state; without a mailbox: events by the API."""

    state: IntakeState
    mailbox_id: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox without its bytes."""

    id: int
    case_id: str
    firing: int
    action_index: int
    kind: str
    state: OutboxState
    reason: str | None
    # Why it is held, in one word; a ledgers.outbox.HeldFor.
    held_for: str | None
    template: str | None
    mailbox_id: str | None
    message_id: str
    recipients: list[str]
    subject: str
    attempts: int
    attempted_at: datetime | None
    evidence: Any  # JSON: what the mail server said
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MailboxGauge:
    """Whether a mailbox is connected: for the operator's metrics."""

    tenant: str
    mailbox_id: str
    connected: bool
    status: str
    created_at: datetime
    checked_at: datetime | None
    read_until: datetime | None
    gaps: int


async def intake_counts(connection: AsyncConnection, tenant: str) -> list[IntakeCount]:
    """Return a tenant's intake rows counted by state and mailbox."""
    rows = await connection.execute(
        select(Intake.state, Intake.mailbox_id, func.count().label("rows"))
        .where(Intake.tenant == tenant)
        .group_by(Intake.state, Intake.mailbox_id)
        .order_by(Intake.state, Intake.mailbox_id)
    )
    return [IntakeCount(IntakeState(row.state), row.mailbox_id, row.rows) for row in rows]


async def intake_rows(
    connection: AsyncConnection,
    tenant: str,
    wanted: IntakeFilter,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[IntakeRow]:
    """Return a page of a tenant's intake rows, the newest first; raises CursorInvalid."""
    query = (
        select(*_INTAKE)
        .where(Intake.tenant == tenant, *_conditions(wanted))
        .order_by(Intake.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(Intake.id < read_row_cursor(cursor))
    found = [_intake_row(row) for row in await connection.execute(query)]
    return page_of(found, limit, [row_cursor(row.id) for row in found])


async def intake_row(connection: AsyncConnection, tenant: str, row_id: int) -> IntakeDetail:
    """Return one intake row in full; raises RowNotFound."""
    query = select(*_INTAKE, Intake.event, Intake.blob).where(
        Intake.tenant == tenant, Intake.id == row_id
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise RowNotFound(row_id)
    return IntakeDetail(_intake_row(row), row.event, row.blob)


async def outbox_rows(
    connection: AsyncConnection,
    tenant: str,
    *,
    states: tuple[OutboxState, ...] = (),
    case_id: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[OutboxRow]:
    """Return a page of a tenant's outbox, the newest first; raises CursorInvalid.

    No states means all of them.
    """
    query = select(*_OUTBOX).where(Outbox.tenant == tenant)
    if states:
        query = query.where(Outbox.state.in_(states))
    if case_id is not None:
        query = query.where(Outbox.case_id == case_id)
    if cursor is not None:
        query = query.where(Outbox.id < read_row_cursor(cursor))
    rows = await connection.execute(query.order_by(Outbox.id.desc()).limit(limit + 1))
    found = [_outbox_row(row) for row in rows]
    return page_of(found, limit, [row_cursor(row.id) for row in found])


async def outbox_row(connection: AsyncConnection, tenant: str, outbox_id: int) -> OutboxRow:
    """Return one row of the outbox; raises MailNotFound."""
    query = select(*_OUTBOX).where(Outbox.tenant == tenant, Outbox.id == outbox_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise MailNotFound(outbox_id)
    return _outbox_row(row)


async def outgoing_text(connection: AsyncConnection, tenant: str, outbox_id: int) -> str | None:
    """Return what a mail that goes out says, or None while it is no mail of its case."""
    query = select(Message.text).where(Message.tenant == tenant, Message.outbox_id == outbox_id)
    text: str | None = await connection.scalar(query.limit(1))
    return text


async def outbox_counts(connection: AsyncConnection, tenant: str) -> dict[OutboxState, int]:
    """Return a tenant's outbox rows counted by state."""
    rows = await connection.execute(
        select(Outbox.state, func.count().label("rows"))
        .where(Outbox.tenant == tenant)
        .group_by(Outbox.state)
    )
    return {OutboxState(row.state): row.rows for row in rows}


async def states_of_all(
    connection: AsyncConnection,
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Return rows by tenant and state, of intake and of the outbox: for the operator's metrics."""
    counted = []
    for table in (Intake, Outbox):
        rows = await connection.execute(
            select(table.tenant, table.state, func.count().label("rows")).group_by(
                table.tenant, table.state
            )
        )
        counted.append({(row.tenant, row.state): row.rows for row in rows})
    return counted[0], counted[1]


async def mailboxes_connected(connection: AsyncConnection) -> list[MailboxGauge]:
    """Return which mailboxes are connected: for the operator's metrics."""
    rows = await connection.execute(
        select(
            Mailbox.tenant,
            Mailbox.id.label("mailbox_id"),
            Mailbox.connected,
            Mailbox.status,
            Mailbox.created_at,
            Mailbox.checked_at,
            Mailbox.read_until,
            Mailbox.gaps,
        )
    )
    return [MailboxGauge(**row._mapping) for row in rows]


_OF_EVENT: dict[str, ColumnElement[Any]] = {  # Any: expressions of several types
    "sender": Intake.event["from"].as_string().label("sender"),
    "subject": Intake.event["subject"].as_string().label("subject"),
}
_INTAKE = tuple(
    _OF_EVENT[name] if name in _OF_EVENT else getattr(Intake, name)
    for name in IntakeRow.__dataclass_fields__
)
_OUTBOX = tuple(getattr(Outbox, name) for name in OutboxRow.__dataclass_fields__)


def _conditions(wanted: IntakeFilter) -> list[ColumnElement[bool]]:
    equal = {
        Intake.state: wanted.state,
        Intake.mailbox_id: wanted.mailbox_id,
        Intake.case_id: wanted.case_id,
    }
    return [column == value for column, value in equal.items() if value is not None]


def _intake_row(
    row: Row[*tuple[Any, ...]],
) -> IntakeRow:  # Any: the columns come from the dataclass
    values = {name: row._mapping[name] for name in IntakeRow.__dataclass_fields__}
    return IntakeRow(**values | {"state": IntakeState(row.state)})


def _outbox_row(row: Row[*tuple[Any, ...]]) -> OutboxRow:  # Any: as above
    return OutboxRow(**{**row._mapping, "state": OutboxState(row.state)})

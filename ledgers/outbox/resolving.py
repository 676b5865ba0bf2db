"""What people decide about mails that wait for them: send, mark as sent, drop.

A decision is a compare-and-set, noted in the row's evidence. When the mail has come to its end
by it, the case hears of that by an intake row, once for each decision: at once where nothing is
to be sent, else after the row's own workflow has sent it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError

from contracts.case import RESOLVED_EVENT
from contracts.clock import utc_now
from contracts.errors import MailDecided, MailNotFound
from contracts.model import Json
from contracts.outbox import Outcome
from ledgers.crash_points import CrashPoint, reached
from ledgers.inserts import insert_new
from ledgers.outbox import freezing
from ledgers.outbox.rows import OUTCOMES, Evidence, HeldFor, Key, Row, find_by_id, read
from mail.reading.parse import parse_message
from store.database import Database
from store.tables import Intake, IntakeState, Outbox, OutboxState

log = structlog.get_logger()

SOURCE = "outbox"
# With our own prefix, which no program's event may have (`ledgers.casework.door`).
EXTERNAL_ID = "everpost.outbox:{id}:{count}"
# Whoever decided starts the workflow itself; only what has waited for so long was forgotten.
FORGOTTEN_AFTER = timedelta(seconds=5)
# A person waits for the answer; Temporal may be down.
START_WITHIN = timedelta(seconds=3)
PARKED = frozenset({OutboxState.UNKNOWN, OutboxState.HELD})
# A mail that was held before any attempt is no mail of its case yet.
_UNSEEN = (HeldFor.APPROVAL, HeldFor.LOOP)
_TO_BE_SENT = (OutboxState.INTENDED, OutboxState.ATTEMPTING)


class Resolution(StrEnum):
    """What a person may decide about a mail that is held or unknown."""

    RESEND = "resend"
    MARK_SENT = "mark_sent"
    DROP = "drop"


# What the case hears, by what was decided.
_TOLD: Mapping[Resolution, str] = {
    Resolution.RESEND: "resent",
    Resolution.MARK_SENT: "sent",
    Resolution.DROP: "dropped",
}
_AFTER: Mapping[Resolution, OutboxState] = {
    Resolution.RESEND: OutboxState.INTENDED,
    Resolution.MARK_SENT: OutboxState.SENT,
    Resolution.DROP: OutboxState.DROPPED,
}
_REASONS: Mapping[Resolution, str] = {
    Resolution.RESEND: "to be sent, as {by} decided",
    Resolution.MARK_SENT: "marked as sent by {by}",
    Resolution.DROP: "dropped by {by}",
}


class Starter(Protocol):
    """Who starts the workflow that sends a row; `clients.temporal.Temporal` does."""

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Make sure that the row's workflow runs."""
        ...


async def resolve(
    database: Database,
    temporal: Starter,
    tenant: str,
    outbox_id: int,
    resolution: Resolution,
    by: str,
    *,
    evidence: Mapping[str, Json] | None = None,
    only: HeldFor | None = None,
) -> Row:
    """Decide about a held or unknown mail, and return its row as it is then.

    `evidence` is noted with the decision; with `only`, what waits for anything else counts as
    decided. Raises MailNotFound, and MailDecided where the mail does not wait any more, or waits
    for something else than it did a moment before: whoever let a draft go has not decided about
    what became unknown since. Temporal may be down: the delivery watch starts what is to be sent.
    """
    before = await _waiting(database, tenant, outbox_id)
    if only is not None and before.held_for is not only:
        raise MailDecided(outbox_id, before.state)
    text = await _text(before) if before.held_for in _UNSEEN else ""
    async with database.write() as connection:
        row = await find_by_id(connection, tenant, outbox_id, for_update=True)
        _require_parked(row, outbox_id)
        assert row is not None  # noqa: S101 (`_require_parked` has seen it)
        if (row.held_for, row.resolutions) != (before.held_for, before.resolutions):
            raise MailDecided(outbox_id, row.state)
        resolved = await _decide(connection, row, resolution, by, dict(evidence or {}), text)
        if resolution is not Resolution.RESEND:
            await _tell(connection, resolved)
    reached(CrashPoint.OUTBOX_RESOLVED)
    log.info("outbox.resolved", tenant=tenant, outbox_id=outbox_id, resolution=resolution.value)
    if resolution is Resolution.RESEND:
        await start(temporal, tenant, [outbox_id])
    return resolved


async def unfinished(database: Database, tenant: str) -> list[int]:
    """Return mails that a person let go a while ago and that are not sent yet.

    Their workflows run, or whoever was to start them has died: `start` changes nothing of the
    former.
    """
    async with database.read() as connection:
        rows = await connection.execute(
            select(Outbox.id)
            .where(
                Outbox.tenant == tenant,
                Outbox.state.in_(_TO_BE_SENT),
                Outbox.updated_at < utc_now() - FORGOTTEN_AFTER,
                Outbox.evidence[(Evidence.RESOLUTIONS.value, 0, "at")].as_string().is_not(None),
            )
            .order_by(Outbox.id)
            .limit(200)
        )
        return list(rows.scalars())


async def start(temporal: Starter, tenant: str, outbox_ids: Sequence[int]) -> None:
    """Start the workflows of rows; one that can't be started now is started by the watch."""
    for outbox_id in outbox_ids:
        try:
            async with asyncio.timeout(START_WITHIN.total_seconds()):
                await temporal.start_outbox_workflow(tenant, outbox_id)
        except (RPCError, RuntimeError, TimeoutError) as error:
            log.warning(
                "outbox.not_started",
                tenant=tenant,
                outbox_id=outbox_id,
                error=type(error).__name__,
            )


async def tell_end(database: Database, tenant: str, outbox_id: int) -> None:
    """Let the case know that a mail has come to its end by a person's decision, once.

    A mail that is unknown or held again is not at its end: it waits for the next decision.
    """
    row = await read(database, Key(tenant, outbox_id))
    if row.state in PARKED or row.state not in OUTCOMES or not row.resolutions:
        return
    async with database.write() as connection:
        await _tell(connection, row)


async def _waiting(database: Database, tenant: str, outbox_id: int) -> Row:
    async with database.read() as connection:
        row = await find_by_id(connection, tenant, outbox_id)
    _require_parked(row, outbox_id)
    assert row is not None  # noqa: S101 (`_require_parked` has seen it)
    return row


def _require_parked(row: Row | None, outbox_id: int) -> None:
    if row is None:
        raise MailNotFound(outbox_id)
    if row.state not in PARKED:
        raise MailDecided(outbox_id, row.state)


async def _text(row: Row) -> str:
    """Return what a frozen mail says, as its case will show it; it may be long."""
    return (await asyncio.to_thread(parse_message, row.raw)).text


async def _decide(
    connection: AsyncConnection,
    row: Row,
    resolution: Resolution,
    by: str,
    noted: dict[str, Json],
    text: str,
) -> Row:
    """Write the decision; from here on the mail counts as one of the case, unless dropped."""
    now = utc_now()
    decided = {
        **noted,
        "resolution": resolution.value,
        "by": by,
        "at": now.isoformat(),
        "state": row.state.value,
    }
    evidence = {**row.evidence, Evidence.RESOLUTIONS: [*row.resolutions, decided]}
    await connection.execute(
        update(Outbox)
        .where(Outbox.tenant == row.tenant, Outbox.id == row.id, Outbox.state == row.state)
        .values(
            state=_AFTER[resolution],
            reason=_REASONS[resolution].format(by=by),
            held_for=None,
            owner=None,
            lease_until=None,
            evidence=evidence,
            updated_at=now,
        )
    )
    if row.held_for in _UNSEEN and resolution is not Resolution.DROP:
        await freezing.index(connection, row, text, now)
    await _withdraw(connection, row.tenant, row.letters, now)
    resolved = await find_by_id(connection, row.tenant, row.id)
    assert resolved is not None  # noqa: S101 (it was written right here)
    return resolved


async def withdraw(database: Database, letter: Row) -> None:
    """Keep a mail that asks for a decision from going out after it, unless it is being sent."""
    async with database.write() as connection:
        await _withdraw(connection, letter.tenant, [letter.id], utc_now())


async def _withdraw(
    connection: AsyncConnection, tenant: str, letters: Sequence[int], now: datetime
) -> None:
    if letters:
        await connection.execute(
            update(Outbox)
            .where(
                Outbox.tenant == tenant,
                Outbox.id.in_(letters),
                Outbox.state == OutboxState.INTENDED,
            )
            .values(
                state=OutboxState.DROPPED,
                reason="it was decided before this could ask",
                updated_at=now,
            )
        )


async def _tell(connection: AsyncConnection, row: Row) -> None:
    """Write the intake row of a decision unless it is there; an alarm is of no case."""
    if row.kind == "alarm":
        return
    now = utc_now()
    newest = row.resolutions[-1]
    resolution = Resolution(newest["resolution"])
    done = OUTCOMES[row.state] is Outcome.DONE
    data: dict[str, Any] = {
        "firing": row.firing,
        "index": row.action_index,
        "outcome": (Outcome.DONE if done else Outcome.FAILED).value,
        "resolution": _TOLD[resolution],
        "reason": row.reason,
        "by": newest["by"],
    }
    await insert_new(
        connection,
        Intake,
        [
            {
                "tenant": row.tenant,
                "source": SOURCE,
                "state": IntakeState.ROUTED,
                "attempts": 0,
                "deliveries": 0,
                "seen_at": now,
                "received_at": now,
                "external_id": EXTERNAL_ID.format(id=row.id, count=len(row.resolutions)),
                "case_id": row.case_id,
                "event_type": RESOLVED_EVENT,
                "event": data,
                # The delivery watch takes it from here.
                "due_at": now,
            }
        ],
    )

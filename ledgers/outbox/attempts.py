"""How a row of the outbox changes while it is sent: each change is a compare-and-set.

`attempting` is written durably right before DATA, so whoever finds a row there that it does not
own knows that the mail was perhaps delivered.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from ledgers.locks import one_at_a_time
from ledgers.outbox.rows import Evidence, HeldFor, Keyed, Row
from store.database import Database
from store.tables import Mailbox, Message, Outbox, OutboxState

# Longer than the pause between two renewals, shorter than people's patience.
LEASE = timedelta(seconds=30)
RATE_PERIOD = timedelta(minutes=1)
_OF_ATTEMPT = frozenset(
    {Evidence.ANSWER, Evidence.QUEUE_ID, Evidence.PROVIDER_ID, Evidence.REFUSED}
)
_SENT = (OutboxState.SENT, OutboxState.PARTLY_SENT)


class OverRate(Exception):
    """The mailbox has sent as much as a minute allows; this mail has its turn `after`."""

    def __init__(self, after: timedelta) -> None:
        """Keep how long to wait."""
        super().__init__(f"the mailbox sends no more for {after.total_seconds():.1f} seconds")
        self.after = after


async def begin_attempt(database: Database, row: Row, owner: str, *, has_rate: bool = True) -> bool:
    """Set `intended → attempting`, durably; False when somebody else was faster.

    Raises OverRate where the mailbox has sent as much as it may: then the mail has a turn, and
    those that come later have later ones. Who knows that there is no rate need not ask for it.
    """
    async with database.write() as connection:
        turn = await _turn(connection, row) if has_rate else utc_now()
        now = utc_now()
        if turn > now:
            # `lease_until` of an intended row is its turn.
            await _set(
                connection, row, _INTENDED, {"attempted_at": turn, "lease_until": turn}, None
            )
        else:
            return await _set(
                connection,
                row,
                _INTENDED,
                {
                    "state": OutboxState.ATTEMPTING,
                    "owner": owner,
                    "lease_until": now + LEASE,
                    "attempted_at": now,
                    "attempts": Outbox.attempts + 1,
                },
                None,
            )
    raise OverRate(turn - now)


_INTENDED = (Outbox.state == OutboxState.INTENDED,)


async def _turn(connection: AsyncConnection, row: Row) -> datetime:
    """Return when the mail may go out by its mailbox's rate: now, or a time of its own."""
    now = utc_now()
    if row.mailbox_id is None:
        return now
    rate = await connection.scalar(
        select(Mailbox.sends_per_minute).where(
            Mailbox.tenant == row.tenant, Mailbox.id == row.mailbox_id
        )
    )
    if rate is None:
        return now
    await one_at_a_time(connection, "rate", row.tenant, row.mailbox_id)
    own = (
        await connection.execute(
            select(Outbox.lease_until).where(
                Outbox.tenant == row.tenant,
                Outbox.id == row.id,
                Outbox.state == OutboxState.INTENDED,
            )
        )
    ).scalar_one_or_none()
    if own is not None and own > now:
        return own
    # Who comes at its turn competes with what was sent alone; who has none stands behind all.
    last = await _nth_newest(connection, row, rate, sent_only=own is not None)
    if last is None or last + RATE_PERIOD <= now:
        return now
    if own is not None:
        last = await _nth_newest(connection, row, rate, sent_only=False) or last
    return max(now, last + RATE_PERIOD)


async def _nth_newest(
    connection: AsyncConnection, row: Row, rate: int, *, sent_only: bool
) -> datetime | None:
    """Return when the mail before the last `rate - 1` ones went out, or has its turn."""
    waits = and_(Outbox.state == OutboxState.INTENDED, Outbox.lease_until.is_not(None))
    query = select(Outbox.attempted_at).where(
        Outbox.tenant == row.tenant,
        Outbox.mailbox_id == row.mailbox_id,
        Outbox.attempted_at > utc_now() - RATE_PERIOD,
        Outbox.id != row.id,
    )
    if sent_only:
        query = query.where(not_(waits))
    found: datetime | None = await connection.scalar(
        query.order_by(Outbox.attempted_at.desc()).offset(rate - 1).limit(1)
    )
    return found


async def renew(database: Database, row: Keyed, owner: str) -> None:
    """Keep an attempt that waits long for the server's answer from looking abandoned."""
    await _change(database, row, _attempted_by(owner), {"lease_until": utc_now() + LEASE})


async def end_attempt(
    database: Database,
    row: Keyed,
    owner: str,
    state: OutboxState,
    *,
    reason: str | None,
    evidence: Mapping[str, Any],
) -> bool:
    """Set `attempting → state` for the attempt's owner; `evidence` is what the server said."""
    values = {"state": state, "reason": reason, "owner": None, "lease_until": None}
    return await _change(database, row, _attempted_by(owner), values, evidence)


def _attempted_by(owner: str) -> tuple[Any, ...]:
    return (Outbox.state == OutboxState.ATTEMPTING, Outbox.owner == owner)


async def abandon(database: Database, row: Row) -> bool:
    """Set an attempt that lost its owner to `unknown`: perhaps delivered, perhaps not."""
    return await _change(
        database,
        row,
        (Outbox.state == OutboxState.ATTEMPTING, Outbox.lease_until == row.lease_until),
        {
            "state": OutboxState.UNKNOWN,
            "reason": "the connection or the process ended after DATA had begun",
            "owner": None,
            "lease_until": None,
        },
    )


async def settle(
    database: Database,
    row: Keyed,
    before: OutboxState,
    after: OutboxState,
    *,
    reason: str | None,
    evidence: Mapping[str, Any],
    held_for: HeldFor | None = None,
) -> bool:
    """Set `before → after` outside an attempt, with what tells why."""
    values = {"state": after, "reason": reason, "held_for": held_for}
    return await _change(database, row, (Outbox.state == before,), values, evidence)


async def begin_filing(database: Database, row: Keyed, owner: str) -> bool:
    """Take the filing of a sent mail; False while somebody else is at it."""
    now = utc_now()
    return await _change(
        database,
        row,
        (
            Outbox.state.in_(_SENT),
            or_(Outbox.lease_until.is_(None), Outbox.lease_until < now),
        ),
        {"owner": owner, "lease_until": now + LEASE},
    )


async def file(database: Database, row: Keyed, folder: str) -> bool:
    """Note that a copy is in the Sent folder, and set `sent → filed`.

    A mail that only some have got stays `partly_sent`.
    """
    noted: dict[str, Any] = {Evidence.SENT_FOLDER: folder}
    free = {"owner": None, "lease_until": None}
    filed = {"state": OutboxState.FILED, **free}
    return await _change(
        database, row, (Outbox.state == OutboxState.SENT,), filed, noted
    ) or await _change(database, row, (Outbox.state == OutboxState.PARTLY_SENT,), free, noted)


# Any: conditions and values are typed by the columns that they are of.
async def _change(
    database: Database,
    row: Keyed,
    conditions: tuple[Any, ...],
    values: Mapping[str, Any],
    evidence: Mapping[str, Any] | None = None,
) -> bool:
    async with database.write() as connection:
        return await _set(connection, row, conditions, values, evidence)


async def _set(
    connection: AsyncConnection,
    row: Keyed,
    conditions: tuple[Any, ...],
    values: Mapping[str, Any],
    evidence: Mapping[str, Any] | None,
) -> bool:
    if evidence:
        values = {**values, "evidence": await _evidence(connection, row, evidence)}
    result = await connection.execute(
        update(Outbox)
        .where(Outbox.tenant == row.tenant, Outbox.id == row.id, *conditions)
        .values(updated_at=utc_now(), **values)
    )
    changed = bool(result.rowcount == 1)
    if changed and evidence and (provider_id := evidence.get(Evidence.PROVIDER_ID)):
        await connection.execute(
            update(Message)
            .where(Message.tenant == row.tenant, Message.outbox_id == row.id)
            .values(provider_id=provider_id)
        )
    return changed


async def _evidence(
    connection: AsyncConnection, row: Keyed, found: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the row's evidence with what was found; a newer attempt's takes the older's place.

    Others write there too: what came back, and what people decided.
    """
    known = await connection.scalar(
        select(Outbox.evidence)
        .where(Outbox.tenant == row.tenant, Outbox.id == row.id)
        .with_for_update()
    )
    kept = {key: value for key, value in (known or {}).items() if key not in _OF_ATTEMPT}
    if not _OF_ATTEMPT & set(found):
        kept = dict(known or {})
    return {**kept, **found}

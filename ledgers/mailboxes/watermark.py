"""How far a mailbox has been read, and what of a case's mail is still on its way to the case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.watermark import Reading, ReadingAsked
from store.database import Database
from store.tables import Intake, IntakeState, Mailbox, MailboxStatus

# INTERNALDATE has whole seconds (RFC 9051, 2.3.3), and the server's clock is not ours: a mail
# that comes right after a listing may bear a time from just before it. A deadline waits as long.
CLOCK_TOLERANCE = timedelta(seconds=1.5)
# As many as are worth naming; a case with more waits all the same.
MAX_UNDER_WAY = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """A mailbox that is to be read further than it is, since a deadline waits for that."""

    tenant: str
    mailbox_id: str
    until: datetime

    @property
    def listing_at(self) -> datetime:
        """When a listing begins that reads so far."""
        return self.until + CLOCK_TOLERANCE


def read_until_of(listing_began: datetime) -> datetime:
    """Return until when all mail is read, once nothing of a listing is left to read."""
    return listing_began - CLOCK_TOLERANCE


async def reading(database: Database, asked: ReadingAsked) -> Reading:
    """Return whether all that reached a mailbox until `asked.due` has reached the case.

    A mailbox that is paused or deleted is not read any more: nothing is to be waited for but
    what the case has been given already. Rows that the case took but has not recorded yet are
    named too; only the case can tell. A mailbox that is not read that far is noted as wanted, so
    that its watch looks at once.
    """
    async with database.read() as connection:
        mailbox = (
            await connection.execute(
                select(
                    Mailbox.status, Mailbox.read_until, Mailbox.wanted_until, Mailbox.connected
                ).where(Mailbox.tenant == asked.tenant, Mailbox.id == asked.mailbox_id)
            )
        ).one_or_none()
        under_way = await _under_way(connection, asked)
    if mailbox is None or mailbox.status != MailboxStatus.ACTIVE:
        return Reading(complete=not under_way, under_way=under_way)
    read = mailbox.read_until is not None and mailbox.read_until >= asked.due
    if not read and (mailbox.wanted_until is None or mailbox.wanted_until < asked.due):
        await want(database, asked.tenant, asked.mailbox_id, asked.due)
    return Reading(
        complete=read and not under_way,
        read_until=mailbox.read_until,
        connected=mailbox.connected,
        under_way=under_way,
    )


async def want(database: Database, tenant: str, mailbox_id: str, until: datetime) -> None:
    """Let the watch of a mailbox look at once, over the connection that it has."""
    async with database.write() as connection:
        await connection.execute(
            update(Mailbox)
            .where(
                Mailbox.tenant == tenant,
                Mailbox.id == mailbox_id,
                or_(Mailbox.wanted_until.is_(None), Mailbox.wanted_until < until),
            )
            .values(wanted_until=until)
        )


async def wanted(database: Database) -> Sequence[Wish]:
    """Return the mailboxes that are to be read further than they are, and how far."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Mailbox.tenant, Mailbox.id, Mailbox.wanted_until).where(
                Mailbox.status == MailboxStatus.ACTIVE,
                Mailbox.wanted_until.is_not(None),
                or_(Mailbox.read_until.is_(None), Mailbox.wanted_until > Mailbox.read_until),
            )
        )
        return [Wish(row.tenant, row.id, row.wanted_until) for row in rows]


async def _under_way(connection: AsyncConnection, asked: ReadingAsked) -> list[int]:
    rows = await connection.execute(
        select(Intake.id)
        .where(
            Intake.tenant == asked.tenant,
            Intake.case_id == asked.case_id,
            Intake.state.in_((IntakeState.ROUTED, IntakeState.DELIVERED)),
            Intake.received_at <= asked.due,
        )
        .order_by(Intake.id)
        .limit(MAX_UNDER_WAY)
    )
    return list(rows.scalars())

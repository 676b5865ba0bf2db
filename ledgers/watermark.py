"""How far a mailbox has been read, and what of a case's mail is still on its way to the case."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.watermark import Reading, ReadingAsked
from store.database import Database
from store.tables import Intake, IntakeState, Mailbox, MailboxStatus

# INTERNALDATE has whole seconds (RFC 9051, 2.3.3), and the server's clock is not ours: a mail
# that comes right after a listing may bear a time from just before it.
CLOCK_TOLERANCE = timedelta(seconds=2)
# As many as are worth naming; a case with more waits all the same.
MAX_UNDER_WAY = 100


def read_until_of(listing_began: datetime) -> datetime:
    """Return until when all mail is read, once nothing of a listing is left to read."""
    return listing_began - CLOCK_TOLERANCE


async def reading(database: Database, asked: ReadingAsked) -> Reading:
    """Return whether all that reached a mailbox until `asked.due` has reached the case.

    A mailbox that is paused or deleted is not read any more: nothing is to be waited for but
    what the case has been given already. Rows that the case took but has not recorded yet are
    named too; only the case can tell.
    """
    async with database.read() as connection:
        mailbox = (
            await connection.execute(
                select(Mailbox.status, Mailbox.read_until, Mailbox.connected).where(
                    Mailbox.tenant == asked.tenant, Mailbox.id == asked.mailbox_id
                )
            )
        ).one_or_none()
        under_way = await _under_way(connection, asked)
    if mailbox is None or mailbox.status != MailboxStatus.ACTIVE:
        return Reading(complete=not under_way, under_way=under_way)
    read = mailbox.read_until is not None and mailbox.read_until >= asked.due
    return Reading(
        complete=read and not under_way,
        read_until=mailbox.read_until,
        connected=mailbox.connected,
        under_way=under_way,
    )


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

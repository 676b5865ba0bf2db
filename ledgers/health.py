"""A mailbox's health, as its watch sees it."""

from typing import Any

from sqlalchemy import ColumnElement, update

from contracts.clock import utc_now
from store.database import Database
from store.tables import Mailbox, MailboxStatus

ERROR_LIMIT = 500


async def connected(database: Database, tenant: str, mailbox_id: str) -> bool:
    """The folder was just listed; returns False where the mailbox is paused or deleted."""
    active = Mailbox.status == MailboxStatus.ACTIVE
    return await _set(database, tenant, mailbox_id, active, connected=True, checked_at=utc_now())


async def failed(database: Database, tenant: str, mailbox_id: str, error: str) -> None:
    """The connection failed; it is tried again."""
    now = utc_now()
    await _set(
        database,
        tenant,
        mailbox_id,
        connected=False,
        last_error=error[:ERROR_LIMIT],
        last_error_at=now,
        checked_at=now,
    )


async def stopped(database: Database, tenant: str, mailbox_id: str) -> None:
    """Nobody watches the mailbox now."""
    await _set(database, tenant, mailbox_id, connected=False)


# The columns differ by caller, so their types do.
async def _set(
    database: Database, tenant: str, mailbox_id: str, *where: ColumnElement[bool], **values: Any
) -> bool:
    async with database.write() as connection:
        done = await connection.execute(
            update(Mailbox)
            .where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id, *where)
            .values(**values)
        )
        return done.rowcount > 0

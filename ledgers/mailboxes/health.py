"""A mailbox's health, as its watch sees it, and whether that is well."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, case, or_, update

from contracts.clock import utc_now
from ledgers.mailboxes.pacing import Pace
from store.database import Database
from store.tables import Mailbox, MailboxStatus

ERROR_LIMIT = 500
# Two poll intervals: who has not listed the folder for so long does not watch it.
SILENT_AFTER = 2 * (Pace().recheck + Pace().alive_within)


class HealthStatus(StrEnum):
    """Whether a mailbox is well."""

    OK = "ok"
    RED = "red"


class Watched(Protocol):
    """What of a mailbox tells whether it is watched; its row and `MailboxHealth` have it."""

    @property
    def connected(self) -> bool:
        """Whether its watch is connected."""
        ...

    @property
    def checked_at(self) -> datetime | None:
        """When its watch last listed it, or failed to."""
        ...

    @property
    def gaps(self) -> int:
        """How many mails a reconciliation found missing and could not mend at once."""
        ...


def reasons(mailbox: Watched, created_at: datetime, now: datetime) -> tuple[str, ...]:
    """Return why an active mailbox is not well; nothing where it is."""
    silent = (mailbox.checked_at or created_at) < now - SILENT_AFTER
    found = []
    if silent:
        found.append("its folder has not been listed for two poll intervals")
    elif mailbox.checked_at is not None and not mailbox.connected:
        found.append("its mail server can't be reached, or refuses us")
    if mailbox.gaps:
        found.append(f"{mailbox.gaps} mails are missing in the ledger")
    return tuple(found)


def status(
    mailbox: Watched, mailbox_status: MailboxStatus, created_at: datetime, now: datetime
) -> HealthStatus:
    """Return whether a mailbox is well; one that is paused has nothing to be unwell with."""
    active = mailbox_status is MailboxStatus.ACTIVE
    return HealthStatus.RED if active and reasons(mailbox, created_at, now) else HealthStatus.OK


async def connected(
    database: Database, tenant: str, mailbox_id: str, read_until: datetime | None = None
) -> bool:
    """The folder was just listed, and all its mail until `read_until` is in the ledger.

    The watermark never goes back. Returns False where the mailbox is paused or deleted.
    """
    active = Mailbox.status == MailboxStatus.ACTIVE
    values: dict[str, Any] = {"connected": True, "checked_at": utc_now()}  # Any: as for `_set`
    if read_until is not None:
        later = or_(Mailbox.read_until.is_(None), Mailbox.read_until < read_until)
        values["read_until"] = case((later, read_until), else_=Mailbox.read_until)
    return await _set(database, tenant, mailbox_id, active, **values)


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

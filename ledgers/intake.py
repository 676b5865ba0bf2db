"""The intake ledger: every mail that a server lists ends here as exactly one thing.

A row's attempt is counted before its mail is fetched, so that a mail which kills the worker
is quarantined after three. Pending is what the server lists minus what the ledger holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ledgers.mails import Claim, Fenced, Refused, Watcher
from store.database import Database
from store.tables import Intake, IntakeState, Mailbox

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Attached:
    """What a watch starts from: its epoch, the first UID that counts, and since when."""

    watcher: Watcher
    start_uid: int
    attached_at: datetime
    # Set after a UIDVALIDITY change: mail received before it, and unknown, waits for a person.
    newest_known: datetime | None


async def attach(
    database: Database,
    tenant: str,
    mailbox_id: str,
    *,
    uidvalidity: int,
    uidnext: int,
    now: datetime,
) -> Attached:
    """Take the mailbox: a new epoch, and on first sight or after a change, a starting UID.

    A new mailbox starts at its UIDNEXT. After a UIDVALIDITY change every UID is new
    (RFC 9051, 2.3.1.1), so all mail is looked at again, by content.
    """
    async with database.write() as connection:
        row = (
            await connection.execute(
                select(
                    Mailbox.folder,
                    Mailbox.epoch,
                    Mailbox.uidvalidity,
                    Mailbox.start_uid,
                    Mailbox.attached_at,
                ).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
            )
        ).one()
        first = row.uidvalidity is None or row.start_uid is None
        changed = not first and row.uidvalidity != uidvalidity
        start_uid = uidnext if first else 1 if changed else int(row.start_uid or 1)
        attached_at = row.attached_at or now
        await connection.execute(
            update(Mailbox)
            .where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
            .values(
                epoch=row.epoch + 1,
                uidvalidity=uidvalidity,
                start_uid=start_uid,
                attached_at=attached_at,
            )
        )
        watcher = Watcher(tenant, mailbox_id, row.folder, uidvalidity, row.epoch + 1)
        newest = await _newest_under_older_validity(connection, watcher)
        return Attached(watcher, start_uid, attached_at, newest)


async def _newest_under_older_validity(
    connection: AsyncConnection, watcher: Watcher
) -> datetime | None:
    """Return when the newest mail known under another UIDVALIDITY was received."""
    return (
        await connection.execute(
            select(Intake.received_at)
            .where(
                Intake.tenant == watcher.tenant,
                Intake.mailbox_id == watcher.mailbox_id,
                Intake.folder == watcher.folder,
                Intake.uidvalidity != watcher.uidvalidity,
            )
            .order_by(Intake.received_at.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def decided_uids(database: Database, watcher: Watcher) -> set[int]:
    """Return the UIDs that are past SEEN: nothing is left to do for them here."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Intake.uid).where(*_of(watcher), Intake.state != IntakeState.SEEN)
        )
        return {uid for uid in rows.scalars() if uid is not None}


async def claim(
    database: Database, watcher: Watcher, uids: Sequence[int], now: datetime
) -> list[Claim]:
    """Count an attempt for each mail and return those that may be fetched.

    A mail whose attempts are used up is quarantined instead.
    """
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        known = {
            row.uid: row
            for row in await connection.execute(
                select(Intake.id, Intake.uid, Intake.attempts, Intake.state).where(
                    *_of(watcher), Intake.uid.in_(uids)
                )
            )
        }
        await _insert_seen(connection, watcher, [uid for uid in uids if uid not in known], now)
        pending = [row for row in known.values() if row.state == IntakeState.SEEN]
        exhausted = [row.id for row in pending if row.attempts >= MAX_ATTEMPTS]
        await _quarantine_exhausted(connection, exhausted)
        tried = [row.id for row in pending if row.attempts < MAX_ATTEMPTS]
        if tried:
            await connection.execute(
                update(Intake).where(Intake.id.in_(tried)).values(attempts=Intake.attempts + 1)
            )
        rows = await connection.execute(
            select(Intake.id, Intake.uid, Intake.attempts)
            .where(*_of(watcher), Intake.uid.in_(uids), Intake.state == IntakeState.SEEN)
            .order_by(Intake.uid)
        )
        return [Claim(row.id, row.uid, row.attempts) for row in rows]


async def settle_gone(database: Database, watcher: Watcher, listed: Sequence[int]) -> None:
    """Settle rows whose mails the server no longer lists: there is nothing left to read."""
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        seen = (
            await connection.execute(
                select(Intake.id, Intake.uid).where(*_of(watcher), Intake.state == IntakeState.SEEN)
            )
        ).all()
        there = set(listed)
        gone = [row.id for row in seen if row.uid not in there]
        if gone:
            await connection.execute(
                update(Intake)
                .where(Intake.id.in_(gone))
                .values(state=IntakeState.IGNORED, reason="gone before it could be read")
            )


async def unclaim(database: Database, row_ids: Sequence[int]) -> None:
    """Give an attempt back: the connection failed before these mails could do any harm."""
    async with database.write() as connection:
        await connection.execute(
            update(Intake)
            .where(Intake.id.in_(row_ids), Intake.state == IntakeState.SEEN, Intake.attempts > 0)
            .values(attempts=Intake.attempts - 1)
        )


async def quarantine(database: Database, watcher: Watcher, refused: Iterable[Refused]) -> None:
    """Put mails aside for a person, each with its reason."""
    rows = [
        {
            "row": mail.row_id,
            "state": IntakeState.QUARANTINED,
            "reason": mail.reason,
            "size_bytes": mail.size_bytes,
            "received_at": mail.received_at,
            "blob": mail.blob,
        }
        for mail in refused
    ]
    if not rows:
        return
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        await connection.execute(
            update(Intake).where(Intake.id == bindparam("row")),
            rows,
        )


async def hold_epoch(connection: AsyncConnection, watcher: Watcher) -> None:
    """Raise `Fenced` unless this watch is still the mailbox's newest."""
    epoch = (
        await connection.execute(
            select(Mailbox.epoch)
            .where(Mailbox.tenant == watcher.tenant, Mailbox.id == watcher.mailbox_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if epoch != watcher.epoch:
        raise Fenced(watcher)


def _of(watcher: Watcher) -> tuple[ColumnElement[bool], ...]:
    return (
        Intake.tenant == watcher.tenant,
        Intake.mailbox_id == watcher.mailbox_id,
        Intake.folder == watcher.folder,
        Intake.uidvalidity == watcher.uidvalidity,
    )


async def _insert_seen(
    connection: AsyncConnection, watcher: Watcher, uids: Sequence[int], now: datetime
) -> None:
    if not uids:
        return
    await connection.execute(
        insert(Intake),
        [
            {
                "tenant": watcher.tenant,
                "source": "imap",
                "state": IntakeState.SEEN,
                "attempts": 1,
                "seen_at": now,
                "received_at": now,
                "mailbox_id": watcher.mailbox_id,
                "folder": watcher.folder,
                "uidvalidity": watcher.uidvalidity,
                "uid": uid,
            }
            for uid in uids
        ],
    )


async def _quarantine_exhausted(connection: AsyncConnection, row_ids: Sequence[int]) -> None:
    if row_ids:
        await connection.execute(
            update(Intake)
            .where(Intake.id.in_(row_ids))
            .values(
                state=IntakeState.QUARANTINED,
                reason=f"reading it failed {MAX_ATTEMPTS} times",
            )
        )

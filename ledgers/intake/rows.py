"""The intake ledger: every mail that a server lists ends here as exactly one thing.

A row's attempt is counted before its mail is fetched, so that a mail which kills the worker
is quarantined after three. Pending is what the server lists minus what the ledger holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, case, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MailboxNotFound
from ledgers.intake.mails import Claim, Fenced, Refused, Watcher
from store.database import Database
from store.tables import Intake, IntakeState, Mailbox

MAX_ATTEMPTS = 3
RENUMBERED = "its UID lost its meaning before it was read"
GONE = "gone before it could be read"
# While a mail is still to be read, its reason is what remembers this across restarts.
_LOST = "connections lost as it was fetched alone: "

# What is still to be read if its UID is listed; a server may leave it out of one listing.
_UNREAD = or_(
    Intake.state == IntakeState.SEEN,
    and_(Intake.state == IntakeState.IGNORED, Intake.reason.is_not_distinct_from(GONE)),
)


@dataclass(frozen=True, slots=True)
class Attached:
    """What a watch starts from: its epoch, the first UID that counts, and since when."""

    watcher: Watcher
    start_uid: int
    attached_at: datetime
    # Whether the UIDs were given anew since then: old mail may look new.
    renumbered: bool
    # When the newest mail that is known from before that was received.
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
    (RFC 9051, 2.3.1.1), so all mail is looked at again, by content. Raises MailboxNotFound.
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
                )
                .where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
                .with_for_update()
            )
        ).one_or_none()
        if row is None:
            raise MailboxNotFound(mailbox_id)
        first = row.uidvalidity is None or row.start_uid is None
        changed = not first and row.uidvalidity != uidvalidity
        # 0, which is no UID, says that the UIDs were given anew.
        start_uid = uidnext if first else 0 if changed else int(row.start_uid)
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
        await _settle_unlisted(connection, watcher)
        newest = None
        if start_uid == 0:
            newest = await _newest_numbered_before(connection, watcher)
            # A server whose clock was ahead once must not have all later mail held.
            newest = min(newest, now) if newest else None
        return Attached(watcher, max(start_uid, 1), attached_at, start_uid == 0, newest)


async def _settle_unlisted(connection: AsyncConnection, watcher: Watcher) -> None:
    """Settle mails that were not read before their UIDs lost their meaning.

    If they are still there, they are listed again under others.
    """
    await connection.execute(
        update(Intake)
        .where(
            Intake.tenant == watcher.tenant,
            Intake.mailbox_id == watcher.mailbox_id,
            Intake.state == IntakeState.SEEN,
            _numbered_before(watcher),
        )
        .values(state=IntakeState.IGNORED, reason=RENUMBERED)
    )


async def _newest_numbered_before(connection: AsyncConnection, watcher: Watcher) -> datetime | None:
    """Return when the newest mail that is known from before the renumbering was received."""
    return (
        await connection.execute(
            select(Intake.received_at)
            .where(
                Intake.tenant == watcher.tenant,
                Intake.mailbox_id == watcher.mailbox_id,
                Intake.folder == watcher.folder,
                _numbered_before(watcher),
            )
            .order_by(Intake.received_at.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


def _numbered_before(watcher: Watcher) -> ColumnElement[bool]:
    """Tell the rows whose UID means nothing now, or that have none since the server went back."""
    return or_(Intake.uidvalidity != watcher.uidvalidity, Intake.uid.is_(None))


async def decided_uids(database: Database, watcher: Watcher) -> set[int]:
    """Return the UIDs of mails that were read or put aside: nothing is left to do for them."""
    async with database.read() as connection:
        rows = await connection.execute(select(Intake.uid).where(*_of(watcher), not_(_UNREAD)))
        return {uid for uid in rows.scalars() if uid is not None}


async def released_uids(database: Database, watcher: Watcher) -> set[int]:
    """Return the UIDs of mails that a person has let out of quarantine to be read after all."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Intake.uid).where(
                *_of(watcher),
                Intake.state == IntakeState.SEEN,
                Intake.decided_at.is_not(None),
            )
        )
        return {uid for uid in rows.scalars() if uid is not None}


async def forget_uids(database: Database, watcher: Watcher) -> None:
    """Take their UIDs from all rows: the server went back in time, as from a backup.

    It gives UIDs a second time, and perhaps had given some before anybody looked. So the folder
    counts as renumbered: `attach` it again, and all its mail is looked at by content and date.
    """
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        await connection.execute(
            update(Mailbox)
            .where(Mailbox.tenant == watcher.tenant, Mailbox.id == watcher.mailbox_id)
            .values(start_uid=0)
        )
        await connection.execute(update(Intake).where(*_of(watcher)).values(uid=None))


async def claim(
    database: Database, watcher: Watcher, uids: Sequence[int], now: datetime
) -> list[Claim]:
    """Count attempts and return the mails that may be fetched now; none when all are decided.

    New mails go together, in the order of `uids`. After them, one that was tried before goes
    alone, the least tried first: if it ends the process again, no other mail's attempt is counted
    with it. A mail whose attempts are used up is quarantined instead.
    """
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        rows = await connection.execute(
            select(Intake.id, Intake.uid, Intake.attempts, _UNREAD.label("unread")).where(
                *_of(watcher), Intake.uid.in_(uids)
            )
        )
        known = {int(row.uid): row for row in rows}
        seen = [row for row in known.values() if row.unread]
        await _quarantine_exhausted(
            connection, watcher, [row.id for row in seen if row.attempts >= MAX_ATTEMPTS]
        )
        places = {uid: place for place, uid in enumerate(uids)}
        again = sorted(
            (row.attempts, places[row.uid], row.uid) for row in seen if row.attempts < MAX_ATTEMPTS
        )
        fresh = [uid for uid in uids if uid not in known]
        if fresh:
            await _insert_seen(connection, watcher, fresh, now)
        else:
            fresh = [uid for _, _, uid in again[:1]]
            await _count_attempt(connection, watcher, fresh)
        return await _claims(connection, watcher, fresh)


async def _count_attempt(
    connection: AsyncConnection, watcher: Watcher, uids: Sequence[int]
) -> None:
    await connection.execute(
        update(Intake)
        .where(*_of(watcher), Intake.uid.in_(uids))
        .values(
            attempts=Intake.attempts + 1,
            state=IntakeState.SEEN,
            # How often a connection was lost over it, or that it is released, still holds.
            reason=case((Intake.reason == GONE, None), else_=Intake.reason),
        )
    )


async def _claims(
    connection: AsyncConnection, watcher: Watcher, uids: Sequence[int]
) -> list[Claim]:
    rows = await connection.execute(
        select(Intake.id, Intake.uid, Intake.attempts, Intake.decided_at)
        .where(*_of(watcher), Intake.uid.in_(uids))
        .order_by(Intake.id)
    )
    # What was decided of a mail that is to be read can only be its release.
    return [Claim(row.id, row.uid, row.attempts, row.decided_at is not None) for row in rows]


async def settle_gone(database: Database, watcher: Watcher, listed: Sequence[int]) -> None:
    """Settle rows whose mails the server no longer lists: there is nothing left to read.

    Should one be listed again, it can be claimed again.
    """
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
                .where(*_of(watcher), Intake.id.in_(gone))
                .values(state=IntakeState.IGNORED, reason=GONE)
            )


async def unclaim(database: Database, watcher: Watcher, row_ids: Sequence[int]) -> None:
    """Give an attempt back: what failed had nothing to do with these mails."""
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        await connection.execute(
            update(Intake)
            .where(
                *_of(watcher),
                Intake.id.in_(row_ids),
                Intake.state == IntakeState.SEEN,
                Intake.attempts > 0,
            )
            .values(attempts=Intake.attempts - 1)
        )


async def losses(database: Database, watcher: Watcher) -> dict[int, int]:
    """Return how often the connection was lost over mails that are still to be read, by UID."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Intake.uid, Intake.reason).where(
                *_of(watcher),
                Intake.state == IntakeState.SEEN,
                Intake.uid.is_not(None),
                Intake.reason.startswith(_LOST),
            )
        )
        return {row.uid: int(row.reason.removeprefix(_LOST)) for row in rows}


async def note_losses(database: Database, watcher: Watcher, row_id: int, count: int) -> None:
    """Note how often the connection was lost while this mail alone was fetched."""
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        await connection.execute(
            update(Intake)
            .where(*_of(watcher), Intake.id == row_id, Intake.state == IntakeState.SEEN)
            .values(reason=f"{_LOST}{count}")
        )


async def keep_bytes(database: Database, watcher: Watcher, row_id: int, blob: str) -> None:
    """Note where a mail's bytes are before it is read: should that fail again, a person has them.

    For mails that were tried before; the others' are noted with what becomes of them.
    """
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        await connection.execute(
            update(Intake).where(*_of(watcher), Intake.id == row_id).values(blob=blob)
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
            update(Intake).where(Intake.tenant == watcher.tenant, Intake.id == bindparam("row")),
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


async def _quarantine_exhausted(
    connection: AsyncConnection, watcher: Watcher, row_ids: Sequence[int]
) -> None:
    if row_ids:
        await connection.execute(
            update(Intake)
            .where(*_of(watcher), Intake.id.in_(row_ids))
            .values(
                state=IntakeState.QUARANTINED,
                reason=f"reading it failed {MAX_ATTEMPTS} times",
            )
        )

"""Reconciliation: one mailbox's server compared with the ledger, each gap named and mended.

Mails that were moved or deleted after their rows had ended are no gaps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from clients.imap import FolderStatus, ImapConnection, MailSize
from contracts.clock import utc_now
from ledgers.intake import rows as intake
from ledgers.intake.mails import Fenced, Watcher
from ledgers.intake.rows import GONE
from ledgers.mailboxes import accounts, health
from store.database import Database
from store.secrets import SecretBox
from store.tables import Intake, IntakeState, Mailbox, MailboxStatus, Reconciliation

PENDING_TOO_LONG = health.SILENT_AFTER
STUCK_AFTER = timedelta(minutes=10)
MAX_NAMED = 1_000
KEPT = 100
# So many known mails are compared by size, to notice a restored backup that gave UIDs again.
SAMPLE = 50
CHANGED_HANDS = "its watch changed hands just now, and looks again by itself"
UNDELIVERED = (IntakeState.ROUTED, IntakeState.DELIVERED)


class What(StrEnum):
    """What is wrong with a mail."""

    NOT_READ = "on the server, not in the ledger"
    UNLISTED = "claimed in the ledger, not on the server"
    STUCK = "handed to its case, not taken"
    OTHER_MAIL = "its UID names another mail now"


@dataclass(frozen=True, slots=True)
class Gap:
    """One mail on which server and ledger differ, and what was done about it."""

    uid: int | None
    received_at: datetime | None
    what: What
    done: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison found. `missing` mails are not in the ledger; `gaps` names the first."""

    at: datetime
    listed: int
    known: int
    missing: int
    unlisted: int
    stuck: int
    older_uidvalidity: int
    renumbered: bool
    gaps: tuple[Gap, ...]

    @property
    def unmended(self) -> bool:
        """Whether its watch has to do something."""
        return self.missing > 0 or self.renumbered

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Return it as it is stored."""
        gaps = [
            {
                "uid": gap.uid,
                "received_at": gap.received_at.isoformat() if gap.received_at else None,
                "what": gap.what.value,
                "done": gap.done,
            }
            for gap in self.gaps
        ]
        return asdict(self) | {"at": self.at.isoformat(), "gaps": gaps}


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the server says."""

    status: FolderStatus
    uids: tuple[int, ...]
    sizes: dict[int, MailSize]


async def reconcile(
    database: Database, secrets: SecretBox, tenant: str, mailbox_id: str, *, last: bool = True
) -> Report | None:
    """Compare, mend what can be mended here, and keep the report; None for a paused mailbox.

    Unless this is the `last` look, what its watch may still read makes no gap and no report.

    Mails that were not read are read by the mailbox's watch, which the caller tells to look
    again. Raises MailboxNotFound and ImapError.
    """
    account = await accounts.account(database, secrets, tenant, mailbox_id)
    if not account.active:
        return None
    async with database.read() as connection:
        mailbox = (
            await connection.execute(
                select(Mailbox.uidvalidity, Mailbox.start_uid, Mailbox.epoch).where(
                    Mailbox.tenant == tenant, Mailbox.id == mailbox_id
                )
            )
        ).one()
    uidvalidity = mailbox.uidvalidity or 0
    watcher = Watcher(tenant, mailbox_id, account.folder, uidvalidity, mailbox.epoch)
    server = await ImapConnection.open(account.imap)
    try:
        status = await server.select(account.folder, read_only=True)
        uids = await server.uids(max(mailbox.start_uid or 1, 1))
        rows = await _rows(database, watcher)
        known = {row.uid for row in rows}
        sample = [row.uid for row in rows if row.size_bytes is not None][-SAMPLE:]
        asked = [uid for uid in uids if uid not in known] + [u for u in sample if u in set(uids)]
        listing = _Listing(status, uids, await server.sizes(asked))
    finally:
        await server.close()
    return await _settle(database, watcher, listing, rows, last=last)


async def _settle(
    database: Database,
    watcher: Watcher,
    listing: _Listing,
    rows: Sequence[Row[Any]],
    *,
    last: bool,
) -> Report:
    now = utc_now()
    current = listing.status.uidvalidity == watcher.uidvalidity
    others = list(_other_mails(listing, rows)) if current else []
    missing = list(_missing(listing, rows, now)) if current else []
    unlisted = list(_unlisted(listing, rows)) if current else []
    try:
        if others:
            await intake.forget_uids(database, watcher)
        if unlisted:
            await intake.settle_gone(database, watcher, listing.uids)
    except Fenced:
        # The watch that has just taken the mailbox looks at all of this by itself.
        others = [replace(gap, done=CHANGED_HANDS) for gap in others]
        unlisted = [replace(gap, done=CHANGED_HANDS) for gap in unlisted]
    async with database.write() as connection:
        stuck = await _make_due(connection, watcher, now)
        report = Report(
            at=now,
            listed=len(listing.uids),
            known=len(rows),
            missing=len(missing),
            unlisted=len(unlisted),
            stuck=len(stuck),
            older_uidvalidity=await _older(connection, watcher),
            renumbered=bool(others) or not current,
            gaps=tuple([*others, *missing, *unlisted, *stuck][:MAX_NAMED]),
        )
        if last or not report.unmended:
            await _keep(connection, watcher, report)
    return report


def _missing(listing: _Listing, rows: Sequence[Row[Any]], now: datetime) -> Iterable[Gap]:
    known = {row.uid for row in rows if row.state != IntakeState.SEEN}
    seen = {row.uid: row.seen_at for row in rows if row.state == IntakeState.SEEN}
    at_work_on = _at_work_on(rows, now)
    for uid in listing.uids:
        size = listing.sizes.get(uid)
        since = seen.get(uid) or (size.received_at if size else now)
        if uid not in seen and at_work_on is not None and since >= at_work_on:
            continue  # its turn is to come
        if uid not in known and since < now - PENDING_TOO_LONG:
            yield Gap(uid, since, What.NOT_READ, "its watch was told to look again")


def _at_work_on(rows: Sequence[Row[Any]], now: datetime) -> datetime | None:
    """Return when the newest mail was received that the watch has just read, or None.

    A backlog is read in the order of receipt, so what came later waits, and is not missing.
    """
    just_read = (
        row.received_at
        for row in rows
        if row.state != IntakeState.SEEN and row.seen_at > now - PENDING_TOO_LONG
    )
    return max(just_read, default=None)


def _unlisted(listing: _Listing, rows: Sequence[Row[Any]]) -> Iterable[Gap]:
    there = set(listing.uids)
    for row in rows:
        if row.state == IntakeState.SEEN and row.uid not in there:
            yield Gap(row.uid, row.received_at, What.UNLISTED, f"settled: {GONE}")


def _other_mails(listing: _Listing, rows: Sequence[Row[Any]]) -> Iterable[Gap]:
    """Name mails whose size differs from what was read under their UID (a restored backup)."""
    for row in rows:
        size = listing.sizes.get(row.uid)
        if row.size_bytes is None or row.blob is None or size is None:
            continue
        # Servers may tell sizes a little wrong; they tell the arrival in whole seconds.
        same_time = abs(size.received_at - row.received_at) < timedelta(seconds=1)
        if size.size_bytes != row.size_bytes and not same_time:
            yield Gap(row.uid, row.received_at, What.OTHER_MAIL, "all its mails are looked at anew")


async def _make_due(connection: AsyncConnection, watcher: Watcher, now: datetime) -> list[Gap]:
    """Let the delivery watch hand mails again to cases that have not taken them in time."""
    rows = (
        await connection.execute(
            select(Intake.id, Intake.uid, Intake.received_at).where(
                Intake.tenant == watcher.tenant,
                Intake.mailbox_id == watcher.mailbox_id,
                Intake.state.in_(UNDELIVERED),
                Intake.seen_at < now - STUCK_AFTER,
            )
        )
    ).all()
    for start in range(0, len(rows), MAX_NAMED):
        ids = [row.id for row in rows[start : start + MAX_NAMED]]
        await connection.execute(
            update(Intake)
            .where(Intake.tenant == watcher.tenant, Intake.id.in_(ids))
            .values(due_at=now)
        )
    return [Gap(row.uid, row.received_at, What.STUCK, "handed over again") for row in rows]


# Any: columns of several types.
async def _rows(database: Database, watcher: Watcher) -> list[Any]:
    async with database.read() as connection:
        found = await connection.execute(
            select(
                Intake.uid,
                Intake.state,
                Intake.seen_at,
                Intake.received_at,
                Intake.size_bytes,
                Intake.blob,
            )
            .where(
                Intake.tenant == watcher.tenant,
                Intake.mailbox_id == watcher.mailbox_id,
                Intake.folder == watcher.folder,
                Intake.uidvalidity == watcher.uidvalidity,
                Intake.uid.is_not(None),
            )
            .order_by(Intake.uid)
        )
        return list(found)


async def _older(connection: AsyncConnection, watcher: Watcher) -> int:
    count = await connection.scalar(
        select(func.count())
        .select_from(Intake)
        .where(
            Intake.tenant == watcher.tenant,
            Intake.mailbox_id == watcher.mailbox_id,
            Intake.uidvalidity != watcher.uidvalidity,
        )
    )
    return int(count or 0)


async def _keep(connection: AsyncConnection, watcher: Watcher, report: Report) -> None:
    mailbox = (Mailbox.tenant == watcher.tenant, Mailbox.id == watcher.mailbox_id)
    await connection.execute(
        update(Mailbox)
        .where(*mailbox, Mailbox.status == MailboxStatus.ACTIVE)
        .values(gaps=report.missing, reconciled_at=report.at)
    )
    await connection.execute(
        insert(Reconciliation).values(
            tenant=watcher.tenant,
            mailbox_id=watcher.mailbox_id,
            at=report.at,
            report=report.as_json(),
        )
    )
    kept = (
        Reconciliation.tenant == watcher.tenant,
        Reconciliation.mailbox_id == watcher.mailbox_id,
    )
    newest = select(Reconciliation.id).where(*kept).order_by(Reconciliation.id.desc()).limit(KEPT)
    await connection.execute(delete(Reconciliation).where(*kept, Reconciliation.id.not_in(newest)))


async def forget_mended(database: Database, tenant: str) -> None:
    """Count no longer as gaps what has been read since the reconciliation that found it missing.

    Of more than are named, the others count until the next reconciliation.
    """
    async with database.read() as connection:
        boxes = await connection.execute(
            select(Mailbox.id, Mailbox.uidvalidity, Mailbox.folder, Mailbox.reconciled_at).where(
                Mailbox.tenant == tenant, Mailbox.gaps > 0
            )
        )
        found = boxes.all()
    for box in found:
        [report] = await reports(database, tenant, box.id, 1) or [None]
        if report is None:
            continue
        named = {gap["uid"] for gap in report["gaps"] if gap["what"] == What.NOT_READ}
        async with database.write() as connection:
            read = await connection.scalar(
                select(func.count())
                .select_from(Intake)
                .where(
                    Intake.tenant == tenant,
                    Intake.mailbox_id == box.id,
                    Intake.folder == box.folder,
                    Intake.uidvalidity == box.uidvalidity,
                    Intake.uid.in_(sorted(named)),
                    Intake.state != IntakeState.SEEN,
                )
            )
            await connection.execute(
                update(Mailbox)
                .where(
                    Mailbox.tenant == tenant,
                    Mailbox.id == box.id,
                    Mailbox.reconciled_at == box.reconciled_at,
                )
                .values(gaps=max(0, report["missing"] - int(read or 0)))
            )


async def reports(database: Database, tenant: str, mailbox_id: str, limit: int) -> list[Any]:
    """Return the newest reports of a mailbox as JSON, newest first."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Reconciliation.report)
            .where(Reconciliation.tenant == tenant, Reconciliation.mailbox_id == mailbox_id)
            .order_by(Reconciliation.id.desc())
            .limit(limit)
        )
        return list(rows.scalars())

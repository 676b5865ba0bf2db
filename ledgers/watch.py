"""The watch of one mailbox: connect, catch up, IDLE, poll, and again until it is told to stop.

Pending is what the server lists minus what the ledger holds, never "above the highest UID".
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from clients.imap import FolderStatus, ImapConnection, ImapError, MailSize
from contracts.clock import utc_now
from contracts.errors import MailboxNotFound
from ledgers import accounts, health, intake, routing
from ledgers.accounts import Account
from ledgers.crash_points import CrashPoint, reached
from ledgers.delivery import Delivery
from ledgers.intake import Attached
from ledgers.mails import Arrived, Claim, Fenced, Refused
from ledgers.parsing import Parser, Unreadable
from mail.message import DEFAULT_LIMITS
from mail.threading import TokenKeys
from store.blobs import Blobs
from store.secrets import SecretUnreadable

log = structlog.get_logger()

BATCH = 25
BATCH_BYTES = 16_000_000
# How far below the newest UID a quick listing looks: servers may show mails out of order.
RECENT_UIDS = 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch looks, and how long it waits."""

    # Renewing IDLE this often is the poll that backs it up. With `alive_within` it bounds how
    # long a half-open connection goes unnoticed: less than 60 s.
    recheck: timedelta = timedelta(seconds=25)
    alive_within: timedelta = timedelta(seconds=15)
    full_listing: timedelta = timedelta(minutes=5)
    first_retry: timedelta = timedelta(seconds=1)
    longest_retry: timedelta = timedelta(seconds=60)


class WatchEnd(StrEnum):
    """Why a watch ended by itself."""

    GONE = "gone"
    PAUSED = "paused"
    FENCED = "fenced"


class BlobsFailed(Exception):
    """The blob store takes nothing now; the mails wait on their server meanwhile."""

    def __init__(self, reason: str) -> None:
        """Keep what the store said."""
        super().__init__(f"the blob store takes no mail: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MailboxWatch:
    """What a watch works with; one for all mailboxes of a process."""

    delivery: Delivery
    blobs: Blobs
    parser: Parser
    keys: TokenKeys
    pace: Pace = field(default_factory=Pace)

    async def run(self, tenant: str, mailbox_id: str) -> WatchEnd:
        """Watch a mailbox until it is paused, deleted or taken by another watch."""
        database, secrets = self.delivery.database, self.delivery.secrets
        retry = self.pace.first_retry
        while True:
            session = None
            try:
                account = await accounts.account(database, secrets, tenant, mailbox_id)
                if not account.active:
                    await health.stopped(database, tenant, mailbox_id)
                    return WatchEnd.PAUSED
                session = _Session(self, account)
                await session.run()
            except MailboxNotFound:
                return WatchEnd.GONE
            except Fenced:
                return WatchEnd.FENCED
            except (ImapError, BlobsFailed, SecretUnreadable) as error:
                listed = session is not None and session.listed
                retry = self.pace.first_retry if listed else min(retry * 2, self.pace.longest_retry)
                log.warning(
                    "mailbox.disconnected",
                    tenant=tenant,
                    mailbox=mailbox_id,
                    error=str(error),
                    retry_s=retry.total_seconds(),
                )
                await health.failed(database, tenant, mailbox_id, str(error))
                await asyncio.sleep(retry.total_seconds())


@dataclass(slots=True)
class _Session:
    """One connection's life."""

    watch: MailboxWatch
    account: Account
    listed: bool = False
    _connection: ImapConnection = field(init=False)
    _attached: Attached = field(init=False)
    _decided: set[int] = field(default_factory=set)
    _full_listing_at: datetime = field(default_factory=utc_now)
    _delivery: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until the connection fails, or the mailbox is not to be watched any more."""
        self._connection = await ImapConnection.open(self.account.imap)
        try:
            await self._attach()
            while await self._catch_up():
                await self._connection.wait(
                    self.watch.pace.recheck, alive_within=self.watch.pace.alive_within
                )
        finally:
            await self._connection.close()
            if self._delivery is not None:
                self._delivery.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._delivery

    async def _attach(self) -> None:
        status = await self._select()
        await self._begin(status)
        if self._went_back(status) and self._went_back(status := await self._select()):
            # Asked for once more, since the watch before this one may have been faster.
            await intake.forget_uids(self.watch.delivery.database, self._attached.watcher)
            await self._begin(status)
        self._full_listing_at = utc_now()

    async def _begin(self, status: FolderStatus) -> None:
        database = self.watch.delivery.database
        self._attached = await intake.attach(
            database,
            self.account.tenant,
            self.account.mailbox_id,
            uidvalidity=status.uidvalidity,
            uidnext=status.uidnext,
            now=utc_now(),
        )
        self._decided = await intake.decided_uids(database, self._attached.watcher)

    async def _select(self) -> FolderStatus:
        return await self._connection.select(self.account.folder, read_only=True)

    def _went_back(self, status: FolderStatus) -> bool:
        """Return whether UIDs that were given once are yet to be given: a restored backup."""
        given = max(self._attached.start_uid - 1, max(self._decided, default=0))
        return status.uidnext <= given

    async def _catch_up(self) -> bool:
        """Handle all that is listed and not decided; mails that arrive meanwhile included.

        Returns False when the mailbox is paused or deleted: word of that may have been lost.
        """
        while True:
            pending = await self._pending()
            self.listed = True
            if not await health.connected(
                self.watch.delivery.database, self.account.tenant, self.account.mailbox_id
            ):
                return False
            for start in range(0, len(pending), BATCH):
                await self._take(pending[start : start + BATCH])
            # What was listed and not returned may be there next time.
            if not self._decided.intersection(pending):
                return True

    async def _pending(self) -> list[int]:
        low = self._attached.start_uid
        if utc_now() < self._full_listing_at:
            low = max(low, max(self._decided, default=low) - RECENT_UIDS)
            listed = await self._connection.uids(low)
        else:
            # Selecting again shows a UIDVALIDITY that changed under the connection.
            status = await self._select()
            changed = status.uidvalidity != self._attached.watcher.uidvalidity
            if changed or self._went_back(status):
                await self._attach()
                low = self._attached.start_uid
            listed = await self._connection.uids(low)
            await intake.settle_gone(self.watch.delivery.database, self._attached.watcher, listed)
            self._full_listing_at = utc_now() + self.watch.pace.full_listing
        return [uid for uid in listed if uid not in self._decided]

    async def _take(self, uids: Sequence[int]) -> None:
        database, watcher = self.watch.delivery.database, self._attached.watcher
        left = set(uids)
        while left:
            claims = await intake.claim(database, watcher, sorted(left), utc_now())
            reached(CrashPoint.INTAKE_CLAIMED)
            if not claims:
                self._decided |= left
                return
            await self._read(claims)
            left.difference_update(claim.uid for claim in claims)

    async def _read(self, claims: Sequence[Claim]) -> None:
        sizes = await self._connection.sizes([claim.uid for claim in claims])
        # A mail that is not returned may be back at the next listing; it stays pending.
        present = [claim for claim in claims if claim.uid in sizes]
        refused = [
            Refused(claim.row_id, "oversize", size.size_bytes, size.received_at, None)
            for claim in present
            if (size := sizes[claim.uid]).size_bytes > DEFAULT_LIMITS.size_bytes
        ]
        await self._quarantine(present, refused)
        too_large = {mail.row_id for mail in refused}
        for chunk in _chunks([c for c in present if c.row_id not in too_large], sizes):
            await self._fetch(chunk, sizes)

    async def _fetch(self, claims: Sequence[Claim], sizes: dict[int, MailSize]) -> None:
        raws = await self._connection.fetch([claim.uid for claim in claims])
        reached(CrashPoint.INTAKE_FETCHED)
        claims = [claim for claim in claims if claim.uid in raws]
        blobs = await self._store(claims, raws)
        for claim, blob in zip(claims, blobs, strict=True):
            if claim.attempts > 1:
                await intake.keep_bytes(
                    self.watch.delivery.database, self._attached.watcher, claim.row_id, blob
                )
        reached(CrashPoint.INTAKE_STORED)
        parsed = await self.watch.parser.read([raws[claim.uid] for claim in claims])
        arrived: list[Arrived] = []
        refused: list[Refused] = []
        for claim, blob, message in zip(claims, blobs, parsed, strict=True):
            received_at = sizes[claim.uid].received_at
            size_bytes = len(raws[claim.uid])
            if isinstance(message, Unreadable):
                refused.append(Refused(claim.row_id, message.reason, size_bytes, received_at, blob))
            else:
                arrived.append(Arrived(claim.row_id, size_bytes, received_at, blob, message))
        await self._quarantine(claims, refused)
        await self._route(claims, arrived)

    async def _store(self, claims: Sequence[Claim], raws: dict[int, bytes]) -> list[str]:
        tenant = self.account.tenant
        try:
            return await asyncio.gather(
                *(self.watch.blobs.put(tenant, raws[claim.uid]) for claim in claims)
            )
        except Exception as error:  # of whichever kind the store's maker has
            await intake.unclaim(
                self.watch.delivery.database,
                self._attached.watcher,
                [claim.row_id for claim in claims],
            )
            raise BlobsFailed(type(error).__name__) from error

    async def _quarantine(self, claims: Sequence[Claim], refused: list[Refused]) -> None:
        await intake.quarantine(self.watch.delivery.database, self._attached.watcher, refused)
        rows = {mail.row_id for mail in refused}
        self._decided.update(claim.uid for claim in claims if claim.row_id in rows)

    async def _route(self, claims: Sequence[Claim], mails: list[Arrived]) -> None:
        if not mails:
            return
        row_ids = await routing.accept(
            self.watch.delivery.database, self._attached, self.watch.keys, mails, utc_now()
        )
        reached(CrashPoint.INTAKE_COMMITTED)
        rows = {mail.row_id for mail in mails}
        self._decided.update(claim.uid for claim in claims if claim.row_id in rows)
        await self._deliver(row_ids)

    async def _deliver(self, row_ids: list[int]) -> None:
        """Deliver while the next batch is read; batches one after the other, for their order."""
        if self._delivery is not None:
            await self._delivery
        self._delivery = asyncio.create_task(
            self.watch.delivery.deliver_now(self.account.tenant, row_ids)
        )


def _chunks(claims: Sequence[Claim], sizes: dict[int, MailSize]) -> Iterator[list[Claim]]:
    """Yield claims whose mails together stay below what is held in memory at once."""
    chunk: list[Claim] = []
    total = 0
    for claim in claims:
        size = sizes[claim.uid].size_bytes
        if chunk and total + size > BATCH_BYTES:
            yield chunk
            chunk, total = [], 0
        chunk.append(claim)
        total += size
    if chunk:
        yield chunk

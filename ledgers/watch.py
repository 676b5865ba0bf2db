"""The watch of one mailbox: connect, catch up, IDLE, poll, and again until it is told to stop.

Pending is what the server lists minus what the ledger holds, never "above the highest UID".
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from clients.imap import FolderStatus, ImapConnection, ImapError, MailSize
from contracts.clock import utc_now
from contracts.errors import MailboxNotFound
from contracts.ids import new_file_id
from ledgers import accounts, handling, health, intake, pacing, routing, watermark
from ledgers.accounts import Account
from ledgers.authentication import Authenticator
from ledgers.crash_points import CrashPoint, reached
from ledgers.delivery import Delivery
from ledgers.intake import Attached
from ledgers.mails import Arrived, Claim, Fenced, Refused, StoredFile
from ledgers.pacing import TokenBucket
from ledgers.parsing import Parser, Unreadable
from mail.message import DEFAULT_LIMITS, Authentication, Parsed
from mail.threading import TokenKeys
from store.blobs import Blobs
from store.mailboxes import AfterHandling
from store.secrets import SecretUnreadable

log = structlog.get_logger()

BATCH = 25
BATCH_BYTES = 16_000_000
# How far below the newest UID a quick listing looks: servers may show mails out of order.
RECENT_UIDS = 1_000
# A mail on whose fetch, with no other beside it, the connection was lost so often is put aside.
MAX_LOSSES = 10
CONCURRENT_BLOBS = 8
# A write a second is enough, however many mails come in it.
NOTED_EVERY = timedelta(seconds=1)
WINDOW_CHECK = timedelta(milliseconds=100)
# Where nothing is taken by cases for so long, as while Temporal is away, reading goes on.
WINDOW_PATIENCE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch looks, and how long it waits."""

    # Renewing IDLE this often is the poll that backs it up, and how far the watermark may lag:
    # a deadline waits for it. With `alive_within` it bounds how long a half-open connection goes
    # unnoticed: less than 60 s.
    recheck: timedelta = health.RECHECK
    alive_within: timedelta = health.ALIVE_WITHIN
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
    authenticator: Authenticator | None = None
    # What outlives a connection, by tenant and mailbox: allowances, and how often the connection
    # was lost while a UID alone was fetched.
    buckets: dict[tuple[str, str], TokenBucket] = field(default_factory=dict)
    losses: dict[tuple[str, str, int, int], int] = field(default_factory=dict)

    def bucket(self, account: Account) -> TokenBucket | None:
        """Return a mailbox's allowance, where it has a limit."""
        key, limit = (account.tenant, account.mailbox_id), account.intake_per_minute
        if limit is None:
            return None
        if key not in self.buckets or self.buckets[key].per_minute != limit:
            self.buckets[key] = TokenBucket(limit)
        return self.buckets[key]

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
    _status: FolderStatus = field(init=False)
    _noted_at: datetime | None = None
    _may_handle: bool = True

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
        leave = self.account.after_handling is AfterHandling.LEAVE
        self._status = await self._connection.select(self.account.folder, read_only=leave)
        return self._status

    def _went_back(self, status: FolderStatus) -> bool:
        """Return whether UIDs that were given once are yet to be given: a restored backup."""
        given = max(self._attached.start_uid - 1, max(self._decided, default=0))
        return status.uidnext <= given

    async def _catch_up(self) -> bool:
        """Handle all that is listed and not decided; mails that arrive meanwhile included.

        Returns False when the mailbox is paused or deleted: word of that may have been lost.
        """
        while True:
            began = utc_now()
            pending = await self._pending()
            sizes = await self._connection.sizes(pending) if pending else {}
            self.listed = True
            ordered = self._in_order(pending, sizes)
            if not await self._read_all(ordered, sizes, began):
                return False
            # What was listed and not returned may be there next time.
            if not self._decided.intersection(pending):
                await self._handle_ended()
                return True

    def _in_order(self, pending: Sequence[int], sizes: dict[int, MailSize]) -> list[int]:
        """Return UIDs by when the server received their mails; what breaks connections last."""

        def key(uid: int) -> tuple[int, datetime, int]:
            received_at = sizes[uid].received_at if uid in sizes else self._attached.attached_at
            return self._lost(uid), received_at, uid

        return sorted(pending, key=key)

    async def _read_all(
        self, ordered: Sequence[int], sizes: dict[int, MailSize], began: datetime
    ) -> bool:
        """Read what is pending, batch by batch; False when the mailbox is paused or deleted."""
        left = list(ordered)
        while left:
            if not await self._note(self._read_until(left, sizes, began)):
                return False
            count = await self._allowed(len(left))
            batch, left = left[:count], left[count:]
            await self._take(batch, sizes)
        rest = [uid for uid in ordered if uid not in self._decided]
        return await self._note(self._read_until(rest, sizes, began))

    def _read_until(
        self, left: Sequence[int], sizes: dict[int, MailSize], began: datetime
    ) -> datetime | None:
        """Return until when all mail is in the ledger, as far as that is known."""
        if any(uid not in sizes for uid in left):
            return None
        oldest = min((sizes[uid].received_at for uid in left), default=began)
        return watermark.read_until_of(min(began, oldest))

    async def _note(self, read_until: datetime | None) -> bool:
        """Say that the folder was listed; returns whether the mailbox is still to be watched."""
        now = utc_now()
        if self._noted_at is not None and now - self._noted_at < min(
            NOTED_EVERY, self.watch.pace.recheck
        ):
            return True
        self._noted_at = now
        return await health.connected(
            self.watch.delivery.database, self.account.tenant, self.account.mailbox_id, read_until
        )

    async def _allowed(self, wanted: int) -> int:
        """Return how many mails may be taken now; 0 where the limit asks for a pause first."""
        await self._await_window()
        bucket = self.watch.bucket(self.account)
        if bucket is None:
            return min(wanted, BATCH)
        allowed = bucket.take(min(wanted, BATCH))
        if not allowed:
            pause = min(bucket.seconds_until_next(), LONGEST_PAUSE.total_seconds())
            await asyncio.sleep(pause)
        return allowed

    async def _await_window(self) -> None:
        """Wait until cases have taken what was read before: a flood must delay no other mail."""
        patience = utc_now() + WINDOW_PATIENCE
        while utc_now() < patience and await pacing.is_window_full(  # noqa: ASYNC110 (no event)
            self.watch.delivery.database, self.account.tenant, self.account.mailbox_id
        ):
            await asyncio.sleep(WINDOW_CHECK.total_seconds())

    async def _handle_ended(self) -> None:
        if self.account.after_handling is AfterHandling.LEAVE or not self._may_handle:
            return
        self._may_handle = await handling.handle_ended(
            self.watch.delivery.database,
            self._connection,
            self.account,
            self._attached.watcher,
            self._status,
        )

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

    async def _take(self, uids: Sequence[int], sizes: dict[int, MailSize]) -> None:
        database, watcher = self.watch.delivery.database, self._attached.watcher
        left = list(uids)
        while left:
            claims = await intake.claim(database, watcher, left, utc_now())
            reached(CrashPoint.INTAKE_CLAIMED)
            if not claims:
                self._decided.update(left)
                return
            await self._read(claims, sizes)
            taken = {claim.uid for claim in claims}
            left = [uid for uid in left if uid not in taken]

    async def _read(self, claims: Sequence[Claim], sizes: dict[int, MailSize]) -> None:
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
        raws = await self._fetch_raw(claims, sizes)
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
        verdicts = await self._authenticate([raws[claim.uid] for claim in claims])
        arrived: list[Arrived] = []
        refused: list[Refused] = []
        for claim, blob, read, verdict in zip(claims, blobs, parsed, verdicts, strict=True):
            received_at = sizes[claim.uid].received_at
            size_bytes = len(raws[claim.uid])
            if isinstance(read, Unreadable):
                refused.append(Refused(claim.row_id, read.reason, size_bytes, received_at, blob))
                continue
            files = await self._keep_files(claims, read)
            message = replace(read.message, authentication=verdict)
            arrived.append(Arrived(claim.row_id, size_bytes, received_at, blob, message, files))
        await self._quarantine(claims, refused)
        await self._route(claims, arrived)

    async def _fetch_raw(
        self, claims: Sequence[Claim], sizes: dict[int, MailSize]
    ) -> dict[int, bytes]:
        """Return the mails' bytes. A lost connection is no mail's fault, unless always the same."""
        watcher = self._attached.watcher
        try:
            return await self._connection.fetch([claim.uid for claim in claims])
        except ImapError:
            database = self.watch.delivery.database
            await intake.unclaim(database, watcher, [claim.row_id for claim in claims])
            if len(claims) == 1 and self._lose(claims[0].uid) >= MAX_LOSSES:
                size = sizes[claims[0].uid]
                reason = f"the connection was lost each of {MAX_LOSSES} times that it was fetched"
                row_id = claims[0].row_id
                lost = Refused(row_id, reason, size.size_bytes, size.received_at, None)
                await self._quarantine(claims, [lost])
            raise

    def _lost(self, uid: int) -> int:
        return self.watch.losses.get(self._loss_key(uid), 0)

    def _lose(self, uid: int) -> int:
        self.watch.losses[self._loss_key(uid)] = self._lost(uid) + 1
        return self._lost(uid)

    def _loss_key(self, uid: int) -> tuple[str, str, int, int]:
        watcher = self._attached.watcher
        return watcher.tenant, watcher.mailbox_id, watcher.uidvalidity, uid

    async def _authenticate(self, raws: Sequence[bytes]) -> Sequence[Authentication | None]:
        if self.watch.authenticator is None:
            return [None] * len(raws)
        return await self.watch.authenticator.check(raws, self.account.authserv_id)

    async def _keep_files(self, claims: Sequence[Claim], read: Parsed) -> tuple[StoredFile, ...]:
        """Keep a mail's attachments that have any bytes."""
        pairs = zip(read.message.attachments, read.contents, strict=True)
        found = [(attachment, content) for attachment, content in pairs if content]
        keys = await self._put(claims, [content for _, content in found])
        return tuple(
            StoredFile(
                id=new_file_id(),
                name=attachment.name,
                content_type=attachment.content_type,
                size_bytes=attachment.size_bytes,
                sha256=attachment.sha256,
                blob=key,
                part=attachment.part,
                inline=attachment.inline,
            )
            for (attachment, _), key in zip(found, keys, strict=True)
        )

    async def _store(self, claims: Sequence[Claim], raws: dict[int, bytes]) -> list[str]:
        return await self._put(claims, [raws[claim.uid] for claim in claims])

    async def _put(self, claims: Sequence[Claim], contents: Sequence[bytes]) -> list[str]:
        limit = asyncio.Semaphore(CONCURRENT_BLOBS)

        async def put(content: bytes) -> str:
            async with limit:
                return await self.watch.blobs.put(self.account.tenant, content)

        try:
            return await asyncio.gather(*map(put, contents))
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

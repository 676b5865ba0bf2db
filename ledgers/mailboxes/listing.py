"""One connection's life: what is listed and pending is taken in order, then mail is waited for.

Pending is what the server lists minus what the ledger holds, never "above the highest UID".
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clients.imap import FolderStatus, ImapConnection, MailSize
from contracts.clock import utc_now
from ledgers.intake import rows as intake
from ledgers.mailboxes import handling, health, pacing, watermark
from ledgers.mailboxes.accounts import Account
from ledgers.mailboxes.pacing import Pace, TokenBucket
from ledgers.mailboxes.taking import LARGEST, Taking, Tools
from store.database import Database
from store.mailboxes import AfterHandling

BATCH = 25
# How far below the newest UID a quick listing looks: servers may show mails out of order.
RECENT_UIDS = 1_000
# A server may count a mail's octets a little differently than it sends them.
_MISCOUNTED_BYTES = 1_000_000
# A write a second is enough, however many mails come in it.
NOTED_EVERY = timedelta(seconds=1)
WINDOW_CHECK = timedelta(milliseconds=100)
# Where nothing is taken by cases for so long, as while Temporal is away, reading goes on.
WINDOW_PATIENCE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=1)


@dataclass(slots=True)
class Session:
    """What one watch does over one connection; `wake` may come from another task."""

    tools: Tools
    account: Account
    pace: Pace
    bucket: TokenBucket | None = None
    listed: bool = False
    _connection: ImapConnection | None = None

    async def run(self) -> None:
        """Work until the connection fails, or the mailbox is not to be watched any more."""
        self._connection = await ImapConnection.open(
            self.account.imap,
            timeout=self.pace.silence,
            max_literal_bytes=LARGEST.size_bytes + _MISCOUNTED_BYTES,
        )
        folder = _Folder(self, self._connection)
        try:
            await folder.attach()
            while await folder.catch_up():
                await self._connection.wait(self.pace.recheck, alive_within=self.pace.alive_within)
        finally:
            await self._connection.close()
            await folder.close()

    def wake(self) -> None:
        """List the folder now rather than when it is next time: a deadline waits for it."""
        if self._connection is not None:
            self._connection.wake()


@dataclass(slots=True)
class _Folder:
    """A folder that is open, and what of it is still to be taken."""

    session: Session
    connection: ImapConnection
    _taking: Taking | None = None
    _status: FolderStatus = field(init=False)
    _full_listing_at: datetime = field(default_factory=utc_now)
    _noted_at: datetime | None = None
    _may_handle: bool = True

    @property
    def _database(self) -> Database:
        return self.session.tools.delivery.database

    @property
    def _account(self) -> Account:
        return self.session.account

    @property
    def _taken(self) -> Taking:
        assert self._taking is not None  # noqa: S101 (attached before anything else)
        return self._taking

    async def close(self) -> None:
        """Give up what is being delivered: the delivery watch does it then."""
        if self._taking is not None:
            await self._taking.close()

    async def attach(self) -> None:
        """Take the mailbox, as its folder is now."""
        status = await self._select()
        await self._begin(status)
        if self._went_back(status) and self._went_back(status := await self._select()):
            # Asked for once more, since the watch before this one may have been faster.
            await intake.forget_uids(self._database, self._taken.attached.watcher)
            await self._begin(status)
        self._full_listing_at = utc_now()

    async def _begin(self, status: FolderStatus) -> None:
        attached = await intake.attach(
            self._database,
            self._account.tenant,
            self._account.mailbox_id,
            uidvalidity=status.uidvalidity,
            uidnext=status.uidnext,
            now=utc_now(),
        )
        await self.close()
        self._taking = Taking(
            self.session.tools,
            self._account,
            self.connection,
            attached,
            decided=await intake.decided_uids(self._database, attached.watcher),
            losses=await intake.losses(self._database, attached.watcher),
        )

    async def _select(self) -> FolderStatus:
        leave = self._account.after_handling is AfterHandling.LEAVE
        self._status = await self.connection.select(self._account.folder, read_only=leave)
        return self._status

    def _went_back(self, status: FolderStatus) -> bool:
        """Return whether UIDs that were given once are yet to be given: a restored backup."""
        given = max(self._taken.attached.start_uid - 1, max(self._taken.decided, default=0))
        return status.uidnext <= given

    async def catch_up(self) -> bool:
        """Handle all that is listed and not decided; mails that arrive meanwhile included.

        Returns False when the mailbox is paused or deleted: word of that may have been lost.
        """
        while True:
            began = utc_now()
            pending = await self._pending()
            sizes = await self.connection.sizes(pending) if pending else {}
            self.session.listed = True
            ordered = self._in_order(pending, sizes)
            if not await self._read_all(ordered, sizes, began):
                return False
            # What was listed and not returned may be there next time.
            if not self._taken.decided.intersection(pending):
                await self._handle_ended()
                return True

    def _in_order(self, pending: Sequence[int], sizes: dict[int, MailSize]) -> list[int]:
        """Return UIDs by when the server received their mails; what breaks connections last."""

        def key(uid: int) -> tuple[int, datetime, int]:
            taken = self._taken
            received_at = sizes[uid].received_at if uid in sizes else taken.attached.attached_at
            return taken.losses.get(uid, 0), received_at, uid

        return sorted(pending, key=key)

    async def _read_all(
        self, ordered: Sequence[int], sizes: dict[int, MailSize], began: datetime
    ) -> bool:
        """Read what is pending, batch by batch; False when the mailbox is paused or deleted."""
        left = list(ordered)
        while left:
            if self._may_note() and not await self._note(self._read_until(left, sizes, began)):
                return False
            count = await self._allowed(len(left))
            batch, left = left[:count], left[count:]
            await self._taken.take(batch, sizes)
        rest = [uid for uid in ordered if uid not in self._taken.decided]
        if ordered and not self._may_note():
            return True  # another listing follows at once, and ends with a note
        return await self._note(self._read_until(rest, sizes, began))

    def _read_until(
        self, left: Sequence[int], sizes: dict[int, MailSize], began: datetime
    ) -> datetime | None:
        """Return until when all mail is in the ledger, as far as that is known."""
        if any(uid not in sizes for uid in left):
            return None
        oldest = min((sizes[uid].received_at for uid in left), default=began)
        return watermark.read_until_of(min(began, oldest))

    def _may_note(self) -> bool:
        every = min(NOTED_EVERY, self.session.pace.recheck)
        return self._noted_at is None or utc_now() - self._noted_at >= every

    async def _note(self, read_until: datetime | None) -> bool:
        """Say that the folder was listed; returns whether the mailbox is still to be watched."""
        self._noted_at = utc_now()
        return await health.connected(
            self._database, self._account.tenant, self._account.mailbox_id, read_until
        )

    async def _allowed(self, wanted: int) -> int:
        """Return how many mails may be taken now; 0 where the limit asks for a pause first."""
        await self._await_window()
        bucket = self.session.bucket
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
            self._database, self._account.tenant, self._account.mailbox_id
        ):
            await asyncio.sleep(WINDOW_CHECK.total_seconds())

    async def _handle_ended(self) -> None:
        if self._account.after_handling is AfterHandling.LEAVE or not self._may_handle:
            return
        self._may_handle = await handling.handle_ended(
            self._database,
            self.connection,
            self._account,
            self._taken.attached.watcher,
            self._status,
        )

    async def _pending(self) -> list[int]:
        low = self._taken.attached.start_uid
        released = await intake.released_uids(self._database, self._taken.attached.watcher)
        self._taken.decided.difference_update(released)
        if utc_now() < self._full_listing_at:
            recent = max(low, max(self._taken.decided, default=low) - RECENT_UIDS)
            low = min(recent, *released) if released else recent
            listed = await self.connection.uids(low)
        else:
            # Selecting again shows a UIDVALIDITY that changed under the connection.
            status = await self._select()
            changed = status.uidvalidity != self._taken.attached.watcher.uidvalidity
            if changed or self._went_back(status):
                await self.attach()
                low = self._taken.attached.start_uid
            listed = await self.connection.uids(low)
            await intake.settle_gone(self._database, self._taken.attached.watcher, listed)
            self._full_listing_at = utc_now() + self.session.pace.full_listing
        return [uid for uid in listed if uid not in self._taken.decided]

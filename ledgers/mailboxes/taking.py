"""Mails into the ledger: claimed, fetched, stored, read, and routed or put aside."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from clients.imap import ImapConnection, ImapError, MailSize
from contracts.clock import utc_now
from contracts.ids import new_file_id
from ledgers.casework.delivery import Delivery
from ledgers.crash_points import CrashPoint, reached
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived, Claim, Refused, StoredFile
from ledgers.intake.rows import Attached
from ledgers.mailboxes.accounts import Account
from ledgers.mailboxes.authentication import Authenticator
from ledgers.mailboxes.parsing import Parser, Unreadable
from mail.message import DEFAULT_LIMITS, Authentication, Limits, Parsed
from mail.threading import TokenKeys
from store.blobs import Blobs

BATCH_BYTES = 16_000_000
# What a person has released from quarantine may be larger; its lines and parts grow with it.
LARGEST = Limits(size_bytes=100_000_000, lines=3_000_000, boundary_checks=100_000_000)
# A mail on whose fetch, with no other beside it, the connection was lost so often is put aside.
MAX_LOSSES = 10
CONCURRENT_BLOBS = 8


class BlobsFailed(Exception):
    """The blob store takes nothing now; the mails wait on their server meanwhile."""

    def __init__(self, reason: str) -> None:
        """Keep what the store said."""
        super().__init__(f"the blob store takes no mail: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Tools:
    """What mails are taken with, whichever mailbox they are of."""

    delivery: Delivery
    blobs: Blobs
    parser: Parser
    keys: TokenKeys
    authenticator: Authenticator | None


@dataclass(slots=True)
class Taking:
    """Takes the mails of one attached mailbox from one connection."""

    tools: Tools
    account: Account
    connection: ImapConnection
    attached: Attached
    # The UIDs for which nothing is left to do.
    decided: set[int]
    # How often the connection was lost while a UID alone was fetched.
    losses: dict[int, int]
    _delivery: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Give up what is being delivered: the delivery watch does it then."""
        if self._delivery is not None:
            self._delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._delivery

    async def take(self, uids: Sequence[int], sizes: dict[int, MailSize]) -> None:
        """Read these mails, in this order; what the server does not return stays pending."""
        database, watcher = self.tools.delivery.database, self.attached.watcher
        left = list(uids)
        while left:
            claims = await intake.claim(database, watcher, left, utc_now())
            reached(CrashPoint.INTAKE_CLAIMED)
            if not claims:
                self.decided.update(left)
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
            if (size := sizes[claim.uid]).size_bytes > _limits(claim).size_bytes
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
        reached(CrashPoint.INTAKE_STORED)
        parsed = await self._parse(claims, raws)
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
            arrived.append(
                Arrived(claim.row_id, size_bytes, received_at, blob, message, files, claim.released)
            )
        await self._quarantine(claims, refused)
        await self._route(claims, arrived)

    async def _fetch_raw(
        self, claims: Sequence[Claim], sizes: dict[int, MailSize]
    ) -> dict[int, bytes]:
        """Return the mails' bytes. A lost connection is no mail's fault, unless always the same."""
        try:
            return await self.connection.fetch([claim.uid for claim in claims])
        except ImapError:
            await self._unclaim(claims)
            if len(claims) == 1:
                await self._lose(claims[0], sizes[claims[0].uid])
            raise

    async def _lose(self, claim: Claim, size: MailSize) -> None:
        """Count a connection that was lost over one mail; after too many, put the mail aside."""
        count = self.losses.get(claim.uid, 0) + 1
        watcher = self.attached.watcher
        await intake.note_losses(self.tools.delivery.database, watcher, claim.row_id, count)
        self.losses[claim.uid] = count
        if count >= MAX_LOSSES:
            reason = f"the connection was lost each of {MAX_LOSSES} times that it was fetched"
            lost = Refused(claim.row_id, reason, size.size_bytes, size.received_at, None)
            await self._quarantine([claim], [lost])

    async def _unclaim(self, claims: Sequence[Claim]) -> None:
        await intake.unclaim(
            self.tools.delivery.database,
            self.attached.watcher,
            [claim.row_id for claim in claims],
        )

    async def _parse(
        self, claims: Sequence[Claim], raws: dict[int, bytes]
    ) -> list[Parsed | Unreadable]:
        # A mail that was claimed before comes alone, and only such a one can be released.
        limits = _limits(claims[0]) if claims else DEFAULT_LIMITS
        return await self.tools.parser.read([raws[claim.uid] for claim in claims], limits)

    async def _authenticate(self, raws: Sequence[bytes]) -> Sequence[Authentication | None]:
        if self.tools.authenticator is None:
            return [None] * len(raws)
        return await self.tools.authenticator.check(raws, self.account.authserv_id)

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
        blobs = await self._put(claims, [raws[claim.uid] for claim in claims])
        for claim, blob in zip(claims, blobs, strict=True):
            if claim.attempts > 1:
                await intake.keep_bytes(
                    self.tools.delivery.database, self.attached.watcher, claim.row_id, blob
                )
        return blobs

    async def _put(self, claims: Sequence[Claim], contents: Sequence[bytes]) -> list[str]:
        limit = asyncio.Semaphore(CONCURRENT_BLOBS)

        async def put(content: bytes) -> str:
            async with limit:
                return await self.tools.blobs.put(self.account.tenant, content)

        try:
            return await asyncio.gather(*map(put, contents))
        except Exception as error:  # of whichever kind the store's maker has
            await self._unclaim(claims)
            raise BlobsFailed(type(error).__name__) from error

    async def _quarantine(self, claims: Sequence[Claim], refused: list[Refused]) -> None:
        await intake.quarantine(self.tools.delivery.database, self.attached.watcher, refused)
        rows = {mail.row_id for mail in refused}
        self.decided.update(claim.uid for claim in claims if claim.row_id in rows)

    async def _route(self, claims: Sequence[Claim], mails: list[Arrived]) -> None:
        if not mails:
            return
        row_ids = await routing.accept(
            self.tools.delivery.database, self.attached, self.tools.keys, mails, utc_now()
        )
        reached(CrashPoint.INTAKE_COMMITTED)
        rows = {mail.row_id for mail in mails}
        self.decided.update(claim.uid for claim in claims if claim.row_id in rows)
        await self._deliver(row_ids)

    async def _deliver(self, row_ids: list[int]) -> None:
        """Deliver while the next batch is read; batches one after the other, for their order."""
        if self._delivery is not None:
            await self._delivery
        self._delivery = asyncio.create_task(
            self.tools.delivery.deliver_now(self.account.tenant, row_ids)
        )


def _limits(claim: Claim) -> Limits:
    return LARGEST if claim.released else DEFAULT_LIMITS


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

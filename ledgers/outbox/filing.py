"""Sent folders: put copies there, and look whether a mail is there.

A connection is kept for a while for each account: logging in takes longer than filing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from clients.imap import (
    ImapAccount,
    ImapConnection,
    ImapError,
    ImapFolderMissing,
    ImapUnreachable,
)
from ledgers.mailboxes.accounts import Account

LOOKUP = timedelta(seconds=30)
KEPT_ACCOUNTS = 32
# Servers end idle sessions after 30 minutes (RFC 9051, 5.4), some much sooner.
KEPT_FOR = timedelta(seconds=60)


@dataclass(slots=True)
class _Kept:
    """The connection of one account, and one user of it at a time."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: ImapConnection | None = None
    used_at: float = 0.0
    users: int = 0


@dataclass(frozen=True, slots=True)
class SentFolders:
    """The Sent folders of one process; belongs to one event loop."""

    _kept: dict[ImapAccount, _Kept] = field(default_factory=dict)

    async def holds(self, account: Account, message_id: str) -> bool:
        """Return whether a copy is in Sent; raises ImapError when that cannot be seen now."""
        if account.sent_folder is None:
            return False
        async with self._connection(account.imap, account.sent_folder) as connection:
            try:
                return bool(await connection.find_message_id(account.sent_folder, message_id))
            except ImapFolderMissing:
                return False

    async def append(self, account: Account, folder: str, raw: bytes) -> None:
        """Put a copy into a folder, as read."""
        async with self._connection(account.imap, folder) as connection:
            await connection.append(folder, raw, ("\\Seen",))

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        for account in [each for each, kept in self._kept.items() if not kept.users]:
            await _close(self._kept.pop(account))

    @asynccontextmanager
    async def _connection(self, account: ImapAccount, folder: str) -> AsyncIterator[ImapConnection]:
        """Give the account's connection; after any error it is a new one."""
        kept = self._kept.setdefault(account, _Kept())
        kept.users += 1
        try:
            async with _turn(kept, account):
                connection = await _working(kept, account, folder)
                try:
                    yield connection
                except BaseException:
                    # After a timeout or a cancellation nobody knows what comes next on it.
                    await _close(kept)
                    raise
                kept.used_at = asyncio.get_running_loop().time()
        finally:
            kept.users -= 1
            await self._sweep()

    async def _sweep(self) -> None:
        """Close what nobody has used for a while, and the oldest where there are too many."""
        oldest = asyncio.get_running_loop().time() - KEPT_FOR.total_seconds()
        unused = [account for account, kept in self._kept.items() if not kept.users]
        unused.sort(key=lambda account: self._kept[account].used_at)
        too_many = max(0, len(self._kept) - KEPT_ACCOUNTS)
        for place, account in enumerate(unused):
            kept = self._kept[account]
            if place < too_many or kept.connection is None or kept.used_at < oldest:
                del self._kept[account]
                await _close(kept)


@asynccontextmanager
async def _turn(kept: _Kept, account: ImapAccount) -> AsyncIterator[None]:
    """Hold the right to the connection; a server that hangs holds nobody up for long."""
    try:
        await asyncio.wait_for(kept.turn.acquire(), LOOKUP.total_seconds())
    except TimeoutError:
        raise ImapUnreachable(account.host, account.port, "it is too slow") from None
    try:
        yield
    finally:
        kept.turn.release()


async def _working(kept: _Kept, account: ImapAccount, folder: str) -> ImapConnection:
    """Return the kept connection if it is young and answers, else a new one."""
    known = kept.connection
    if known is not None:
        young = asyncio.get_running_loop().time() - kept.used_at < KEPT_FOR.total_seconds()
        if young and await _answers(known, folder):
            return known
        await _close(kept)
    kept.connection = await ImapConnection.open(account, timeout=LOOKUP)
    return kept.connection


async def _answers(connection: ImapConnection, folder: str) -> bool:
    # Asked of a dead connection, APPEND would leave open whether the mail was filed.
    try:
        await connection.select(folder, read_only=True)
    except ImapError:
        return False
    return True


async def _close(kept: _Kept) -> None:
    connection, kept.connection = kept.connection, None
    if connection is not None:
        await connection.close()

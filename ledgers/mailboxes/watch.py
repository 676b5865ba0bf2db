"""The watch of one mailbox: one connection after the other, until it is told to stop."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from clients.imap import ImapError
from contracts.errors import MailboxNotFound
from ledgers.casework.delivery import Delivery
from ledgers.intake.mails import Fenced
from ledgers.mailboxes import accounts, health
from ledgers.mailboxes.accounts import Account
from ledgers.mailboxes.authentication import Authenticator
from ledgers.mailboxes.listing import Session
from ledgers.mailboxes.pacing import Pace, TokenBucket
from ledgers.mailboxes.parsing import Parser
from ledgers.mailboxes.taking import BlobsFailed, Tools
from ledgers.mailboxes.wanted import Wanted
from mail.threading import TokenKeys
from store.blobs import Blobs
from store.secrets import SecretUnreadable

log = structlog.get_logger()


class WatchEnd(StrEnum):
    """Why a watch ended by itself."""

    GONE = "gone"
    PAUSED = "paused"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class MailboxWatch:
    """What a watch works with; one for all mailboxes of a process."""

    delivery: Delivery
    blobs: Blobs
    parser: Parser
    keys: TokenKeys
    pace: Pace = field(default_factory=Pace)
    authenticator: Authenticator | None = None
    # What outlives a connection: the mailboxes' allowances, by tenant and mailbox.
    _buckets: dict[tuple[str, str], TokenBucket] = field(default_factory=dict)
    _wanted: Wanted = field(init=False)

    def __post_init__(self) -> None:
        """Start no loop yet."""
        object.__setattr__(self, "_wanted", Wanted(self.delivery.database, self.pace.recheck))

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
                session = Session(self._tools(), account, self.pace, self._bucket(account))
                async with self._wanted.waking(tenant, mailbox_id, session.wake):
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

    def _tools(self) -> Tools:
        return Tools(self.delivery, self.blobs, self.parser, self.keys, self.authenticator)

    def _bucket(self, account: Account) -> TokenBucket | None:
        """Return a mailbox's allowance, where it has a limit."""
        key, limit = (account.tenant, account.mailbox_id), account.intake_per_minute
        if limit is None:
            return None
        if key not in self._buckets or self._buckets[key].per_minute != limit:
            self._buckets[key] = TokenBucket(limit)
        return self._buckets[key]

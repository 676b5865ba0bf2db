"""One attempt to send a frozen mail, and what it proves.

Connect, MAIL and RCPT while the row is `intended`; the compare-and-set to `attempting` right
before DATA; afterwards only an answer of the server, or a copy in the Sent folder, settles it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from clients.imap import ImapError
from clients.smtp import SmtpPool, SmtpTransaction
from clients.smtp_errors import (
    SmtpAnswer,
    SmtpAuthFailed,
    SmtpOutcomeUnknown,
    SmtpRefused,
    SmtpUnsent,
)
from contracts.clock import utc_now
from contracts.outbox import SendOutcome
from ledgers.crash_points import CrashPoint, reached
from ledgers.mailboxes.accounts import Account
from ledgers.outbox import attempts
from ledgers.outbox import rows as outbox
from ledgers.outbox.filing import SentFolders
from ledgers.outbox.receipts import receipt
from ledgers.outbox.rows import Evidence, HeldFor
from store.database import Database
from store.tables import OutboxState

log = structlog.get_logger()

RENEW_EVERY = attempts.LEASE / 3
_SENT = (OutboxState.SENT, OutboxState.PARTLY_SENT)
# What a mail is settled from when its answer comes after somebody else took it over: the
# server's word goes before what anybody has concluded from its absence.
_CONCLUDED = (OutboxState.UNKNOWN, OutboxState.INTENDED, OutboxState.DROPPED)


class TryLater(Exception):
    """Certainly not sent, or somebody else is at it: Temporal tries again.

    `after` says when, where that is known better than by backing off.
    """

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        """Keep the reason and the time."""
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends frozen mails of one process."""

    database: Database
    smtp: SmtpPool
    sent_folders: SentFolders = field(default_factory=SentFolders)

    async def send(
        self, row: outbox.Row, account: Account, owner: str, *, resend_unknown: bool
    ) -> SendOutcome:
        """Bring a row to an end, or raise `TryLater`."""
        if row.state is OutboxState.ATTEMPTING:
            row = await self._take_over(row)
        if row.state is OutboxState.UNKNOWN:
            row = await self._settle_unknown(row, account, resend=resend_unknown)
        if row.state is OutboxState.SENT or _is_unfiled(row):
            # Whoever sent it may have ended before the copy was filed.
            return await self._filed(row, account, owner, look_first=True)
        if (outcome := row.outcome()) is not None:
            return outcome
        if utc_now() - row.waits_since > outbox.GIVE_UP_AFTER:
            return await self._give_up(row)
        return await self._attempt(row, account, owner, resend_unknown=resend_unknown)

    async def _take_over(self, row: outbox.Row) -> outbox.Row:
        """Return the row once its owner's lease is over; what it left is unknown."""
        if row.lease_until is not None and (left := row.lease_until - utc_now()) > timedelta(0):
            raise TryLater("another process is sending this mail", after=left)
        await attempts.abandon(self.database, row)
        return await outbox.read(self.database, row)

    async def _settle_unknown(
        self, row: outbox.Row, account: Account, *, resend: bool
    ) -> outbox.Row:
        """Look for evidence in Sent; without any, resend only where the policy says so."""
        resend = resend and Evidence.RESENT_AFTER not in row.evidence
        try:
            found = await self.sent_folders.holds(account, row.message_id)
        except ImapError as error:
            if resend:
                # Without a look at the evidence it could be sent twice for nothing.
                raise TryLater("the Sent folder cannot be looked at") from error
            return row
        if found:
            evidence: dict[str, Any] = {Evidence.SENT_FOLDER: account.sent_folder}
            after, reason = OutboxState.FILED, "found in the Sent folder"
        elif resend:
            evidence = {Evidence.RESENT_AFTER: row.reason}
            after, reason = OutboxState.INTENDED, "sent again by policy"
        else:
            return row
        await attempts.settle(
            self.database, row, OutboxState.UNKNOWN, after, reason=reason, evidence=evidence
        )
        return await outbox.read(self.database, row)

    async def _give_up(self, row: outbox.Row) -> SendOutcome:
        await attempts.settle(
            self.database,
            row,
            OutboxState.INTENDED,
            OutboxState.HELD,
            reason=f"not accepted within {outbox.GIVE_UP_AFTER.days} days",
            evidence={},
            held_for=HeldFor.GIVEN_UP,
        )
        return await self._ended(row)

    async def _attempt(
        self, row: outbox.Row, account: Account, owner: str, *, resend_unknown: bool
    ) -> SendOutcome:
        try:
            async with self.smtp.transaction(
                account.smtp, row.envelope_from, row.recipients, len(row.raw)
            ) as transaction:
                reached(CrashPoint.OUTBOX_CONNECTED)
                has_rate = account.sends_per_minute is not None
                if not await attempts.begin_attempt(self.database, row, owner, has_rate=has_rate):
                    raise TryLater("another process is sending this mail")
                reached(CrashPoint.OUTBOX_ATTEMPTING)
                answer = await self._data(row, account, owner, transaction)
        except attempts.OverRate as error:
            raise TryLater(str(error), after=error.after) from error
        except SmtpUnsent as error:
            await self._back_to_intended(row, owner, error)
            raise TryLater(error.reason) from error
        except SmtpAuthFailed as error:
            # A wrong password is put right by a person: the mail waits, and it shows.
            await self._back_to_intended(row, owner, error)
            raise TryLater("the mail server refuses the login") from error
        except SmtpRefused as error:
            await self._refused(row, owner, error)
            return await self._ended(row)
        # The connection is free for the next mail while this one's end is written down.
        if answer is None:
            return await self._after_unknown(row, account, resend=resend_unknown)
        reached(CrashPoint.OUTBOX_ANSWERED)
        outcome = await self._accepted(row, account, owner, answer, transaction.refused)
        reached(CrashPoint.OUTBOX_SENT)
        if outcome.state in _SENT and account.sent_folder is not None:
            return await self._filed(row, account, owner, look_first=False)
        return outcome

    async def _after_unknown(
        self, row: outbox.Row, account: Account, *, resend: bool
    ) -> SendOutcome:
        """Settle an attempt without an answer, as far as it can be."""
        settled = await self._settle_unknown(
            await outbox.read(self.database, row), account, resend=resend
        )
        if settled.state is OutboxState.INTENDED:
            raise TryLater("sent again by policy")
        return settled.outcome() or await self._ended(row)

    async def _data(
        self, row: outbox.Row, account: Account, owner: str, transaction: SmtpTransaction
    ) -> SmtpAnswer | None:
        """Send the mail, and return the server's answer; None where there was none."""
        async with _renewing(self.database, row, owner):
            try:
                return await transaction.data(row.raw)
            except SmtpOutcomeUnknown as error:
                await attempts.end_attempt(
                    self.database,
                    row,
                    owner,
                    OutboxState.UNKNOWN,
                    reason=error.reason,
                    evidence=_evidence(account, error.answer, transaction.refused),
                )
                return None

    async def _accepted(
        self,
        row: outbox.Row,
        account: Account,
        owner: str,
        answer: SmtpAnswer,
        refused: Mapping[str, SmtpAnswer],
    ) -> SendOutcome:
        after = OutboxState.PARTLY_SENT if refused else OutboxState.SENT
        reason = f"{len(refused)} recipients refused" if refused else None
        evidence = _evidence(account, answer, refused)
        ended = await attempts.end_attempt(
            self.database, row, owner, after, reason=reason, evidence=evidence
        )
        # If not, renewing failed for so long that somebody took it over; now it is known after
        # all, and if it was to be sent again, it need not be.
        for before in () if ended else _CONCLUDED:
            await attempts.settle(
                self.database, row, before, after, reason=reason, evidence=evidence
            )
        return await self._ended(row)

    async def _back_to_intended(
        self, row: outbox.Row, owner: str, error: SmtpUnsent | SmtpAuthFailed
    ) -> None:
        """Show why it waits; after an answer to DATA the attempt is over, and certainly unsent."""
        evidence = _evidence(None, error.answer, error.refused)
        if not await attempts.end_attempt(
            self.database,
            row,
            owner,
            OutboxState.INTENDED,
            reason=error.reason,
            evidence=evidence,
        ):
            await attempts.settle(
                self.database,
                row,
                OutboxState.INTENDED,
                OutboxState.INTENDED,
                reason=error.reason,
                evidence=evidence,
            )

    async def _refused(self, row: outbox.Row, owner: str, error: SmtpRefused) -> None:
        evidence = _evidence(None, error.answer, error.refused)
        if not await attempts.end_attempt(
            self.database, row, owner, OutboxState.REFUSED, reason=str(error), evidence=evidence
        ):
            await attempts.settle(
                self.database,
                row,
                OutboxState.INTENDED,
                OutboxState.REFUSED,
                reason=str(error),
                evidence=evidence,
            )

    async def _filed(
        self, row: outbox.Row, account: Account, owner: str, *, look_first: bool
    ) -> SendOutcome:
        """Put a copy into the Sent folder, after `sent` is committed; a failure is only shown."""
        if account.sent_folder is None:
            return await self._ended(row)
        if not await attempts.begin_filing(self.database, row, owner):
            ended = await self._ended(row)
            if ended.state == OutboxState.SENT:
                raise TryLater("another process files the copy", after=attempts.LEASE)
            return ended
        try:
            known = look_first and await self.sent_folders.holds(account, row.message_id)
            if not known:
                await self.sent_folders.append(account, account.sent_folder, row.raw)
            await attempts.file(self.database, row, account.sent_folder)
        except (ImapError, ValueError) as error:
            log.warning(
                "reply.not_filed",
                tenant=row.tenant,
                case_id=row.case_id,
                message_id=row.message_id,
                error=type(error).__name__,
            )
        return await self._ended(row)

    async def _ended(self, row: outbox.Row) -> SendOutcome:
        now = await outbox.read(self.database, row)
        outcome = now.outcome()
        if outcome is None:
            raise TryLater(f"outbox row {now.id} is {now.state}")
        return outcome


def _is_unfiled(row: outbox.Row) -> bool:
    return row.state is OutboxState.PARTLY_SENT and Evidence.SENT_FOLDER not in row.evidence


@contextlib.asynccontextmanager
async def _renewing(database: Database, row: outbox.Row, owner: str) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY.total_seconds())
            try:
                await attempts.renew(database, row, owner)
            except SQLAlchemyError as error:
                # The next renewal may still come before the lease is over.
                log.warning("outbox.not_renewed", row=row.id, error=type(error).__name__)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()


def _evidence(
    account: Account | None, answer: SmtpAnswer | None, refused: Mapping[str, SmtpAnswer]
) -> dict[str, Any]:
    """Return what the server said, as the row keeps it; of an `account`'s, how it has queued it."""
    evidence: dict[str, Any] = {}
    if answer is not None:
        evidence[Evidence.ANSWER] = str(answer)
    if answer is not None and answer.positive and account is not None:
        queued = receipt(account.smtp.host, str(answer))
        if queued.queue_id:
            evidence[Evidence.QUEUE_ID] = queued.queue_id
        if queued.provider_id:
            evidence[Evidence.PROVIDER_ID] = queued.provider_id
    if refused:
        evidence[Evidence.REFUSED] = {address: str(said) for address, said in refused.items()}
    return evidence

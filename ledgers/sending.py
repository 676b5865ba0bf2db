"""One attempt to send a frozen mail, and what it proves.

Connect, MAIL and RCPT while the row is `intended`; the compare-and-set to `attempting` right
before DATA; afterwards only an answer of the server, or a copy in the Sent folder, settles it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from clients.imap import ImapConnection, ImapError
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
from ledgers import outbox
from ledgers.accounts import Account
from ledgers.crash_points import CrashPoint, reached
from store.database import Database
from store.tables import OutboxState

log = structlog.get_logger()

RENEW_EVERY = outbox.LEASE / 3
SENT_LOOKUP = timedelta(seconds=30)


class TryLater(Exception):
    """Certainly not sent, or somebody else is at it: Temporal tries again."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends frozen mails of one process."""

    database: Database
    smtp: SmtpPool

    async def send(
        self, row: outbox.Row, account: Account, owner: str, *, resend_unknown: bool
    ) -> SendOutcome:
        """Bring a row to an end, or raise `TryLater`."""
        if row.state is OutboxState.ATTEMPTING:
            row = await self._take_over(row)
        if row.state is OutboxState.UNKNOWN:
            row = await self._settle_unknown(row, account, resend=resend_unknown)
        if (outcome := row.outcome()) is not None:
            return outcome
        if utc_now() - row.created_at > outbox.GIVE_UP_AFTER:
            return await self._give_up(row)
        return await self._attempt(row, account, owner, resend_unknown=resend_unknown)

    async def _take_over(self, row: outbox.Row) -> outbox.Row:
        """Return the row once its owner's lease is over; what it left is unknown."""
        if row.lease_until is not None and row.lease_until > utc_now():
            raise TryLater("another process is sending this mail")
        await outbox.abandon(self.database, row)
        return await outbox.read(self.database, row.id)

    async def _settle_unknown(
        self, row: outbox.Row, account: Account, *, resend: bool
    ) -> outbox.Row:
        """Look for evidence in Sent; without any, resend only where the policy says so."""
        if await _is_in_sent(account, row.message_id):
            evidence = {"sent_folder": account.sent_folder}
            after, reason = OutboxState.FILED, "found in the Sent folder"
        elif resend and row.attempts < 2:
            evidence = {"resent_after": row.reason}
            after, reason = OutboxState.INTENDED, "sent again by policy"
        else:
            return row
        await outbox.settle(
            self.database, row.id, OutboxState.UNKNOWN, after, reason=reason, evidence=evidence
        )
        return await outbox.read(self.database, row.id)

    async def _give_up(self, row: outbox.Row) -> SendOutcome:
        await outbox.settle(
            self.database,
            row.id,
            OutboxState.INTENDED,
            OutboxState.HELD,
            reason=f"not accepted within {outbox.GIVE_UP_AFTER.days} days",
            evidence={},
        )
        return await self._ended(row.id)

    async def _attempt(
        self, row: outbox.Row, account: Account, owner: str, *, resend_unknown: bool
    ) -> SendOutcome:
        try:
            async with self.smtp.transaction(
                account.smtp, row.envelope_from, row.recipients, len(row.raw)
            ) as transaction:
                reached(CrashPoint.OUTBOX_CONNECTED)
                if not await outbox.begin_attempt(self.database, row, owner):
                    raise TryLater("another process is sending this mail")
                reached(CrashPoint.OUTBOX_ATTEMPTING)
                await self._data(row, owner, transaction)
        except SmtpUnsent as error:
            await self._back_to_intended(row, owner, error)
            raise TryLater(error.reason) from error
        except SmtpAuthFailed as error:
            # A wrong password is put right by a person: the mail waits, and it shows.
            await self._back_to_intended(row, owner, error)
            raise TryLater("the mail server refuses the login") from error
        except SmtpRefused as error:
            await self._refused(row, owner, error)
        outcome = await self._ended(row.id)
        if outcome.state == OutboxState.UNKNOWN:
            settled = await self._settle_unknown(
                await outbox.read(self.database, row.id), account, resend=resend_unknown
            )
            if settled.state is OutboxState.INTENDED:
                raise TryLater("sent again by policy")
            return settled.outcome() or outcome
        await self._file(row, account, outcome)
        return await self._ended(row.id)

    async def _data(self, row: outbox.Row, owner: str, transaction: SmtpTransaction) -> None:
        async with _renewing(self.database, row.id, owner):
            try:
                answer = await transaction.data(row.raw)
            except SmtpOutcomeUnknown as error:
                await outbox.end_attempt(
                    self.database,
                    row.id,
                    owner,
                    OutboxState.UNKNOWN,
                    reason=error.reason,
                    evidence=_evidence(error.answer, transaction.refused),
                )
                return
        reached(CrashPoint.OUTBOX_ANSWERED)
        partly = bool(transaction.refused)
        await outbox.end_attempt(
            self.database,
            row.id,
            owner,
            OutboxState.PARTLY_SENT if partly else OutboxState.SENT,
            reason=f"{len(transaction.refused)} recipients refused" if partly else None,
            evidence=_evidence(answer, transaction.refused),
        )
        reached(CrashPoint.OUTBOX_SENT)

    async def _back_to_intended(
        self, row: outbox.Row, owner: str, error: SmtpUnsent | SmtpAuthFailed
    ) -> None:
        """Show why it waits; after an answer to DATA the attempt is over, and certainly unsent."""
        evidence = _evidence(error.answer, error.refused)
        if not await outbox.end_attempt(
            self.database,
            row.id,
            owner,
            OutboxState.INTENDED,
            reason=error.reason,
            evidence=evidence,
        ):
            await outbox.settle(
                self.database,
                row.id,
                OutboxState.INTENDED,
                OutboxState.INTENDED,
                reason=error.reason,
                evidence=evidence,
            )

    async def _refused(self, row: outbox.Row, owner: str, error: SmtpRefused) -> None:
        evidence = _evidence(error.answer, error.refused)
        if not await outbox.end_attempt(
            self.database, row.id, owner, OutboxState.REFUSED, reason=str(error), evidence=evidence
        ):
            await outbox.settle(
                self.database,
                row.id,
                OutboxState.INTENDED,
                OutboxState.REFUSED,
                reason=str(error),
                evidence=evidence,
            )

    async def _file(self, row: outbox.Row, account: Account, outcome: SendOutcome) -> None:
        """Put a copy into the Sent folder, after `sent` is committed; a failure is only shown."""
        if account.sent_folder is None or outcome.state != OutboxState.SENT:
            return
        try:
            connection = await ImapConnection.open(account.imap)
            try:
                await connection.append(account.sent_folder, row.raw, ("\\Seen",))
            finally:
                await connection.close()
        except ImapError as error:
            log.warning(
                "reply.not_filed",
                tenant=row.tenant,
                case_id=row.case_id,
                message_id=row.message_id,
                error=type(error).__name__,
            )
            return
        await outbox.file(self.database, row.id)

    async def _ended(self, row_id: int) -> SendOutcome:
        row = await outbox.read(self.database, row_id)
        outcome = row.outcome()
        if outcome is None:
            raise TryLater(f"outbox row {row_id} is {row.state}")
        return outcome


@contextlib.asynccontextmanager
async def _renewing(database: Database, row_id: int, owner: str) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY.total_seconds())
            await outbox.renew(database, row_id, owner)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()


async def _is_in_sent(account: Account, message_id: str) -> bool:
    if account.sent_folder is None:
        return False
    try:
        connection = await ImapConnection.open(account.imap, timeout=SENT_LOOKUP)
        try:
            return bool(await connection.find_message_id(account.sent_folder, message_id))
        finally:
            await connection.close()
    except ImapError:
        return False


def _evidence(answer: SmtpAnswer | None, refused: Mapping[str, SmtpAnswer]) -> dict[str, Any]:
    """Return what the server said, as the row keeps it."""
    evidence: dict[str, Any] = {}
    if answer is not None:
        evidence["answer"] = str(answer)
    if refused:
        evidence["refused"] = {address: str(said) for address, said in refused.items()}
    return evidence

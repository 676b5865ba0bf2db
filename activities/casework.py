"""What a case asks for: record its steps, send its mails."""

import uuid
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import RECORD, SEND
from activities.heartbeats import beating
from activities.logged import logged
from cases.states import UnknownOutcome
from contracts.errors import MailboxNotFound
from contracts.outbox import SendOutcome, SendRequest
from contracts.steps import StepRecord
from ledgers import accounts, letters, outbox, record
from ledgers.crash_points import CrashPoint, reached
from ledgers.sending import Sender, TryLater
from mail.threading import TokenKeys
from store.database import Database
from store.secrets import SecretBox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Casework:
    """The activities of the case workers."""

    database: Database
    secrets: SecretBox
    keys: TokenKeys
    sender: Sender

    @activity.defn(name=RECORD.name)
    async def record(self, step: StepRecord) -> None:
        """Write what a case did."""
        with logged(step):
            await record.write_alone(self.database, step)
            log.info("step.recorded", state=", ".join(step.snapshot.states))

    @activity.defn(name=SEND.name)
    async def send(self, request: SendRequest) -> SendOutcome:
        """Freeze a mail, then send it; what was frozen or sent before stays."""
        with logged(request):
            async with beating():
                return await self._send_or_say_why(request)

    async def _send_or_say_why(self, request: SendRequest) -> SendOutcome:
        try:
            outcome = await self._send(request)
        except TryLater as error:
            log.info("mail.waits", reason=str(error), attempt=activity.info().attempt)
            raise ApplicationError(
                str(error), type="TryLater", next_retry_delay=error.after
            ) from error
        except outbox.RequestChanged as error:
            raise ApplicationError(str(error), type="RequestChanged", non_retryable=True) from error
        log.info(f"{request.kind}.{outcome.state}", outbox_id=outcome.outbox_id)
        return outcome

    async def _send(self, request: SendRequest) -> SendOutcome:
        async with self.database.read() as connection:
            row = await outbox.find(connection, request)
            facts = await letters.gather(connection, request)
            account = await self._account(connection, request, facts.mailbox_id)
        if account is None:
            # What the case did is so, whether or not it has a mailbox to write from.
            if request.record is not None:
                await record.write_alone(self.database, request.record)
            raise ApplicationError(
                "the case has no mailbox to write from: attach one to its definition",
                type="MailboxNotFound",
            )
        if row is not None and request.record is not None:
            # It came with the first attempt, or a run before an operator's reset had frozen it.
            await record.write_alone(self.database, request.record)
        if row is None:
            mail = letters.write(request, facts, account, self.keys)
            row = await outbox.freeze(self.database, request, mail)
            reached(CrashPoint.OUTBOX_INTENDED)
        return await self.sender.send(
            row,
            account,
            uuid.uuid4().hex,
            resend_unknown=facts.definition.unknown_outcome is UnknownOutcome.RESEND,
        )

    async def _account(
        self, connection: AsyncConnection, request: SendRequest, mailbox_id: str | None
    ) -> accounts.Account | None:
        if mailbox_id is None:
            return None
        try:
            return await accounts.read(connection, self.secrets, request.tenant, mailbox_id)
        except MailboxNotFound:
            return None

"""What a case asks for: record its steps, send its mails."""

import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import RECORD, SEND, SEND_ROW
from activities.heartbeats import beating
from activities.logged import logged
from cases.notation.declarations import UnknownOutcome
from contracts.errors import MailboxNotFound
from contracts.outbox import OutboxRow, Outcome, SendOutcome, SendRequest
from contracts.steps import StepRecord
from ledgers.casework import record
from ledgers.crash_points import CrashPoint, reached
from ledgers.mailboxes import accounts
from ledgers.outbox import freezing, letters, resolving
from ledgers.outbox import rows as outbox
from ledgers.outbox.approvals import Links, approval_letters
from ledgers.outbox.loops import ANSWERED_AT_ONCE
from ledgers.outbox.rows import Frozen, HeldFor, Key, Row
from ledgers.outbox.sending import Sender, TryLater
from mail.threading import TokenKeys
from store.blobs import Blobs
from store.database import Database
from store.secrets import SecretBox
from store.tables import OutboxState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Casework:
    """The activities of the case workers."""

    database: Database
    secrets: SecretBox
    keys: TokenKeys
    sender: Sender
    blobs: Blobs
    links: Links
    # How soon after a reply only a program answers.
    answered_at_once: timedelta = ANSWERED_AT_ONCE

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
                outcome = await _or_say_why(self._send(request))
            log.info(f"{request.kind}.{outcome.state}", outbox_id=outcome.outbox_id)
            return outcome

    @activity.defn(name=SEND_ROW.name)
    async def send_row(self, asked: OutboxRow) -> SendOutcome:
        """Send a mail on which a person has decided, and let its case know of the end."""
        async with beating():
            outcome = await _or_say_why(self._send_row(asked))
            reached(CrashPoint.OUTBOX_UNTOLD)
            await resolving.tell_end(self.database, asked.tenant, asked.outbox_id)
        log.info(f"outbox.{outcome.state}", tenant=asked.tenant, outbox_id=asked.outbox_id)
        return outcome

    async def _send(self, request: SendRequest) -> SendOutcome:
        async with self.database.read() as connection:
            row = await outbox.find(connection, request)
            facts = await letters.gather(connection, self.blobs, request)
            account = await self._account(connection, request.tenant, facts.mailbox_id)
        if account is None:
            # What the case did is so, whether or not it has a mailbox to write from.
            if request.record is not None:
                await record.write_alone(self.database, request.record)
            # A notice waits for none: it would keep the workflow of a closed case running for ever.
            raise _no_mailbox(for_good=request.notice is not None and facts.mailbox_id is None)
        if row is not None and request.record is not None:
            # It came with the first attempt, or a run before an operator's reset had frozen it.
            await record.write_alone(self.database, request.record)
        if row is None:
            mail = letters.write(request, facts, account, self.keys)
            row = await self._freeze(request, mail, account)
            reached(CrashPoint.OUTBOX_INTENDED)
        if row.held_for is HeldFor.APPROVAL:
            return await self._ask(row, account)
        # What a decision has overtaken comes to its end all the same.
        await self._send_letters(row, account, asks=False)
        return await self.sender.send(
            row,
            account,
            uuid.uuid4().hex,
            resend_unknown=facts.definition.unknown_outcome is UnknownOutcome.RESEND,
        )

    async def _freeze(self, request: SendRequest, mail: Frozen, account: accounts.Account) -> Row:
        """Freeze a mail, and with one that waits for approval the mails that ask for it."""

        def asking(outbox_id: int) -> Sequence[tuple[int, Frozen]]:
            return approval_letters(request, mail, outbox_id, account, self.keys, self.links)

        return await freezing.freeze(
            self.database, request, mail, asking, at_once=self.answered_at_once
        )

    async def _ask(self, draft: Row, account: accounts.Account) -> SendOutcome:
        """Send the mails that ask for a draft's approval, each as far as it can be now."""
        ended = await self._send_letters(draft, account, asks=True)
        outcome = (await outbox.read(self.database, draft)).outcome()
        if outcome is None:
            # Decided meanwhile: its own workflow sends it, and the case hears of that.
            raise TryLater("it was decided, and is being sent")
        if outcome.outcome is Outcome.HELD and Outcome.DONE not in ended:
            # Held for no approval that anybody knows of: the case tells its teams instead.
            reason = "nobody could be asked for approval"
            return outcome.model_copy(update={"reason": reason, "held_for": None})
        return outcome

    async def _send_letters(
        self, draft: Row, account: accounts.Account, *, asks: bool
    ) -> list[Outcome]:
        """Bring the mails that ask for a draft's approval to their ends, and return these.

        Without `asks` it is decided already, and no further one goes out.
        """
        ended, waits = [], None
        for outbox_id in draft.letters:
            letter = await outbox.read(self.database, Key(draft.tenant, outbox_id))
            if not asks and letter.state is OutboxState.INTENDED:
                await resolving.withdraw(self.database, letter)
                continue
            try:
                # A second copy of a question does no harm while it waits for an answer.
                sent = await self.sender.send(
                    letter, account, uuid.uuid4().hex, resend_unknown=asks
                )
                ended.append(sent.outcome)
            except TryLater as error:
                waits = error
        if waits is not None:
            raise waits
        return ended

    async def _send_row(self, asked: OutboxRow) -> SendOutcome:
        row = await outbox.read(self.database, Key(asked.tenant, asked.outbox_id))
        async with self.database.read() as connection:
            account = await self._account(connection, asked.tenant, row.mailbox_id)
        if account is None:
            raise _no_mailbox()
        # By a person's word it goes out once; whether again is for a person again.
        return await self.sender.send(row, account, uuid.uuid4().hex, resend_unknown=False)

    async def _account(
        self, connection: AsyncConnection, tenant: str, mailbox_id: str | None
    ) -> accounts.Account | None:
        if mailbox_id is None:
            return None
        try:
            return await accounts.read(connection, self.secrets, tenant, mailbox_id)
        except MailboxNotFound:
            return None


async def _or_say_why(sending: Awaitable[SendOutcome]) -> SendOutcome:
    """Return how a mail ended, or tell Temporal whether and when to try again."""
    try:
        return await sending
    except TryLater as error:
        log.info("mail.waits", reason=str(error), attempt=activity.info().attempt)
        raise ApplicationError(str(error), type="TryLater", next_retry_delay=error.after) from error
    except outbox.RequestChanged as error:
        raise ApplicationError(str(error), type="RequestChanged", non_retryable=True) from error


def _no_mailbox(*, for_good: bool = False) -> ApplicationError:
    return ApplicationError(
        "the case has no mailbox to write from: attach one to its definition",
        type="MailboxNotFound",
        non_retryable=for_good,
    )

"""Freezing a mail: its bytes and Message-ID are committed before anything is sent.

In the same transaction it is decided whether it may go out at all: not to a robot, not over a
correspondent's cap, not in a loop, not before somebody has approved it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.outbox import SendRequest
from ledgers.casework import record
from ledgers.inserts import insert_new
from ledgers.locks import one_at_a_time
from ledgers.outbox import loops
from ledgers.outbox.rows import (
    Evidence,
    Frozen,
    HeldFor,
    RequestChanged,
    Row,
    find,
    find_by_id,
    request_digest,
)
from store.database import Database
from store.tables import Message, Outbox, OutboxRecipient, OutboxState, Participant

__all__ = ["CAP_PERIOD", "Letters", "RequestChanged", "freeze", "index"]

CAP_PERIOD = timedelta(days=1)
# What the ledger keeps of a subject: "Re: " before the longest that a mail may bring is more.
_SUBJECT_MAX_CHARS = 998

# The mails that ask for the approval of the row with this number, with their action indexes.
Letters = Callable[[int], Sequence[tuple[int, Frozen]]]


async def freeze(
    database: Database,
    request: SendRequest,
    mail: Frozen,
    letters: Letters | None = None,
    *,
    at_once: timedelta = loops.ANSWERED_AT_ONCE,
) -> Row:
    """Write the step's record and freeze the mail, counting its correspondents' caps.

    Idempotent: what was frozen first stays. A mail that waits for approval is frozen together
    with the `letters` that ask for it. `at_once` is how soon only a program answers.
    """
    async with database.write() as connection:
        if request.record is not None:
            await record.write(connection, request.record)
        known = await find(connection, request)
        if known is not None:
            return known
        state, held_for, reason = await _first_state(connection, request, mail, at_once)
        row = await _insert(connection, request, mail, (state, held_for, reason))
        if held_for is HeldFor.APPROVAL and letters is not None:
            return await _freeze_letters(connection, request, row, letters(row.id))
        return row


async def freeze_alarm(connection: AsyncConnection, request: SendRequest, mail: Frozen) -> Row:
    """Freeze a mail about a mailbox, which is no message of any case."""
    first = OutboxState.SUPPRESSED if mail.suppressed else OutboxState.INTENDED
    return await _insert(connection, request, mail, (first, None, mail.suppressed))


async def index(connection: AsyncConnection, row: Row, text: str, now: datetime) -> None:
    """Make a mail that was held findable, as one that now goes out, and its case's."""
    await _index(connection, row, text=text, sender=None, references=(), now=now)


_State = tuple[OutboxState, HeldFor | None, str | None]


async def _first_state(
    connection: AsyncConnection, request: SendRequest, mail: Frozen, at_once: timedelta
) -> _State:
    if mail.failed is not None:
        return OutboxState.REFUSED, None, mail.failed
    if mail.suppressed is not None:
        return OutboxState.SUPPRESSED, None, mail.suppressed
    if request.kind == "reply":
        replies = await _most_replies(connection, request.tenant, mail)
        if replies >= mail.replies_per_day:
            reason = f"cap: {mail.replies_per_day} replies a day"
            return OutboxState.SUPPRESSED, None, reason
        # Nobody loops with whom there was no reply today.
        loop = replies and await loops.signs(connection, request, mail.recipients, at_once)
        if loop:
            return OutboxState.HELD, HeldFor.LOOP, loop
    if request.approvers:
        return OutboxState.HELD, HeldFor.APPROVAL, "it waits for approval"
    return OutboxState.INTENDED, None, None


async def _most_replies(connection: AsyncConnection, tenant: str, mail: Frozen) -> int:
    """Return how many replies the recipient with the most has had today, over all cases."""
    # Some robots carry no header: only counting over all cases ends such a loop (RFC 3834, 2).
    most = 0
    # In one order, or two mails to the same people could wait for each other.
    for address in sorted({recipient.lower() for recipient in mail.recipients}):
        await one_at_a_time(connection, "cap", tenant, address)
        most = max(most, await _replies_to(connection, tenant, address))
    return most


async def _replies_to(connection: AsyncConnection, tenant: str, address: str) -> int:
    further = select(OutboxRecipient.outbox_id).where(
        OutboxRecipient.tenant == tenant, OutboxRecipient.address == address
    )
    count = await connection.scalar(
        select(func.count())
        .select_from(Outbox)
        .where(
            Outbox.tenant == tenant,
            or_(Outbox.correspondent == address, Outbox.id.in_(further)),
            Outbox.created_at > utc_now() - CAP_PERIOD,
            Outbox.kind == "reply",
            Outbox.state != OutboxState.SUPPRESSED,
        )
    )
    return int(count or 0)


async def _insert(
    connection: AsyncConnection,
    request: SendRequest,
    mail: Frozen,
    first: _State,
    *,
    digest: str | None = None,
) -> Row:
    now = utc_now()
    state, held_for, reason = first
    subject = mail.subject[:_SUBJECT_MAX_CHARS]
    inserted = await connection.execute(
        insert(Outbox)
        .values(
            tenant=request.tenant,
            case_id=request.case_id,
            firing=request.firing,
            action_index=request.action_index,
            kind=request.kind,
            digest=digest or request_digest(request),
            state=state,
            reason=reason,
            held_for=held_for,
            template=request.template or None,
            mailbox_id=mail.mailbox_id,
            message_id=mail.message_id,
            correspondent=mail.recipients[0].lower() if mail.recipients else "",
            recipients=list(mail.recipients),
            envelope_from=mail.envelope_from,
            subject=subject,
            raw=mail.raw,
            attempts=0,
            evidence={},
            created_at=now,
            updated_at=now,
        )
        .returning(Outbox.id)
    )
    outbox_id = int(inserted.scalar_one())
    if request.kind == "reply":
        await insert_new(
            connection,
            OutboxRecipient,
            [
                {"tenant": request.tenant, "address": address.lower(), "outbox_id": outbox_id}
                for address in mail.recipients[1:]
            ],
        )
    row = Row(
        id=outbox_id,
        tenant=request.tenant,
        case_id=request.case_id,
        firing=request.firing,
        action_index=request.action_index,
        kind=request.kind,
        state=state,
        reason=reason,
        held_for=held_for,
        mailbox_id=mail.mailbox_id,
        message_id=mail.message_id,
        recipients=mail.recipients,
        envelope_from=mail.envelope_from,
        subject=subject,
        raw=mail.raw,
        lease_until=None,
        attempts=0,
        created_at=now,
        digest=digest or request_digest(request),
        evidence={},
    )
    if state is OutboxState.INTENDED and request.kind != "alarm":
        await _index(
            connection,
            row,
            text=mail.text,
            sender=mail.sender,
            references=mail.references,
            now=now,
        )
    return row


async def _freeze_letters(
    connection: AsyncConnection,
    request: SendRequest,
    draft: Row,
    letters: Sequence[tuple[int, Frozen]],
) -> Row:
    """Freeze the mails that ask for a draft's approval, and note them with it."""
    ids = []
    for action_index, letter in letters:
        asked = request.model_copy(
            update={"kind": "notify", "template": "", "action_index": action_index}
        )
        failed = letter.failed is not None
        state = OutboxState.REFUSED if failed else OutboxState.INTENDED
        # The digest of the draft's request: a letter has none of its own.
        row = await _insert(
            connection, asked, letter, (state, None, letter.failed), digest=draft.digest
        )
        ids.append(row.id)
    await connection.execute(
        update(Outbox)
        .where(Outbox.tenant == draft.tenant, Outbox.id == draft.id)
        .values(evidence={Evidence.LETTERS: ids})
    )
    frozen = await find_by_id(connection, draft.tenant, draft.id)
    assert frozen is not None  # noqa: S101 (it was written right here)
    return frozen


async def _index(
    connection: AsyncConnection,
    row: Row,
    *,
    text: str,
    sender: str | None,
    references: Sequence[str],
    now: datetime,
) -> None:
    """Make the mail findable by its Message-ID, and its recipients participants."""
    await connection.execute(
        insert(Message).values(
            tenant=row.tenant,
            case_id=row.case_id,
            direction="out",
            outbox_id=row.id,
            at=now,
            message_id=row.message_id,
            sender=sender,
            recipients=list(row.recipients),
            subject=row.subject,
            text=text,
            references=list(references),
            attachments=[],
        )
    )
    await insert_new(
        connection,
        Participant,
        [
            {"tenant": row.tenant, "case_id": row.case_id, "address": address.lower()}
            for address in row.recipients
        ],
    )

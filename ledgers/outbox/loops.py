"""Whether a reply looks like one turn of a loop with a robot that carries no header.

Two programs that answer each other with their headers stripped look like a person to each
other (RFC 3834, 2). What gives them away: they answer at once, or the same each time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.outbox import SendRequest
from store.tables import Message, Outbox, OutboxRecipient, OutboxState

REPLIED_WITHIN = timedelta(minutes=10)
# Nobody reads a mail and answers it in less.
ANSWERED_AT_ONCE = timedelta(seconds=5)
SAME_TEXT_WITHIN = timedelta(days=1)
# IMAP tells the time of receipt in whole seconds, and the server's clock is another one.
CLOCKS = timedelta(seconds=2)
TEXTS_COMPARED = 50
# These differ between two mails of the same program: words with a digit, such as case ids and
# dates, and how the lines are broken.
_VARIABLE = re.compile(r"\w*\d\w*|\s+")
_NEVER_SENT = (OutboxState.SUPPRESSED, OutboxState.DROPPED, OutboxState.HELD, OutboxState.REFUSED)


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply that went out, or is about to."""

    at: datetime
    template: str | None


async def signs(
    connection: AsyncConnection,
    request: SendRequest,
    recipients: Sequence[str],
    at_once: timedelta = ANSWERED_AT_ONCE,
) -> str | None:
    """Return why a reply looks like a loop's, or None.

    It does if a reply of the same template, or of the same case, went to the same correspondent a
    short while ago and the mail that is answered came at once after that, and by its references may
    be an answer to it; or if it was the same template and the mail says what its sender has said
    before. `at_once` zero: the time is no sign.
    """
    if request.event_id is None:
        return None
    earlier = await _earlier_replies(connection, request, recipients)
    if not earlier:
        return None
    answered = (
        await connection.execute(
            select(Message.id, Message.at, Message.sender, Message.text, Message.references).where(
                Message.tenant == request.tenant,
                Message.intake_id == request.event_id,
                Message.direction == "in",
            )
        )
    ).first()
    if answered is None:
        return None
    came_at_once = any(r.at - CLOCKS <= answered.at <= r.at + at_once for r in earlier)
    if (
        at_once
        and came_at_once
        and not await _names_only_own(
            connection, request.tenant, answered.sender, answered.references
        )
    ):
        return f"loop: answered within {at_once.total_seconds():g} seconds after a reply like this"
    if all(reply.template != request.template for reply in earlier):
        return None
    texts = await _earlier_texts(connection, request.tenant, answered.sender, answered.id)
    gist = _gist(answered.text)
    if gist and gist in map(_gist, texts):
        return "loop: the same text again after the same reply"
    return None


async def _earlier_replies(
    connection: AsyncConnection, request: SendRequest, recipients: Sequence[str]
) -> Sequence[_Reply]:
    """Return the replies that went to one of these a short while ago, and that are like this."""
    addresses = [recipient.lower() for recipient in recipients]
    further = select(OutboxRecipient.outbox_id).where(
        OutboxRecipient.tenant == request.tenant, OutboxRecipient.address.in_(addresses)
    )
    rows = await connection.execute(
        select(Outbox.attempted_at, Outbox.created_at, Outbox.template).where(
            Outbox.tenant == request.tenant,
            or_(Outbox.correspondent.in_(addresses), Outbox.id.in_(further)),
            Outbox.created_at > utc_now() - REPLIED_WITHIN,
            Outbox.kind == "reply",
            or_(Outbox.template == request.template, Outbox.case_id == request.case_id),
            Outbox.state.not_in(_NEVER_SENT),
        )
    )
    return [_Reply(row.attempted_at or row.created_at, row.template) for row in rows]


async def _names_only_own(
    connection: AsyncConnection, tenant: str, sender: str | None, references: Sequence[str]
) -> bool:
    """Tell whether a mail names mails of its own sender and no others: it answers none of ours.

    Somebody who writes twice in a row is no robot that answers what it got.
    """
    if sender is None or not references:
        return False
    named = await connection.execute(
        select(Message.message_id, Message.direction, func.lower(Message.sender)).where(
            Message.tenant == tenant, Message.message_id.in_(references)
        )
    )
    return {tuple(row) for row in named} == {(id_, "in", sender.lower()) for id_ in references}


async def _earlier_texts(
    connection: AsyncConnection, tenant: str, sender: str | None, answered_id: int
) -> Sequence[str]:
    """Return what a sender wrote lately in the cases that replied to it."""
    if sender is None:
        return ()
    since = utc_now() - SAME_TEXT_WITHIN
    cases = select(Outbox.case_id).where(
        Outbox.tenant == tenant,
        Outbox.correspondent == sender.lower(),
        Outbox.created_at > since,
    )
    rows = await connection.execute(
        select(Message.text)
        .where(
            Message.tenant == tenant,
            Message.case_id.in_(cases),
            Message.direction == "in",
            Message.sender == sender,
            Message.at > since,
            Message.id != answered_id,
        )
        .order_by(Message.id.desc())
        .limit(TEXTS_COMPARED)
    )
    return rows.scalars().all()


def _gist(text: str) -> str:
    return _VARIABLE.sub("", text).casefold()

"""A request as a finished mail: whom it goes to, what it says, and whether it may be sent.

Replies go to whoever wrote the mail that is answered, or to the case's customer; never to
whatever Reply-To a mail names. Robots are not answered (RFC 3834, 2).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import Definition
from contracts.clock import utc_now
from contracts.model import Json
from contracts.outbox import SendRequest
from ledgers.casework.subcases import family, root_of
from ledgers.casework.versions import definition_by_hash as definition_by_hash
from ledgers.mailboxes.accounts import Account
from ledgers.outbox.files import FilesUnfit, read_files
from ledgers.outbox.rows import Frozen
from mail.message import Address
from mail.threading import (
    TokenKeys,
    mint_message_id,
    mint_token,
    plus_address,
    subject_tag,
)
from mail.writing.compose import (
    BadDraft,
    Draft,
    Enclosure,
    MailKind,
    Original,
    compose,
    reply_subject,
)
from mail.writing.templates import Rendered, TemplateFailed, TemplateSource, render
from store.blobs import Blobs
from store.tables import Case, Message

# Room for the tag in what a subject may have.
_TAGGED_SUBJECT_MAX_CHARS = 850


@dataclass(frozen=True, slots=True)
class Incoming:
    """The mail that is answered, as the store keeps it."""

    at: datetime
    sender: str | None
    sender_name: str | None
    subject: str
    text: str
    message_id: str | None
    references: tuple[str, ...]
    robot: str | None
    # Whether it is the mail of the event that is answered, not just the case's newest.
    is_event: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mail of a case is written from."""

    definition: Definition
    mailbox_id: str | None
    customer: str | None
    subject: str
    incoming: Incoming | None
    enclosures: tuple[Enclosure, ...] = ()
    # Why the mail can't be written as it was asked for.
    unfit: str | None = None


async def gather(connection: AsyncConnection, blobs: Blobs, request: SendRequest) -> Facts:
    """Return what the stores know that the mail is written from, the files' bytes too."""
    definition = await definition_by_hash(connection, request.tenant, request.definition_hash)
    case = (
        await connection.execute(
            select(Case.customer, Case.subject, Case.mailbox_id).where(
                Case.tenant == request.tenant, Case.id == request.case_id
            )
        )
    ).one()
    facts = Facts(
        definition,
        case.mailbox_id,
        case.customer,
        case.subject,
        await _incoming(connection, request, case.customer),
    )
    try:
        enclosures = await read_files(connection, blobs, request.tenant, request.attach)
    except FilesUnfit as error:
        return replace(facts, unfit=str(error))
    return replace(facts, enclosures=enclosures)


async def _incoming(
    connection: AsyncConnection, request: SendRequest, customer: str | None
) -> Incoming | None:
    """Return the mail of the event that is answered, else the newest that a person wrote.

    After its own a sub-case has the mails of the case at the top. The customer's goes before what
    others wrote, a colleague to whom a notice went, say. What robots wrote counts only where there
    is nothing else: an out-of-office notice must not keep a later reply from the customer.
    """
    query = select(
        Message.at,
        Message.sender,
        Message.sender_name,
        Message.subject,
        Message.text,
        Message.message_id,
        Message.references,
        Message.robot,
    ).where(
        Message.tenant == request.tenant,
        Message.direction == "in",
    )
    by_customer = func.lower(func.coalesce(Message.sender, "")) == (customer or "")
    newest_first = (
        query.where(
            or_(
                Message.case_id == request.case_id,
                Message.case_id == root_of(request.tenant, request.case_id),
            )
        )
        .order_by(
            Message.robot.is_not(None),
            Message.case_id != request.case_id,
            by_customer.desc(),
            Message.at.desc(),
            Message.id.desc(),
        )
        .limit(1)
    )
    row = None
    if request.event_id is not None:
        exact = query.where(
            Message.case_id.in_(family(request.tenant, request.case_id)),
            Message.intake_id == request.event_id,
        ).limit(1)
        row = (await connection.execute(exact)).one_or_none()
    is_event = row is not None
    if row is None:
        row = (await connection.execute(newest_first)).one_or_none()
    if row is None:
        return None
    return Incoming(
        at=row.at,
        sender=row.sender,
        sender_name=row.sender_name,
        subject=row.subject,
        text=row.text,
        message_id=row.message_id,
        references=tuple(row.references),
        robot=row.robot,
        is_event=is_event,
    )


def write(request: SendRequest, facts: Facts, account: Account, keys: TokenKeys) -> Frozen:
    """Return the mail with its bytes, or with the reason why there is none to send."""
    token = mint_token(keys, account.tenant, account.mailbox_id, request.case_id)
    domain = account.address.rpartition("@")[2]
    message_id = mint_message_id(token, domain, secrets.token_hex(8))
    recipients = _recipients(request, facts)
    incoming = facts.incoming if request.kind == "reply" else None
    references = _references(incoming)
    robot = f"robot: {incoming.robot}" if incoming and incoming.robot else None
    tokened = plus_address(account.address, token) if account.plus_addressing else None
    try:
        if facts.unfit is not None:
            raise BadDraft(facts.unfit)
        rendered = _rendered(request, facts, account)
        subject = _tagged(rendered.subject or _subject(facts, incoming), account, token)
        raw = compose(
            Draft(
                kind=_kind(request, incoming),
                sender=Address(account.name, account.address),
                to=tuple(Address("", address) for address in recipients),
                subject=subject,
                text=rendered.text,
                html=rendered.html,
                message_id=message_id,
                date=utc_now(),
                reply_to=Address(account.name, tokened) if tokened else None,
                in_reply_to=incoming.message_id if incoming else None,
                references=references,
                original=_original(incoming),
                enclosures=facts.enclosures,
            )
        )
    except (TemplateFailed, BadDraft) as error:
        subject = _subject(facts, incoming)
        unwritten = _unwritten(account, message_id, recipients, subject)
        # Who is a robot gets no mail anyway: that it can't be written concerns nobody.
        return replace(unwritten, suppressed=robot, failed=None if robot else str(error))
    # The null envelope sender is for acknowledgements (RFC 3834, 3.3): their bounces end.
    acknowledges = incoming is not None and incoming.is_event and not request.approvers
    return Frozen(
        raw=raw,
        message_id=message_id,
        envelope_from="" if acknowledges else tokened or account.address,
        recipients=recipients,
        sender=account.address,
        subject=subject,
        text=rendered.text,
        references=references,
        mailbox_id=account.mailbox_id,
        replies_per_day=account.replies_per_day,
        suppressed=robot,
        attached=tuple(enclosure.name for enclosure in facts.enclosures),
    )


def _kind(request: SendRequest, incoming: Incoming | None) -> MailKind:
    if incoming is None:
        return MailKind.NOTICE
    # What a person lets go out is that person's answer, and no automatic one (RFC 3834, 1).
    return MailKind.ANSWER if request.approvers else MailKind.ACKNOWLEDGEMENT


def _tagged(subject: str, account: Account, token: str) -> str:
    """Return the subject with the case's tag once, where the mailbox asks for it."""
    tag = subject_tag(token)
    if not account.subject_token or tag in subject.lower():
        return subject
    return f"{subject[:_TAGGED_SUBJECT_MAX_CHARS]} {tag}".strip()


def _unwritten(
    account: Account, message_id: str, recipients: tuple[str, ...], subject: str
) -> Frozen:
    return Frozen(
        raw=b"",
        message_id=message_id,
        envelope_from=account.address,
        recipients=recipients,
        sender=account.address,
        subject=subject,
        text="",
        references=(),
        mailbox_id=account.mailbox_id,
        replies_per_day=account.replies_per_day,
    )


def _rendered(request: SendRequest, facts: Facts, account: Account) -> Rendered:
    if request.notice is not None:
        subject = f"Case {request.case_id} needs a person"
        return Rendered(subject=subject, text=request.notice, html=None)
    template = facts.definition.templates[request.template]
    source = TemplateSource(template.subject or "", template.text, template.html)
    return render(source, _variables(request, facts, account))


def _recipients(request: SendRequest, facts: Facts) -> tuple[str, ...]:
    if request.to:
        return tuple(request.to)
    if request.notice is not None:
        everyone = (address for team in facts.definition.teams.values() for address in team)
        return tuple(dict.fromkeys(everyone))
    if facts.incoming is not None and facts.incoming.sender:
        return (facts.incoming.sender,)
    return (facts.customer,) if facts.customer else ()


def _references(incoming: Incoming | None) -> tuple[str, ...]:
    if incoming is None:
        return ()
    own = (incoming.message_id,) if incoming.message_id else ()
    return (*incoming.references, *own)


def _subject(facts: Facts, incoming: Incoming | None) -> str:
    if incoming is not None:
        return reply_subject(incoming.subject)
    return facts.subject or facts.definition.name or facts.definition.id


def _original(incoming: Incoming | None) -> Original | None:
    if incoming is None:
        return None
    sender = Address(incoming.sender_name or "", incoming.sender) if incoming.sender else None
    return Original(sender, incoming.at, incoming.text)


def _variables(request: SendRequest, facts: Facts, account: Account) -> Mapping[str, Json]:
    incoming = facts.incoming
    return variables(
        case_id=request.case_id,
        data=request.data,
        label=request.label,
        message={
            "subject": incoming.subject if incoming else facts.subject,
            "from_name": (incoming.sender_name if incoming else None) or "",
            "from_address": (incoming.sender if incoming else facts.customer) or "",
            "text": incoming.text if incoming else "",
        },
        address=account.address,
        event=request.event,
        thread=request.thread,
    )


def variables(
    *,
    case_id: str,
    data: Mapping[str, Json],
    label: str | None,
    message: Mapping[str, Json],
    address: str,
    event: Mapping[str, Json],
    thread: Mapping[str, Json],
) -> Mapping[str, Json]:
    """Return what templates read (`templates.VARIABLES`); previews fill in the same."""
    return {
        "case": {"id": case_id, "data": dict(data), "label": label},
        "message": dict(message),
        "mailbox": {"address": address},
        "event": dict(event),
        "thread": dict(thread),
    }

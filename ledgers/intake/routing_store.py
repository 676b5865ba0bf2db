"""The writes of routing, each for a whole batch of mails at once."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.events import BOUNCE
from ledgers.casework.case_rows import Row, case_row
from ledgers.inserts import insert_new
from ledgers.intake.known import ADDRESS_LIMIT, sender_key
from ledgers.intake.mail_facts import authentication_facts
from ledgers.intake.mails import DELIVERY_GRACE, Arrived, Fate
from mail.message import Message as ParsedMessage
from store.tables import Case, File, Intake, IntakeState, Mailbox, Message, Participant

TEXT_LIMIT = 50_000
_KEEPS_FILES = (IntakeState.ROUTED, IntakeState.REVIEW, IntakeState.QUARANTINED)
FULL_TEXT_LIMIT = 200_000


async def write(
    connection: AsyncConnection, tenant: str, mailbox_id: str, fates: Iterable[Fate], now: datetime
) -> None:
    """Write what a batch became: cases first, then messages and participants, then rows."""
    fates = list(fates)
    routed = [fate for fate in fates if fate.case is not None]
    opened = [_case_row(fate, tenant, mailbox_id, now) for fate in routed if fate.opens_case]
    if opened:
        await connection.execute(insert(Case), opened)
    if routed:
        await connection.execute(insert(Message), [_message_row(fate, tenant) for fate in routed])
        await insert_new(connection, Participant, _participant_rows(routed, tenant))
    await insert_new(connection, File, _file_rows(fates, tenant, now))
    if fates:
        await connection.execute(
            update(Intake).where(Intake.tenant == tenant, Intake.id == bindparam("row")),
            [_intake_row(fate, now) for fate in fates],
        )


async def note_newest(
    connection: AsyncConnection, tenant: str, mailbox_id: str, fates: Iterable[Fate]
) -> None:
    """Note when the mailbox's newest mail was received."""
    newest = max((fate.mail.received_at for fate in fates), default=None)
    if newest is not None:
        await connection.execute(
            update(Mailbox)
            .where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
            .values(last_mail_at=newest)
        )


def _case_row(fate: Fate, tenant: str, mailbox_id: str, now: datetime) -> Row:
    case = fate.case
    assert case is not None  # noqa: S101 (`write` keeps only fates with a case)
    mail = fate.mail.message
    return case_row(
        tenant=tenant,
        case_id=case.case_id,
        definition=case.definition.name,
        version=case.definition.version,
        hash_=case.definition.hash,
        mailbox_id=mailbox_id,
        customer=sender_key(mail),
        subject=mail.subject,
        follows=case.follows,
        opening_id=fate.mail.row_id,
        opened_at=fate.mail.received_at,
        now=now,
    )


def _message_row(fate: Fate, tenant: str) -> Row:
    mail = fate.mail.message
    event = fate.event or {}
    text = (mail.new_text or mail.text)[:TEXT_LIMIT]
    full_text = mail.text[:FULL_TEXT_LIMIT]
    return {
        "tenant": tenant,
        "case_id": fate.case.case_id if fate.case else None,
        "direction": "in",
        "intake_id": fate.mail.row_id,
        "at": fate.mail.received_at,
        "message_id": mail.message_id,
        "sender": mail.sender.address if mail.sender and sender_key(mail) else None,
        "sender_name": mail.sender.name[:ADDRESS_LIMIT] if mail.sender else None,
        "recipients": [address.address for address in (*mail.to, *mail.cc)],
        "subject": mail.subject,
        "text": text,
        "full_text": full_text if full_text != text else None,
        "references": _ancestors(mail),
        "attachments": _attachments(fate.mail),
        "robot": fate.robot,
        "kind": mail.kind,
        "authentication": authentication_facts(mail.authentication),
        "classification": {
            key: event.get(key) for key in ("classifier", "label", "confidence", "reason")
        },
    }


def _ancestors(mail: ParsedMessage) -> list[str]:
    """Return the ids of the mails before this one, the parent last (RFC 5322, 3.6.4)."""
    return [*mail.references, *(id_ for id_ in mail.in_reply_to if id_ not in mail.references)]


def _attachments(mail: Arrived) -> list[dict[str, Any]]:  # Any: JSON
    """Return a mail's attachments as the store keeps them, each with its file's id."""
    stored = {file.part: file for file in mail.files}
    return [
        {
            "file": stored[part.part].id if part.part in stored else None,
            "name": part.name,
            "type": part.content_type,
            "size_bytes": part.size_bytes,
            "inline": part.inline,
        }
        for part in mail.message.attachments
    ]


def _participant_rows(fates: Iterable[Fate], tenant: str) -> list[Row]:
    pairs = {
        (fate.case.case_id, address)
        for fate in fates
        if fate.case is not None
        for address in (*_correspondents(fate), *fate.also_takes_part)
    }
    return [
        {"tenant": tenant, "case_id": case_id, "address": address}
        for case_id, address in sorted(pairs)
    ]


def _correspondents(fate: Fate) -> list[str]:
    """Return who takes part by this mail: whoever wrote it, not whomever it names.

    A mail server that reports on a delivery takes part in nothing.
    """
    key = sender_key(fate.mail.message)
    return [key] if key and fate.event_type != BOUNCE else []


def _file_rows(fates: Iterable[Fate], tenant: str, now: datetime) -> list[Row]:
    return [
        {
            "tenant": tenant,
            "id": file.id,
            "name": file.name,
            "content_type": file.content_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
            "blob": file.blob,
            "intake_id": fate.mail.row_id,
            "created_at": now,
        }
        for fate in fates
        if fate.state in _KEEPS_FILES
        for file in fate.mail.files
    ]


def _intake_row(fate: Fate, now: datetime) -> Row:
    routed = fate.state is IntakeState.ROUTED
    return {
        "row": fate.mail.row_id,
        "state": fate.state,
        "reason": fate.reason,
        "size_bytes": fate.mail.size_bytes,
        "received_at": fate.mail.received_at,
        "blob": fate.mail.blob,
        "message_id": fate.mail.message.message_id,
        "digest": fate.mail.message.digest,
        "duplicate_of": fate.duplicate_of,
        "case_id": fate.case.case_id if fate.case else None,
        "suggested_case_id": fate.suggested_case_id,
        "event_type": fate.event_type if routed else None,
        "event": fate.event,
        "correlation_id": fate.correlation_id,
        "due_at": now + DELIVERY_GRACE if routed else None,
    }

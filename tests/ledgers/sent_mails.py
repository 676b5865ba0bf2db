"""Mails of ours in the ledgers, as if they had gone out, without a mail server."""

import secrets
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from contracts.clock import utc_now
from ledgers.inserts import insert_new
from mail.threading import mint_message_id, mint_token
from store.tables import Case, Message, Outbox, OutboxState, Participant
from tests.ledgers.letters import ADDRESS
from tests.ledgers.world import TENANT, World


@dataclass(frozen=True)
class SentMail:
    """A mail of ours: its row and its Message-ID."""

    outbox_id: int
    message_id: str


async def sent(
    world: World,
    case_id: str,
    *to: str,
    subject: str = "Re: Hello",
    provider: str | None = None,
    mailbox_id: str = "mailbox1",
) -> SentMail:
    """Write a mail of ours into outbox, messages and participants of a case."""
    token = mint_token(world.keys, TENANT, mailbox_id, case_id)
    message_id = mint_message_id(token, ADDRESS.partition("@")[2], secrets.token_hex(8))
    now = utc_now()
    async with world.database.write() as connection:
        firing = await connection.scalar(
            select(func.count()).select_from(Outbox).where(Outbox.case_id == case_id)
        )
        inserted = await connection.execute(
            insert(Outbox)
            .values(
                tenant=TENANT,
                case_id=case_id,
                firing=int(firing or 0) + 1,
                action_index=0,
                kind="reply",
                digest="d",
                state=OutboxState.SENT,
                mailbox_id=mailbox_id,
                message_id=message_id,
                correspondent=to[0],
                recipients=list(to),
                envelope_from="",
                subject=subject,
                template="acknowledged",
                raw=b"",
                evidence={"answer": "250 queued"} | ({"provider_id": provider} if provider else {}),
                created_at=now,
                updated_at=now,
            )
            .returning(Outbox.id)
        )
        outbox_id = int(inserted.scalar_one())
        await connection.execute(
            insert(Message).values(
                tenant=TENANT,
                case_id=case_id,
                direction="out",
                outbox_id=outbox_id,
                at=now,
                message_id=message_id,
                provider_id=provider,
                sender=ADDRESS,
                recipients=list(to),
                subject=subject,
                text="We have your mail.",
                references=[],
                attachments=[],
            )
        )
        await insert_new(
            connection,
            Participant,
            [{"tenant": TENANT, "case_id": case_id, "address": address} for address in to],
        )
    return SentMail(outbox_id, message_id)


async def keep_carried(world: World, case_id: str, carried: dict[str, object]) -> None:
    """Let a closed case keep what it takes to go on."""
    async with world.database.write() as connection:
        await connection.execute(update(Case).where(Case.id == case_id).values(carried=carried))


def delivery_report(
    recipient: str,
    *,
    message_id: str | None,
    to: str = ADDRESS,
    status: str = "5.1.1",
    action: str = "failed",
) -> bytes:
    """Return a mail server's report on a mail of ours (RFC 3464)."""
    boundary = secrets.token_hex(8)
    returned = f"Message-ID: {message_id}\r\n" if message_id else "X-Cut: yes\r\n"
    return (
        "Return-Path: <>\r\n"
        f"From: MAILER-DAEMON@mx.{recipient.partition('@')[2]}\r\nTo: {to}\r\n"
        "Subject: Delivery Status Notification\r\n"
        f"Message-ID: <{secrets.token_hex(8)}@mx.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;"
        f' boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.test\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {status[0]}50 {status} refused\r\n\r\n"
        f"--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"{returned}From: {ADDRESS}\r\nSubject: Re: Hello\r\n\r\n--{boundary}--\r\n"
    ).encode()

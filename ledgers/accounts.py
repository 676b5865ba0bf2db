"""Mailbox rows as the accounts that clients log in with, and the keys of thread tokens."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from clients.imap import ImapAccount
from clients.smtp import SmtpAccount
from contracts.errors import MailboxNotFound
from mail.threading import TokenKeys
from store.database import Database
from store.mailboxes import Tls
from store.secrets import SecretBox
from store.tables import Mailbox, MailboxStatus


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox as its watch and its sender need it."""

    tenant: str
    mailbox_id: str
    address: str
    name: str
    active: bool
    folder: str
    sent_folder: str | None
    plus_addressing: bool
    replies_per_day: int
    imap: ImapAccount
    smtp: SmtpAccount


async def account(database: Database, secrets: SecretBox, tenant: str, mailbox_id: str) -> Account:
    """Return a mailbox's account; raises MailboxNotFound when it was deleted."""
    async with database.read() as connection:
        return await read(connection, secrets, tenant, mailbox_id)


async def read(
    connection: AsyncConnection, secrets: SecretBox, tenant: str, mailbox_id: str
) -> Account:
    """Return a mailbox's account within a transaction; raises MailboxNotFound."""
    row = (
        await connection.execute(
            select(Mailbox).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
        )
    ).one_or_none()
    if row is None:
        raise MailboxNotFound(mailbox_id)
    return Account(
        tenant=tenant,
        mailbox_id=mailbox_id,
        address=row.address,
        name=row.name,
        active=row.status == MailboxStatus.ACTIVE,
        folder=row.folder,
        sent_folder=row.sent_folder,
        plus_addressing=row.plus_addressing,
        replies_per_day=row.replies_per_day,
        imap=ImapAccount(
            host=row.imap_host,
            port=row.imap_port,
            tls="implicit" if row.imap_tls == Tls.IMPLICIT else "none",
            username=row.imap_username,
            password=SecretStr(secrets.decrypt(row.imap_secret)),
        ),
        smtp=SmtpAccount(
            host=row.smtp_host,
            port=row.smtp_port,
            tls=_smtp_tls(Tls(row.smtp_tls)),
            username=row.smtp_username,
            password=SecretStr(secrets.decrypt(row.smtp_secret)) if row.smtp_secret else None,
        ),
    )


def token_keys(secrets: SecretBox) -> TokenKeys:
    """Return the keys of thread tokens; each key's id follows from the key, so keys rotate."""
    derived = secrets.derive_each("thread-token")
    return TokenKeys(current=_key_id(derived[0]), keys={_key_id(key): key for key in derived})


def _key_id(key: bytes) -> str:
    return base64.b32encode(hashlib.sha256(key).digest())[:2].decode().lower()


def _smtp_tls(tls: Tls) -> Literal["implicit", "starttls", "none"]:
    if tls is Tls.IMPLICIT:
        return "implicit"
    return "starttls" if tls is Tls.STARTTLS else "none"

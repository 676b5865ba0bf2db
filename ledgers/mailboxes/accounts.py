"""Mailbox rows as the accounts that clients log in with, and the keys of thread tokens."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clients.imap import ImapAccount
from clients.smtp import SmtpAccount
from contracts.errors import MailboxNotFound
from mail.threading import TokenKeys
from store.database import Database
from store.mailboxes import AfterHandling, MailboxSettings, Tls
from store.secrets import SecretBox
from store.tables import Mailbox, MailboxStatus

_TLS: Mapping[Tls, Literal["implicit", "starttls", "none"]] = {
    Tls.IMPLICIT: "implicit",
    Tls.STARTTLS: "starttls",
    Tls.PLAIN: "none",
}


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
    subject_token: bool
    after_handling: AfterHandling
    after_folder: str | None
    sends_per_minute: int | None
    intake_per_minute: int | None
    authserv_id: str | None
    alerts_to: tuple[str, ...]
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
    active = row.status == MailboxStatus.ACTIVE
    return _account(tenant, mailbox_id, active, row, secrets)


def of_settings(tenant: str, settings: MailboxSettings, secrets: SecretBox) -> Account:
    """Return the account of a mailbox that is not stored; its id is empty."""
    return _account(tenant, "", False, settings, secrets)


def _account(
    tenant: str,
    mailbox_id: str,
    active: bool,
    row: Row[Any] | MailboxSettings,  # Any: a row's columns are named like the settings
    secrets: SecretBox,
) -> Account:
    return Account(
        tenant=tenant,
        mailbox_id=mailbox_id,
        address=row.address,
        name=row.name,
        active=active,
        folder=row.folder,
        sent_folder=row.sent_folder,
        plus_addressing=row.plus_addressing,
        replies_per_day=row.replies_per_day,
        subject_token=row.subject_token,
        after_handling=AfterHandling(row.after_handling),
        after_folder=row.after_folder,
        sends_per_minute=row.sends_per_minute,
        intake_per_minute=row.intake_per_minute,
        authserv_id=row.authserv_id,
        alerts_to=tuple(row.alerts_to),
        imap=ImapAccount(
            host=row.imap_host,
            port=row.imap_port,
            tls=_TLS[Tls(row.imap_tls)],
            username=row.imap_username,
            password=SecretStr(secrets.decrypt(row.imap_secret)),
        ),
        smtp=SmtpAccount(
            host=row.smtp_host,
            port=row.smtp_port,
            tls=_TLS[Tls(row.smtp_tls)],
            username=row.smtp_username,
            password=SecretStr(secrets.decrypt(row.smtp_secret)) if row.smtp_secret else None,
            mailbox=f"{tenant}/{mailbox_id}",
        ),
    )


def token_keys(secrets: SecretBox) -> TokenKeys:
    """Return the keys of thread tokens; each key's id follows from the key, so keys rotate."""
    derived = secrets.derive_each("thread-token")
    return TokenKeys(current=_key_id(derived[0]), keys={_key_id(key): key for key in derived})


def _key_id(key: bytes) -> str:
    return base64.b32encode(hashlib.sha256(key).digest())[:2].decode().lower()

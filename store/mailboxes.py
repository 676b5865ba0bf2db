"""Mailboxes as rows: their settings and their health; passwords only encrypted.

A watch writes what it finds (epoch, UIDVALIDITY, health) by the intake ledger, not here.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MailboxNotFound, MailboxTaken
from store.tables import Mailbox, MailboxStatus


class Tls(StrEnum):
    """How a connection to a mail server is protected.

    `implicit` from the first octet, `starttls` by a command (RFC 3207; RFC 9051, 6.2.1); `plain`
    not at all, which is for this machine only.
    """

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    PLAIN = "plain"


class Copies(StrEnum):
    """What becomes of the same mail in several mailboxes: a case in each, or in the first only."""

    EACH = "each"
    FIRST = "first"


class AfterHandling(StrEnum):
    """What is done on the server to a mail that was dealt with."""

    LEAVE = "leave"
    FLAG = "flag"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """What a person decides about a mailbox; secrets are encrypted already.

    Without `smtp_username` mail is handed in without a login. `rules` are those of
    `mail.filters` as JSON, in the order of writing.
    """

    address: str
    name: str
    definition: str
    imap_host: str
    imap_port: int
    imap_tls: Tls
    imap_username: str
    imap_secret: str = field(repr=False)
    folder: str
    sent_folder: str | None
    smtp_host: str
    smtp_port: int
    smtp_tls: Tls
    smtp_username: str | None
    smtp_secret: str | None = field(repr=False)
    plus_addressing: bool
    replies_per_day: int
    rules: list[dict[str, JsonValue]] = field(default_factory=list)
    copies: Copies = Copies.EACH
    subject_token: bool = False
    after_handling: AfterHandling = AfterHandling.LEAVE
    after_folder: str | None = None
    sends_per_minute: int | None = None
    intake_per_minute: int | None = None
    authserv_id: str | None = None
    alerts_to: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MailboxHealth:
    """How the watch of a mailbox fares.

    All mail that the server received until `read_until` is in the ledger. `gaps` is how many
    mails the newest reconciliation found missing there, at `reconciled_at`.
    """

    attached_at: datetime | None
    connected: bool
    checked_at: datetime | None
    read_until: datetime | None
    gaps: int
    reconciled_at: datetime | None
    last_mail_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredMailbox:
    """A mailbox as stored."""

    tenant: str
    id: str
    status: MailboxStatus
    created_at: datetime
    settings: MailboxSettings
    health: MailboxHealth


async def create(
    connection: AsyncConnection,
    tenant: str,
    mailbox_id: str,
    settings: MailboxSettings,
    now: datetime,
) -> None:
    """Add a mailbox, active; raises MailboxTaken, after which the transaction is lost.

    Its domain is stored in lower case. Two transactions at once must not both look and then
    add: the caller lets them run one after the other.
    """
    local, at, domain = settings.address.rpartition("@")
    settings = replace(settings, address=f"{local}{at}{domain.lower()}")
    known = await by_address(connection, tenant, settings.address)
    for mailbox in known:
        if _folder_key(mailbox.settings) == _folder_key(settings):
            raise MailboxTaken(settings.address, settings.folder, mailbox.id)
    await _require_own_folder(connection, tenant, mailbox_id, settings)
    try:
        await connection.execute(
            insert(Mailbox).values(
                tenant=tenant,
                id=mailbox_id,
                status=MailboxStatus.ACTIVE,
                created_at=now,
                epoch=0,
                connected=False,
                **asdict(settings),
            )
        )
    except IntegrityError:
        raise MailboxTaken(settings.address, settings.folder) from None


async def read(connection: AsyncConnection, tenant: str, mailbox_id: str) -> StoredMailbox:
    """Return a mailbox; raises MailboxNotFound."""
    query = select(*_COLUMNS).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise MailboxNotFound(mailbox_id)
    return _stored(row)


async def by_address(connection: AsyncConnection, tenant: str, address: str) -> list[StoredMailbox]:
    """Return the mailboxes of an address in any letter case, one for each folder watched."""
    query = (
        select(*_COLUMNS)
        .where(Mailbox.tenant == tenant, func.lower(Mailbox.address) == address.lower())
        .order_by(Mailbox.folder)
    )
    return [_stored(row) for row in await connection.execute(query)]


async def all_of(connection: AsyncConnection, tenant: str) -> list[StoredMailbox]:
    """Return all mailboxes of a tenant, by address and folder."""
    query = (
        select(*_COLUMNS).where(Mailbox.tenant == tenant).order_by(Mailbox.address, Mailbox.folder)
    )
    return [_stored(row) for row in await connection.execute(query)]


async def change(
    connection: AsyncConnection, tenant: str, mailbox_id: str, settings: MailboxSettings
) -> None:
    """Replace a mailbox's settings; raises MailboxNotFound, or MailboxTaken.

    Address and folder are what a mailbox is, and stay as they are.
    """
    known = await read(connection, tenant, mailbox_id)
    if _watched(known.settings) != _watched(settings):
        await _require_own_folder(connection, tenant, mailbox_id, settings)
    values = asdict(settings)
    del values["address"], values["folder"]
    await _update(connection, tenant, mailbox_id, values)


async def set_status(
    connection: AsyncConnection, tenant: str, mailbox_id: str, status: MailboxStatus
) -> None:
    """Pause or resume a mailbox; raises MailboxNotFound."""
    await _update(connection, tenant, mailbox_id, {"status": status})


async def remove(connection: AsyncConnection, tenant: str, mailbox_id: str) -> None:
    """Delete a mailbox; its cases and its ledger rows stay; raises MailboxNotFound."""
    result = await connection.execute(
        delete(Mailbox).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
    )
    if result.rowcount == 0:
        raise MailboxNotFound(mailbox_id)


async def _require_own_folder(
    connection: AsyncConnection, tenant: str, mailbox_id: str, settings: MailboxSettings
) -> None:
    """Refuse a folder that another mailbox watches: each of its mails would be answered twice."""
    for other in await all_of(connection, tenant):
        if other.id != mailbox_id and _watched(other.settings) == _watched(settings):
            raise MailboxTaken(other.settings.address, other.settings.folder, other.id)


def _watched(settings: MailboxSettings) -> tuple[str, int, str, str]:
    """Return what tells one watched folder of a server from another."""
    host = settings.imap_host.lower()
    return host, settings.imap_port, settings.imap_username, _folder_key(settings)


def same_folder(one: str, other: str) -> bool:
    """Return whether two names are the same folder's."""
    return _folder_name(one) == _folder_name(other)


def _folder_key(settings: MailboxSettings) -> str:
    return _folder_name(settings.folder)


def _folder_name(folder: str) -> str:
    # INBOX, and it alone, is the same in any letter case (RFC 9051, 5.1).
    return "INBOX" if folder.upper() == "INBOX" else folder


_SETTINGS = tuple(MailboxSettings.__dataclass_fields__)
_HEALTH = tuple(MailboxHealth.__dataclass_fields__)
_COLUMNS = tuple(
    getattr(Mailbox, name)
    for name in ("tenant", "id", "status", "created_at", *_SETTINGS, *_HEALTH)
)


def _stored(row: Row[Any]) -> StoredMailbox:  # Any: the columns are built from the dataclasses
    values = row._mapping
    settings = {name: values[name] for name in _SETTINGS}
    settings |= {
        "imap_tls": Tls(row.imap_tls),
        "smtp_tls": Tls(row.smtp_tls),
        "copies": Copies(row.copies),
        "after_handling": AfterHandling(row.after_handling),
    }
    return StoredMailbox(
        row.tenant,
        row.id,
        MailboxStatus(row.status),
        row.created_at,
        MailboxSettings(**settings),
        MailboxHealth(**{name: values[name] for name in _HEALTH}),
    )


async def _update(
    connection: AsyncConnection,
    tenant: str,
    mailbox_id: str,
    values: dict[str, Any],  # Any: columns of several types
) -> None:
    result = await connection.execute(
        update(Mailbox).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id).values(values)
    )
    if result.rowcount == 0:
        raise MailboxNotFound(mailbox_id)

"""A mail of the ledger read once more from its bytes, for a person who decides about it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MailUnreadable, RowDecided, RowNotFound
from contracts.ids import new_file_id
from contracts.model import Json
from ledgers.intake.mails import Arrived, StoredFile
from ledgers.mailboxes.parsing import Parser, Unreadable
from mail.message import Attachment, Authentication, Message, Parsed, Verdict
from store.blobs import BlobNotFound, Blobs
from store.database import Database
from store.tables import File, Intake, IntakeState


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row of the ledger as a person finds it."""

    id: int
    source: str
    state: IntakeState
    reason: str | None
    mailbox_id: str | None
    received_at: datetime
    size_bytes: int | None
    blob: str | None
    case_id: str | None
    external_id: str | None
    event_type: str | None
    event: dict[str, Json] | None
    decided_by: str | None
    decided_at: datetime | None


async def held_row(
    connection: AsyncConnection, tenant: str, row_id: int, *, lock: bool = False
) -> HeldRow:
    """Return a row of the tenant; with `lock` nobody else decides until this transaction ends."""
    query = select(*(getattr(Intake, name) for name in HeldRow.__dataclass_fields__)).where(
        Intake.tenant == tenant, Intake.id == row_id
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise RowNotFound(row_id)
    return _held(row)


def require(row: HeldRow, state: IntakeState) -> None:
    """Raise RowDecided unless a row still stands in this state."""
    if row.state is not state:
        raise RowDecided(
            row.id, state.value, row.state.value, row.reason, row.case_id, row.decided_by
        )


async def bytes_of(blobs: Blobs, row: HeldRow) -> bytes:
    """Return a mail's bytes; raises BlobNotFound."""
    if row.blob is None:
        raise BlobNotFound(f"row {row.id}")
    return await blobs.get(row.blob)


async def read_parsed(parser: Parser, raw: bytes) -> Parsed | Unreadable:
    """Return what a mail says, or why it can't be read."""
    [parsed] = await parser.read([raw])
    return parsed


async def read_again(
    database: Database, blobs: Blobs, parser: Parser, tenant: str, row: HeldRow
) -> Arrived:
    """Return a mail with its files, those stored before under their ids.

    Raises BlobNotFound, and MailUnreadable when it still can't be read.
    """
    raw = await bytes_of(blobs, row)
    parsed = await read_parsed(parser, raw)
    if isinstance(parsed, Unreadable):
        raise MailUnreadable(row.id, parsed.reason)
    async with database.read() as connection:
        known = await _stored_files(connection, tenant, row.id)
    files = []
    for attachment, content in zip(parsed.message.attachments, parsed.contents, strict=False):
        id_, blob = known.pop(attachment.sha256, (None, None))
        if id_ is None or blob is None:
            id_, blob = new_file_id(), await blobs.put(tenant, content)
        files.append(_stored(attachment, id_, blob))
    message = replace(parsed.message, authentication=_authentication(row, parsed.message))
    return Arrived(row.id, len(raw), row.received_at, row.blob or "", message, tuple(files))


async def _stored_files(
    connection: AsyncConnection, tenant: str, row_id: int
) -> dict[str, tuple[str, str]]:
    rows = await connection.execute(
        select(File.sha256, File.id, File.blob).where(
            File.tenant == tenant, File.intake_id == row_id
        )
    )
    return {row.sha256: (row.id, row.blob) for row in rows}


def _stored(attachment: Attachment, id_: str, blob: str) -> StoredFile:
    return StoredFile(
        id=id_,
        name=attachment.name,
        content_type=attachment.content_type,
        size_bytes=attachment.size_bytes,
        sha256=attachment.sha256,
        blob=blob,
        part=attachment.part,
        inline=attachment.inline,
    )


def _authentication(row: HeldRow, message: Message) -> Authentication | None:
    """Return what was found out when the mail came in: its DNS records may have changed since."""
    known: Any = (row.event or {}).get("authentication")  # Any: JSON
    if not isinstance(known, dict):
        return message.authentication
    return Authentication(
        by=known["by"],
        spf=Verdict(known["spf"]),
        dkim=Verdict(known["dkim"]),
        dmarc=Verdict(known["dmarc"]),
        dkim_domain=known["dkim_domain"],
    )


def _held(row: Row[Any]) -> HeldRow:  # Any: the columns come from the dataclass
    values = dict(row._mapping)
    return HeldRow(**values | {"state": IntakeState(row.state)})

"""Files of a tenant: blobs with a row each, read again for the mails that carry them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.errors import FileNotFound
from contracts.ids import new_file_id
from mail.reading.file_names import safe_file_name
from mail.writing.compose import Enclosure
from store.blobs import BlobNotFound, Blobs
from store.database import Database
from store.tables import File

MAX_FILE_BYTES = 25 * 1024 * 1024
# Most servers take 25 MB, and base64 makes a third more of it (RFC 2045, 6.8).
MAX_ENCLOSED_BYTES = 20 * 1000 * 1000
MAX_ENCLOSED = 20


class FilesUnfit(Exception):
    """Files that can't go with a mail; the text says why, and what to change."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file's row."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    blob: str
    intake_id: int | None
    created_by: str | None
    created_at: datetime


async def keep(
    database: Database,
    blobs: Blobs,
    tenant: str,
    *,
    name: str,
    content_type: str,
    content: bytes,
    by: str,
) -> KeptFile:
    """Keep a file that somebody uploaded: the blob first, then its row."""
    kept = KeptFile(
        id=new_file_id(),
        name=safe_file_name(name)[0] or "file",
        content_type=content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        blob=await blobs.put(tenant, content),
        intake_id=None,
        created_by=by,
        created_at=utc_now(),
    )
    async with database.write() as connection:
        await connection.execute(
            insert(File).values(
                tenant=tenant,
                id=kept.id,
                name=kept.name,
                content_type=kept.content_type,
                size_bytes=kept.size_bytes,
                sha256=kept.sha256,
                blob=kept.blob,
                created_by=kept.created_by,
                created_at=kept.created_at,
            )
        )
    return kept


async def row(connection: AsyncConnection, tenant: str, file_id: str) -> KeptFile:
    """Return a tenant's file; raises FileNotFound."""
    found = await _rows(connection, tenant, File.id == file_id)
    if not found:
        raise FileNotFound(file_id)
    return found[0]


async def read_files(
    connection: AsyncConnection, blobs: Blobs, tenant: str, ids: Sequence[str]
) -> tuple[Enclosure, ...]:
    """Return files with their bytes, in the order of the ids, each once.

    Raises FilesUnfit when one is missing, or when they are too many or too large together: that
    is seen before a byte is read.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_ENCLOSED:
        raise FilesUnfit(f"it has {len(wanted)} attachments: attach at most {MAX_ENCLOSED}")
    if not wanted:
        return ()
    known = {kept.id: kept for kept in await _rows(connection, tenant, File.id.in_(wanted))}
    if missing := [file_id for file_id in wanted if file_id not in known]:
        raise FilesUnfit(f"there is no file {missing[0]!r} to attach: upload it first")
    chosen = [known[file_id] for file_id in wanted]
    size_bytes = sum(kept.size_bytes for kept in chosen)
    if size_bytes > MAX_ENCLOSED_BYTES:
        raise FilesUnfit(
            f"its attachments have {size_bytes:,} bytes together, and a mail carries at most"
            f" {MAX_ENCLOSED_BYTES:,}: attach fewer or smaller files"
        )
    return tuple([await _enclosure(blobs, kept) for kept in chosen])


async def _enclosure(blobs: Blobs, kept: KeptFile) -> Enclosure:
    try:
        content = await blobs.get(kept.blob)
    except BlobNotFound:
        raise FilesUnfit(f"the bytes of file {kept.id!r} are lost: upload it again") from None
    return Enclosure(kept.name, kept.content_type, content)


async def _rows(
    connection: AsyncConnection, tenant: str, condition: ColumnElement[bool]
) -> list[KeptFile]:
    query = select(
        File.id,
        File.name,
        File.content_type,
        File.size_bytes,
        File.sha256,
        File.blob,
        File.intake_id,
        File.created_by,
        File.created_at,
    ).where(File.tenant == tenant, condition)
    return [KeptFile(**found._mapping) for found in await connection.execute(query)]

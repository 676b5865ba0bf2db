"""Versions of case definitions: immutable, numbered, and addressed by their content.

A document is the canonical JSON of a definition, and its hash the SHA-256 of that.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import DefinitionVersion

REGISTER_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """One version of a definition as stored; `document` is canonical JSON."""

    definition: str
    version: int
    hash: str
    document: str
    created_at: datetime
    created_by: str
    soundness: str | None = None


async def register(
    connection: AsyncConnection,
    tenant: str,
    definition: str,
    document: str,
    content_hash: str,
    by: str,
    now: datetime,
    soundness: str | None = None,
) -> tuple[StoredDefinition, bool]:
    """Return the version with this content, and whether it is new.

    The same content of the same definition is always the same version, with the `soundness` that
    was found when it came first. Needs a transaction
    that writes.
    """
    for attempt in range(1, REGISTER_ATTEMPTS + 1):
        known = await by_hash(connection, tenant, definition, content_hash)
        if known is not None:
            return known, False
        number = await _next_version(connection, tenant, definition)
        version = StoredDefinition(definition, number, content_hash, document, now, by, soundness)
        try:
            # On PostgreSQL another transaction may take the number, or bring the content,
            # between the look and the insert; only the savepoint is lost then.
            async with connection.begin_nested():
                await _insert(connection, tenant, version)
        except IntegrityError:
            if attempt == REGISTER_ATTEMPTS:
                raise
            continue
        return version, True
    raise AssertionError("the last attempt returns or raises")


async def latest(
    connection: AsyncConnection, tenant: str, definition: str
) -> StoredDefinition | None:
    """Return the newest version of a definition, or None."""
    query = _versions(tenant, definition).order_by(DefinitionVersion.version.desc()).limit(1)
    return await _one(connection, query)


async def by_version(
    connection: AsyncConnection, tenant: str, definition: str, version: int
) -> StoredDefinition | None:
    """Return a numbered version of a definition, or None."""
    query = _versions(tenant, definition).where(DefinitionVersion.version == version)
    return await _one(connection, query)


async def by_hash(
    connection: AsyncConnection, tenant: str, definition: str, content_hash: str
) -> StoredDefinition | None:
    """Return the version of a definition with some content, or None."""
    query = _versions(tenant, definition).where(DefinitionVersion.hash == content_hash)
    return await _one(connection, query)


async def versions(
    connection: AsyncConnection, tenant: str, definition: str
) -> list[StoredDefinition]:
    """Return every version of a definition, newest first; none when there is no such one."""
    query = _versions(tenant, definition).order_by(DefinitionVersion.version.desc())
    return [StoredDefinition(**row._mapping) for row in await connection.execute(query)]


async def newest_of_all(connection: AsyncConnection, tenant: str) -> list[StoredDefinition]:
    """Return the newest version of each of a tenant's definitions, by id."""
    newest = (
        select(DefinitionVersion.definition, func.max(DefinitionVersion.version).label("version"))
        .where(DefinitionVersion.tenant == tenant)
        .group_by(DefinitionVersion.definition)
        .subquery()
    )
    query = (
        select(*_COLUMNS)
        .join(
            newest,
            (DefinitionVersion.definition == newest.c.definition)
            & (DefinitionVersion.version == newest.c.version),
        )
        .where(DefinitionVersion.tenant == tenant)
        .order_by(DefinitionVersion.definition)
    )
    return [StoredDefinition(**row._mapping) for row in await connection.execute(query)]


_COLUMNS = (
    DefinitionVersion.definition,
    DefinitionVersion.version,
    DefinitionVersion.hash,
    DefinitionVersion.document,
    DefinitionVersion.created_at,
    DefinitionVersion.created_by,
    DefinitionVersion.soundness,
)

# A query for _COLUMNS.
_Query = Select[str, int, str, str, datetime, str, str | None]


def _versions(tenant: str, definition: str) -> _Query:
    return select(*_COLUMNS).where(
        DefinitionVersion.tenant == tenant, DefinitionVersion.definition == definition
    )


async def _one(connection: AsyncConnection, query: _Query) -> StoredDefinition | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredDefinition(**row._mapping)


async def _next_version(connection: AsyncConnection, tenant: str, definition: str) -> int:
    newest = await connection.scalar(
        select(func.max(DefinitionVersion.version)).where(
            DefinitionVersion.tenant == tenant, DefinitionVersion.definition == definition
        )
    )
    return (newest or 0) + 1


async def _insert(connection: AsyncConnection, tenant: str, version: StoredDefinition) -> None:
    await connection.execute(
        insert(DefinitionVersion).values(
            tenant=tenant,
            definition=version.definition,
            version=version.version,
            hash=version.hash,
            document=version.document,
            created_at=version.created_at,
            created_by=version.created_by,
            soundness=version.soundness,
        )
    )

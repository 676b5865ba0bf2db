"""The versions of definitions that cases run on, each read from its document once."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import Definition, definition_of
from store.tables import DefinitionVersion

KEPT = 256
# Content by its hash: what is here can't become wrong.
_definitions: dict[tuple[str, str], Definition] = {}


async def definition_by_hash(connection: AsyncConnection, tenant: str, hash_: str) -> Definition:
    """Return a pinned version's definition; it never changes, so it is read once."""
    known = _definitions.get((tenant, hash_))
    if known is not None:
        return known
    document = (
        await connection.execute(
            select(DefinitionVersion.document)
            .where(DefinitionVersion.tenant == tenant, DefinitionVersion.hash == hash_)
            .limit(1)
        )
    ).scalar_one()
    while len(_definitions) >= KEPT:
        del _definitions[next(iter(_definitions))]
    return _definitions.setdefault((tenant, hash_), definition_of(document))

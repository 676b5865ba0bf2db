"""Insert rows unless they are there, in the dialect at hand."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import Table


async def insert_new(
    connection: AsyncConnection, table: type[Table], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows; those whose key is taken change nothing."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    await connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)

"""Migrations: they give the tables that the code declares, to every process that asks."""

import asyncio
from contextlib import suppress
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from store.database import Database
from store.migrate import is_current, migrate
from store.tables import Table


async def test_a_migrated_database_has_exactly_the_declared_tables(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_processes_that_start_at_once_all_find_the_newest_tables(
    empty_url: str, empty_database: Database
) -> None:
    others = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(migrate(database) for database in [empty_database, *others]))
    for database in others:
        assert await is_current(database)
        await database.close()


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await migrate(database)
    assert await is_current(database)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database: Database) -> None:
    async with empty_database.write() as connection:
        await connection.execute(text("CREATE TABLE users (tenant TEXT)"))
    # Each driver has an error of its own; what is left behind is the question.
    with suppress(Exception):
        await migrate(empty_database)
    async with empty_database.read() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert names == ["users"]
    assert not await is_current(empty_database)


def _differences(connection: Connection) -> list[Any]:  # Any: Alembic's tuples have many shapes
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: list[Any] = compare_metadata(context, Table.metadata)
    return found

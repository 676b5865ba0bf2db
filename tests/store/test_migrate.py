"""Migrations: they give the tables that the code declares, to every process that asks."""

import asyncio
from contextlib import suppress
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from store.database import Database
from store.migrate import _config, is_current, migrate
from store.tables import Case, Intake, Mailbox, Table


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


_BEFORE = """
INSERT INTO cases (tenant, id, definition, definition_version, definition_hash, subject,
    initial_data, status, opened_at, updated_at, revision)
VALUES ('default', 'case1', 'support', 1, 'h', 'Hello', '{}', 'closed',
    '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 3);
INSERT INTO mailboxes (tenant, id, address, name, definition, status, imap_host, imap_port,
    imap_tls, imap_username, imap_secret, folder, smtp_host, smtp_port, smtp_tls,
    plus_addressing, replies_per_day, created_at, epoch, connected)
VALUES ('default', 'mailbox1', 'a@everpost.test', 'A', 'support', 'active', 'h', 1, 'plain',
    'u', 's', 'INBOX', 'h', 1, 'plain', true, 50, '2026-01-01 00:00:00+00', 1, true);
INSERT INTO intake (tenant, source, state, attempts, seen_at, received_at, deliveries)
VALUES ('default', 'imap', 'applied', 1, '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 1);
"""


async def test_what_a_database_held_stays_through_the_newest_migration_and_back(
    empty_url: str, empty_database: Database
) -> None:
    async with empty_database.write() as connection:
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), "0001"))
    async with empty_database.write() as connection:
        for statement in filter(str.strip, _BEFORE.split(";")):
            await connection.execute(text(statement))
    await migrate(empty_database)
    async with empty_database.read() as connection:
        [mailbox] = await connection.execute(select(Mailbox))
        [case] = await connection.execute(select(Case))
        [row] = await connection.execute(select(Intake))
    assert (mailbox.rules, mailbox.alerts_to, mailbox.copies, mailbox.gaps) == ([], [], "each", 0)
    assert (mailbox.subject_token, mailbox.after_handling) == (False, "leave")
    assert (case.carried, case.subject, row.decided_by, row.state) == (
        None,
        "Hello",
        None,
        "applied",
    )
    async with empty_database.write() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), "0001"))
    await migrate(empty_database)
    async with empty_database.write() as connection:
        assert await connection.run_sync(_differences) == []
        await connection.execute(text("DELETE FROM intake"))
        await connection.execute(text(_BEFORE.split(";")[2]))
        # A number that a row had is never another row's: cases know their events by it.
        assert list((await connection.execute(select(Intake.id))).scalars()) == [row.id + 1]


def _differences(connection: Connection) -> list[Any]:  # Any: Alembic's tuples have many shapes
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: list[Any] = compare_metadata(context, Table.metadata)
    return found

"""Versions of definitions: numbered, immutable, and one for each content."""

import asyncio

from contracts.clock import utc_now
from store import definitions
from store.database import Database
from store.definitions import StoredDefinition


async def registered(
    database: Database, content: str, tenant: str = "default", definition: str = "refund"
) -> tuple[StoredDefinition, bool]:
    """Register some content in a transaction of its own."""
    async with database.write() as connection:
        return await definitions.register(
            connection, tenant, definition, content, f"hash of {content}", "admin", utc_now()
        )


async def test_the_same_content_is_the_same_version_and_other_content_the_next(
    database: Database,
) -> None:
    first, first_is_new = await registered(database, "a")
    second, _ = await registered(database, "b")
    again, again_is_new = await registered(database, "a")
    assert (first.version, second.version, again) == (1, 2, first)
    assert (first_is_new, again_is_new) == (True, False)


async def test_registrations_at_once_give_each_content_one_number(database: Database) -> None:
    contents = ["a", "b", "c", "a", "b", "c"]
    done = await asyncio.gather(*(registered(database, content) for content in contents))
    numbers = {stored.hash: stored.version for stored, _ in done}
    assert sorted(numbers.values()) == [1, 2, 3]
    assert [is_new for _, is_new in done].count(True) == 3


async def test_versions_are_found_by_number_by_hash_and_by_being_the_newest(
    database: Database,
) -> None:
    first, _ = await registered(database, "a")
    second, _ = await registered(database, "b")
    async with database.read() as connection:
        args = (connection, "default", "refund")
        assert await definitions.latest(*args) == second
        assert await definitions.by_version(*args, 1) == first
        assert await definitions.by_hash(*args, "hash of a") == first
        assert await definitions.versions(*args) == [second, first]


async def test_the_newest_of_each_definition_of_a_tenant_is_listed(database: Database) -> None:
    await registered(database, "a")
    refund, _ = await registered(database, "b")
    other, _ = await registered(database, "c", definition="claims")
    await registered(database, "d", tenant="other")
    async with database.read() as connection:
        assert await definitions.newest_of_all(connection, "default") == [other, refund]


async def test_a_tenant_numbers_and_finds_only_its_own(database: Database) -> None:
    await registered(database, "a")
    await registered(database, "b")
    theirs, _ = await registered(database, "b", tenant="other")
    assert theirs.version == 1
    async with database.read() as connection:
        assert await definitions.by_hash(connection, "other", "refund", "hash of a") is None
        assert await definitions.by_version(connection, "other", "refund", 2) is None

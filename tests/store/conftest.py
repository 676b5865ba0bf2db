"""Databases for the tests of the store: every test runs on SQLite and on PostgreSQL."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.database import Database
from store.migrate import migrate
from tests.store.postgres import create_database, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """Give the socket's folder of a PostgreSQL server."""
    with running_postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/everpost.db"
    socket_folder: Path = request.getfixturevalue("postgres")
    return await create_database(socket_folder, f"test_{secrets.token_hex(6)}")


@pytest.fixture
async def empty_database(empty_url: str) -> AsyncIterator[Database]:
    """Give a database without tables."""
    database = Database(empty_url)
    yield database
    await database.close()


@pytest.fixture
async def database(empty_database: Database) -> Database:
    """Give a database with the newest tables."""
    await migrate(empty_database)
    return empty_database

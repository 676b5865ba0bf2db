"""Fixtures: a world on a database that is copied from a migrated one, which takes less time."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from store.database import Database
from store.migrate import migrate
from tests.ledgers.world import World
from tests.servers.temporal import temporal_address
from tests.store.postgres import create_database, running_postgres

__all__ = ["temporal_address"]

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """Give the socket's folder of a PostgreSQL server."""
    with running_postgres() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_template(postgres: Path) -> str:
    """Give the URL of a PostgreSQL database with the newest tables."""
    url = asyncio.run(create_database(postgres, TEMPLATE))
    asyncio.run(_migrate(url))
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an SQLite file with the newest tables."""
    path = tmp_path_factory.mktemp("template") / "everpost.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrate(database)
    await database.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Give the URL of an SQLite database with empty tables."""
    return f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, tmp_path / 'everpost.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of a database with empty tables, once of either kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return asyncio.run(_copied(request.getfixturevalue("postgres_template")))


async def _copied(template: str) -> str:
    name = f"ledgers_{secrets.token_hex(6)}"
    other = template.replace(f"/{TEMPLATE}", "/postgres")
    engine = create_async_engine(other, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    await engine.dispose()
    return template.replace(f"/{TEMPLATE}", f"/{name}")


@asynccontextmanager
async def _world(url: str) -> AsyncIterator[World]:
    made = World(Database(url))
    await made.register()
    await made.mailbox()
    yield made
    await made.database.close()


@pytest.fixture
async def world(either_url: str) -> AsyncIterator[World]:
    """Give a world on SQLite and one on PostgreSQL: one mailbox, one definition."""
    async with _world(either_url) as made:
        yield made


@pytest.fixture
async def small_world(sqlite_url: str) -> AsyncIterator[World]:
    """Give a world on SQLite alone, for what the database makes no difference to."""
    async with _world(sqlite_url) as made:
        yield made

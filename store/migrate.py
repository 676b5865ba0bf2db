"""Brings a database to the newest tables, in one transaction, one process at a time."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from store.database import Database

_FOLDER = Path(__file__).parent / "migrations"
# Any number will do, as long as nobody else locks the same one in this database.
_LOCK = 7_346_190_552


async def migrate(database: Database) -> None:
    """Bring the database to the newest revision; does nothing when it is there.

    Processes that start at once wait for each other: SQLite by its one writer, PostgreSQL by
    an advisory lock that ends with the transaction.
    """
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade)


async def is_current(database: Database) -> bool:
    """Return whether the database has the newest revision, or one that is newer still.

    A newer one is that of a release being rolled out; its tables still serve this one.
    """
    async with database.read() as connection:
        revision = await connection.run_sync(_revision)
    return revision is not None and revision not in _older_revisions()


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def _older_revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config())
    every = {script.revision for script in scripts.walk_revisions()}
    return frozenset(every - {scripts.get_current_head()})

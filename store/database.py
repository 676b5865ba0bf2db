"""The database: SQLite by default, PostgreSQL in production, both through SQLAlchemy async.

SQLite runs in WAL mode with full sync: a commit is on disk when it returns. Whatever writes
begins with BEGIN IMMEDIATE, since a transaction that reads first and writes later fails at
once when another process wrote in between.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from store import inline_sqlite

BUSY_TIMEOUT_MS = 20_000
WAL_RETRY_SECONDS = 0.01


class Database:
    """An engine with two ways in: `read()` and `write()`, each one transaction."""

    def __init__(self, url: str, *, short_statements: bool = False) -> None:
        """Open lazily: nothing is connected before the first transaction.

        `short_statements` says that none of this process's statements takes long: on SQLite
        they then run in the event loop (see `inline_sqlite` for what that saves).
        """
        inline = short_statements and make_url(url).get_backend_name() == "sqlite"
        self.engine: AsyncEngine = create_async_engine(
            url,
            connect_args={"async_creator_fn": inline_sqlite.connect} if inline else {},
            hide_parameters=True,  # they hold bodies and addresses, and errors reach the log
        )
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite lets waiting writers sleep and try again, for up to 100 ms at a time: within
        # a process they stand in line instead.
        self._line: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if self.is_sqlite else nullcontext()
        )
        if self.is_sqlite:
            prepare = _prepare_inline if inline else _prepare_threaded
            event.listen(self.engine.sync_engine, "connect", prepare)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that only reads, on one consistent snapshot."""
        async with self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that may write; it commits when the block ends without error."""
        async with self._line, self.engine.connect() as plain:
            connection = await plain.execution_options(everpost_writes=True)
            async with connection.begin():
                yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


# The DBAPI and sync connection types differ by driver; SQLAlchemy hands them as they are.
def _prepare_threaded(dbapi_connection: Any, record: Any) -> None:
    # The driver's own BEGIN is deferred: switch it off, `_begin_sqlite` says how to begin.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()
    _prepare_inline(dbapi_connection, record)


def _prepare_inline(dbapi_connection: Any, _record: Any) -> None:
    cursor = dbapi_connection.cursor()
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switch a file to WAL, once for its life.

    SQLite does not wait at this switch, so the first processes of a new file meet here.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY_SECONDS)
        else:
            return


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("everpost_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

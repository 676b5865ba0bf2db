"""Locks by name, for what must be read and then written as one."""

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def one_at_a_time(connection: AsyncConnection, *words: str) -> None:
    """Let transactions that name the same words run one after the other, to their ends.

    SQLite has one writer anyway (BEGIN IMMEDIATE). PostgreSQL shows each statement what was
    committed before it began, so two that look first and insert later would both find nothing.
    """
    if connection.dialect.name == "sqlite":
        return
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

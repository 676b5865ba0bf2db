"""The people who may log in, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import User


class Role(StrEnum):
    """What a person may do."""

    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A person as stored."""

    tenant: str
    username: str
    role: Role
    password_hash: str = field(repr=False)


async def read(connection: AsyncConnection, tenant: str, username: str) -> StoredUser | None:
    """Return a tenant's user, or None."""
    row = (
        await connection.execute(
            select(User.password_hash, User.role).where(
                User.tenant == tenant, User.username == username
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return StoredUser(tenant, username, Role(row.role), row.password_hash)


async def create(connection: AsyncConnection, user: StoredUser, now: datetime) -> None:
    """Add a user; there is none of that name yet."""
    await connection.execute(
        insert(User).values(
            tenant=user.tenant,
            username=user.username,
            password_hash=user.password_hash,
            role=user.role,
            created_at=now,
        )
    )

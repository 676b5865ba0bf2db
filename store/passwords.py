"""Passwords of users, kept and compared as argon2id hashes (RFC 9106)."""

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

# Each takes 64 MiB and a core while it runs, so a crowd at the login has to queue.
HASHES_AT_ONCE = 2


class Passwords:
    """Hashes and compares passwords in threads, a few at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the hasher's costs; the default ones are those of RFC 9106, 4 (second choice)."""
        self._hasher = hasher or PasswordHasher()
        self._limiter = anyio.CapacityLimiter(HASHES_AT_ONCE)
        self._nobodys_hash: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with its own salt."""
        return await anyio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def match(self, password: str, password_hash: str | None) -> bool:
        """Return whether a password belongs to a hash.

        Without a hash (no such user) it works as long as with one, and returns False: the time
        of an answer tells nobody which users there are.
        """
        if self._nobodys_hash is None:
            self._nobodys_hash = await self.hash("nobody's")
        matches = await anyio.to_thread.run_sync(
            self._verify, password_hash or self._nobodys_hash, password, limiter=self._limiter
        )
        return matches and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False

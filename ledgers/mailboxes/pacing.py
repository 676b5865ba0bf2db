"""How fast a watch works: how often it looks, and how fast it may take mail."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from store.database import Database
from store.tables import Intake, IntakeState

# So many mails of one mailbox may be on their way to cases; a flood's others wait on its server.
WINDOW = 60


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch looks, and how long it waits."""

    # Renewing IDLE this often is the poll that backs it up. With `alive_within` it bounds how long
    # a half-open connection goes unnoticed: less than 60 s. A deadline does not wait for it:
    # see `ledgers.mailboxes.wanted`.
    recheck: timedelta = timedelta(seconds=25)
    alive_within: timedelta = timedelta(seconds=15)
    # How long a server may say nothing while it owes an answer.
    silence: timedelta = timedelta(seconds=30)
    full_listing: timedelta = timedelta(minutes=5)
    first_retry: timedelta = timedelta(seconds=1)
    longest_retry: timedelta = timedelta(seconds=60)


@dataclass(slots=True)
class TokenBucket:
    """A mailbox's allowance of mails: `per_minute`, of which ten seconds' worth may be saved."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _tokens: float = 1.0
    _at: float | None = None

    def take(self, wanted: int) -> int:
        """Return how many mails may be taken now, at most `wanted`; they count as taken."""
        now = self.clock()
        if self._at is not None:
            self._tokens += (now - self._at) * self.per_minute / 60
        self._at = now
        self._tokens = min(self._tokens, max(1.0, self.per_minute / 6))
        allowed = min(wanted, int(self._tokens))
        self._tokens -= allowed
        return allowed

    def seconds_until_next(self) -> float:
        """Return how long it takes until one mail more may be taken."""
        return max(0.0, 1 - self._tokens) * 60 / self.per_minute


async def is_window_full(database: Database, tenant: str, mailbox_id: str) -> bool:
    """Return whether as many of a mailbox's mails as may be are on their way to cases."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(Intake.id)
            .where(
                Intake.tenant == tenant,
                Intake.mailbox_id == mailbox_id,
                Intake.state.in_((IntakeState.ROUTED, IntakeState.DELIVERED)),
            )
            .limit(WINDOW)
        )
        return len(rows.all()) >= WINDOW

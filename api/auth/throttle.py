"""A brake on logins: a few failures, then a wait, for each name from each client."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.auth.errors import TooManyLogins

WINDOW = timedelta(minutes=5)
FAILURES_PER_USER = 5
FAILURES_PER_CLIENT = 50
MAX_TRACKED = 10_000


@dataclass(slots=True)
class LoginThrottle:
    """Counts failed logins of the last minutes in this process.

    An attempt counts from its beginning, so that many at once are no way around the brake;
    one that succeeds is taken back.
    """

    _failures: dict[Hashable, deque[datetime]] = field(default_factory=dict)

    def begin(self, username: str, client: str, now: datetime) -> None:
        """Count an attempt; raises TooManyLogins when there were too many."""
        limits = {(username, client): FAILURES_PER_USER, client: FAILURES_PER_CLIENT}
        for key, limit in limits.items():
            recent = self._recent(key, now)
            if len(recent) >= limit:
                raise TooManyLogins(recent[0] + WINDOW - now)
        for key in limits:
            self._failures.setdefault(key, deque()).append(now)
        self._forget_oldest()

    def succeeded(self, username: str, client: str) -> None:
        """Forget the name's failures from this client, and this attempt of the client's."""
        self._failures.pop((username, client), None)
        attempts = self._failures.get(client)
        if attempts:
            attempts.pop()

    def _recent(self, key: Hashable, now: datetime) -> deque[datetime]:
        recent = self._failures.get(key, deque())
        while recent and recent[0] <= now - WINDOW:
            recent.popleft()
        return recent

    def _forget_oldest(self) -> None:
        # A flood of invented names must not fill the memory.
        while len(self._failures) > MAX_TRACKED:
            del self._failures[next(iter(self._failures))]

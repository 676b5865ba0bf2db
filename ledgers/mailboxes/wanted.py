"""Wakes the watches of mailboxes for which deadlines wait.

A deadline that falls due fires once its mailbox has been read so far. Looking at every mailbox
every few seconds for that is more than mail providers bear, so a watch is woken when it matters.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from contracts.clock import utc_now
from ledgers.mailboxes import watermark
from ledgers.mailboxes.watermark import Wish
from store.database import Database

log = structlog.get_logger()

LOOK_EVERY = timedelta(seconds=1)
FIRST_PAUSE = timedelta(seconds=1)

Key = tuple[str, str]


@dataclass(slots=True)
class _Woken:
    """What a mailbox was woken for last; if that did not help, each pause is twice as long."""

    until: datetime
    pause: timedelta
    again_at: datetime


@dataclass(slots=True)
class Wanted:
    """The sessions that run in this process, and one loop that looks for who is wanted.

    Each process looks for itself, once a second, and only while sessions run in it.
    """

    database: Database
    longest_pause: timedelta
    _wakers: dict[Key, Callable[[], None]] = field(default_factory=dict)
    _woken: dict[Key, _Woken] = field(default_factory=dict)
    _loop: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def waking(
        self, tenant: str, mailbox_id: str, wake: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Wake a session whenever its mailbox is wanted, until the block ends."""
        key = (tenant, mailbox_id)
        self._wakers[key] = wake
        if self._loop is None:
            self._loop = asyncio.create_task(self._look_for_ever())
        try:
            yield
        finally:
            # A watch that was taken over may end after its successor has begun.
            if self._wakers.get(key) is wake:
                del self._wakers[key]
            if not self._wakers and self._loop is not None:
                self._loop.cancel()
                self._loop = None

    async def _look_for_ever(self) -> None:
        while True:
            try:
                wishes = await watermark.wanted(self.database)
            except SQLAlchemyError as error:
                log.warning("mailbox.wishes_unknown", error=type(error).__name__)
                wishes = []
            self._wake({(wish.tenant, wish.mailbox_id): wish for wish in wishes})
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    def _wake(self, wishes: Mapping[Key, Wish]) -> None:
        for key in self._woken.keys() - wishes.keys():
            del self._woken[key]
        for key in self._wakers.keys() & wishes.keys():
            at = self._due_at(key, wishes[key])
            # Before the next look: at its very moment, so that the deadline waits no longer.
            if at < utc_now() + LOOK_EVERY:
                self._note(key, wishes[key], at)
                seconds = max(0.0, (at - utc_now()).total_seconds())
                asyncio.get_running_loop().call_later(seconds, self._wake_one, key)

    def _due_at(self, key: Key, wish: Wish) -> datetime:
        woken = self._woken.get(key)
        if woken is None or woken.until != wish.until:
            return wish.listing_at
        return woken.again_at

    def _note(self, key: Key, wish: Wish, at: datetime) -> None:
        before = self._woken.get(key)
        again = before is not None and before.until == wish.until
        pause = min(before.pause * 2, self.longest_pause) if before and again else FIRST_PAUSE
        self._woken[key] = _Woken(wish.until, pause, max(at, utc_now()) + pause)

    def _wake_one(self, key: Key) -> None:
        if wake := self._wakers.get(key):
            wake()

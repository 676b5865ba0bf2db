"""Sending mail over pooled connections in two phases: envelope first, then the mail itself.

Between the phases the caller writes down durably that it is about to send; what happens after
that is told apart precisely (see `smtp_errors`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from clients.smtp_errors import (
    SmtpAnswer,
    SmtpAuthFailed,
    SmtpError,
    SmtpInsecure,
    SmtpOutcomeUnknown,
    SmtpRefused,
    SmtpUnsent,
    SmtpUntrusted,
)
from clients.smtp_session import SessionEnded, SmtpAccount, SmtpSession

__all__ = [
    "SmtpAccount",
    "SmtpAnswer",
    "SmtpAuthFailed",
    "SmtpError",
    "SmtpInsecure",
    "SmtpOutcomeUnknown",
    "SmtpPool",
    "SmtpRefused",
    "SmtpTransaction",
    "SmtpUnsent",
    "SmtpUntrusted",
]

# How long a server may take for its last word (RFC 5321, 4.5.3.2.6).
FINAL_ANSWER = timedelta(minutes=10)
COMMAND_ANSWER = timedelta(seconds=30)
BUSY = "all connections to this server are busy"


@dataclass(slots=True, eq=False)
class SmtpTransaction:
    """A mail whose sender and recipients the server has taken; `data` sends it."""

    accepted: tuple[str, ...]
    refused: dict[str, SmtpAnswer]
    _session: SmtpSession
    _final_answer: timedelta
    _used: bool = False

    async def data(self, raw: bytes) -> SmtpAnswer:
        """Send the mail to the accepted recipients; return the server's last, positive answer.

        Raises SmtpUnsent or SmtpRefused where it certainly was not sent, SmtpOutcomeUnknown where
        it may have been. A cancelled call may have sent it too. Works once.
        """
        if self._used:
            raise ValueError("a transaction sends one mail")
        self._used = True
        return await self._session.send(raw, final_answer=self._final_answer)


@dataclass(slots=True, eq=False)
class _Gate:
    """So many connections at a time, of one account or to one server."""

    slots: asyncio.Semaphore
    longest_line: int
    # When a connection was last taken or given back.
    moved_at: float
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Lane:
    """The connections of one account, and the gates before them: its own and its server's."""

    gates: tuple[_Gate, _Gate]
    idle: list[SmtpSession] = field(default_factory=list)


class SmtpPool:
    """Connections to all servers that one process sends through; belongs to one event loop."""

    def __init__(
        self,
        *,
        connections_per_account: int = 4,
        waiting_per_account: int = 30,
        connections_per_server: int = 20,
        busy_for: timedelta = timedelta(seconds=2),
        mails_per_connection: int = 100,
        idle: timedelta = timedelta(seconds=20),
        command_answer: timedelta = COMMAND_ANSWER,
        final_answer: timedelta = FINAL_ANSWER,
        hello_name: str = "localhost",
    ) -> None:
        """Bound what one account, and one server with many accounts, takes of the process.

        A mail waits for a connection only behind `waiting_per_account` others, and only while
        some connection was taken or given back within `busy_for`: a server that hangs must not
        hold up those who send through another.
        """
        self._connections_per_server = connections_per_server
        self._connections_per_account = connections_per_account
        self._waiting_per_account = waiting_per_account
        self._busy_seconds = busy_for.total_seconds()
        self._mails_per_connection = mails_per_connection
        self._idle_seconds = idle.total_seconds()
        self._command_answer = command_answer
        self._final_answer = final_answer
        self._hello_name = hello_name
        self._lanes: dict[SmtpAccount, _Lane] = {}
        self._servers: dict[tuple[str, int], _Gate] = {}
        self._closed = False

    @asynccontextmanager
    async def transaction(
        self, account: SmtpAccount, envelope_from: str, recipients: Sequence[str], size_bytes: int
    ) -> AsyncIterator[SmtpTransaction]:
        """Give a transaction whose sender and at least one recipient the server has taken.

        Raises SmtpUnsent, SmtpRefused (the sender, or all recipients) or SmtpAuthFailed; then
        nothing was sent. The null sender is "". Leaving without `data` takes the envelope back.
        """
        lane = self._lane(account)
        own, server = lane.gates
        async with self._slot(own), self._slot(server):
            session, accepted, refused = await self._begin(
                account, lane, envelope_from, recipients, size_bytes
            )
            try:
                yield SmtpTransaction(accepted, refused, session, self._final_answer)
            except BaseException as error:
                if not isinstance(error, Exception):
                    session.close()  # cancelled: no time for goodbyes
                raise
            finally:
                await self._give_back(lane, session)

    @asynccontextmanager
    async def _slot(self, gate: _Gate) -> AsyncIterator[None]:
        """Hold the right to one connection; raises SmtpUnsent when there is none to be had soon."""
        if gate.slots.locked() and gate.waiting >= gate.longest_line:
            raise SmtpUnsent(BUSY)
        gate.waiting += 1
        try:
            await self._acquire(gate)
        finally:
            gate.waiting -= 1
        loop = asyncio.get_running_loop()
        gate.moved_at = loop.time()
        try:
            yield
        finally:
            gate.moved_at = loop.time()
            gate.slots.release()

    async def _acquire(self, gate: _Gate) -> None:
        loop = asyncio.get_running_loop()
        while True:
            until = gate.moved_at + self._busy_seconds
            try:
                async with asyncio.timeout_at(until):
                    await gate.slots.acquire()
                    return
            except TimeoutError:
                if gate.moved_at + self._busy_seconds <= loop.time():
                    raise SmtpUnsent(BUSY) from None

    async def _begin(
        self,
        account: SmtpAccount,
        lane: _Lane,
        envelope_from: str,
        recipients: Sequence[str],
        size_bytes: int,
    ) -> tuple[SmtpSession, tuple[str, ...], dict[str, SmtpAnswer]]:
        while True:
            session = self._idle_session(lane)
            reused = session is not None
            if session is None:
                session = await SmtpSession.open(
                    account, silence=self._command_answer, hello_name=self._hello_name
                )
            try:
                return session, *await session.envelope(envelope_from, recipients, size_bytes)
            except SessionEnded as error:
                session.close()
                if not reused:
                    raise SmtpUnsent(f"the connection ended before the mail: {error}") from error
                # It went stale in the pool: nothing is lost, the next is tried.
            except SmtpError:
                await self._give_back(lane, session)
                raise
            except BaseException:
                session.close()
                raise

    async def close(self) -> None:
        """Close all idle connections; those in use are closed as they are given back."""
        self._closed = True
        for lane in self._lanes.values():
            while lane.idle:
                lane.idle.pop().leave()

    def _lane(self, account: SmtpAccount) -> _Lane:
        if self._closed:
            raise SmtpUnsent("the pool is closed")
        if account not in self._lanes:
            where = (account.host, account.port)
            if where not in self._servers:
                self._servers[where] = self._gate(self._connections_per_server)
            own = self._gate(self._connections_per_account)
            self._lanes[account] = _Lane((own, self._servers[where]))
        return self._lanes[account]

    def _gate(self, connections: int) -> _Gate:
        now = asyncio.get_running_loop().time()
        return _Gate(asyncio.Semaphore(connections), self._waiting_per_account, moved_at=now)

    def _idle_session(self, lane: _Lane) -> SmtpSession | None:
        self._sweep(lane)
        return lane.idle.pop() if lane.idle else None

    def _sweep(self, lane: _Lane) -> None:
        """Close what has been idle for too long, or has ended in the meantime."""
        oldest = asyncio.get_running_loop().time() - self._idle_seconds
        stale = [s for s in lane.idle if s.idle_since < oldest or not s.alive]
        for session in stale:
            lane.idle.remove(session)
            session.leave()

    async def _give_back(self, lane: _Lane, session: SmtpSession) -> None:
        await session.reset()
        if not session.alive:
            return
        if self._closed or session.mails >= self._mails_per_connection:
            session.leave()
            return
        loop = asyncio.get_running_loop()
        session.idle_since = loop.time()
        lane.idle.append(session)
        loop.call_later(self._idle_seconds + 0.1, self._sweep, lane)

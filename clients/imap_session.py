"""A logged-in IMAP connection: greeting, STARTTLS, login, and commands that are answered."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from datetime import timedelta
from typing import Self

from clients.imap_account import ImapAccount, connect, start_tls
from clients.imap_errors import (
    ImapAuthFailed,
    ImapDisconnected,
    ImapError,
    ImapFolderMissing,
    ImapLoginCut,
    ImapRefused,
    ImapUnreachable,
    ImapUntrusted,
)
from clients.imap_protocol import ImapCommand, ImapProtocol
from clients.imap_syntax import quoted, readable, response_code

# Response codes that say "later", not "wrong" (RFC 5530, 3).
_TRY_LATER = {"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"}


class ImapSession:
    """One logged-in connection. Its calls take turns; one task uses it at a time."""

    def __init__(self, account: ImapAccount, protocol: ImapProtocol, *, timeout: timedelta) -> None:
        self._account = account
        self._protocol = protocol
        self._timeout = timeout
        self._capabilities: frozenset[str] = frozenset()
        self._folder: str | None = None
        self._writable = False

    @classmethod
    async def open(
        cls,
        account: ImapAccount,
        *,
        timeout: timedelta = timedelta(seconds=30),  # noqa: ASYNC109  # bounds silences
        max_literal_bytes: int = 64 * 1024 * 1024,
    ) -> Self:
        """Return a connection that is logged in.

        `timeout` bounds connecting, and from then on every silence of the server.
        Raises ImapInsecure, ImapUnreachable (ImapUntrusted), ImapAuthFailed or
        ImapProtocolError.
        """
        protocol = await connect(account, timeout, max_literal_bytes)
        session = cls(account, protocol, timeout=timeout)
        try:
            await session._log_in()
        except ImapDisconnected as error:
            protocol.drop("not logged in")
            raise ImapUnreachable(account.host, account.port, str(error)) from error
        except BaseException:
            protocol.drop("not logged in")
            raise
        return session

    @property
    def alive(self) -> bool:
        """Whether the connection has not ended, as far as this side knows."""
        return self._protocol.lost is None

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server offers, in upper case, as told after the login."""
        return self._capabilities

    async def close(self) -> None:
        """Log out if the server still answers, and end the connection; never raises."""
        with contextlib.suppress(ImapError):
            await self._run("LOGOUT", silence=min(self._timeout, timedelta(seconds=2)))
        self._protocol.drop("closed")

    # -- Commands

    async def _run(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        payload: bytes | None = None,
        silence: timedelta | None = None,
    ) -> ImapCommand:
        return await self._protocol.run(
            name, *args, prefix=prefix, payload=payload, silence=silence or self._timeout
        )

    async def _ok(self, name: str, *args: str, prefix: str | None = None) -> ImapCommand:
        if prefix and self._folder is None:
            raise ImapFolderMissing("", "no folder is open")
        answer = await self._run(name, *args, prefix=prefix)
        if answer.result != "OK":
            raise self._refusal(answer, ImapRefused(name, readable(answer.text)))
        return answer

    async def _noop(self, silence: timedelta) -> None:
        await self._run("NOOP", silence=silence)

    def _refusal(self, answer: ImapCommand, error: ImapError) -> ImapError:
        code, _ = response_code(answer.text)
        if code in _TRY_LATER:
            return ImapUnreachable(self._account.host, self._account.port, readable(answer.text))
        return error

    async def _log_in(self) -> None:
        protocol, account = self._protocol, self._account
        greeting = await self._greeting()
        offered = await self._offered(greeting)
        if account.tls == "starttls":
            if "STARTTLS" not in offered:
                raise ImapUntrusted(account.host, account.port, "it does not offer STARTTLS")
            await start_tls(account, protocol, self._timeout)
            # What was offered in the clear may be anybody's words (RFC 9051, 6.2.1).
            offered = await self._offered()
        try:
            answer = await self._authenticate(offered)
        except ImapDisconnected as error:
            raise ImapLoginCut(account.host, account.port, str(error)) from error
        if answer.result != "OK":
            raise self._refusal(answer, ImapAuthFailed(account.username, readable(answer.text)))
        protocol.state = "AUTH"
        lines = [answer.text, *(parts[0] for parts in answer.responses)]
        self._capabilities = await self._offered(*lines)

    async def _greeting(self) -> bytes:
        """Return the greeting; one that says PREAUTH is refused: it would rule out STARTTLS."""
        account = self._account
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                greeting = await self._protocol.greeting
        except TimeoutError:
            raise ImapDisconnected("the greeting", "none in time") from None
        if greeting.upper().startswith(b"* PREAUTH"):
            raise ImapUntrusted(account.host, account.port, "it greets as if we were logged in")
        if not greeting.upper().startswith(b"* OK"):
            raise ImapUnreachable(account.host, account.port, readable(greeting))
        self._protocol.state = "NONAUTH"
        return greeting

    async def _authenticate(self, offered: frozenset[str]) -> ImapCommand:
        user, password = self._account.username, self._account.password.get_secret_value()
        if "AUTH=PLAIN" in offered:
            # Base64 carries what a quoted string cannot (RFC 4616).
            token = base64.b64encode(f"\0{user}\0{password}".encode())
            return await self._run("AUTHENTICATE", "PLAIN", payload=token)
        try:
            return await self._run("LOGIN", quoted(user), quoted(password))
        except ValueError:
            reason = "it takes LOGIN only, which allows ASCII in user names and passwords"
            raise ImapAuthFailed(user, reason) from None

    async def _offered(self, *lines: bytes) -> frozenset[str]:
        """Return the capabilities that one of the lines names, or else ask for them."""
        for line in lines:
            code, argument = response_code(line)
            if code == "CAPABILITY":
                return frozenset(argument.upper().split())
            if line.upper().startswith(b"CAPABILITY "):
                return frozenset(line.decode("ascii", "replace").upper().split()[1:])
        answer = await self._run("CAPABILITY")
        asked = (p[0] for p in answer.responses if p[0].upper().startswith(b"CAPABILITY "))
        return frozenset(next(asked, b"").decode("ascii", "replace").upper().split()[1:])

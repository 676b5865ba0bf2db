"""aioimaplib's protocol with another reader: linear, bounded, and awake to a lost connection.

The stock reader recurses per line, is quadratic on large batches, counts parentheses in mail
bodies, deletes every "* " and leaves commands hanging when the connection is lost. This one
frames a response as `line (literal line)*` (RFC 3501, 7 and 9).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from datetime import timedelta
from typing import Any

# aioimaplib ships no type information.
from aioimaplib.aioimaplib import (  # type: ignore[import-untyped]
    Command,
    CommandTimeout,
    IMAP4ClientProtocol,
)

from clients.imap_errors import ImapDisconnected, ImapError, ImapProtocolError
from clients.imap_syntax import Parts

# A UID SEARCH over a million mails answers with 8 MB in one line.
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_RESPONSES_BYTES = 512 * 1024 * 1024

_LITERAL_AT_END = re.compile(rb"~?\{(\d{1,19})\+?\}$")
_EXISTS = re.compile(rb"\d+ EXISTS$", re.IGNORECASE)
_STATUS = re.compile(rb"\* (OK|NO|BAD|BYE|PREAUTH)\b|[^*]", re.IGNORECASE)


class ImapCommand(Command):  # type: ignore[misc]  # Command is Any to mypy
    """A command whose untagged responses are kept whole, and that times out on silence."""

    def __init__(
        self, protocol: ImapProtocol, name: str, *args: str, prefix: str | None, silence: timedelta
    ) -> None:
        super().__init__(name, protocol.new_tag(), *args, prefix=prefix, loop=protocol.loop)
        self.responses: list[Parts] = []
        self.result = ""
        self.text = b""
        self._protocol = protocol
        self._silence_seconds = silence.total_seconds()

    async def wait(self) -> None:
        """Wait for the tagged answer; CommandTimeout once the server is silent for too long.

        Progress counts, not the total: a large batch over a slow line is no failure.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        while not self._event.is_set():
            silent_until = max(started, self._protocol.heard_at) + self._silence_seconds
            if loop.time() >= silent_until:
                raise CommandTimeout(self)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(silent_until):
                    await self._event.wait()
        if self._exception is not None:
            raise self._exception

    def finish(self, result: str, text: bytes) -> None:
        """Take the tagged answer and wake the waiter."""
        self.result, self.text = result, text
        self.close(text, result)

    def fail(self, error: ImapError) -> None:
        """Wake the waiter with an error."""
        self._exception = error
        self._event.set()


class ImapProtocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the base is Any to mypy
    """One connection: one command at a time, every failure ends it."""

    transport: Any  # as aioimaplib has it: None until the connection is made

    def __init__(self, *, max_literal_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.lost: ImapError | None = None
        # Set by every "* n EXISTS", whichever command it comes with; cleared before a search.
        # A mail that is reported between search and IDLE would else wait for the next one.
        self.news = asyncio.Event()
        self.heard_at = loop.time()
        self._max_literal_bytes = max_literal_bytes
        self._turn = asyncio.Lock()
        self.pending_sync_command: Command | None = None
        self._payload: bytes | None = None
        self._buffer = bytearray()
        self._searched_to = 0
        self._parts: list[bytes] = []
        self._literal_bytes: int | None = None
        self._kept_bytes = 0
        self._awaits_tls = False

    # -- Reading

    def data_received(self, data: bytes) -> None:
        """Take bytes from the server and hand on each whole response in them."""
        if self.lost is not None:
            return
        self.heard_at = self.loop.time()
        self._buffer += data
        try:
            self._frame()
        except ImapProtocolError as error:
            self._end(error)

    def _frame(self) -> None:
        position = 0
        while self.lost is None and not self._awaits_tls:
            if self._literal_bytes is not None:
                end = position + self._literal_bytes
                if len(self._buffer) < end:
                    break
                with memoryview(self._buffer) as view:  # one copy, not two
                    self._parts.append(view[position:end].tobytes())
                self._literal_bytes = None
                position = self._searched_to = end
            end = self._buffer.find(b"\r\n", max(position, self._searched_to))
            if end < 0:
                # One octet back: the CR may be here and its LF in the next piece.
                self._searched_to = max(position, len(self._buffer) - 1)
                if len(self._buffer) - position > MAX_LINE_BYTES:
                    raise ImapProtocolError("a line without an end")
                break
            line = bytes(self._buffer[position:end])
            position = self._searched_to = end + 2
            self._line(line)
        del self._buffer[:position]
        self._searched_to -= position
        if self._awaits_tls and self._buffer:
            # Somebody on the way wrote it, to be taken for the server's words within TLS.
            raise ImapProtocolError("words in the clear behind the answer to STARTTLS")

    def _line(self, line: bytes) -> None:
        self._parts.append(line)
        announced = _LITERAL_AT_END.search(line)
        # Only data responses carry literals; a human-readable text may end in "{1}" by chance.
        if announced and (len(self._parts) > 1 or not _STATUS.match(line)):
            size_bytes = int(announced.group(1))
            if size_bytes > self._max_literal_bytes:
                raise ImapProtocolError(
                    f"a literal of {size_bytes} bytes, at most {self._max_literal_bytes} are taken"
                )
            self._literal_bytes = size_bytes
            return
        parts, self._parts = tuple(self._parts), []
        self._response(parts)

    def _response(self, parts: Parts) -> None:
        first = parts[0]
        if not self.greeting.done():
            self.greeting.set_result(first)
        elif first.startswith(b"* "):
            self._untagged((first[2:], *parts[1:]))
        elif first.startswith(b"+"):
            self._continuation(first)
        else:
            self._tagged(first)

    def _untagged(self, parts: Parts) -> None:
        if _EXISTS.match(parts[0]):
            self.news.set()
        command = self._pending()
        if command is None:
            return
        self._kept_bytes += sum(map(len, parts))
        if self._kept_bytes > MAX_RESPONSES_BYTES:
            raise ImapProtocolError("more data than was asked for")
        command.responses.append(parts)

    def _continuation(self, line: bytes) -> None:
        command = self._pending()
        if command is None:
            return
        if command.name == "IDLE":
            self._idle_event.set()
        elif command.name == "AUTHENTICATE" or self._payload is not None:
            # A second challenge is an error report that wants an empty line (RFC 7628, 3.2.3).
            payload, self._payload = self._payload or b"", None
            self.transport.write(payload + b"\r\n")

    def _tagged(self, line: bytes) -> None:
        tag, _, answer = line.partition(b" ")
        command = self._pending()
        if command is None or command.tag.encode("ascii") != tag:
            raise ImapProtocolError("an answer to no command")
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        if command.name == "IDLE":
            self._idle_event.set()  # refused: no "+" will come
        result, _, text = answer.partition(b" ")
        if command.name == "STARTTLS" and result.upper() == b"OK":
            self._awaits_tls = True
            self.transport.pause_reading()
        command.finish(result.decode("ascii", "replace").upper(), text)

    def _pending(self) -> ImapCommand | None:
        command: ImapCommand | None = self.pending_sync_command
        return command or next(iter(self.pending_async_commands.values()), None)

    # -- Ending

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for this connection, at once."""
        self._end(ImapDisconnected(self._doing(), str(exc or "closed by the server")))

    def drop(self, reason: str) -> None:
        """End the connection without a word; the only safe thing after a timeout or a cancel."""
        self._end(ImapDisconnected(self._doing(), reason))

    def _doing(self) -> str:
        command = self._pending()
        return f"{command.prefix or ''}{command.name}" if command else "no command"

    def _end(self, error: ImapError) -> None:
        if self.lost is not None:
            return
        self.lost = error
        command = self._pending()
        if command is not None:
            command.fail(error)
        if not self.greeting.done():
            self.greeting.set_exception(error)
            self.greeting.exception()  # perhaps nobody waits for it any more
        self.news.set()
        self._idle_event.set()
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()

    # -- Writing

    def send(self, line: str, scrub: str | None = None) -> None:
        """Write one line, and never log it: it may hold a password or an address."""
        self.transport.write(line.encode("utf-8") + b"\r\n")

    async def run(
        self,
        name: str,
        *args: str,
        prefix: str | None = None,
        silence: timedelta,
        payload: bytes | None = None,
    ) -> ImapCommand:
        """Run one command and return it answered, whatever the answer (OK, NO, BAD).

        Raises ImapDisconnected or ImapProtocolError; a timeout or a cancel ends the connection.
        """
        async with self._turn:
            return await self._run(name, *args, prefix=prefix, silence=silence, payload=payload)

    async def _run(
        self, name: str, *args: str, prefix: str | None, silence: timedelta, payload: bytes | None
    ) -> ImapCommand:
        self._check_alive(name)
        self._payload, self._kept_bytes = payload, 0
        command = ImapCommand(self, name, *args, prefix=prefix, silence=silence)
        try:
            await self.execute(command)
        except CommandTimeout:
            raise self._silent(name, silence) from None
        except BaseException:
            self.drop("given up")
            raise
        return command

    async def start_tls(
        self, context: ssl.SSLContext, server_name: str, *, silence: timedelta
    ) -> bool:
        """Protect the connection by STARTTLS (RFC 9051, 6.2.1); False where it is refused.

        Raises ImapDisconnected, ImapProtocolError, or ssl.SSLError and OSError of the handshake.
        """
        answer = await self.run("STARTTLS", silence=silence)
        if answer.result != "OK":
            return False
        if self.lost is not None:  # behind the answer, in the same piece
            raise self.lost
        self._awaits_tls = False
        try:
            async with asyncio.timeout(silence.total_seconds()):
                secured = await self.loop.start_tls(
                    self.transport, self, context, server_hostname=server_name
                )
        except TimeoutError:
            raise self._silent("the TLS handshake", silence) from None
        except BaseException:
            self.drop("no TLS")
            raise
        # The connection may have ended on the last octet of the handshake.
        self._check_alive("STARTTLS")
        self.transport = secured
        return True

    async def idle_until_news(self, at_most: timedelta, silence: timedelta) -> None:
        """Hold IDLE (RFC 2177) until `news` is set or the time is up.

        The start and the end of IDLE are each bounded by `silence`.
        """
        async with self._turn:
            self._check_alive("IDLE")
            self._idle_event.clear()
            self._kept_bytes = 0
            command = ImapCommand(self, "IDLE", prefix=None, silence=silence)
            self.pending_sync_command = command
            try:
                self.send(str(command))
                if not await _set_within(self._idle_event, silence):
                    raise self._silent("IDLE", silence)
                if not command.result:
                    await _set_within(self.news, at_most)
                    self.send("DONE")
                await command.wait()
            except CommandTimeout:
                raise self._silent("DONE", silence) from None
            except BaseException:
                self.drop("given up")
                raise
        if command.result != "OK":
            raise ImapProtocolError("it offers IDLE and refuses it")

    def _check_alive(self, command: str) -> None:
        if self.lost is not None:
            raise ImapDisconnected(command, str(self.lost))

    def _silent(self, command: str, silence: timedelta) -> ImapDisconnected:
        error = ImapDisconnected(command, f"no answer within {silence.total_seconds():g} s")
        self._end(error)
        return error


async def _set_within(event: asyncio.Event, limit: timedelta) -> bool:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await event.wait()
    except TimeoutError:
        return False

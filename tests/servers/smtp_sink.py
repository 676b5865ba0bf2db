"""An SMTP server that keeps what it is sent and fails on demand.

As a thread: `with SmtpSink() as sink: sink.script.append(Fault.DROP_DELIVERED)`.
As a process: `python -m tests.servers.smtp_sink --port 3026 --log mails.jsonl --fault-share 0.5`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import random
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.ports import free_port

HOST = "127.0.0.1"
MAX_MAIL_BYTES = 64 * 1024 * 1024


class Fault(StrEnum):
    """What goes wrong with one mail, chosen when its MAIL command comes."""

    MAIL_LATER = "mail_later"
    MAIL_REFUSED = "mail_refused"
    MAIL_CLOSING = "mail_closing"
    RCPT_LATER = "rcpt_later"
    RCPT_REFUSED = "rcpt_refused"
    FIRST_RCPT_REFUSED = "first_rcpt_refused"
    DROP_AT_RCPT = "drop_at_rcpt"
    DATA_LATER = "data_later"
    DATA_REFUSED = "data_refused"
    DROP_BEFORE_DATA = "drop_before_data"
    MAIL_TEXT_LATER = "mail_text_later"
    MAIL_TEXT_REFUSED = "mail_text_refused"
    DROP_DELIVERED = "drop_delivered"
    DROP_LOST = "drop_lost"
    SILENT_DELIVERED = "silent_delivered"
    SLOW = "slow"


_AT_MAIL = {
    Fault.MAIL_LATER: "451 4.3.0 later",
    Fault.MAIL_REFUSED: "550 5.7.1 not from you",
    Fault.MAIL_CLOSING: "421 4.3.2 closing down",
}
_AT_RCPT = {Fault.RCPT_LATER: "450 4.2.1 later", Fault.RCPT_REFUSED: "550 5.1.1 nobody here"}
_AT_DATA = {Fault.DATA_LATER: "451 4.3.0 later", Fault.DATA_REFUSED: "554 5.5.0 no"}
_AFTER_TEXT = {
    Fault.MAIL_TEXT_LATER: "452 4.3.1 disk full",
    Fault.MAIL_TEXT_REFUSED: "554 5.6.0 not this mail",
}
# What a kill test meets in the wild; the rest needs a client that waits or many recipients.
USUAL_FAULTS = (
    Fault.MAIL_LATER,
    Fault.RCPT_LATER,
    Fault.DROP_AT_RCPT,
    Fault.DROP_BEFORE_DATA,
    Fault.MAIL_TEXT_LATER,
    Fault.DROP_DELIVERED,
    Fault.DROP_LOST,
)


@dataclass(frozen=True, slots=True)
class SunkMail:
    """One mail that the server has taken, whether or not its client heard so."""

    message_id: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    answered: bool
    at: float  # seconds since the epoch

    def line(self) -> str:
        """Return it as a line of the log."""
        return json.dumps(
            {
                "message_id": self.message_id,
                "sender": self.sender,
                "recipients": self.recipients,
                "raw": base64.b64encode(self.raw).decode("ascii"),
                "answered": self.answered,
                "at": self.at,
            }
        )


def read_log(path: Path) -> list[SunkMail]:
    """Return the mails in a log, which another process may still be writing to."""
    whole_lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_from_line(line) for line in whole_lines]


@dataclass(slots=True)
class LogReader:
    """Reads a log to which another process writes, each mail once."""

    path: Path
    _read_bytes: int = 0

    def new(self) -> list[SunkMail]:
        """Return the mails that came since the last time."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as log:
            log.seek(self._read_bytes)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return [_from_line(line) for line in whole.splitlines()]


def _from_line(line: bytes) -> SunkMail:
    values = json.loads(line)
    values["raw"] = base64.b64decode(values["raw"])
    values["recipients"] = tuple(values["recipients"])
    return SunkMail(**values)


@dataclass(slots=True)
class SmtpSink:
    """The server in a thread of its own.

    `script` holds the faults of the next mails (None: no fault); where it is empty,
    `fault_share` of the mails get one of `faults`.
    """

    port: int = field(default_factory=free_port)
    log: Path | None = None
    fault_share: float = 0.0
    faults: Sequence[Fault] = USUAL_FAULTS
    seed: int = 1
    slow_seconds: float = 0.3
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    max_mail_bytes: int = MAX_MAIL_BYTES
    mails: list[SunkMail] = field(default_factory=list)
    script: deque[Fault | None] = field(default_factory=deque)
    attempts: int = 0
    connections: int = 0
    _random: random.Random = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _open: set[_Protocol] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # faults, and the same ones again

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when it listens."""
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"the SMTP sink cannot listen on port {self.port}")

    def _run(self, ready: threading.Event) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self.listen())
        ready.set()
        self._loop.run_forever()
        server.close()
        self.drop_connections()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def listen(self) -> asyncio.Server:
        """Serve in the running event loop."""
        loop = asyncio.get_running_loop()
        context = self.tls if self.implicit_tls else None
        return await loop.create_server(lambda: _Protocol(self), HOST, self.port, ssl=context)

    def stop(self) -> None:
        """End the thread; connections are dropped."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop = self._thread = None

    def drop_connections(self) -> None:
        """Close every connection, as a restart would; safe from any thread."""

        def drop() -> None:
            for protocol in list(self._open):
                protocol.drop()

        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(drop)
        else:
            drop()

    def next_fault(self) -> Fault | None:
        """Return what goes wrong with the next mail."""
        self.attempts += 1
        if self.script:
            return self.script.popleft()
        if self._random.random() < self.fault_share:
            return self._random.choice(self.faults)
        return None

    def keep(self, envelope: Envelope, *, answered: bool) -> None:
        """Take a mail."""
        raw = envelope.original_content or b""
        header = BytesHeaderParser().parsebytes(raw[:65536])
        mail = SunkMail(
            message_id=str(header.get("Message-ID", "")).strip(),
            sender=(envelope.mail_from or "").removeprefix("<>"),  # aiosmtpd's null sender
            recipients=tuple(r for r in envelope.rcpt_tos if r),
            raw=raw,
            answered=answered,
            at=time.time(),
        )
        if self.log is None:
            self.mails.append(mail)
            return
        with self.log.open("a") as log:
            log.write(mail.line() + "\n")


class _Protocol(SMTP):
    """One connection to the sink; its own handler."""

    def __init__(self, sink: SmtpSink) -> None:
        super().__init__(
            self,
            hostname="sink.test",
            data_size_limit=sink.max_mail_bytes,
            enable_SMTPUTF8=True,
            tls_context=None if sink.implicit_tls else sink.tls,
            auth_require_tls=False,
            authenticator=self._check_login if sink.login else None,
            loop=asyncio.get_running_loop(),
        )
        self._sink = sink
        self._fault: Fault | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection."""
        self._sink.connections += 1
        self._sink._open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget a connection."""
        self._sink._open.discard(self)
        super().connection_lost(error)

    def drop(self) -> None:
        """End the connection without a word."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def _check_login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, login: LoginPassword
    ) -> AuthResult:
        given = (login.login.decode(), login.password.decode())
        # handled=False, or the client waits for an answer for ever.
        return AuthResult(success=given == self._sink.login, handled=False)

    async def _gone(self) -> str:
        self.drop()
        await asyncio.Event().wait()  # until connection_lost cancels this task
        return ""

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        """Take or refuse a sender."""
        self._fault = self._sink.next_fault()
        if self._fault is Fault.SLOW:
            await asyncio.sleep(self._sink.slow_seconds)
        if self._fault in _AT_MAIL:
            return _AT_MAIL[self._fault]
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if self._fault is Fault.DROP_AT_RCPT:
            return await self._gone()
        if self._fault is Fault.FIRST_RCPT_REFUSED:
            self._fault = None
            return _AT_RCPT[Fault.RCPT_REFUSED]
        if self._fault in _AT_RCPT:
            return _AT_RCPT[self._fault]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  # aiosmtpd's name
        """Answer DATA."""
        if self._fault is Fault.DROP_BEFORE_DATA:
            await self._gone()
        if self._fault in _AT_DATA:
            await self.push(_AT_DATA[self._fault])
            return
        await super().smtp_DATA(arg)

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take or lose a mail."""
        if self._fault in _AFTER_TEXT:
            return _AFTER_TEXT[self._fault]
        if self._fault is Fault.DROP_LOST:
            return await self._gone()
        if self._fault is Fault.DROP_DELIVERED:
            self._sink.keep(envelope, answered=False)
            return await self._gone()
        if self._fault is Fault.SILENT_DELIVERED:
            self._sink.keep(envelope, answered=False)
            await asyncio.Event().wait()
        self._sink.keep(envelope, answered=True)
        return "250 OK"


@contextlib.contextmanager
def sink_process(
    port: int, log: Path, *, fault_share: float = 0.0, seed: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """Run the sink as a process that ends with this one."""
    command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", sys.executable, "-m", __name__]
    options = {"--port": port, "--log": log, "--fault-share": fault_share, "--seed": seed}
    process = subprocess.Popen(  # noqa: S603  # our own arguments
        [*command, *(str(word) for option in options.items() for word in option)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the SMTP sink cannot listen on port {port}")
        yield process
    finally:
        process.kill()
        process.communicate()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed; prints one line when ready."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.smtp_sink", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="mails are appended as JSON lines")
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--faults", nargs="+", type=Fault, default=USUAL_FAULTS, choices=list(Fault)
    )
    options: dict[str, Any] = vars(parser.parse_args(arguments))
    sink = SmtpSink(**options)

    async def serve() -> None:
        server = await sink.listen()
        sys.stdout.write(f"listening on {HOST}:{sink.port}\n")
        sys.stdout.flush()
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()

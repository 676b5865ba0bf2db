"""One SMTP connection: connect, log in, envelope, mail. The only importer of aiosmtplib."""

from __future__ import annotations

import functools
import ipaddress
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, NoReturn

import aiosmtplib
from pydantic import SecretStr

from clients.smtp_errors import (
    SmtpAnswer,
    SmtpAuthFailed,
    SmtpInsecure,
    SmtpOutcomeUnknown,
    SmtpRefused,
    SmtpUnsent,
    SmtpUntrusted,
)

# What an address must not hold, lest it end or split a command.
_UNSAFE = re.compile(r"[\x00-\x20<>\x7f]")
_CLOSING = 421
_SEND_CONTENT = 354


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """Which server sends, and how to log in. Hashable; the password never shows in its repr.

    `mailbox` says whose mails they are: each has connections of its own, also where several send
    through one relay without a login, so that no mailbox's flood stands before another's mail.
    """

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    mailbox: str = ""


class SessionEnded(Exception):  # an event, and it never leaves these clients
    """The connection ended or fell silent before any octet of a mail was sent."""


class SmtpSession:
    """A logged-in connection. `mails` counts what it has sent, `idle_since` is the pool's."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self.mails = 0
        self.idle_since = 0.0
        self._client = client
        self._envelope_open = False

    @property
    def alive(self) -> bool:
        """Whether the connection has not ended, as far as this side knows."""
        return self._client.is_connected

    @classmethod
    async def open(
        cls, account: SmtpAccount, *, silence: timedelta, hello_name: str
    ) -> SmtpSession:
        """Return a connection that is logged in; every silence of the server is bounded.

        Raises SmtpUnsent (SmtpUntrusted, SmtpInsecure) or SmtpAuthFailed.
        """
        if account.tls == "none" and account.username and not _is_loopback(account.host):
            raise SmtpInsecure(
                f"refusing to log in at {account.host} without TLS: set tls to starttls (port 587)"
                " or implicit (port 465), plain logins are for this machine only"
            )
        client = aiosmtplib.SMTP(
            hostname=account.host,
            port=account.port,
            local_hostname=hello_name,
            timeout=silence.total_seconds(),
            use_tls=account.tls == "implicit",
            start_tls=account.tls == "starttls",
            tls_context=None if account.tls == "none" else _tls(account.ca_file),
        )
        session = cls(client)
        try:
            await session._connect(account)
            await session._log_in(account)
        except BaseException:
            client.close()
            raise
        return session

    async def _connect(self, account: SmtpAccount) -> None:
        try:
            await self._client.connect()
        except aiosmtplib.SMTPResponseException as error:
            answer = SmtpAnswer.of(error.code, error.message)
            raise SmtpUnsent(f"{account.host} takes no mail now", answer) from error
        except (OSError, UnicodeError, aiosmtplib.SMTPException) as error:
            where = f"{account.host}:{account.port}"
            if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
                raise SmtpUntrusted(f"TLS with {where} failed: {_words(error)}") from error
            if type(error) is aiosmtplib.SMTPException:
                # What it raises where STARTTLS is not offered: perhaps somebody took it out.
                raise SmtpUntrusted(f"{where}: {_words(error)}") from error
            raise SmtpUnsent(f"cannot reach the SMTP server: {_words(error)}") from error

    async def _log_in(self, account: SmtpAccount) -> None:
        if account.username is None:
            return
        password = account.password.get_secret_value() if account.password else ""
        try:
            await self._client.login(account.username, password)
        except aiosmtplib.SMTPResponseException as error:
            answer = SmtpAnswer.of(error.code, error.message)
            if answer.transient:
                raise SmtpUnsent("the login cannot be checked now", answer) from None
            # Without its cause, which holds what was sent.
            raise SmtpAuthFailed(f"the login of {account.username} is refused", answer) from None
        except OSError as error:
            raise SmtpUnsent(f"the connection ended at the login: {_words(error)}") from None
        except aiosmtplib.SMTPException as error:
            raise SmtpAuthFailed(f"{account.host}: {_words(error)}") from None

    async def envelope(
        self, sender: str, recipients: Sequence[str], size_bytes: int
    ) -> tuple[tuple[str, ...], dict[str, SmtpAnswer]]:
        """Name the sender and the recipients; return who is accepted, and who not and why.

        Raises SessionEnded, SmtpUnsent, SmtpRefused. Some recipients refused is no error here.
        """
        answer = await self._mail(sender, recipients, size_bytes)
        if not answer.positive:
            _raise_for(answer, "the server refuses the sender")
        self._envelope_open = True
        refused: dict[str, SmtpAnswer] = {}
        for recipient in recipients:
            answer = await self._rcpt(recipient)
            if not answer.positive:
                refused[recipient] = answer
        accepted = tuple(r for r in recipients if r not in refused)
        if not accepted:
            # One that is refused only for now keeps the mail alive.
            worst = sorted(refused.values(), key=lambda a: not a.transient)
            answer = worst[0] if worst else SmtpAnswer(554, "no recipients")
            _raise_for(answer, "the server refuses all recipients", refused)
        return accepted, refused

    async def try_sender(self, sender: str) -> SmtpAnswer:
        """Return what the server says to a sender; the envelope is taken back, nothing is sent.

        Raises SessionEnded or SmtpUnsent.
        """
        answer = await self._mail(sender, (), 0)
        self._envelope_open = answer.positive
        await self.reset()
        return answer

    async def _mail(self, sender: str, recipients: Sequence[str], size_bytes: int) -> SmtpAnswer:
        if self._client.is_ehlo_or_helo_needed:
            await self._greet()
        options = []
        if self._client.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % size_bytes)
        if self._client.supports_extension("smtputf8") and not all(
            map(str.isascii, (sender, *recipients))
        ):
            options.append(b"SMTPUTF8")
        return self._unusable(sender) or await self._ask(
            b"MAIL", b"FROM:<" + sender.encode() + b">", *options
        )

    async def _rcpt(self, recipient: str) -> SmtpAnswer:
        if not recipient:
            return SmtpAnswer(553, "5.1.3 an empty recipient")
        return self._unusable(recipient) or await self._ask(
            b"RCPT", b"TO:<" + recipient.encode() + b">"
        )

    def _unusable(self, address: str) -> SmtpAnswer | None:
        """Return the answer that we give for a server to an address that must not reach it."""
        if _UNSAFE.search(address):
            return SmtpAnswer(553, "5.1.3 an address without spaces, <, > and controls is needed")
        if not address.isascii() and not self._client.supports_extension("smtputf8"):
            return SmtpAnswer(553, "5.6.7 the server takes ASCII addresses only")
        return None

    async def _greet(self) -> None:
        try:
            try:
                await self._client.ehlo()
            except aiosmtplib.SMTPHeloError:
                await self._client.helo()  # a server from before 1995
        except (OSError, aiosmtplib.SMTPException) as error:
            self.close()
            raise SessionEnded(_words(error)) from error

    async def send(self, raw: bytes, *, final_answer: timedelta) -> SmtpAnswer:
        """Send a mail to the envelope's recipients; return the last, positive answer.

        Raises SmtpUnsent, SmtpRefused or, after the mail has left, SmtpOutcomeUnknown.
        """
        content = on_the_wire(raw)
        try:
            ready = await self._ask(b"DATA")
        except SessionEnded as error:
            raise SmtpUnsent(f"the connection ended before the mail: {error}") from error
        if ready.code != _SEND_CONTENT:
            _raise_for(ready, "the server takes no mail now")
        answer = await self._content(content, final_answer)
        self._envelope_open = False
        if not answer.positive:
            _raise_for(answer, "the server does not accept the mail")
        self.mails += 1
        return answer

    async def _content(self, content: bytes, final_answer: timedelta) -> SmtpAnswer:
        protocol = self._client.protocol
        if protocol is None:
            raise SmtpUnsent("the connection ended before the mail")
        try:
            protocol.write(content)
            response = await protocol.read_response(timeout=final_answer.total_seconds())
        except BaseException as error:
            # Also after a cancel: the answer to this mail must not be read as one to the next.
            self.close()
            if not isinstance(error, OSError | aiosmtplib.SMTPException):
                raise
            reason = f"no last word after the mail was sent: {_words(error)}"
            raise SmtpOutcomeUnknown(reason) from error
        answer = SmtpAnswer.of(response.code, response.message)
        if not (answer.positive or 400 <= answer.code < 600):
            self.close()
            raise SmtpOutcomeUnknown("a senseless last word after the mail was sent", answer)
        return answer

    async def _ask(self, *words: bytes) -> SmtpAnswer:
        try:
            response = await self._client.execute_command(*words)
        except (OSError, aiosmtplib.SMTPException) as error:
            self.close()
            raise SessionEnded(_words(error)) from error
        except BaseException:
            self.close()
            raise
        answer = SmtpAnswer.of(response.code, response.message)
        if answer.code == _CLOSING:
            raise SessionEnded(str(answer))
        return answer

    async def reset(self) -> None:
        """Take an open envelope back; where that fails, the connection is closed."""
        if not self._envelope_open or not self.alive:
            return
        try:
            await self._ask(b"RSET")
        except SessionEnded:
            self.close()
        self._envelope_open = False

    def leave(self) -> None:
        """Say goodbye without waiting for the answer."""
        if self._client.protocol is not None and self.alive:
            self._client.protocol.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        self._client.close()


def on_the_wire(raw: bytes) -> bytes:
    """Return a mail with CRLF line ends, dots doubled and the final dot (RFC 5321, 4.5.2)."""
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    stuffed = lines.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


def _words(error: BaseException) -> str:
    return SmtpAnswer.of(0, str(error) or type(error).__name__).text


def _raise_for(
    answer: SmtpAnswer, reason: str, refused: dict[str, SmtpAnswer] | None = None
) -> NoReturn:
    # Anything but 4xx is final: who answers nonsense here does so again (RFC 5321, 4.2.1).
    kind = SmtpUnsent if answer.transient else SmtpRefused
    raise kind(reason, answer, refused)


@functools.lru_cache(maxsize=64)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    # Reading the system's certificates takes 20 ms; once is enough.
    return ssl.create_default_context(cafile=ca_file)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

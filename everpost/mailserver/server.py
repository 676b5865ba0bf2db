"""The demo mail server's parts put together: users, SMTP and IMAP over one journal."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.imap import IMAPServer
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from everpost.mailserver.journal import MailJournal, NewMail
from everpost.mailserver.mailboxes import JournalMailboxes

USERS = (
    "support@everpost.test",
    "leads@everpost.test",
    "first@customer.test",
    "second@customer.test",
)
PASSWORD = "demo"  # noqa: S105  # of the demo, and printed in the README
MAX_MAIL_BYTES = 25 * 1024 * 1024
MAX_RECIPIENTS = 100
NULL_SENDER = "<>"  # aiosmtpd's word for it; it takes "" for no sender at all
MAX_ADDRESS_LENGTH = 254  # RFC 5321, 4.5.3.1.3


class PortTaken(Exception):  # named for what happened
    """A port is in use; the text says which and what to do."""

    def __init__(self, what: str, host: str, port: int, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        super().__init__(
            f"the demo mail server cannot listen for {what} on {host}:{port} ({reason.lower()}): "
            "stop what uses the port, or choose another"
        )


class _ImapConfig(Config):
    """pymap's settings for a server without TLS, whose passwords are no secrets."""

    def __init__(self) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            demo_data=False,
            demo_user="",
            demo_password="",
            host=None,
            port=0,
            tls_enabled=False,
            reject_dnsbl=False,
            hash_context=Cleartext(),
            max_append_len=MAX_MAIL_BYTES,
        )

    @property
    def greeting(self) -> bytes:
        """What IMAP clients are greeted with; pymap's own looks the host's name up in DNS."""
        return b"Everpost demo mail server ready."


class DemoMailServer:
    """Mail of a few fixed users, in by SMTP, out by IMAP."""

    def __init__(self, home: Path) -> None:
        self._config = _ImapConfig()
        # pymap finds its locks and events in this context.
        self._config.apply_context()
        self._journal = MailJournal(home / "mail.sqlite")
        self._login = Login(self._config)
        self._boxes = {user: JournalMailboxes(self._journal, user) for user in USERS}
        for user, boxes in self._boxes.items():
            self._login.users_dict[user] = UserMetadata(self._config, user, password=PASSWORD)
            self._config.set_cache[user] = (boxes, FilterSet())
        self._servers: list[asyncio.Server] = []

    async def start(self, host: str, smtp_port: int, imap_port: int) -> None:
        """Listen; raises PortTaken."""
        loop = asyncio.get_running_loop()
        imap = IMAPServer(self._login, self._config)

        async def serve_imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await imap(reader, writer, SocketInfoLocal(writer))

        try:
            self._servers.append(await loop.create_server(lambda: _Smtp(self), host, smtp_port))
        except OSError as error:
            raise PortTaken("SMTP", host, smtp_port, error) from error
        try:
            self._servers.append(await asyncio.start_server(serve_imap, host, imap_port))
        except OSError as error:
            await self.close()
            raise PortTaken("IMAP", host, imap_port, error) from error

    async def close(self) -> None:
        """Listen no more, and close the journal: what was accepted is on disk."""
        for server in self._servers:
            server.close()
        self._journal.close()

    def user_of(self, address: str) -> str | None:
        """Return whose mail an address is, its "+anything" left out, or None."""
        local, _, domain = address.lower().rpartition("@")
        user = f"{local.partition('+')[0]}@{domain}"
        return user if user in self._boxes else None

    def may_log_in(self, user: str, password: str) -> bool:
        """Whether this is a user with the right password."""
        return user in self._boxes and password == PASSWORD

    def deliver(self, sender: str, recipients: Iterable[str], raw: bytes) -> None:
        """Put a mail into each recipient's INBOX, on disk before this returns."""
        now = datetime.now(UTC)
        first_address = {self.user_of(address): address for address in reversed(list(recipients))}
        mails = [
            (box, NewMail(box.folder_id, _trace(sender, address, now) + raw, now))
            for user, address in first_address.items()
            if user is not None and (box := self._boxes[user].inbox)
        ]
        uids = self._journal.add([mail for _, mail in mails])
        for uid, (box, mail) in zip(uids, mails, strict=True):
            box.show(uid, mail)


def _trace(sender: str, recipient: str, now: datetime) -> bytes:
    """Return the header lines that final delivery puts first (RFC 5321, 4.4)."""
    lines = (
        f"Return-Path: <{sender}>",
        f"Delivered-To: {recipient}",
        f"Received: by demo.everpost.test with ESMTP; {format_datetime(now)}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


class _Smtp(SMTP):
    """One SMTP connection; its own handler."""

    def __init__(self, server: DemoMailServer) -> None:
        super().__init__(
            self,
            hostname="demo.everpost.test",
            ident="Everpost demo mail server",
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            authenticator=self._check_login,
            loop=asyncio.get_running_loop(),
        )
        self._mail = server

    def _check_login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, login: LoginPassword
    ) -> AuthResult:
        user, password = (word.decode("utf-8", "replace") for word in login)
        # handled=False, or the client waits for an answer for ever.
        return AuthResult(success=self._mail.may_log_in(user.lower(), password), handled=False)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str | None,
        options: Sequence[str],
    ) -> str:
        """Take any sender that is an address."""
        sender = address or NULL_SENDER
        if len(sender) > MAX_ADDRESS_LENGTH or not sender.isprintable():
            return "501 5.1.7 the sender's address is malformed"
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: Sequence[str],
    ) -> str:
        """Take the users of this server, nobody else."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if len(address) > MAX_ADDRESS_LENGTH or not address.isprintable():
            return "501 5.1.3 the recipient's address is malformed"
        if self._mail.user_of(address) is None:
            return "550 5.1.1 no such user on the demo mail server"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Deliver a mail."""
        raw: bytes = envelope.original_content or b""
        sender = (envelope.mail_from or "").removeprefix(NULL_SENDER)
        self._mail.deliver(sender, filter(None, envelope.rcpt_tos), raw)
        return "250 2.0.0 delivered"

    async def handle_exception(self, error: Exception) -> str:
        """Answer a failure of ours, such as a full disk, so that the sender tries again."""
        return f"451 4.3.0 not now: {type(error).__name__}"

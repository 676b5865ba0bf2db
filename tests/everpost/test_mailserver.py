"""The demo mail server as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from clients.imap import ImapAccount, ImapAuthFailed, ImapConnection
from tests.servers.ports import free_port

HOST = "127.0.0.1"
SUPPORT = "support@everpost.test"
CUSTOMER = "first@customer.test"
PASSWORD = "demo"
SOON = timedelta(seconds=10)


@dataclass(slots=True)
class DemoServer:
    """A running demo mail server."""

    home: Path
    smtp_port: int = field(default_factory=free_port)
    imap_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        ports = ["--smtp-port", str(self.smtp_port), "--imap-port", str(self.imap_port)]
        self.process = subprocess.Popen(  # noqa: S603  # our own arguments
            [sys.executable, "-m", "everpost.mailserver", "--home", str(self.home), *ports],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def ready(self) -> None:
        process = self.start()
        assert process.stdout is not None
        assert "IMAP" in process.stdout.readline()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def send(self, raw: bytes, *to: str, sender: str = CUSTOMER) -> None:
        with smtplib.SMTP(HOST, self.smtp_port, timeout=10) as smtp:
            smtp.sendmail(sender, to or (SUPPORT,), raw)

    def account(self, user: str = SUPPORT, password: str = PASSWORD) -> ImapAccount:
        return ImapAccount(HOST, self.imap_port, "none", user, SecretStr(password))

    @contextlib.contextmanager
    def session(self, user: str = SUPPORT) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4(HOST, self.imap_port, timeout=10) as client:
            client.login(user, PASSWORD)
            client.select("INBOX")
            yield client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DemoServer]:
    running = DemoServer(tmp_path / "mail")
    running.ready()
    yield running
    running.kill()


def a_mail(number: int, body: bytes = b"hello\r\n") -> bytes:
    return b"Message-ID: <m%d@test>\r\nSubject: mail %d\r\n\r\n" % (number, number) + body


async def mails_of(server: DemoServer, user: str = SUPPORT) -> dict[int, bytes]:
    connection = await ImapConnection.open(server.account(user))
    await connection.select("INBOX")
    mails = await connection.fetch(await connection.uids())
    await connection.close()
    return mails


@pytest.mark.parametrize("user", [SUPPORT, "leads@everpost.test", CUSTOMER, "second@customer.test"])
async def test_each_user_gets_mail_with_the_envelope_noted_in_it(
    server: DemoServer, user: str
) -> None:
    server.send(a_mail(1), user, sender="leads@everpost.test")
    (mail,) = (await mails_of(server, user)).values()
    assert mail.startswith(b"Return-Path: <leads@everpost.test>\r\nDelivered-To: " + user.encode())
    assert mail.endswith(a_mail(1))


async def test_plus_addresses_reach_their_user_once_for_a_mail(server: DemoServer) -> None:
    server.send(a_mail(1), "Support+c1-token@Everpost.TEST", "support+x@everpost.test", CUSTOMER)
    (mail,) = (await mails_of(server)).values()
    assert b"Delivered-To: Support+c1-token@Everpost.TEST\r\n" in mail
    assert len(await mails_of(server, CUSTOMER)) == 1


async def test_the_null_sender_stays_null(server: DemoServer) -> None:
    server.send(a_mail(1), sender="")
    (mail,) = (await mails_of(server)).values()
    assert mail.startswith(b"Return-Path: <>\r\n")


def test_strangers_are_refused(server: DemoServer) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        server.send(a_mail(1), "nobody@everpost.test", "support@elsewhere.test")
    assert {code for code, _ in caught.value.recipients.values()} == {550}


def test_a_mail_that_is_too_large_is_refused(server: DemoServer) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        server.send(a_mail(1) + b"x" * 26 * 1024 * 1024)
    assert caught.value.smtp_code == 552


def test_a_sender_may_log_in_and_only_with_the_right_password(server: DemoServer) -> None:
    with smtplib.SMTP(HOST, server.smtp_port, timeout=10) as smtp:
        smtp.login(SUPPORT, PASSWORD)
    with smtplib.SMTP(HOST, server.smtp_port, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(SUPPORT, "wrong")
        assert smtp.noop()[0] == 250


async def test_a_wrong_password_opens_no_mailbox(server: DemoServer) -> None:
    with pytest.raises(ImapAuthFailed):
        await ImapConnection.open(server.account(password="wrong"))


async def test_mail_is_pushed_to_who_waits(server: DemoServer) -> None:
    connection = await ImapConnection.open(server.account())
    await connection.select("INBOX")
    for number in range(1, 4):
        waiting = asyncio.create_task(connection.wait(SOON))
        await asyncio.to_thread(server.send, a_mail(number))
        assert await waiting
        assert len(await connection.uids()) == number
    await connection.close()


async def test_a_kill_loses_no_accepted_mail_and_keeps_uids_and_flags(server: DemoServer) -> None:
    for number in range(1, 21):
        server.send(a_mail(number))
    connection = await ImapConnection.open(server.account())
    before = await connection.select("INBOX")
    assert await connection.append("Sent", a_mail(99), create=True) == 1
    sent = await connection.select("Sent")
    mails = await mails_of(server)
    with server.session() as client:
        client.uid("STORE", "3", "+FLAGS", "(\\Seen Everpost)")
        client.uid("STORE", "20", "+FLAGS", "(\\Deleted)")
        client.expunge()
    server.kill()
    server.ready()
    again = await ImapConnection.open(server.account())
    after = await again.select("INBOX")
    assert (after.uidvalidity, after.uidnext, after.exists) == (before.uidvalidity, 21, 19)
    assert (await again.select("Sent")).uidvalidity == sent.uidvalidity
    assert await mails_of(server) == {uid: raw for uid, raw in mails.items() if uid != 20}
    with server.session() as client:
        assert client.uid("SEARCH", "SEEN", "KEYWORD", "Everpost")[1] == [b"3"]
    await again.close()


async def test_a_folder_that_is_made_again_has_another_uidvalidity(server: DemoServer) -> None:
    with server.session() as client:
        client.create("Work")
        first = client.status("Work", "(UIDVALIDITY)")[1]
        client.delete("Work")
        client.create("Work")
        assert client.status("Work", "(UIDVALIDITY)")[1] != first
        assert client.rename("Work", "Done")[0] == "OK"
        assert client.copy("1:*", "Work")[0] == "NO"


async def test_mails_are_copied_moved_and_read_in_parts(server: DemoServer) -> None:
    server.send(a_mail(1))
    with server.session() as client:
        client.create("Done")
        client.uid("COPY", "1", "Done")
        client.uid("MOVE", "1", "Done")
        assert client.uid("SEARCH", "ALL")[1] == [b""]
        client.select("Done")
        assert client.uid("SEARCH", "SUBJECT", "mail")[1] == [b"1 2"]
        _, (header, *_) = client.uid("FETCH", "2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert isinstance(header, tuple)
        assert header[1] == b"Subject: mail 1\r\n\r\n"


async def test_five_hundred_mails_come_through_unchanged(server: DemoServer) -> None:
    with smtplib.SMTP(HOST, server.smtp_port, timeout=10) as smtp:
        for number in range(1, 501):
            smtp.sendmail(CUSTOMER, [SUPPORT], a_mail(number, b"* OK ( {3}\r\n" * 50))
    mails = await mails_of(server)
    assert sorted(mails) == list(range(1, 501))
    assert all(mails[n].endswith(a_mail(n, b"* OK ( {3}\r\n" * 50)) for n in mails)


def test_sigterm_ends_it_cleanly_while_clients_are_connected(server: DemoServer) -> None:
    with server.session(), smtplib.SMTP(HOST, server.smtp_port, timeout=10):
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=2) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


@pytest.mark.parametrize("taken", ["smtp_port", "imap_port", "home"])
def test_what_is_taken_is_told_in_one_sentence(
    server: DemoServer, tmp_path: Path, taken: str
) -> None:
    second = DemoServer(tmp_path / "other")
    setattr(second, taken, getattr(server, taken))
    process = second.start()
    _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert str(getattr(server, taken)) in said


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    process = DemoServer(tmp_path / "file").start()
    _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "choose a folder" in said

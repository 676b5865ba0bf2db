"""The test of a mailbox's servers names the step that fails, and what to do about it."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clients.imap import ImapAccount
from clients.smtp import SmtpAccount
from ledgers.mailboxes import connection_advice, connection_test
from ledgers.mailboxes.accounts import Account
from ledgers.mailboxes.connection_test import Step, StepName
from store.mailboxes import AfterHandling
from tests.servers.certificate import write_certificate
from tests.servers.fixtures import Mailbox
from tests.servers.ports import free_port
from tests.servers.smtp_sink import Fault, SmtpSink

HOST = "127.0.0.1"
ADDRESS = "support@everpost.test"
PASSWORD = "s3cret-of-the-mailbox"
BRIEFLY = timedelta(seconds=0.5)


def account_of(dovecot: Mailbox, sink: SmtpSink, **changed: Any) -> Account:  # Any: any field
    """Return a mailbox on both servers that works, but for what is changed."""
    account = Account(
        tenant="default",
        mailbox_id="",
        address=ADDRESS,
        name="Support",
        active=False,
        folder="INBOX",
        sent_folder="Sent",
        plus_addressing=False,
        replies_per_day=20,
        subject_token=False,
        after_handling=AfterHandling.LEAVE,
        after_folder=None,
        sends_per_minute=None,
        intake_per_minute=None,
        authserv_id=None,
        alerts_to=(),
        imap=by_tls(dovecot),
        smtp=SmtpAccount(HOST, sink.port, "none"),
    )
    return dataclasses.replace(account, **changed)


def by_tls(dovecot: Mailbox, **changed: Any) -> ImapAccount:  # Any: any field
    server = dovecot.server
    account = dataclasses.replace(
        dovecot.account, tls="implicit", port=server.tls_port, ca_file=server.ca_file
    )
    return dataclasses.replace(account, **changed)


async def steps(account: Account, protocol: str, limit: timedelta | None = None) -> list[Step]:
    found = await connection_test.check(account, limit=limit or timedelta(seconds=10))
    assert PASSWORD not in repr(found)
    return [step for step in found if step.protocol == protocol]


async def the_failed(account: Account, protocol: str, limit: timedelta | None = None) -> Step:
    """Return the step that failed: the last one, and all before it went well."""
    *before, last = await steps(account, protocol, limit)
    assert all(step.ok and step.what_to_do is None for step in before)
    assert not last.ok
    assert last.what_to_do
    return last


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_a_mailbox_that_works_passes_every_step_and_is_left_as_it_was(
    dovecot: Mailbox, smtp_sink: SmtpSink, tls: Any
) -> None:
    dovecot.deliver(b"Subject: one\r\n\r\nhello\r\n")
    port = dovecot.server.tls_port if tls == "implicit" else dovecot.server.port
    imap = by_tls(dovecot, tls=tls, port=port)
    account = account_of(dovecot, smtp_sink, imap=imap, after_folder="Sent")
    found = await connection_test.check(account)
    assert all(step.ok for step in found), found
    names = [step.step for step in found if step.protocol == "imap"]
    protected = [StepName.TLS] if tls != "none" else []
    assert names == [
        StepName.DNS,
        StepName.TCP,
        *protected,
        StepName.LOGIN,
        StepName.FOLDER,
        StepName.SENT_FOLDER,
        StepName.AFTER_FOLDER,
        StepName.CAPABILITIES,
    ]
    assert [s.step for s in found if s.protocol == "smtp"] == ["dns", "tcp", "sender"]
    assert "IDLE" in found[len(names) - 1].detail
    assert "keywords" in found[len(names) - 1].detail
    assert not smtp_sink.mails
    with dovecot.server.session(dovecot.user) as other:
        other.select("INBOX", readonly=True)
        assert other.uid("SEARCH", "SEEN")[1] == [b""]


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
async def test_a_host_that_is_not_there_fails_at_dns(
    dovecot: Mailbox, smtp_sink: SmtpSink, protocol: str
) -> None:
    known = account_of(dovecot, smtp_sink)
    server = dataclasses.replace(getattr(known, protocol), host="imap.everpost.invalid")
    failed = await the_failed(dataclasses.replace(known, **{protocol: server}), protocol)
    assert failed.step is StepName.DNS
    assert "imap.everpost.invalid" in (failed.what_to_do or "")


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
async def test_a_port_where_nobody_listens_fails_at_tcp(
    dovecot: Mailbox, smtp_sink: SmtpSink, protocol: str
) -> None:
    known = account_of(dovecot, smtp_sink)
    server = dataclasses.replace(getattr(known, protocol), port=free_port())
    failed = await the_failed(dataclasses.replace(known, **{protocol: server}), protocol)
    assert failed.step is StepName.TCP
    assert "port" in (failed.what_to_do or "")


async def test_implicit_tls_on_the_port_of_starttls_fails_at_tls_and_says_so(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    imap = by_tls(dovecot, port=dovecot.server.port)
    failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap")
    assert failed.step is StepName.TLS
    assert "starttls" in (failed.what_to_do or "")


async def test_starttls_on_the_port_of_implicit_tls_fails_at_the_greeting_and_says_so(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    imap = by_tls(dovecot, tls="starttls")
    failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap", BRIEFLY)
    assert failed.step is StepName.GREETING
    assert "implicit" in (failed.what_to_do or "")


async def test_a_server_that_hangs_up_at_the_login_fails_there(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(greet, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        imap = by_tls(dovecot, tls="none", port=port)
        failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap", BRIEFLY)
    assert failed.step is StepName.LOGIN
    assert "password" in (failed.what_to_do or "")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_self_signed_certificate_fails_at_tls(
    dovecot: Mailbox, smtp_sink: SmtpSink, tls: Any
) -> None:
    port = dovecot.server.tls_port if tls == "implicit" else dovecot.server.port
    imap = by_tls(dovecot, tls=tls, port=port, ca_file=None)
    failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap")
    assert failed.step is StepName.TLS
    assert "authority" in (failed.what_to_do or "")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_self_signed_certificate_of_the_sending_server_fails_at_tls(
    dovecot: Mailbox, smtp_sink: SmtpSink, tmp_path: Path, tls: Any
) -> None:
    write_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with SmtpSink(tls=context, implicit_tls=tls == "implicit") as sink:
        smtp = SmtpAccount(HOST, sink.port, tls)
        failed = await the_failed(account_of(dovecot, smtp_sink, smtp=smtp), "smtp")
    assert failed.step is StepName.TLS
    assert "authority" in (failed.what_to_do or "")


async def test_a_wrong_password_fails_at_the_login(dovecot: Mailbox, smtp_sink: SmtpSink) -> None:
    imap = by_tls(dovecot, password=SecretStr(PASSWORD))
    failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap")
    assert failed.step is StepName.LOGIN
    assert "password" in (failed.what_to_do or "")


@pytest.mark.parametrize(
    ("setting", "step"), [("folder", StepName.FOLDER), ("sent_folder", StepName.SENT_FOLDER)]
)
async def test_a_missing_folder_fails_and_those_that_are_there_are_named(
    dovecot: Mailbox, smtp_sink: SmtpSink, setting: str, step: StepName
) -> None:
    account = account_of(dovecot, smtp_sink, **{setting: "Gesendet"})
    failed = await the_failed(account, "imap")
    assert failed.step is step
    assert "INBOX, Sent" in (failed.what_to_do or "")


async def test_a_wrong_password_of_the_sending_server_fails_at_its_login(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    with SmtpSink(login=("user", "right")) as sink:
        smtp = SmtpAccount(HOST, sink.port, "none", "user", SecretStr(PASSWORD))
        failed = await the_failed(account_of(dovecot, smtp_sink, smtp=smtp), "smtp")
    assert failed.step is StepName.LOGIN
    assert "535" in failed.detail


async def test_a_sender_that_may_not_send_fails_at_the_sender(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script.append(Fault.MAIL_REFUSED)
    failed = await the_failed(account_of(dovecot, smtp_sink), "smtp")
    assert failed.step is StepName.SENDER
    assert "550 5.7.1" in failed.detail
    assert ADDRESS in (failed.what_to_do or "")


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
async def test_another_kind_of_server_is_named_and_not_quoted(
    dovecot: Mailbox, smtp_sink: SmtpSink, protocol: str
) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 internal-secret-name\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(serve, HOST, 0)
    known = account_of(dovecot, smtp_sink)
    async with other:
        port = other.sockets[0].getsockname()[1]
        server = dataclasses.replace(getattr(known, protocol), port=port, tls="none")
        account = dataclasses.replace(known, **{protocol: server})
        failed = await the_failed(account, protocol, BRIEFLY)
    assert failed.step is StepName.GREETING
    assert "internal-secret-name" not in repr(failed)


async def test_a_server_that_repeats_the_password_does_not_get_it_shown(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        while line := await reader.readline():
            tag, _, rest = line.partition(b" ")
            writer.write(tag + b" NO I do not like " + rest)
        writer.close()

    parrot = await asyncio.start_server(serve, HOST, 0)
    async with parrot:
        port = parrot.sockets[0].getsockname()[1]
        imap = ImapAccount(HOST, port, "none", "somebody", SecretStr(PASSWORD))
        failed = await the_failed(account_of(dovecot, smtp_sink, imap=imap), "imap")
    assert failed.step is StepName.LOGIN
    assert PASSWORD not in repr(failed)


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("imap.gmail.com", "app password"),
        ("outlook.office365.com", "not supported yet"),
        ("imap.example.com", "user name"),
    ],
)
def test_what_to_do_about_a_refused_login_fits_the_provider(host: str, word: str) -> None:
    assert word in connection_advice.for_login(host, "NO")


@pytest.mark.parametrize(
    ("code", "word"), [(62, "another name"), (10, "expired"), (18, "authority"), (1, "Ask")]
)
def test_what_to_do_about_a_certificate_fits_what_is_wrong_with_it(code: int, word: str) -> None:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code = code
    assert word in connection_advice.for_tls(error, "IMAP", "imap.example.com", 993, "implicit")


async def test_a_missing_sent_folder_does_not_hide_that_the_watched_one_can_be_opened(
    dovecot: Mailbox, smtp_sink: SmtpSink
) -> None:
    *before, last = await steps(account_of(dovecot, smtp_sink, sent_folder="Gesendet"), "imap")
    assert (before[-1].step, before[-1].ok) == (StepName.FOLDER, True)
    assert last.step is StepName.SENT_FOLDER


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
@pytest.mark.parametrize("protocol", ["imap", "smtp"])
async def test_a_port_that_takes_connections_and_says_nothing_fails_within_one_limit(
    dovecot: Mailbox, smtp_sink: SmtpSink, protocol: str, tls: Any
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(serve, HOST, 0)
    known = account_of(dovecot, smtp_sink)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        server = dataclasses.replace(getattr(known, protocol), port=port, tls=tls)
        account = dataclasses.replace(known, **{protocol: server})
        failed = await the_failed(account, protocol, BRIEFLY)
    assert failed.step is StepName.GREETING
